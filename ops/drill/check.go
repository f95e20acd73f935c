package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/strict"
)

// reader is a script with the lines of its keys and what is wrong with it.
type reader struct {
	*strict.File
	in  file
	out *Script
}

// duration reads a duration; missing below 0: there must be one.
func (r *reader) duration(path, text string, missing Millis) Millis {
	if text == "" && missing >= 0 {
		return missing
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || Millis(d.Milliseconds()) > maxLength {
		r.Fault(path, "%q is no time like 90s, 15m or 1h30m, at most %s", text, maxLength)
		return 0
	}
	return Millis(d.Milliseconds())
}

func (r *reader) precedence(path, text string, missing hotline.Precedence) hotline.Precedence {
	if text == "" {
		return missing
	}
	for p := hotline.Flash; p <= hotline.Routine; p++ {
		if p.String() == text {
			return p
		}
	}
	r.Fault(path, "%q is none of FLASH, IMMEDIATE, PRIORITY, ROUTINE", text)
	return missing
}

func (r *reader) head() {
	in, out := &r.in, r.out
	out.Name, out.Language, out.Scenario, out.Lead = in.Name, in.Language, in.Scenario, hotline.Party(in.Lead)
	if !plainName.MatchString(in.Name) {
		r.Fault("name", "name %q is not 1 to 32 of a-z, 0-9 and -, beginning with a letter", in.Name)
	}
	if n := len(strings.TrimSpace(in.Scenario)); n == 0 || n > maxScenario {
		r.Fault("scenario", "the scenario has 1 to %d bytes", maxScenario)
	}
	if !out.Lead.Valid() {
		r.Fault("lead", "lead %q is no party code", in.Lead)
	}
	for _, text := range in.With {
		p := hotline.Party(text)
		switch {
		case !p.Valid():
			r.Fault("with", "%q is no party code", text)
		case p == out.Lead || slices.Contains(out.With, p):
			r.Fault("with", "%s is named twice", p)
		}
		out.With = append(out.With, p)
	}
	if n := len(in.With); n == 0 || n >= hotline.MaxParties {
		r.Fault("with", "an exercise is with 1 to %d other parties", hotline.MaxParties-1)
	}
	slices.Sort(out.With)
	if out.Lasts = r.duration("lasts", in.Lasts, -1); out.Lasts == 0 {
		r.Fault("lasts", "say how long the exercise lasts: it is announced")
	}
	out.Grace = r.duration("grace", in.Grace, 0)
}

// facts are the coded facts of the scenario, in the words of the specification.
func (r *reader) facts() {
	in, f := &r.in.Facts, &r.out.Facts
	*f = hotline.Facts{Nature: 3, Category: 5, Relation: 4, Actor: 1, State: 1, Networks: in.Networks} // nothing is assessed
	code := func(set, given string) int {
		i := slices.Index(hotline.FactCodes[set], given)
		if i < 0 {
			r.Fault("facts", "%s %q is not one of %s", set, given, strings.Join(hotline.FactCodes[set], ", "))
		}
		return i + 1
	}
	for _, c := range []struct {
		set, given string
		to         *uint8
	}{{"nature", in.Nature, &f.Nature}, {"category", in.Category, &f.Category}, {"relation", in.Relation, &f.Relation},
		{"actor", in.Actor, &f.Actor}, {"state", in.State, &f.State}} {
		if c.given != "" {
			*c.to = uint8(code(c.set, c.given))
		}
	}
	for _, s := range in.Sectors {
		f.Sectors = append(f.Sectors, uint16(code("sector", s)))
	}
	slices.Sort(f.Sectors)
	if r.Sound() {
		if err := f.Validate(); err != nil {
			r.Fault("facts", "%v", err)
		}
	}
}

func (r *reader) steps() {
	usual := r.precedence("precedence", r.in.Precedence, hotline.Immediate)
	for i := range r.in.Steps {
		in, path := &r.in.Steps[i], fmt.Sprintf("step[%d]", i)
		x := Step{ID: in.ID, Party: hotline.Party(in.Party), Do: Action(in.Do), Of: in.Of, Text: in.Text,
			At: r.duration(path+".at", in.At, -1), Precedence: r.precedence(path+".precedence", in.Precedence, usual)}
		r.step(path, i, &x)
		r.out.Steps = append(r.out.Steps, x)
	}
	if n := len(r.in.Steps); n == 0 || n > maxSteps {
		r.Fault("step", "a script has 1 to %d steps", maxSteps)
	}
}

// step checks one step against those before it.
func (r *reader) step(path string, i int, x *Step) {
	known, ok := actions[x.Do]
	switch {
	case !stepName.MatchString(x.ID):
		r.Fault(path+".id", "id %q is not 1 to 16 of a-z, 0-9 and -, beginning with a letter", x.ID)
	case r.out.Step(x.ID) != nil:
		r.Fault(path+".id", "there is a step %s already", x.ID)
	}
	if !ok {
		r.Fault(path+".do", "%q is nothing that can be done; known are %s", x.Do, list(actionNames()))
		return
	}
	if !slices.Contains(r.out.Parties(), x.Party) {
		r.Fault(path+".party", "%q takes no part", x.Party)
	}
	switch {
	case known.leads && x.Party != r.out.Lead:
		r.Fault(path+".party", "only %s, which leads, can %s", r.out.Lead, x.Do)
	case (i == 0) != (x.Do == Detect):
		r.Fault(path+".do", "an exercise begins with one detect, and has no other")
	case i == 0 && x.At != 0:
		r.Fault(path+".at", "the first step is at 0s: all other times are counted from it")
	case i > 0 && x.At < r.out.Steps[i-1].At:
		r.Fault(path+".at", "write the steps in the order of their times")
	case x.At > r.out.Lasts:
		r.Fault(path+".at", "the exercise is over by then")
	}
	if known.words && strings.TrimSpace(x.Text) == "" {
		r.Fault(path, "%s needs a text", x.Do)
	}
	if len(x.Text) > hotline.MaxText/2 || x.Do == Alert && len(strings.Fields(x.Text)) > hotline.MaxAlertWords-2 || x.Do == Inquiry && len(x.Text) > 1900 {
		r.Fault(path+".text", "the text is too long for %s", x.Do)
	}
	r.reference(path, x)
}

// reference checks what a step refers to.
func (r *reader) reference(path string, x *Step) {
	if x.Do == Detect {
		if x.Of != "" {
			r.Fault(path+".of", "a detection refers to nothing")
		}
		return
	}
	of := r.out.Step(x.Of)
	if of == nil {
		r.Fault(path+".of", "of %q is no step before this one", x.Of)
		return
	}
	allowed := actions[x.Do].of
	switch {
	case allowed != nil && !slices.Contains(allowed, of.Do):
		r.Fault(path+".of", "%s refers to %s, and %s is %s", x.Do, list(allowed), of.ID, of.Do)
	case x.Do == Reply && !slices.Contains(r.out.To(of), x.Party), allowed == nil && of.Party != x.Party && !slices.Contains(r.out.To(of), x.Party):
		r.Fault(path+".of", "%s is not sent to %s", of.ID, x.Party)
	case allowed == nil && of.Do.Kind() != 0 && !of.Do.Kind().Rules().Delivered, of.Do == Silence:
		r.Fault(path+".of", "%s of step %s, which sends nothing to another party", x.Do, of.ID)
	case (x.Do == Acknowledge || x.Do == Silence) && (of.Party == x.Party || !of.Do.opensAck()):
		r.Fault(path+".of", "nobody of %s is to acknowledge %s", x.Party, of.ID)
	}
}

func (r *reader) expectations() {
	for i := range r.in.Expect {
		in, path := &r.in.Expect[i], fmt.Sprintf("expect[%d]", i)
		x := Expectation{Of: in.Of, From: hotline.Party(in.From), Is: Event(in.Is), Within: r.duration(path+".within", in.Within, 0),
			Precedence: r.precedence(path+".precedence", in.Precedence, 0)}
		r.expectation(path, &x)
		r.out.Expect = append(r.out.Expect, x)
	}
	if n := len(r.in.Expect); n == 0 || n > maxExpected {
		r.Fault("expect", "a script has 1 to %d expectations: without one there is nothing to evaluate", maxExpected)
	}
}

func (r *reader) expectation(path string, x *Expectation) {
	of := r.out.Step(x.Of)
	switch {
	case of == nil || actions[of.Do].kind == 0:
		r.Fault(path+".of", "of %q is no step with a statement", x.Of)
		return
	case !slices.Contains(events, x.Is):
		r.Fault(path+".is", "%q is none of %s", x.Is, list(events))
		return
	case x.Is == Tendered && x.From != of.Party:
		r.Fault(path+".from", "%s is the statement of %s", of.ID, of.Party)
	case x.Is != Tendered && !slices.Contains(r.out.To(of), x.From):
		r.Fault(path+".from", "%s is not sent to %q", of.ID, x.From)
	case (x.Is == Acknowledged || x.Is == Escalated) && !of.Do.opensAck(), x.Is == Replied && of.Do != Inquiry:
		r.Fault(path+".is", "nobody owes that for %s", of.Do)
	case (x.Is == Tendered || x.Is == Escalated) && x.Within == 0:
		r.Fault(path, "say within which time it is to be %s", x.Is)
	}
}

func actionNames() []Action {
	var names []Action
	for a := range actions {
		names = append(names, a)
	}
	slices.Sort(names)
	return names
}

func list[T ~string](of []T) string {
	var s []string
	for _, x := range of {
		s = append(s, string(x))
	}
	return strings.Join(s, ", ")
}
