package drill

import (
	"cmp"
	"slices"

	"example.org/hotline/hotline"
)

// Record is what one party's ledger holds of an exercise. Times are those of
// ledgers, and 0 where this one does not hold them.
type Record struct {
	Party      hotline.Party // whose ledger it is
	Case       hotline.CaseID
	T0         hotline.Time // when it was detected, by the header of the detection or of what followed
	Adopted    hotline.Time // entry of the detection
	Assessed   hotline.Time // entry of the first assessment
	Now        hotline.Time // by the clock of the node that was asked
	Statements []Statement  // in the order of the ledger
}

// Statement is one statement of the exercise.
type Statement struct {
	ID         hotline.ID
	Script     string // beginning of the script's digest, by its mark; "" where it bears none
	Step       string // by its mark
	Kind       hotline.Kind
	From       hotline.Party
	To         []hotline.Party
	Re         *hotline.ID
	Precedence hotline.Precedence
	Interim    bool
	At         hotline.Time                   // tendered, or kept, in the ledger of its sender
	Received   map[hotline.Party]hotline.Time // in the ledger of the addressee
}

// Outcome is what became of an expectation.
type Outcome string

// The outcomes.
const (
	Met     Outcome = "met"
	Late    Outcome = "late"
	Missing Outcome = "missing" // its time is over, and it did not happen
	Open    Outcome = "open"    // it may still happen in time
	Unseen  Outcome = "unseen"  // this ledger cannot show it: neither side of it is the own party
)

// Result is one expectation with its outcome.
type Result struct {
	Expectation
	Statement hotline.ID   `json:"statement,omitzero"`
	Outcome   Outcome      `json:"outcome"`
	Due       hotline.Time `json:"due,omitempty"`
	At        hotline.Time `json:"at,omitempty"`
	LateBy    int64        `json:"late_by_ms,omitempty"` // when late
	Why       string       `json:"why,omitempty"`
}

// Way is how far one statement came with one addressee.
type Way struct {
	Step         string             `json:"step,omitempty"`
	ID           hotline.ID         `json:"id"`
	Kind         hotline.Kind       `json:"kind"`
	Precedence   hotline.Precedence `json:"precedence"`
	From         hotline.Party      `json:"from"`
	To           hotline.Party      `json:"to"`
	Tendered     hotline.Time       `json:"tendered"`
	Received     hotline.Time       `json:"received,omitempty"`
	Acknowledged hotline.Time       `json:"acknowledged,omitempty"` // in the ledger of whoever acknowledged
}

// Evaluation is what a ledger shows of an exercise.
type Evaluation struct {
	Name     string         `json:"name,omitempty"`
	Script   string         `json:"script,omitempty"` // beginning of its digest
	Party    hotline.Party  `json:"party"`            // whose ledger was read
	Case     hotline.CaseID `json:"case"`
	Status   hotline.Status `json:"status"` // always EXERCISE
	T0       hotline.Time   `json:"t0"`
	Adopted  hotline.Time   `json:"adopted,omitempty"`
	Assessed hotline.Time   `json:"assessed,omitempty"`
	Ways     []Way          `json:"ways"`
	Results  []Result       `json:"results"`
	Judged   int            `json:"judged"` // expectations that this ledger shows
	OnTime   int            `json:"on_time"`
	Late     int            `json:"late"`
	Missing  int            `json:"missing"`
	Open     int            `json:"open"`
	Share    int            `json:"on_time_percent"` // of those judged, rounded down
	AllMet   bool           `json:"all_met"`
	Passed   bool           `json:"passed"` // by the script's own marks
}

// Evaluate judges a record by a script, from the record alone. Without a script
// (nil) everything that anybody was told is expected to be received and
// acknowledged, and inquiries to be answered, as the terms say.
func Evaluate(s *Script, r *Record, terms *hotline.Terms) *Evaluation {
	v := &Evaluation{Party: r.Party, Case: r.Case, Status: hotline.Exercise, T0: r.T0, Adopted: r.Adopted, Assessed: r.Assessed, Ways: ways(r), Results: []Result{}}
	pass := Pass{OnTime: 100}
	if s == nil {
		v.Results = byTerms(r, terms)
	} else {
		v.Name, v.Script, pass = s.Name, s.Short(), s.Pass
		for _, x := range s.Expect {
			v.Results = append(v.Results, r.judgeStep(s, x, terms))
		}
	}
	for i := range v.Results {
		switch v.Results[i].Outcome {
		case Met:
			v.OnTime++
		case Late:
			v.Late++
		case Missing:
			v.Missing++
		case Open:
			v.Open++
		}
	}
	v.Judged = v.OnTime + v.Late + v.Missing + v.Open
	if v.Judged > 0 {
		v.Share = 100 * v.OnTime / v.Judged
	}
	v.AllMet = v.Judged > 0 && v.OnTime == v.Judged
	v.Passed = v.Judged > 0 && v.Open == 0 && v.Share >= pass.OnTime && v.Missing <= pass.Missing
	return v
}

// byTerms expects what the convention's terms demand.
func byTerms(r *Record, terms *hotline.Terms) []Result {
	list := []Result{}
	for i := range r.Statements {
		x := &r.Statements[i]
		if !x.Kind.Rules().OpensAck {
			continue
		}
		for _, to := range x.To {
			e := Expectation{Of: x.Kind.String() + " " + x.ID.Short(), From: to, Precedence: x.Precedence}
			is := []Event{Received, Acknowledged}
			if x.Kind == hotline.KindInquiry && terms.Reply.At(x.Precedence) > 0 {
				is = append(is, Replied)
			}
			for _, e.Is = range is {
				list = append(list, r.judge(e, x, terms))
			}
		}
	}
	return list
}

