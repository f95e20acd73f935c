package hotline

import (
	"bytes"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"example.org/hotline/crypto/tlog"
)

// EntryType says what a leaf of a ledger is (SPEC §7.2). Append-only.
type EntryType uint64

// The types of entry.
const (
	EntryGenesis   EntryType = 1
	EntrySent      EntryType = 2 // an own statement, with its sequences if it goes to others
	EntryReceived  EntryType = 3 // a peer's statement, accepted or rejected by code
	EntryReceipted EntryType = 4 // a peer's receipt of an own statement
	EntryDue       EntryType = 5 // a deadline that passed, or a rung that was reached
	EntryClock     EntryType = 6 // readings of a majority that let committed time step
	EntryMembers   EntryType = 7
	EntryRules     EntryType = 8
	EntryDocument  EntryType = 9 // a convention version or a directory
)

// Cause says whether an entry came from outside or was derived by Apply.
type Cause uint8

// The two causes.
const (
	Outside Cause = 0
	Derived Cause = 1
)

// ScopeClass is the class of a scope.
type ScopeClass uint8

// The classes of scope.
const (
	ScopeCommon ScopeClass = 0
	ScopePair   ScopeClass = 1
	ScopeCase   ScopeClass = 2
)

// Scope says whom an entry concerns, so that a log can be shown in part
// (SPEC §7.3). Parties are sorted; common has none.
type Scope struct {
	_       struct{} `cbor:",toarray"`
	Class   ScopeClass
	Case    *CaseID
	Parties []Party
}

// Entry is one leaf.
type Entry struct {
	_       struct{} `cbor:",toarray"`
	Type    EntryType
	Time    Time // committed time of the command that made it
	Salt    [16]byte
	Scope   Scope
	Cause   Cause
	Content cbor.RawMessage
	Parts   Parts `cbor:"-"` // of an entry that DecodeEntry returned
}

// Parts are what the content of an entry carries, as DecodeEntry parses it to
// check its form; nil where there is no such part.
type Parts struct {
	Sender  *SenderEntry // of a received entry
	Tender  *Receipt     // of a received or receipted entry
	Receipt *Receipt     // of a receipted entry
}

// Marks are facts about an accepted statement that refuse nothing.
type Marks uint64

// The marks (SPEC §6.2, §3.7).
const (
	MarkTimeUnproven Marks = 1 << iota // no majority of clocks backed the time
	MarkSkewed                         // issued time is far from the entry's
	MarkRevokedSince                   // the author's key is known to be revoked since
)

// Sequence is the number of a statement towards one addressee, dense from 1
// in each generation of the sender's log.
type Sequence struct {
	_  struct{} `cbor:",toarray"`
	To Party
	N  uint64
}

// Genesis opens a log.
type Genesis struct {
	Party      Party  `cbor:"1,keyasint"`
	Generation uint64 `cbor:"2,keyasint"`
	Convention ID     `cbor:"3,keyasint"`
	Rules      uint64 `cbor:"4,keyasint"`
}

// Sent is the content of EntrySent. Directory and Convention are the numbers
// in force in the sender's ledger at this entry: the receiver judges keys and
// versions by them.
type Sent struct {
	Sequences  []Sequence `cbor:"1,keyasint,omitempty"` // in the order of the header's to
	Directory  uint64     `cbor:"2,keyasint"`
	Convention uint64     `cbor:"3,keyasint"`
	Marks      Marks      `cbor:"4,keyasint,omitempty"`
	Voters     uint64     `cbor:"5,keyasint"`
	Statement  []byte     `cbor:"6,keyasint,omitempty"` // absent only in a Delivery, which carries it beside
	Anchor     []byte     `cbor:"7,keyasint,omitempty"` // see ParseAnchor
}

// Received is the content of EntryReceived. A code means: verified, but
// rejected for this reason; the sequence is used up all the same.
type Received struct {
	Statement []byte `cbor:"1,keyasint"`
	Sender    []byte `cbor:"2,keyasint"` // SenderEntry
	Tender    []byte `cbor:"3,keyasint"`
	Code      Code   `cbor:"4,keyasint,omitempty"`
	Marks     Marks  `cbor:"5,keyasint,omitempty"`
	Voters    uint64 `cbor:"6,keyasint"`
}

