package ledger_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

var update = flag.Bool("update", false, "rewrite the outcomes of the stories in testdata")

// TestStories runs testdata/*.txt: lines of a small language, then "----", then
// what came of them, then an empty line. It defends SPEC §6 and §7 line by
// line, and after each story that replay and snapshots come to the same.
//
// A rewrite with -update may be committed only together with the change of a
// rule that it shows, after each changed line was read against SPEC: a golden
// outcome is the verdict of a log, and an old log keeps its verdicts.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1) // ids, and so the order of cases at one instant, are the same in each run
			runStory(t, name)
		})
	}
}

func runStory(t *testing.T, name string) {
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s := &story{t: t}
	for _, block := range strings.Split(strings.TrimSpace(string(raw)), "\n\n") {
		lines := strings.Split(block, "\n")
		var commands, want []string
		for i, line := range lines {
			if line == "----" {
				want = lines[i+1:]
				break
			}
			commands = append(commands, line)
		}
		got := s.block(commands)
		if text := strings.Join(want, "\n"); got != text && !*update {
			t.Errorf("%s\n----\ngot:\n%s\nwant:\n%s", strings.Join(commands, "\n"), got, text)
		}
		out.WriteString(strings.Join(commands, "\n"))
		if got != "" {
			out.WriteString("\n----\n" + got)
		}
		out.WriteString("\n\n")
	}
	if s.w != nil {
		s.w.check()
	}
	if *update && !t.Failed() {
		text := strings.TrimSpace(out.String()) + "\n"
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// story is one file under way. The first line sets up its world.
type story struct {
	t testing.TB
	w *world
	b strings.Builder
}

func (s *story) block(commands []string) string {
	s.b.Reset()
	for _, line := range commands {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			s.line(words)
		}
	}
	return strings.TrimRight(s.b.String(), "\n")
}

func (s *story) line(words []string) {
	if words[0] == "world" {
		if s.w != nil {
			s.w.check()
		}
		s.w = newWorld(s.t, setupOf(s.t, parseArgs(words[1:])))
		return
	}
	if t, ok := when(words[0], s.w.now); ok {
		s.w.now = t
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	m := s.w.members[hotline.Party(words[0])]
	if m == nil || len(words) < 2 {
		s.t.Fatalf("line %q begins with no party and verb", strings.Join(words, " "))
	}
	s.act(m, words[1], parseArgs(words[2:]))
}

// setupOf reads: world parties=XA,XB rogue=XC voters=3 at=09:00 and switches
// of the terms: line-test, line-alarm, watch-test, contacts, two-officers, no-automatic, reports, instrument, progress=60,120,180,0 (minutes),
// reserve=XA:line-test; observers=XC says who only observes.
func setupOf(t tester, a args) setup {
	at, ok := when("09:00", 0)
	if v := a.pairs["at"]; v != "" {
		at, ok = when(v, 0)
	}
	if !ok {
		t.Fatal("no time to begin at")
	}
	x := setup{parties: partiesOf(a.pairs["parties"]), rogues: partiesOf(a.pairs["rogue"]), voters: 1, at: at}
	if n := a.number("voters"); n > 0 {
		x.voters = int(n)
	}
	x.change = func(c *hotline.Convention) {
		changeTerms(c, a)
	}
	return x
}

func changeTerms(c *hotline.Convention, a args) {
	const minute = 60_000
	if profile := a.pairs["terms"]; profile != "" {
		c.Terms = hotlinetest.Terms(profile)
	}
	c.Terms.LineTest = 0
	if a.has("line-test") {
		c.Terms.LineTest = 60 * minute
	}
	if !a.has("line-alarm") {
		c.Terms.LineAlarm = 0
	}
	if !a.has("watch-test") {
		c.Terms.WatchTest = 0
	}
	if !a.has("contacts") {
		c.Terms.Contacts = 0
	}
	if !a.has("reports") { // a convention from before these terms
		withoutReports(&c.Terms)
	}
	if !a.has("instrument") {
		c.Terms.Threshold = 0
	}
	c.Terms.OneOfficer = !a.has("two-officers")
	c.Terms.Automatic = !a.has("no-automatic")
	for i, v := range list(a.pairs["progress"]) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || i >= len(c.Terms.Progress) {
			panic("progress=" + a.pairs["progress"])
		}
		c.Terms.Progress[i] = n * minute
	}
	if n := a.number("cap"); n > 0 {
		c.Terms.AlertCap = int64(n) * minute
	}
	if n := a.number("acknowledge"); n > 0 {
		d := int64(n) * minute
		c.Terms.Acknowledge = hotline.Durations{d, d, d, d}
	}
	if n := a.number("overlap"); n > 0 {
		c.Overlap = int64(n) * minute
	}
	for i := range c.Parties {
		m := &c.Parties[i]
		if p, r, ok := strings.Cut(a.pairs["reserve"], ":"); ok && m.Party == hotline.Party(p) {
			m.Reservations = []string{r}
		}
		if list, ok := a.pairs["observers"]; ok {
			m.Observer = slices.Contains(partiesOf(list), m.Party)
		}
	}
}

// withoutReports makes terms those of a convention that knows no clock of
// reports and requests.
func withoutReports(t *hotline.Terms) {
	t.Supplement, t.Progress, t.Final, t.Reply, t.Assist, t.Consult = 0, hotline.Durations{}, 0, hotline.Durations{}, hotline.Durations{}, 0
}