// judgeStep judges an expectation of a script.
func (r *Record) judgeStep(s *Script, x Expectation, terms *hotline.Terms) Result {
	of := s.Step(x.Of)
	if r.Party != of.Party && r.Party != x.From {
		return Result{Expectation: x, Outcome: Unseen, Why: "neither side is " + string(r.Party)}
	}
	if st := r.Find(s, of); st != nil {
		return r.judge(x, st, terms)
	}
	// What was never said can still be said until its time and all that is allowed after it are over.
	res := Result{Expectation: x, Outcome: Open, Why: of.ID + " does not stand in this ledger"}
	res.Due = r.T0 + hotline.Time(of.At+x.Within)
	switch {
	case x.Is == Tendered:
		res.Due -= hotline.Time(of.At)
	case x.Within == 0:
		res.Due += hotline.Time(allowed(x.Is, of.Precedence, terms))
	}
	if r.T0 > 0 && r.Now >= res.Due {
		res.Outcome = Missing
	}
	return res
}

// Find returns the statement of a step: the one that bears its mark, or, of an
// acknowledgement or a reply, one that somebody gave by hand. Nil: there is none.
func (r *Record) Find(s *Script, x *Step) *Statement {
	var of *Statement
	if x.Do == Acknowledge || x.Do == Reply {
		of = r.Find(s, s.Step(x.Of))
	}
	for i := range r.Statements {
		st := &r.Statements[i]
		if st.From != x.Party || st.Kind != x.Do.Kind() || st.Interim {
			continue
		}
		if st.Step == x.ID && st.Script == s.Short() || of != nil && st.Re != nil && *st.Re == of.ID {
			return st
		}
	}
	return nil
}

// allowed is how long an event may take by the terms, in milliseconds; 0 where they do not say.
func allowed(is Event, p hotline.Precedence, terms *hotline.Terms) int64 {
	switch is {
	case Received:
		return terms.NonDelivery.At(p)
	case Acknowledged:
		return terms.Acknowledge.At(p)
	case Replied:
		return terms.Reply.At(p)
	}
	return 0
}

// judge judges one expectation of a statement that stands in the ledger.
func (r *Record) judge(x Expectation, st *Statement, terms *hotline.Terms) Result {
	res := Result{Expectation: x, Statement: st.ID}
	if x.Precedence != 0 && st.Precedence != x.Precedence {
		res.Outcome, res.Why = Missing, "it is "+st.Precedence.String()+", not "+x.Precedence.String()
		return res
	}
	from := st.Received[x.From]
	switch x.Is {
	case Tendered:
		from, res.At = r.T0, st.At
	case Received:
		from, res.At = st.At, from
	case Acknowledged:
		res.At = r.answered(st, x.From, hotline.KindAcknowledgement)
	case Replied:
		res.At = r.answered(st, x.From, hotline.KindReply)
	case Escalated:
		res.At = r.answered(st, x.From, hotline.KindEscalation)
	}
	within := int64(x.Within)
	if within == 0 {
		within = allowed(x.Is, st.Precedence, terms)
	}
	if within == 0 {
		res.Outcome, res.Why = Missing, "the terms know no time for it, and the script gives none"
		return res
	}
	if from == 0 { // no receipt yet: the other side cannot be late, and the delivery is judged by itself
		from = st.At
		within += terms.NonDelivery.At(st.Precedence)
		res.Why = "no receipt"
	}
	res.Due = from + hotline.Time(within)
	switch {
	case res.At == 0 && r.Now < res.Due:
		res.Outcome = Open
	case res.At == 0:
		res.Outcome = Missing
	case res.At >= res.Due:
		res.Outcome, res.LateBy = Late, int64(res.At-res.Due)
	default:
		res.Outcome = Met
	}
	return res
}

// answered is when a party gave its first final answer of a kind, in its own ledger; 0: it did not.
func (r *Record) answered(st *Statement, from hotline.Party, kind hotline.Kind) hotline.Time {
	for i := range r.Statements {
		a := &r.Statements[i]
		if a.Kind == kind && a.From == from && !a.Interim && a.Re != nil && *a.Re == st.ID {
			return a.At
		}
	}
	return 0
}

// ways lists the statements that were sent, each with every addressee whose side this ledger shows.
func ways(r *Record) []Way {
	list := []Way{}
	for i := range r.Statements {
		st := &r.Statements[i]
		for _, to := range st.To {
			if r.Party != st.From && r.Party != to || st.Kind == hotline.KindAcknowledgement {
				continue
			}
			list = append(list, Way{Step: st.Step, ID: st.ID, Kind: st.Kind, Precedence: st.Precedence, From: st.From, To: to, Tendered: st.At,
				Received: st.Received[to], Acknowledged: r.answered(st, to, hotline.KindAcknowledgement)})
		}
	}
	slices.SortStableFunc(list, func(a, b Way) int { return cmp.Compare(a.Tendered, b.Tendered) })
	return list
}

// End is when everything that the script expects is decided, and the grace is over.
func (s *Script) End(v *Evaluation) hotline.Time {
	end := v.T0
	for i := range v.Results {
		end = max(end, v.Results[i].Due)
	}
	return end + hotline.Time(s.Grace)
}

// Last is when the last step is to be done, counted from the first.
func (s *Script) Last() Millis { return s.Steps[len(s.Steps)-1].At }
