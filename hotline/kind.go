package hotline

import (
	"fmt"
	"slices"
)

// Kind is the number of a statement's kind. The set is closed; numbers are
// append-only (SPEC §4).
type Kind uint64

// Class says whose word a statement is.
type Class uint8

// The three classes of author.
const (
	ByOfficers Class = 1 // one or two officers' keys
	ByGroup    Class = 2 // the group's service key: never speaks for a person
	ByRoots    Class = 3 // root keys of parties
)

// Role is what an officer may do.
type Role string

// The roles of DESIGN §3.
const (
	Operator   Role = "operator"
	Releaser   Role = "releaser"
	Liaison    Role = "liaison"
	Authority  Role = "authority"
	Auditor    Role = "auditor"
	Technician Role = "technician"
	// Reporter is a body of the party's own, such as a response team or a carrier, that hands in hits and may do nothing else.
	Reporter Role = "reporter"
)

// Roles lists all roles, in the order of SPEC §5.3.
var Roles = []Role{Operator, Releaser, Liaison, Authority, Auditor, Technician, Reporter}

// Rules is everything that a kind is, apart from what a ledger does with it:
// one value per kind, each in its own file. The table of SPEC §4 is generated
// from them.
type Rules struct {
	Kind  Kind
	Name  string
	Class Class

	// Authors holds, for a kind ByOfficers, the roles demanded of author 1,
	// author 2 …: one of the listed roles each.
	Authors [][]Role
	// OneOfficer is the exception to two authors: nil where there is none.
	OneOfficer func(*Header) bool

	Opens     bool // an opening statement, if it bears no case: its id is the case's
	Delivered bool // goes to addressees, with sequence, tender and receipt
	Sealed    bool // body sealed to addressees and sender; else the payload is open
	OpensAck  bool // opens the receiver's duty to acknowledge
	Undeliver bool // the non-delivery clock runs
	Rejects   bool // an unacceptable one gets a signed reject; else only a refusal

	// SameRole: all authors have one of the roles in common.
	SameRole bool
	// ActualOnly kinds change who is who, the terms or the ladder: there is
	// no exercise of them.
	ActualOnly bool
	// TestOnly: no other status of it exists. Without an officer behind it, it must
	// not ring as anything else.
	TestOnly bool
	// MaxSize bounds the whole statement below MaxStatement; 0: no less.
	MaxSize int

	Case     Presence // opening statements have none
	Re       Presence
	Notify   Presence
	Verdict  Presence
	Cause    Presence
	Reason   Presence
	Detected Presence
	Assessed Presence
	Answers  Presence // and the always-notifiable item
	// Dispositions are those that a statement of the kind may bear, and one of
	// which it must; nil: it bears none.
	Dispositions []Disposition

	// Check holds what else a header of the kind must obey; nil: nothing.
	Check func(*Header) error
	// Body makes an empty value of the body's type: what is sealed, or the
	// open payload. Every body has a Validate method.
	Body func() Body
	// CheckBody compares an open body with its header; nil: nothing.
	CheckBody func(*Header, Body) error
}

// Body is the content of a statement of one kind.
type Body interface{ Validate() error }

// Presence says whether a header field must, may or must not be there.
type Presence uint8

// The three presences; the zero value forbids.
const (
	Never Presence = iota
	May
	Must
)

// table holds every kind by number. It is filled by package variables, one
// per kind file, before main begins, and never changes after.
var table = map[Kind]*Rules{}

func register(r Rules) Kind {
	if _, ok := table[r.Kind]; ok || r.Kind == 0 || r.Name == "" || r.Body == nil {
		panic(fmt.Sprintf("hotline: kind %d (%s) is registered wrongly", r.Kind, r.Name))
	}
	table[r.Kind] = &r
	return r.Kind
}

// Rules returns the rules of k, or nil if k is not in the closed set.
func (k Kind) Rules() *Rules { return table[k] }

func (k Kind) String() string {
	if r := table[k]; r != nil {
		return r.Name
	}
	return fmt.Sprintf("kind(%d)", uint64(k))
}

// Kinds lists the closed set by number.
func Kinds() []*Rules {
	list := make([]*Rules, 0, len(table))
	for _, r := range table {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *Rules) int { return int(a.Kind) - int(b.Kind) })
	return list
}

// KindByName finds a kind by the word used in commands and documents.
func KindByName(name string) (Kind, bool) {
	for k, r := range table {
		if r.Name == name {
			return k, true
		}
	}
	return 0, false
}