// Receipted is the content of EntryReceipted.
type Receipted struct {
	Statement ID     `cbor:"1,keyasint"`
	Index     uint64 `cbor:"2,keyasint"` // of the own EntrySent
	Tender    []byte `cbor:"3,keyasint"` // as it was sent along: whoever checks the receipt rebuilds the peer's leaf with it
	Receipt   []byte `cbor:"4,keyasint"`
}

// Duty is the class of something owed (SPEC §6.3).
type Duty uint8

// The duties and what is waited for.
const (
	DutyAssess      Duty = 1 // of the owing party: assess an adopted detection
	DutyAlert       Duty = 2 // of the owing party: tender an alert
	DutyRatify      Duty = 3 // of the owing party: ratify a one-officer FLASH
	DutyDeliver     Duty = 4 // waiting: no receipt from the addressee
	DutyAcknowledge Duty = 5 // of the receiving party: a person acknowledges
	DutyAwait       Duty = 6 // waiting, provisional: the addressee's acknowledgement
	DutyLineTest    Duty = 7 // the next line test of a pair
	DutyLineReply   Duty = 8 // waiting: the reply to a line test

	// Of the owing party, towards one peer.
	DutySupplement Duty = 9  // tender a supplement
	DutyProgress   Duty = 10 // tender the next progress report
	DutyFinal      Duty = 11 // tender the final report
	DutyReply      Duty = 12 // reply to an inquiry
	DutyAssist     Duty = 13 // respond to an assistance request
	DutyConsult    Duty = 14 // reply to a consult

	// Waiting, provisional: the same six, owed by the peer.
	DutyAwaitSupplement Duty = 15
	DutyAwaitProgress   Duty = 16
	DutyAwaitFinal      Duty = 17
	DutyAwaitReply      Duty = 18
	DutyAwaitAssist     Duty = 19
	DutyAwaitConsult    Duty = 20

	// Of the line itself, and of the whole party.
	DutyLineAnswered Duty = 21 // waiting: one of the own line tests is answered
	DutyLineHeard    Duty = 22 // waiting: one of the peer's line tests comes
	DutyWatchTest    Duty = 23 // the next watch test of a pair
	DutyContacts     Duty = 24 // of this party: confirm the contact data in its directory
)

// Provisional reports whether the duty is owed by the peer: this ledger waits,
// and the peer's says whether it was late.
func (d Duty) Provisional() bool { return d == DutyAwait || d.AwaitsReport() }

// AwaitsReport reports whether a report or an answer of the peer is waited for.
func (d Duty) AwaitsReport() bool { return d >= DutyAwaitSupplement && d <= DutyAwaitConsult }

// Recurs reports whether the duty is only the moment of the next test of a
// pair: it is done by coming, and never overdue.
func (d Duty) Recurs() bool { return d == DutyLineTest || d == DutyWatchTest }

// Owned reports whether the duty is owed by a person of this ledger's party.
func (d Duty) Owned() bool {
	return d <= DutyRatify || d == DutyAcknowledge || d >= DutySupplement && d <= DutyConsult
}

func (d Duty) String() string {
	names := [...]string{"", "assess", "alert", "ratify", "deliver", "acknowledge", "await-acknowledgement", "line-test", "line-reply",
		"supplement", "report-progress", "report-final", "reply", "respond", "answer-consult",
		"await-supplement", "await-progress", "await-final", "await-reply", "await-response", "await-consult",
		"line-answered", "line-heard", "watch-test", "confirm-contacts"}
	if int(d) < len(names) {
		return names[d]
	}
	return "duty"
}

// Due is the content of EntryDue: one clock of one duty, fired once.
type Due struct {
	Duty     Duty     `cbor:"1,keyasint"`
	Subject  ID       `cbor:"2,keyasint"`           // the statement that opened the duty; zero where none did
	Peer     Party    `cbor:"3,keyasint,omitempty"` // the other party, if the duty concerns one
	Due      Time     `cbor:"4,keyasint"`           // when it was due, not when it was found
	Clock    uint64   `cbor:"5,keyasint"`           // number of the clock within its case or pair
	Permille uint64   `cbor:"6,keyasint"`           // of the term
	Overdue  bool     `cbor:"7,keyasint,omitempty"` // this clock is the deadline itself
	Office   string   `cbor:"8,keyasint,omitempty"` // rung, as frozen when the duty opened
	Targets  []string `cbor:"9,keyasint,omitempty"`
}

