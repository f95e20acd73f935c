package ladder

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// Setting is what a ladder is judged by besides itself.
type Setting struct {
	Now       hotline.Time
	Directory *hotline.Directory // of the party; nil: officers are not judged
	Terms     *hotline.Terms     // of the convention in force; nil: terms are not judged
}

// maxBody bounds the signed form in bytes: the rest of a statement is its header and signature.
const maxBody = hotline.MaxStatement - 2<<10

const minute = hotline.Time(60_000)

// Compile reads a file and returns the ladder that it means, ready to be
// signed. Its number is 0 if the file leaves it to whoever submits it. The
// error is Faults, each with its line.
func Compile(text []byte, in Setting) (*hotline.Ladder, error) {
	r, err := read(text)
	if err != nil {
		return nil, err
	}
	if r.check(); !partyName.MatchString(r.Party) {
		return nil, r.Err() // no name can be judged
	}
	l := &hotline.Ladder{Number: r.Number}
	l.Owing = r.rungs("owing", r.Owing, r.Term.Owing, Owing())
	l.Receiving = r.rungs("receiving", r.Receiving, r.Term.Receiving, Receiving())
	if err := r.Err(); err != nil {
		return nil, err
	}
	r.writeOut(l, in)
	if r.Sound() {
		r.climbs(l, "owing", l.Owing)
		r.climbs(l, "receiving", l.Receiving)
	}
	if in.Directory != nil {
		r.checkDirectory(l, in)
	}
	if in.Terms != nil {
		r.checkTerms("owing", r.Term.Owing, in.Terms)
		r.checkTerms("receiving", r.Term.Receiving, in.Terms)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return l, r.sound(l)
}

// writeOut fills in what depends on time: from when on, until when, and who is
// on call in between.
func (r *reader) writeOut(l *hotline.Ladder, in Setting) {
	for _, o := range r.Officers {
		l.Contacts = append(l.Contacts, hotline.Reach{Officer: o.Name, Channels: o.Channels})
	}
	slices.SortFunc(l.Contacts, func(a, b hotline.Reach) int { return strings.Compare(a.Officer, b.Officer) })
	if len(r.Rotas) == 0 {
		return
	}
	l.From = in.Now - in.Now%minute
	if !r.file.From.IsZero() {
		l.From = hotline.Time(r.file.From.UnixMilli())
	}
	l.Until = l.From + hotline.Time(r.Days)*24*60*minute
	switch {
	case l.From > in.Now:
		r.Fault("from", "the rotas begin only at %s: until then everybody in them would be woken; submit it then, or leave from out", utc(l.From))
	case l.Until <= in.Now:
		r.Fault("days", "the rotas ended at %s: write a later from, or more days", utc(l.Until))
	case l.From <= 0:
		r.Fault("from", "from lies before 1970")
	default:
		for i := range r.Rotas {
			l.Rotas = append(l.Rotas, r.rota(i, int64(l.From/minute), int64(l.Until/minute)))
		}
		slices.SortFunc(l.Rotas, func(a, b hotline.Rota) int { return strings.Compare(a.Name, b.Name) })
	}
}

func (r *reader) checkDirectory(l *hotline.Ladder, in Setting) {
	d := in.Directory
	if string(d.Party) != r.Party {
		r.Fault("party", "the file is of %s, the directory of %s", r.Party, d.Party)
		return
	}
	for i, o := range r.Officers {
		path := fmt.Sprintf("officer[%d].name", i)
		switch at := d.OfficerByName(o.Name); {
		case at == nil:
			r.Fault(path, "%s is no officer of directory %d of %s", o.Name, d.Number, d.Party)
		case at.Revoked != 0 || in.Now < at.From || in.Now >= at.Until:
			r.Fault(path, "the key of %s is not in force", o.Name)
		case at.Until < l.Until:
			r.Fault(path, "the key of %s ends on %s, before the rotas do: take fewer days, or renew the key first", o.Name, utc(at.Until))
		}
	}
	if r.Sound() {
		r.mayAct(l, d, "owing", l.Owing[0], hotline.KindAssessment, "assess")
		r.mayAct(l, d, "receiving", l.Receiving[0], hotline.KindAcknowledgement, "acknowledge")
	}
}

// mayAct demands that at each time one of those on a side's first rung has the
// role that can do the thing: it is no use to wake only those who may not.
func (r *reader) mayAct(l *hotline.Ladder, d *hotline.Directory, side string, rung hotline.Rung, kind hotline.Kind, verb string) {
	roles := kind.Rules().Authors[0]
	able := func(t hotline.Time) bool {
		return slices.ContainsFunc(l.OnCall(rung.Targets, t), func(name string) bool {
			return d.OfficerByName(name).Has(roles...)
		})
	}
	for _, t := range changes(l) {
		if !able(t) {
			r.Fault(side+"[0].targets", "%s rung 1: nobody on it may %s at %s: that needs the role %s", side, verb, utc(t), roles[0])
			return
		}
	}
}

// climbs demands that each rung up to the deadline wakes somebody whom the rung
// before did not: to climb is to ask somebody else. After the deadline it may
// be another way to the same people. During a handover two shifts stand
// together and leave nobody else: that is no fault.
func (r *reader) climbs(l *hotline.Ladder, side string, rungs []hotline.Rung) {
	var handover time.Duration
	for _, x := range r.Rotas {
		d, _ := duration(x.Overlap) // check has read it
		handover = max(handover, d)
	}
	times := append(changes(l), l.Until)
	for i := 1; i < len(rungs) && rungs[i].Permille <= hotline.Deadline; i++ {
		same := func(t hotline.Time) bool {
			before := l.OnCall(rungs[i-1].Targets, t)
			return !slices.ContainsFunc(l.OnCall(rungs[i].Targets, t), func(name string) bool { return !slices.Contains(before, name) })
		}
		var since hotline.Time
		for j, t := range times[:len(times)-1] {
			if j == 0 || !same(times[j-1]) {
				since = t
			}
			if same(t) && (len(r.Rotas) == 0 || times[j+1]-since > hotline.Time(handover.Milliseconds())) {
				r.Fault(fmt.Sprintf("%s[%d].targets", side, i), "%s rung %d: %s wakes nobody but those of the rung before: name somebody else, or let that one repeat",
					side, i+1, when(l, since))
				break
			}
		}
	}
}

// when says from when on something is so, if the ladder depends on time.
func when(l *hotline.Ladder, t hotline.Time) string {
	if len(l.Rotas) == 0 {
		return "it"
	}
	return "at " + utc(t) + " it"
}

// changes are the times at which somebody's watch begins, and the ladder's own.
func changes(l *hotline.Ladder) []hotline.Time {
	list := []hotline.Time{l.From}
	for _, x := range l.Rotas {
		t := l.From
		for _, w := range x.Watches {
			list = append(list, t)
			t += hotline.Time(w.Minutes) * minute
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (r *reader) checkTerms(name string, t *termFile, terms *hotline.Terms) {
	if t == nil {
		return
	}
	d, _ := duration(t.Is) // rungs has read it
	for _, x := range duties {
		switch is := x.term(terms, precedence(t.Precedence)); {
		case x.duty.String() != t.Duty || is == d.Milliseconds():
		case is == 0:
			r.Fault("term."+name+".duty", "the convention in force gives %s no term for %s", t.Duty, t.Precedence)
		default:
			r.Fault("term."+name+".is", "the convention in force gives %s %s for %s, not %s", t.Duty, span(millis(is)), t.Precedence, span(d))
		}
	}
}

// sound lets the protocol's own rules judge the result. What they refuse and
// the checks above do not is told for the file as a whole.
func (r *reader) sound(l *hotline.Ladder) error {
	whole := *l
	whole.Number = max(1, whole.Number) // 0 is replaced when the ladder is submitted
	var refusal *hotline.Refusal
	if err := whole.Validate(); errors.As(err, &refusal) {
		return Faults{{Line: 1, Text: refusal.Text}}
	} else if err != nil {
		return Faults{{Line: 1, Text: err.Error()}}
	}
	if n := len(hotline.MustMarshal(&whole)); n > maxBody {
		return Faults{{Line: r.Line("days"), Text: fmt.Sprintf("the ladder is %d bytes when it is signed, at most %d: take fewer days", n, maxBody)}}
	}
	return nil
}