func (r *Rules) checkHeader(h *Header) error {
	fields := []struct {
		name string
		rule Presence
		here bool
	}{
		{"case", r.Case, h.Case != nil},
		{"re", r.Re, h.Re != nil},
		{"notify", r.Notify, len(h.Notify) > 0},
		{"verdict", r.Verdict, h.Verdict != 0},
		{"cause", r.Cause, h.Cause != 0},
		{"reason", r.Reason, h.Reason != ""},
		{"detected", r.Detected, h.Detected != 0},
		{"assessed", r.Assessed, h.Assessed != 0},
		{"disposition", presence(r.Dispositions != nil), h.Disposition != 0},
		{"answers", r.Answers, len(h.Answers) > 0},
		{"always", r.Answers, h.Always != 0},
		{"to", presence(r.Delivered), len(h.To) > 0},
		{"commitment", presence(r.Sealed), h.Commitment != [32]byte{}},
		{"convention", presence(r.Kind != KindConvention || h.ConventionVersion > 1), h.Convention != ID{}},
		{"convention version", Must, h.ConventionVersion != 0},
		{"directory", presence(r.Kind != KindConvention), h.Directory != 0},
	}
	for _, f := range fields {
		if f.rule == Must && !f.here {
			return Refuse(CodeHeader, "%s needs %s", r.Name, f.name)
		}
		if f.rule == Never && f.here {
			return Refuse(CodeHeader, "%s bears no %s", r.Name, f.name)
		}
	}
	if h.Supersedes != nil && r.Class != ByOfficers {
		return Refuse(CodeHeader, "%s supersedes nothing", r.Name)
	}
	if h.Disposition != 0 && !slices.Contains(r.Dispositions, h.Disposition) {
		return Refuse(CodeHeader, "%s bears one of %v, not %s", r.Name, r.Dispositions, h.Disposition)
	}
	if r.Delivered && h.Case == nil && !r.Opens && len(h.To) != 1 {
		return Refuse(CodeHeader, "%s without a case goes to exactly one party", r.Name)
	}
	if r.ActualOnly && h.Status != Actual {
		return Refuse(CodeStatus, "%s is always ACTUAL", r.Name)
	}
	if r.TestOnly && h.Status != Test {
		return Refuse(CodeStatus, "%s is always TEST", r.Name)
	}
	if r.Check != nil {
		if err := r.Check(h); err != nil {
			return err
		}
	}
	return r.checkAuthors(h)
}

func presence(b bool) Presence {
	if b {
		return Must
	}
	return Never
}

func (r *Rules) checkAuthors(h *Header) error {
	n := len(h.Authors)
	switch r.Class {
	case ByGroup:
		if n != 1 {
			return Refuse(CodeExtraAuthor, "%s is signed by the service key alone", r.Name)
		}
	case ByOfficers:
		if n > len(r.Authors) {
			return Refuse(CodeExtraAuthor, "%s has %d authors, at most %d", r.Name, n, len(r.Authors))
		}
		if n < len(r.Authors) && (r.OneOfficer == nil || !r.OneOfficer(h)) {
			return Refuse(CodeMissingAuthor, "%s of status %s needs %d officers", r.Name, h.Status, len(r.Authors))
		}
	}
	return nil
}

// checkPayload decodes an open payload strictly; a sealed one is opaque here.
func (r *Rules) checkPayload(h *Header, payload []byte) error {
	if r.Sealed {
		return nil
	}
	body, err := r.decode(payload)
	if err != nil || r.CheckBody == nil {
		return err
	}
	return r.CheckBody(h, body)
}

// checkSize bounds a whole statement.
func (r *Rules) checkSize(n int) error {
	most := MaxStatement
	if r.MaxSize != 0 {
		most = r.MaxSize
	}
	if n > most {
		return Refuse(CodeTooLarge, "%s of %d bytes, at most %d", r.Name, n, most)
	}
	return nil
}

func (r *Rules) decode(b []byte) (Body, error) {
	body := r.Body()
	if err := Unmarshal(b, body, MaxStatement); err != nil {
		return nil, wrap(err, "%s body", r.Name)
	}
	if err := body.Validate(); err != nil {
		return nil, wrap(err, "%s body", r.Name)
	}
	return body, nil
}

// OpenBody decodes the payload of a kind that is not sealed.
func (s *Statement) OpenBody() (Body, error) {
	r := s.Header.Kind.Rules()
	if r.Sealed {
		return nil, Refuse(CodeUnreadable, "the body of %s is sealed", r.Name)
	}
	return r.decode(s.Payload)
}

// DecodeBody decodes an opened or disclosed body of kind k.
func DecodeBody(k Kind, b []byte) (Body, error) {
	r := k.Rules()
	if r == nil {
		return nil, Refuse(CodeUnknownKind, "kind %d", uint64(k))
	}
	return r.decode(b)
}