// Clock is the content of EntryClock.
type Clock struct {
	Readings []Reading `cbor:"1,keyasint"`
}

// Reading is one node's clock as read by the leader.
type Reading struct {
	_    struct{} `cbor:",toarray"`
	Node string
	Time Time
}

// Members is the content of EntryMembers: the voters after a change.
type Members struct {
	Voters []string `cbor:"1,keyasint"` // sorted
}

// RulesVersion is the content of EntryRules.
type RulesVersion struct {
	Version uint64 `cbor:"1,keyasint"`
}

// Document is the content of EntryDocument.
type Document struct {
	Raw []byte `cbor:"1,keyasint"`
}

// SenderEntry is what a receiver needs, beside the statement and the tender,
// to rebuild the sender's leaf. It travels with the statement and is kept.
type SenderEntry struct {
	_     struct{} `cbor:",toarray"`
	Time  Time
	Salt  [16]byte
	Scope Scope
	Cause Cause
	Sent  Sent // without the statement
}

// contents makes an empty content per type.
func contents(t EntryType) content {
	switch t {
	case EntryGenesis:
		return new(Genesis)
	case EntrySent:
		return new(Sent)
	case EntryReceived:
		return new(Received)
	case EntryReceipted:
		return new(Receipted)
	case EntryDue:
		return new(Due)
	case EntryClock:
		return new(Clock)
	case EntryMembers:
		return new(Members)
	case EntryRules:
		return new(RulesVersion)
	case EntryDocument:
		return new(Document)
	case EntryPage:
		return new(Page)
	case EntryWitnessed:
		return new(Witnessed)
	}
	return nil
}

// EncodeEntry returns the leaf bytes of an entry.
func EncodeEntry(t EntryType, at Time, salt [16]byte, scope Scope, cause Cause, content any) (out []byte, err error) {
	e := Entry{Type: t, Time: at, Salt: salt, Scope: scope, Cause: cause}
	useEntry(&e, content, func(b []byte, fault error) {
		if err = fault; err == nil {
			out = bytes.Clone(b)
		}
	})
	return out, err
}

// hashEntry returns the leaf hash of an entry.
func hashEntry(e *Entry, content any) (leaf tlog.Hash, err error) {
	useEntry(e, content, func(b []byte, fault error) {
		if err = fault; err == nil {
			leaf = tlog.LeafHash(b)
		}
	})
	return leaf, err
}

// useEntry calls use with the leaf bytes of an entry, or with what prevents
// them; use keeps nothing of them.
func useEntry(e *Entry, content any, use func([]byte, error)) {
	c, ok := content.(coded)
	if !ok {
		b, err := encoder.Marshal(content)
		if err != nil {
			use(nil, err)
			return
		}
		c = (*encoded)(&b)
	}
	written(func(w *wire) { e.head(w); c.code(w) }, func(b []byte) {
		if len(b) > MaxEntry {
			use(nil, Refuse(CodeTooLarge, "entry of %d bytes, at most %d", len(b), MaxEntry))
			return
		}
		use(b, nil)
	})
}

// encoded is written as it is.
type encoded []byte

func (b *encoded) code(w *wire) { w.b = append(w.b, *b...) }

// StatementIn reads a leaf and the statement that it holds; of an entry without
// one it says CodeNotFound. No signature is verified.
func StatementIn(leaf []byte) (*Entry, *Statement, error) {
	e, content, err := DecodeEntry(leaf)
	if err != nil {
		return nil, nil, err
	}
	var raw []byte
	switch c := content.(type) {
	case *Sent:
		raw = c.Statement
	case *Received:
		raw = c.Statement
	default:
		return nil, nil, Refuse(CodeNotFound, "the entry holds no statement")
	}
	st, err := Parse(raw)
	return e, st, err
}

