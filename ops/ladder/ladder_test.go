package ladder_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/ops/ladder"
)

var update = flag.Bool("update", false, "rewrite the expected faults in testdata/bad, which somebody then reads")

// now is a minute of the world of the tests: a Monday in winter.
var now = at("2027-02-08 09:00")

func at(s string) hotline.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return hotline.Time(t.UnixMilli())
}

// setting has a directory in which XA-O2 is revoked and XA-O1's key ends after 70 days, and the crisis terms.
func setting() ladder.Setting {
	page := hotlinetest.NewParty("XA", "ladder").Page(1)
	for i := range page.Officers {
		o := &page.Officers[i]
		o.From, o.Until = now-1, now+400*24*3600_000
		switch o.Name {
		case "XA-O1":
			o.Until = now + 70*24*3600_000
		case "XA-O2":
			o.Revoked = now - 1
		}
	}
	terms := hotlinetest.Terms("crisis")
	return ladder.Setting{Now: now, Directory: page, Terms: &terms}
}

// TestBadLaddersAreRefusedWithTheirLine: what would wake nobody, or the wrong one, is found when the file is read, with its line
// and in words of its own, and not at night. The first line of each file says what is expected.
func TestBadLaddersAreRefusedWithTheirLine(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d bad ladders, %v", len(files), err)
	}
	told := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, rest, _ := strings.Cut(string(text), "\n")
		_, err = ladder.Compile(text, setting())
		var faults ladder.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: accepted, or without a line: %v", name, err)
			continue
		}
		if *update {
			if err := os.WriteFile(name, []byte("# "+err.Error()+"\n"+rest), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if want := strings.TrimPrefix(first, "# "); err.Error() != want {
			t.Errorf("%s:\n got %s\nwant %s", name, err, want)
		}
		for _, f := range faults {
			if f.Line < 1 || f.Line > strings.Count(string(text), "\n")+1 {
				t.Errorf("%s: line %d", name, f.Line)
			}
		}
		if other, ok := told[err.Error()]; ok {
			t.Errorf("%s says the same as %s", name, other)
		}
		told[err.Error()] = name
	}
}

