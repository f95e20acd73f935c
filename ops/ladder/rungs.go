package ladder

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// side is one half of a ladder on its way to the signed form.
type side struct {
	r     *reader
	name  string
	in    []rungFile
	term  time.Duration // that the delays serve; 0: none is given
	after []time.Duration
	told  bool // that the term is missing, or what is wrong with it
}

// rungs checks one side and turns it into rungs.
func (r *reader) rungs(name string, in []rungFile, t *termFile, duties []hotline.Duty) []hotline.Rung {
	s := &side{r: r, name: name, in: in}
	if len(in) == 0 || len(in) > hotline.MaxRungs {
		r.Fault(name+"[0]", "%s: %d rungs, 1 to %d: what climbs when a duty is not done?", name, len(in), hotline.MaxRungs)
		return nil
	}
	if t != nil {
		s.checkTerm(t, duties)
	}
	var out []hotline.Rung
	for i := range in {
		out = append(out, s.rung(i, out))
	}
	if r.Sound() {
		s.checkDeadline(out)
		s.checkBeginning(out)
		s.checkRepeats(out)
	}
	return out
}

func (s *side) path(i int, key string) string { return fmt.Sprintf("%s[%d].%s", s.name, i, key) }

func (s *side) fault(i int, key, format string, args ...any) {
	s.r.Fault(s.path(i, key), "%s rung %d: %s", s.name, i+1, fmt.Sprintf(format, args...))
}

func (s *side) checkTerm(t *termFile, duties []hotline.Duty) {
	path := "term." + s.name
	if !slices.ContainsFunc(duties, func(d hotline.Duty) bool { return d.String() == t.Duty }) {
		var names []string
		for _, d := range duties {
			names = append(names, d.String())
		}
		s.r.Fault(path+".duty", "the %s side serves no duty %q, but %s", s.name, t.Duty, strings.Join(names, ", "))
	}
	if precedence(t.Precedence) == 0 {
		s.r.Fault(path+".precedence", "precedence %q is none of FLASH, IMMEDIATE, PRIORITY, ROUTINE", t.Precedence)
	}
	d, err := duration(t.Is)
	if err != nil || d < time.Second || d > 90*24*time.Hour { // SPEC §6.4: 1000..7776000000
		s.told = true
		s.r.Fault(path+".is", "the term is %q: write a length of time, 1s to 2160h", t.Is)
		return
	}
	s.term = d
}

func precedence(name string) hotline.Precedence {
	for p := hotline.Flash; p <= hotline.Routine; p++ {
		if p.String() == name {
			return p
		}
	}
	return 0
}

func (s *side) rung(i int, before []hotline.Rung) hotline.Rung {
	in := &s.in[i]
	place, placed := s.place(i)
	out := hotline.Rung{Office: in.Office, Targets: in.Targets, Permille: place}
	switch {
	case in.Office == "":
		s.fault(i, "office", "office is missing: what stands on it, as desk or director")
	case len(in.Office) > hotline.MaxRoleName:
		s.fault(i, "office", "the office has %d letters, at most %d", len(in.Office), hotline.MaxRoleName)
	}
	switch {
	case !placed:
	case place > hotline.MaxPermille:
		s.fault(i, s.key(i), "it stands at %d permille of the term, at most %d", place, hotline.MaxPermille)
	case i > 0 && before[i-1].Permille >= place:
		s.fault(i, s.key(i), "it stands at %d permille, not above the %d of the rung before", out.Permille, before[i-1].Permille)
	}
	s.checkTargets(i)
	out.Repeat = s.repeat(i)
	return out
}

func (s *side) key(i int) string {
	if s.in[i].Permille != nil {
		return "permille"
	}
	return "delay"
}

// place is where a rung stands, in permille of the term, if that can be said.
func (s *side) place(i int) (permille uint64, ok bool) {
	in := &s.in[i]
	given := s.r.Has(s.path(i, "delay"))
	switch {
	case (in.Permille != nil) == given:
		s.fault(i, "", "give either permille or delay")
		return 0, false
	case i > 0 && given == (s.in[0].Permille != nil):
		s.fault(i, s.key(i), "this side's first rung has no %s: use one way throughout", s.key(i))
		return 0, false
	case !given:
		return *in.Permille, true
	case s.term == 0:
		s.measured(i, "delay")
		return 0, false
	}
	d, err := duration(in.Delay)
	if err != nil || in.Delay == "" {
		s.fault(i, "delay", "delay %q is no length of time, as 3m or 90s", in.Delay)
		return 0, false
	}
	if len(s.after) > 0 {
		d += s.after[len(s.after)-1]
	}
	s.after = append(s.after, d)
	return uint64(math.Round(float64(d) * hotline.Deadline / float64(s.term))), true
}

