package ledger

import (
	"bytes"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// CommandType says what a command asks of the ledger (SPEC §7.4).
type CommandType uint64

// The commands. Those after the line leave the record state alone: they change
// the working state and never make an entry.
const (
	Genesis  CommandType = 1
	Submit   CommandType = 2  // an own statement, of an officer or of the group
	Receive  CommandType = 3  // a peer's statement with its tender
	Receipt  CommandType = 4  // a peer's receipt of an own statement
	Tick     CommandType = 5  // nothing but the time
	Members  CommandType = 6  // the voters after a change of configuration
	Rules    CommandType = 7  // a new version of the rules
	Document CommandType = 8  // a convention version or a directory
	Paged    CommandType = 9  // that a page is intended, or what came of it
	Witness  CommandType = 10 // which checkpoints of peers were cosigned

	Hit     CommandType = 16 // a sensor hit for the triage queue
	Dismiss CommandType = 17 // takes a hit out of the queue
	Draft   CommandType = 18 // a statement that waits for its second signature
	Cosign  CommandType = 19 // a peer's checkpoint that is about to be cosigned
)

// Command is what a leader proposes. Everything that Apply needs stands in it:
// Apply reads no clock and no randomness.
type Command struct {
	Type     CommandType       `cbor:"1,keyasint"`
	Time     hotline.Time      `cbor:"2,keyasint"`           // the leader's clock
	Seed     []byte            `cbor:"3,keyasint,omitempty"` // of the salts; 32 random bytes, shown in no entry
	Readings []hotline.Reading `cbor:"4,keyasint,omitempty"`

	Genesis   *hotline.Genesis `cbor:"5,keyasint,omitempty"`
	Statement []byte           `cbor:"6,keyasint,omitempty"`
	Sender    []byte           `cbor:"7,keyasint,omitempty"` // hotline.SenderEntry
	Tender    []byte           `cbor:"8,keyasint,omitempty"`
	Receipt   []byte           `cbor:"9,keyasint,omitempty"`
	Voters    []string         `cbor:"10,keyasint,omitempty"`
	Rules     uint64           `cbor:"11,keyasint,omitempty"`
	Document  []byte           `cbor:"12,keyasint,omitempty"`
	Hit       *hotline.Hit     `cbor:"13,keyasint,omitempty"`
	Key       string           `cbor:"14,keyasint,omitempty"` // of a hit: dismissed, or adopted by the submitted detection
	Page      *hotline.Page    `cbor:"15,keyasint,omitempty"`

	Peer      hotline.Party      `cbor:"16,keyasint,omitempty"` // whose checkpoint is to be cosigned
	Extension []byte             `cbor:"17,keyasint,omitempty"` // the checkpoint with its proof: tlog.Extension
	Witnessed *hotline.Witnessed `cbor:"18,keyasint,omitempty"`

	Anchor []byte `cbor:"19,keyasint,omitempty"` // of an own statement: hotline.Anchor

	parts parts
}

// Written says how a command is written: every node decodes every one.
func (c *Command) Written(w *hotline.Wire) {
	f := w.Fields()
	hotline.Number(&f, 1, &c.Type)
	hotline.Integer(&f, 2, &c.Time)
	f.MayBytes(3, &c.Seed)
	hotline.MayAnyList(&f, 4, &c.Readings)
	hotline.MayAny(&f, 5, &c.Genesis)
	f.MayBytes(6, &c.Statement)
	f.MayBytes(7, &c.Sender)
	f.MayBytes(8, &c.Tender)
	f.MayBytes(9, &c.Receipt)
	hotline.MayTexts(&f, 10, &c.Voters)
	hotline.MayNumber(&f, 11, &c.Rules)
	f.MayBytes(12, &c.Document)
	hotline.MayAny(&f, 13, &c.Hit)
	hotline.MayText(&f, 14, &c.Key)
	hotline.MayAny(&f, 15, &c.Page)
	hotline.MayText(&f, 16, &c.Peer)
	f.MayBytes(17, &c.Extension)
	hotline.MayAny(&f, 18, &c.Witnessed)
	f.MayBytes(19, &c.Anchor)
	f.End()
}

// parts are what a command carries, each parsed when it is first asked for:
// whoever verifies the command and Apply read the same values. They are no part
// of the encoding. A command is in one pair of hands at a time.
type parts struct {
	statement *hotline.Statement
	sender    *hotline.SenderEntry
	tender    *hotline.Receipt
	receipt   *hotline.Receipt
}

// TakeParts gives c what has been parsed of a command with the same bytes.
func (c *Command) TakeParts(same *Command) { c.parts = same.parts }

// TakeStatement gives c the statement that it carries, parsed. A statement of
// other bytes is not taken.
func (c *Command) TakeStatement(st *hotline.Statement) {
	if bytes.Equal(st.Raw, c.Statement) {
		c.parts.statement = st
	}
}

// ParseStatement returns the statement that the command carries.
func (c *Command) ParseStatement() (*hotline.Statement, error) {
	return parsed(&c.parts.statement, c.Statement, hotline.Parse)
}

// ParseSender returns the sender's entry that the command carries.
func (c *Command) ParseSender() (*hotline.SenderEntry, error) {
	return parsed(&c.parts.sender, c.Sender, hotline.ParseSenderEntry)
}

// ParseTender returns the tender that the command carries.
func (c *Command) ParseTender() (*hotline.Receipt, error) {
	return parsed(&c.parts.tender, c.Tender, hotline.ParseReceipt)
}

func (c *Command) parseReceipt() (*hotline.Receipt, error) {
	return parsed(&c.parts.receipt, c.Receipt, hotline.ParseReceipt)
}

func parsed[T any](part **T, raw []byte, parse func([]byte) (*T, error)) (*T, error) {
	if *part != nil {
		return *part, nil
	}
	v, err := parse(raw)
	if err != nil {
		return nil, err
	}
	*part = v
	return v, nil
}

// MaxCommand bounds an encoded command in bytes.
const MaxCommand = hotline.MaxOwnCommand

// DecodeCommand decodes a command strictly. Its byte strings are parts of b.
func DecodeCommand(b []byte) (*Command, error) {
	c := new(Command)
	if err := hotline.Unmarshal(b, c, MaxCommand); err != nil {
		return nil, err
	}
	return c, nil
}

// Result is what Apply answers: the entries and effects, and what became of
// the command itself.
type Result struct {
	Code hotline.Code // why the command was refused; "" if it was done
	Text string

	Time    hotline.Time // committed time after the command
	First   uint64       // index of Entries[0]
	Entries [][]byte
	Effects []Effect

	// Of a statement: its place in this log. Existing says that it stood there
	// before this command. Reject is the code under which a peer's statement
	// was logged as rejected.
	ID       hotline.ID
	Index    uint64
	Placed   bool
	Existing bool

	Reject hotline.Code

	// Of a statement placed by this command: what tender or receipt need. The
	// entry is without its content, which is a *hotline.Sent or *hotline.Received.
	Entry   *hotline.Entry
	Content any
	Root    tlog.Hash
	Path    []tlog.Hash

	// Need says which documents the receiver lacks (CodeNeed).
	NeedDirectory  uint64
	NeedConvention uint64
}

// EffectType says what the node must do because of what was decided.
type EffectType uint8

// The effects. An effect may happen twice (a new leader derives it again from
// the state); whoever acts on it makes it harmless.
const (
	Deliver   EffectType = 1 // send an own statement to a peer
	Settled   EffectType = 2 // a peer's receipt is committed: nothing more to send
	Received  EffectType = 3 // a peer's statement was accepted
	Compose   EffectType = 4 // build, sign and submit a statement of the group
	Page      EffectType = 5 // wake the people on a rung
	Stop      EffectType = 6 // the thing was done: everything pending for it stops
	Wake      EffectType = 7 // a sensor hit waits for an operator
	Published EffectType = 8 // a document is in force: links, keys and peers may change
	Accepted  EffectType = 9 // an own statement was accepted
)

// Effect is one thing to do.
type Effect struct {
	Type       EffectType
	Peer       hotline.Party
	ID         hotline.ID // the statement concerned
	Kind       hotline.Kind
	Index      uint64
	Sequence   uint64
	Precedence hotline.Precedence
	Status     hotline.Status
	Time       hotline.Time
	Case       *hotline.CaseID
	Duty       hotline.Duty
	Overdue    bool
	Office     string
	Targets    []string
	Ask        *Ask
	Text       string
}