// TestExampleIsGood: the example that is shipped means what it says, and its rota holds over a whole winter's changes of clocks.
func TestExampleIsGood(t *testing.T) {
	text, err := os.ReadFile("../deploy/ladder.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	in := setting()
	in.Now = at("2026-12-01 09:00")
	for i := range in.Directory.Officers {
		o := &in.Directory.Officers[i]
		o.From, o.Until, o.Revoked = 1, in.Now+400*24*3600_000, 0
		if o.Name == "XA-L2" {
			third := *o
			third.Name = "XA-L3"
			in.Directory.Officers = append(in.Directory.Officers, third)
		}
	}
	l, err := ladder.Compile(text, in)
	if err != nil {
		t.Fatal(err)
	}
	l.Number = 1
	if err := l.Validate(); err != nil {
		t.Error(err)
	}
	if l.From != in.Now || l.Until != in.Now+ladder.DefaultDays*24*3600_000 {
		t.Errorf("from %d until %d", l.From, l.Until)
	}
	for when, want := range map[string]string{
		"2026-12-01 17:59": "XA-L1",       // 18:59 in Zurich, week 1
		"2026-12-01 18:00": "XA-L1 XA-L2", // handover
		"2026-12-01 18:15": "XA-L2",       //
		"2026-12-07 06:00": "XA-L2",       // week 2 begins with who had the night
		"2026-12-24 17:59": "XA-L2",       // by day in week 2
		"2026-12-24 20:00": "XA-L3",       // covers the night of 24 December for XA-L1
		"2026-12-25 20:00": "XA-L1",       //
		"2027-06-01 00:00": "everybody",   // nobody renewed it
		"2026-11-30 00:00": "everybody",   // nor was it in force
	} {
		if want == "everybody" {
			want = "XA-L1 XA-L2 XA-L3"
		}
		if got := strings.Join(l.OnCall([]string{"desk"}, at(when)), " "); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
}

// TestDelaysAreTheirPartsOfTheTerm: a file in minutes means the same ladder for every precedence.
func TestDelaysAreTheirPartsOfTheTerm(t *testing.T) {
	l := good(t, "")
	var places []uint64
	for _, r := range l.Receiving {
		places = append(places, r.Permille, r.Repeat)
	}
	if !slices.Equal(places, []uint64{0, 100, 300, 0, 1000, 0}) {
		t.Errorf("receiving %v", places)
	}
	if got := l.Channels("XA-L1"); !slices.Equal(got, []string{"sms", "mail"}) {
		t.Errorf("channels of XA-L1: %v", got)
	}
}

// good compiles testdata/good.toml with some text replaced.
func good(t *testing.T, old string, replaced ...string) *hotline.Ladder {
	t.Helper()
	text, err := os.ReadFile("testdata/good.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, with := range replaced {
		text = []byte(strings.ReplaceAll(string(text), old, with))
	}
	in := setting()
	for i := range in.Directory.Officers {
		in.Directory.Officers[i].Until = now + 1000*24*3600_000
	}
	l, err := ladder.Compile(text, in)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWatchesFollowTheClocksOfTheirZone: a watch that ends at seven ends at seven by the clock on the wall before and after the
// clocks are changed, in both directions and on both halves of the earth; no minute is lost or given twice.
func TestWatchesFollowTheClocksOfTheirZone(t *testing.T) {
	for _, zone := range []string{"Europe/Zurich", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "Asia/Kathmandu", "Etc/UTC", "Pacific/Apia"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		l := good(t, "Europe/Zurich", zone)
		long := good(t, "Europe/Zurich\"\noverlap = \"15m\"", zone+"\"")
		if n := len(long.Rotas[0].Watches); n < 56 {
			t.Errorf("%s: %d watches", zone, n)
		}
		for minute := l.From; minute < l.Until; minute += 60_000 {
			wall := time.UnixMilli(int64(minute)).In(loc)
			clock := wall.Hour()*60 + wall.Minute()
			var want []string
			switch {
			case clock >= 7*60+15 && clock < 19*60:
				want = []string{"XA-L1"}
			case clock >= 19*60+15 || clock < 7*60:
				want = []string{"XA-L2"}
			default:
				want = []string{"XA-L1", "XA-L2"}
			}
			if got := l.OnCall([]string{"desk"}, minute); !slices.Equal(got, want) {
				t.Fatalf("%s %s: %v, want %v", zone, wall, got, want)
			}
		}
	}
}

// TestPreviewTellsWhoWouldBeWokenWhen: for each duty and precedence on both sides, at the times at which the ledger would.
func TestPreviewTellsWhoWouldBeWokenWhen(t *testing.T) {
	terms := hotlinetest.Terms("crisis")
	l := good(t, "")
	opened := at("2027-02-08 17:58") // 18:58 in Zurich: the watch changes between the first rung and the second
	var got strings.Builder
	for _, c := range ladder.Preview(l, &terms, opened) {
		fmt.Fprintf(&got, "%s %s", c.Duty, time.Duration(c.Term)*time.Millisecond)
		for _, s := range c.Steps {
			fmt.Fprintf(&got, " +%s", time.Duration(s.Due-opened)*time.Millisecond)
			if s.Again > 0 {
				fmt.Fprintf(&got, " again %s", time.Duration(s.Again)*time.Millisecond)
			}
			for _, w := range s.Wakes {
				fmt.Fprintf(&got, " %s:%s", w.Officer, strings.Join(w.Channels, ","))
			}
		}
		got.WriteString("\n")
	}
	for _, want := range []string{
		"assess 1h0m0s +30m0s XA-O1:sms +1h0m0s XA-A1:sms\n",
		"alert 15m0s +7m30s XA-O1:sms +15m0s XA-A1:sms\n",
		"acknowledge 10m0s +0s again 1m0s XA-L1:sms,mail +3m0s XA-L1:sms,mail XA-L2:mail +10m0s XA-A1:sms\n",
		"acknowledge 24h0m0s +0s again 2h24m0s XA-L1:sms,mail +7h12m0s",
		"reply 4h0m0s +2h0m0s XA-O1:sms +4h0m0s XA-A1:sms\n",
		"await-acknowledgement 10m0s +10m0s XA-A1:sms\n",
		"await-final 720h0m0s +720h0m0s XA-A1:sms\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%q is missing in\n%s", want, got.String())
		}
	}
	if n, owing := strings.Count(got.String(), "\n"), 1+4+1+1+1+1+4+4+1; n != owing+4+4+1+1+1+4+4+1 {
		t.Errorf("%d duties and precedences:\n%s", n, got.String())
	}
}

// TestInlineTablesMeanTheSame: a rung written on one line is the same rung, with its repeat, and is refused with its line.
func TestInlineTablesMeanTheSame(t *testing.T) {
	const rungs = `[[receiving]]
delay = "0s"
office = "desk"
targets = ["desk"]
repeat = "60s"

[[receiving]]
delay = "3m"
office = "deputy"
targets = ["XA-L1", "XA-L2"]

[[receiving]]
delay = "7m"
overdue = true
office = "director"
targets = ["XA-A1"]
`
	const inline = `receiving = [
  {delay = "0s", office = "desk", targets = ["desk"], repeat = "60s"},
  {delay = "3m", office = "deputy", targets = ["XA-L1", "XA-L2"]},
  {delay = "7m", overdue = true, office = "director", targets = ["XA-A1"]},
]
`
	text, err := os.ReadFile("testdata/good.toml")
	if err != nil {
		t.Fatal(err)
	}
	short := inline + strings.Replace(string(text), rungs, "", 1)
	a, err := ladder.Compile(text, setting())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ladder.Compile([]byte(short), setting())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(hotline.MustMarshal(a), hotline.MustMarshal(b)) {
		t.Errorf("%+v\n%+v", a, b)
	}
	_, err = ladder.Compile([]byte(strings.Replace(short, `"XA-L1", "XA-L2"`, `"XA-L1", "XA-Z9"`, 1)), setting())
	if err == nil || err.Error() != "line 3: XA-Z9 has no channel: add an [[officer]]" {
		t.Errorf("%v", err)
	}
}