// measured tells once of a length of time that is a part of no term.
func (s *side) measured(i int, key string) {
	if !s.told {
		s.told = true
		s.fault(i, key, "what is the %s a part of? give [term.%s]", key, s.name)
	}
}

func (s *side) checkTargets(i int) {
	in := &s.in[i]
	if len(in.Targets) == 0 {
		s.fault(i, "targets", "nobody stands on it: give targets, officers by role name and rotas by name")
		return
	}
	var people []string
	for j, name := range in.Targets {
		if slices.Contains(in.Targets[:j], name) {
			s.fault(i, "targets", "%s stands there twice", name)
		}
		if k := slices.IndexFunc(s.r.Rotas, func(x rotaFile) bool { return x.Name == name }); k >= 0 {
			people = append(people, s.r.Rotas[k].people()...)
			continue
		}
		people = append(people, name)
		if plainName.MatchString(name) {
			s.fault(i, "targets", "there is no rota %s", name)
		} else {
			s.r.reachable(s.path(i, "targets"), name)
		}
	}
	slices.Sort(people)
	if n := len(slices.Compact(people)); n > hotline.MaxTargets {
		s.fault(i, "targets", "with its rotas %d people stand on it, at most %d", n, hotline.MaxTargets)
	}
}

func (s *side) repeat(i int) uint64 {
	in := &s.in[i]
	if !s.r.Has(s.path(i, "repeat")) {
		return 0
	}
	d, err := duration(in.Repeat)
	permille := math.Round(float64(d) * hotline.Deadline / float64(max(s.term, 1)))
	switch {
	case err != nil || in.Repeat == "":
		s.fault(i, "repeat", "repeat %q is no length of time, as 60s", in.Repeat)
	case d < hotline.MinRepeatPause:
		s.fault(i, "repeat", "repeat %s is shorter than %s: people could not answer between", span(d), hotline.MinRepeatPause)
	case s.term == 0:
		s.measured(i, "repeat")
	case permille < hotline.MinRepeat || permille > hotline.MaxPermille:
		s.fault(i, "repeat", "repeat %s is not between a hundredth of the term of %s and ten times as much", span(d), span(s.term))
	default:
		return uint64(permille)
	}
	return 0
}

// checkDeadline demands that exactly one rung stands at the deadline: the
// delays up to it are the term itself, neither more nor less.
func (s *side) checkDeadline(rungs []hotline.Rung) {
	marked := -1
	for i := range s.in {
		switch {
		case !s.in[i].Overdue:
		case marked >= 0:
			s.fault(i, "overdue", "rung %d is marked overdue already", marked+1)
			return
		default:
			marked = i
		}
	}
	if marked < 0 && len(s.after) > 0 {
		s.fault(len(s.in)-1, "", "no rung of this side is marked: write overdue = true on the one at the deadline")
		return
	}
	if marked >= 0 && len(s.after) > 0 {
		switch d := s.after[marked]; {
		case d > s.term:
			s.fault(marked, "delay", "the delays up to the deadline come to %s, longer than the term of %s that they serve", span(d), span(s.term))
			return
		case d < s.term:
			s.fault(marked, "delay", "the delays up to the deadline come to %s, and the term that they serve is %s: %s are missing", span(d), span(s.term), span(s.term-d))
			return
		}
	}
	at := slices.IndexFunc(rungs, func(r hotline.Rung) bool { return r.Permille == hotline.Deadline })
	switch {
	case at < 0:
		s.fault(len(s.in)-1, "permille", "no rung of this side stands at the deadline, 1000 permille")
	case marked >= 0 && marked != at:
		s.fault(marked, "overdue", "it is marked overdue, but the deadline is 1000 permille")
	}
}

// checkBeginning: somebody must hear of it before it is too late.
func (s *side) checkBeginning(rungs []hotline.Rung) {
	switch {
	case s.name == "receiving" && rungs[0].Permille != 0:
		s.fault(0, s.key(0), "nobody is woken when a statement arrives: let the first rung stand at 0")
	case s.name == "owing" && rungs[0].Permille >= hotline.Deadline:
		s.fault(0, s.key(0), "nobody is reminded before the deadline: add a rung before it")
	}
}

func (s *side) checkRepeats(rungs []hotline.Rung) {
	for i := range rungs[:len(rungs)-1] {
		if wait := rungs[i+1].Permille - rungs[i].Permille; rungs[i].Repeat >= wait {
			s.fault(i, "repeat", "it never repeats: the next rung follows after %s", span(s.term*time.Duration(wait)/hotline.Deadline))
		}
	}
}
