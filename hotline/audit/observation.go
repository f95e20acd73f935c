package audit

import (
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Class is how grave an observation is. Neither is a legal determination.
type Class string

// The two classes (SPEC §10.2).
const (
	Protocol Class = "protocol" // a rule or a proof is broken
	Terms    Class = "terms"    // a lapse that was honestly recorded
)

// Code is the stable name of an observation. The set is append-only: a code,
// once published, never changes its meaning (SPEC §10.2).
type Code string

// The observations. Class and section of each are in Codes.
const (
	EntryMalformed    Code = "entry-malformed"
	SignatureInvalid  Code = "signature-invalid"
	TenderInvalid     Code = "tender-invalid"
	ReceiptInvalid    Code = "receipt-invalid"
	DecisionDiffers   Code = "decision-differs"
	DeadlineOmitted   Code = "deadline-omitted"
	NotShown          Code = "entry-not-shown"
	TenderNotInLog    Code = "tender-not-in-log"
	ReceiptNotInLog   Code = "receipt-not-in-log"
	HeadNotInLog      Code = "head-not-in-log"
	Fork              Code = "fork"
	SequenceReused    Code = "sequence-reused"
	StatementRepeated Code = "statement-repeated"
	TimeContradiction Code = "time-contradiction"
	BackDated         Code = "back-dated"
	KeyNotInForce     Code = "key-not-in-force"
	OpeningNotInLog   Code = "opening-not-in-log"
	ClosedOtherwise   Code = "closed-otherwise"

	AssessOverdue      Code = "assess-overdue"
	AlertOverdue       Code = "alert-overdue"
	RatifyOverdue      Code = "ratify-overdue"
	AcknowledgeOverdue Code = "acknowledge-overdue"
	SupplementOverdue  Code = "supplement-overdue"
	ProgressOverdue    Code = "progress-overdue"
	FinalOverdue       Code = "final-overdue"
	ReplyOverdue       Code = "reply-overdue"
	ResponseOverdue    Code = "response-overdue"
	ConsultOverdue     Code = "consult-overdue"
)

// CodeInfo is what SPEC §10.2 says of a code.
type CodeInfo struct {
	Code    Code
	Class   Class
	Section string // of SPEC: the rule concerned
}

// Codes lists every observation in the order of SPEC §10.2.
var Codes = []CodeInfo{
	{EntryMalformed, Protocol, "7.2"},
	{SignatureInvalid, Protocol, "3.3"},
	{TenderInvalid, Protocol, "8.2"},
	{ReceiptInvalid, Protocol, "8.3"},
	{DecisionDiffers, Protocol, "7.4"},
	{DeadlineOmitted, Protocol, "6.1"},
	{NotShown, Protocol, "7.6"},
	{TenderNotInLog, Protocol, "8.2"},
	{ReceiptNotInLog, Protocol, "8.3"},
	{HeadNotInLog, Protocol, "7.5"},
	{Fork, Protocol, "7.5"},
	{SequenceReused, Protocol, "6.6"},
	{StatementRepeated, Protocol, "6.6"},
	{TimeContradiction, Protocol, "6.1"},
	{BackDated, Protocol, "3.2"},
	{KeyNotInForce, Protocol, "3.5"},
	{OpeningNotInLog, Protocol, "3.2"},
	{ClosedOtherwise, Protocol, "7.5"},
	{AssessOverdue, Terms, "6.3"},
	{AlertOverdue, Terms, "6.3"},
	{RatifyOverdue, Terms, "6.3"},
	{AcknowledgeOverdue, Terms, "6.3"},
	{SupplementOverdue, Terms, "6.3"},
	{ProgressOverdue, Terms, "6.3"},
	{FinalOverdue, Terms, "6.3"},
	{ReplyOverdue, Terms, "6.3"},
	{ResponseOverdue, Terms, "6.3"},
	{ConsultOverdue, Terms, "6.3"},
}

var codeInfo = func() map[Code]CodeInfo {
	m := map[Code]CodeInfo{}
	for _, c := range Codes {
		m[c.Code] = c
	}
	return m
}()

// Observation is one thing that the material shows to be wrong or late.
type Observation struct {
	Class   Class         `json:"class"`
	Code    Code          `json:"code"`
	Section string        `json:"section"`          // of the specification
	Party   hotline.Party `json:"party"`            // in whose log it stands
	Other   hotline.Party `json:"other,omitempty"`  // one of the two broke the rule, and the material does not show which (SPEC §10.2 rule 10)
	Entry   uint64        `json:"entry"`            // its index there
	Status  string        `json:"status,omitempty"` // of a lapse: that of the duty
	Text    string        `json:"text"`             // for people
	// Of a lapse: when the thing was due, and when it was done; 0 if the log
	// does not show that it was. Unix milliseconds.
	Due  hotline.Time `json:"due,omitempty"`
	Done hotline.Time `json:"done,omitempty"`
	// Proof is the name of the file, in Options.Proofs, that proves a fork to others.
	Proof string `json:"proof,omitempty"`
}

// maxNamed bounds what is listed beside the rest because it is the first of its kind.
const maxNamed = 1 << 12

// about is who is named, and for what.
type about struct {
	code         Code
	party, other hotline.Party
}

// listing says which observations are listed: of each class so many, and the first of
// each kind all the same (SPEC §10.2 rule 11).
type listing struct {
	count map[Class]int
	named map[about]bool
}

// takes reports whether the next observation is listed.
func (l *listing) takes(o *Observation) bool {
	if l.named == nil {
		l.count, l.named = map[Class]int{}, map[about]bool{}
	}
	key := about{o.Code, o.Party, o.Other}
	if first := !l.named[key] && len(l.named) < maxNamed; !first && l.count[o.Class] >= MaxObservations {
		return false
	}
	if len(l.named) < maxNamed {
		l.named[key] = true
	}
	l.count[o.Class]++
	return true
}

// chosen are at most so many of a list, in its order: the first of each kind, then what
// is of class protocol, then the rest.
func chosen(list []Observation, most int) []Observation {
	rank, named := make([]int, len(list)), map[about]bool{}
	for i := range list {
		key := about{list[i].Code, list[i].Party, list[i].Other}
		if list[i].Class != Protocol {
			rank[i]++
		}
		if named[key] {
			rank[i] += 2
		}
		named[key] = true
	}
	var taken []int
	for want := range 4 {
		for i := range list {
			if rank[i] == want && len(taken) < most {
				taken = append(taken, i)
			}
		}
	}
	slices.Sort(taken)
	out := make([]Observation, len(taken))
	for n, i := range taken {
		out[n] = list[i]
	}
	return out
}

func observe(code Code, party hotline.Party, entry uint64, text string) Observation {
	info := codeInfo[code]
	return Observation{Class: info.Class, Code: code, Section: info.Section, Party: party, Entry: entry, Text: text}
}

// parties are whom it names, with a word between where it is one of two.
func (o *Observation) parties(or string) string { return either(o.Party, o.Other, or) }

// either names a party, or one of two.
func either(party, other hotline.Party, or string) string {
	if other == "" {
		return string(party)
	}
	return string(party) + or + string(other)
}

// codeOfDifference names what a replay found.
func codeOfDifference(d *ledger.Difference, verifying error) Code {
	if verifying != nil {
		return codeOfRefusal(verifying)
	}
	if d.Missing == hotline.EntryDue {
		return DeadlineOmitted
	}
	return DecisionDiffers
}

// codeOfRefusal names a signature or proof that does not verify.
func codeOfRefusal(err error) Code {
	switch hotline.CodeOf(err) {
	case hotline.CodeBadSignature, hotline.CodeUnknownKey, hotline.CodeMissingAuthor:
		return SignatureInvalid
	case hotline.CodeTender:
		return TenderInvalid
	case hotline.CodeReceipt:
		return ReceiptInvalid
	case hotline.CodeMalformed, hotline.CodeTooLarge:
		return EntryMalformed
	}
	return DecisionDiffers
}