// DecodeEntry decodes a leaf strictly and returns its content as a pointer to
// the type that belongs to it. Byte strings of both may be parts of b: neither
// may be changed.
func DecodeEntry(b []byte) (*Entry, any, error) {
	if len(b) > MaxEntry {
		return nil, nil, Refuse(CodeTooLarge, "%d bytes, at most %d are allowed", len(b), MaxEntry)
	}
	var e Entry
	w := wire{b: b}
	e.head(&w)
	// The content is the last element: whatever reads it refuses what follows.
	e.Content, w.b = w.b, nil
	if err := w.end(); err != nil {
		return nil, nil, err
	}
	c := contents(e.Type)
	if c == nil {
		return nil, nil, Refuse(CodeMalformed, "entry type %d is not known", uint64(e.Type))
	}
	if err := Unmarshal(e.Content, c, MaxEntry); err != nil {
		return nil, nil, wrap(err, "content of entry type %d", uint64(e.Type))
	}
	if err := e.validate(); err != nil {
		return nil, nil, err
	}
	var err error
	if p, ok := c.(carrier); ok {
		e.Parts, err = p.parts()
	} else {
		err = c.Validate()
	}
	if err != nil {
		return nil, nil, wrap(err, "content of entry type %d", uint64(e.Type))
	}
	return &e, c, nil
}

func (s *Scope) validate() error {
	ok := true
	switch s.Class {
	case ScopeCommon:
		ok = s.Case == nil && len(s.Parties) == 0
	case ScopePair:
		ok = s.Case == nil && len(s.Parties) == 2
	case ScopeCase:
		ok = s.Case != nil && len(s.Parties) >= 1
	default:
		ok = false
	}
	if !ok {
		return Refuse(CodeMalformed, "scope of class %d does not fit its case and parties", s.Class)
	}
	if s.Case != nil && (!s.Case.Party.Valid() || s.Case.ID.IsZero()) {
		return Refuse(CodeMalformed, "scope of a case without party or statement")
	}
	// a case with all its addressees and the party that opened it
	return recode(CodeMalformed, checkParties("scope", s.Parties, MaxAddressees+1))
}

// Common is the scope of what concerns the whole log.
func Common() Scope { return Scope{Class: ScopeCommon, Parties: []Party{}} }

// PairScope is the scope of what concerns two parties and no case.
func PairScope(a, b Party) Scope { return Scope{Class: ScopePair, Parties: sorted(a, b)} }

// CaseScope is the scope of what concerns a case.
func CaseScope(c CaseID, parties ...Party) Scope {
	return Scope{Class: ScopeCase, Case: &c, Parties: sorted(parties...)}
}

func sorted(parties ...Party) []Party {
	list := slices.Clone(parties)
	slices.Sort(list)
	return slices.Compact(list)
}

// Leaf rebuilds the sender's leaf from its entry and the statement.
func (s *SenderEntry) Leaf(statement []byte) (tlog.Hash, error) {
	sent := s.Sent
	sent.Statement = statement
	return hashEntry(&Entry{Type: EntrySent, Time: s.Time, Salt: s.Salt, Scope: s.Scope, Cause: s.Cause}, &sent)
}

// SenderEntryOf strips the statement from an own EntrySent.
func SenderEntryOf(e *Entry, s *Sent) *SenderEntry {
	sent := *s
	sent.Statement = nil
	return &SenderEntry{Time: e.Time, Salt: e.Salt, Scope: e.Scope, Cause: e.Cause, Sent: sent}
}

// ParseSenderEntry decodes a sender's entry strictly.
func ParseSenderEntry(b []byte) (*SenderEntry, error) {
	var s SenderEntry
	if err := Unmarshal(b, &s, MaxReceipt); err != nil {
		return nil, wrap(err, "sender's entry")
	}
	if len(s.Sent.Statement) != 0 {
		return nil, Refuse(CodeMalformed, "sender's entry repeats the statement")
	}
	e := Entry{Type: EntrySent, Time: s.Time, Scope: s.Scope, Cause: s.Cause}
	if err := e.validate(); err != nil {
		return nil, wrap(err, "sender's entry")
	}
	if err := s.Sent.check(); err != nil {
		return nil, wrap(err, "sender's entry")
	}
	return &s, nil
}

// SequenceFor returns the sequence towards p, or 0.
func (s *Sent) SequenceFor(p Party) uint64 {
	for _, q := range s.Sequences {
		if q.To == p {
			return q.N
		}
	}
	return 0
}
