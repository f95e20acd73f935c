package hotline_test

import (
	"slices"
	"strings"
	"testing"

	. "example.org/hotline/hotline"
)

// TestLadderRefusesRotasWithoutAnybody: what would wake nobody, or nobody knows
// whom, is refused when the ladder is signed (SPEC §4.7).
func TestLadderRefusesRotasWithoutAnybody(t *testing.T) {
	w := newWorld()
	for name, c := range map[string]struct {
		change func(*Ladder)
		want   string
	}{
		"hole at the end":      {func(l *Ladder) { l.Rotas[0].Watches = l.Rotas[0].Watches[:2] }, "its watches are 75 minutes, the ladder's time 120"},
		"too long":             {func(l *Ladder) { l.Rotas[0].Watches[0].Minutes++ }, "its watches are 121 minutes"},
		"longer than all":      {func(l *Ladder) { l.Rotas[0].Watches[0].Minutes = 1 << 63 }, "watch 1 has no length"},
		"empty watch":          {func(l *Ladder) { l.Rotas[0].Watches[0].Minutes = 0 }, "watch 1 has no length"},
		"nobody":               {func(l *Ladder) { l.Rotas[0].Watches[2].People = 0 }, "watch 3 has no length, or nobody"},
		"a bit too much":       {func(l *Ladder) { l.Rotas[0].Watches[2].People = 4 }, "watch 3 has no length, or nobody"},
		"no watches":           {func(l *Ladder) { l.Rotas[0].Watches = nil }, "2 people and 0 watches"},
		"no zone":              {func(l *Ladder) { l.Rotas[0].Zone = "" }, "names no time zone"},
		"somebody twice":       {func(l *Ladder) { l.Rotas[0].People[1] = "XA-L1" }, "stands there twice"},
		"no name":              {func(l *Ladder) { l.Rotas[0].Name = "Desk" }, "no name of a rota"},
		"out of order":         {func(l *Ladder) { l.Rotas = append(l.Rotas, l.Rotas[0]) }, "does not come after"},
		"rotas without a time": {func(l *Ladder) { l.From, l.Until = 0, 0 }, "whole minutes"},
		"a time without rotas": {func(l *Ladder) { l.Rotas = nil }, "0 rotas"},
		"not to the minute":    {func(l *Ladder) { l.Until++ }, "whole minutes"},
		"backwards":            {func(l *Ladder) { l.From, l.Until = l.Until, l.From }, "whole minutes"},
		"for years":            {func(l *Ladder) { l.Until += Time(MaxRotaSpan.Milliseconds()) }, "at most 366 days"},
		"no such rota":         {func(l *Ladder) { l.Receiving[0].Targets = []string{"night"} }, `"night" is no officer's role name and no rota`},
		"nobody reaches A1":    {func(l *Ladder) { l.Contacts = l.Contacts[1:] }, "XA-A1 has no channel"},
		"no channels":          {func(l *Ladder) { l.Contacts[0].Channels = nil }, "XA-A1 has 0 channels"},
		"one channel twice":    {func(l *Ladder) { l.Contacts[0].Channels = []string{"sms", "sms"} }, "stands there twice"},
		"contacts unsorted":    {func(l *Ladder) { slices.Reverse(l.Contacts) }, "contact 2"},
		"repeats without end":  {func(l *Ladder) { l.Receiving[0].Repeat = MinRepeat - 1 }, "repeats after 9 permille"},
		"a crowd": {func(l *Ladder) {
			for _, n := range "ABCDEFGHIJKLMNO" {
				l.Receiving[0].Targets = append(l.Receiving[0].Targets, "XA-"+string(n))
			}
		}, "17 people stand on it, at most 16"},
	} {
		l := w.a.Watches(1, at)
		c.change(l)
		err := l.Validate()
		wantCode(t, name, err, CodeLadder)
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestRotaSaysWhoIsOnCall: at each minute those of the watch, and everybody of the rota where nobody wrote down who:
// a forgotten ladder wakes too many, never none (SPEC §6.5).
func TestRotaSaysWhoIsOnCall(t *testing.T) {
	w := newWorld()
	l := w.a.Watches(1, at)
	const minute = 60_000
	for _, c := range []struct {
		at   Time
		want string
	}{
		{l.From - 1, "XA-L1 XA-L2"}, {l.From, "XA-L1"}, {l.From + 60*minute - 1, "XA-L1"}, {l.From + 60*minute, "XA-L1 XA-L2"},
		{l.From + 75*minute - 1, "XA-L1 XA-L2"}, {l.From + 75*minute, "XA-L2"}, {l.Until - 1, "XA-L2"}, {l.Until, "XA-L1 XA-L2"},
		{1<<63 - 1, "XA-L1 XA-L2"}, {0, "XA-L1 XA-L2"},
	} {
		if got := strings.Join(l.OnCall([]string{"desk"}, c.at), " "); got != c.want {
			t.Errorf("at %d: %s, want %s", c.at-l.From, got, c.want)
		}
	}
	if got := l.OnCall([]string{"XA-L1", "desk", "XA-A1", "night"}, l.From); !slices.Equal(got, []string{"XA-L1", "XA-A1"}) {
		t.Errorf("everybody is named once, and a rota that is not there is nobody: %v", got)
	}
	if got := l.Channels("XA-A1"); !slices.Equal(got, []string{"sms", "mail"}) || l.Channels("XA-Z1") != nil {
		t.Errorf("channels %v", got)
	}
}
