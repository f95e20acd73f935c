// Package page wakes people: it carries a page over the channels of one node, in their order, until one has taken it. It decides
// nothing. Which page is due, and that it was intended before it was tried, is the ledger's to say (SPEC §6.10).
//
// What leaves the house with a page stands in Notice and nowhere else: ids, the duty, precedence, status, peer, due time,
// office and targets. The text of a statement never does.
package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
)

// Event says what a notice is about.
type Event string

// The events.
const (
	Due   Event = "page"          // somebody must act
	Over  Event = "over"          // the thing was done: what is open for this key may be closed
	Test  Event = "channel-test"  // the daily test of a channel; nobody need act
	Fault Event = "channel-fault" // another channel of this node failed its test: a technician must act
)

// Notice is one page as it leaves the house.
type Notice struct {
	// Key is the same for the same page over every channel, retry, repeat and change of leader, so that the receiving system
	// can merge what comes twice.
	Key    string
	Event  Event
	Repeat uint64 // 0 for the first alarm of the key

	Party      hotline.Party
	Node       string
	Status     hotline.Status
	Precedence hotline.Precedence
	Duty       string // what is to be done, in the words of SPEC §6.3
	Peer       hotline.Party
	Case       string
	Statement  string // id, hexadecimal
	Office     string
	Targets    []string
	Due        time.Time
	Overdue    bool
	Channel    string // of a fault: the channel that failed

	At time.Time // of this attempt; the pager sets it
}

// ID names one message: what has the same id is the same message, sent again. A repeated alarm, and the end of one, are
// messages of their own under the same key.
func (n *Notice) ID() string {
	switch {
	case n.Event == Over:
		return n.Key + ".over"
	case n.Repeat > 0:
		return fmt.Sprintf("%s.%d", n.Key, n.Repeat)
	}
	return n.Key
}

// Line is the notice in one line of printable ASCII. The status comes first: an exercise must never pass as real.
func (n *Notice) Line() string {
	var b strings.Builder
	b.WriteString(n.Status.String() + " " + codebook.MarkOf(n.Status).Sign + " ")
	switch n.Event {
	case Test:
		fmt.Fprintf(&b, "hotline %s tests this channel; nothing is to be done", n.Party)
		return ascii(b.String())
	case Fault:
		fmt.Fprintf(&b, "hotline %s: page channel %s of node %s fails its test", n.Party, n.Channel, n.Node)
		return ascii(b.String())
	case Over:
		b.WriteString("OVER ")
	default:
		b.WriteString(n.Precedence.String() + " ")
	}
	fmt.Fprintf(&b, "hotline %s: %s", n.Party, n.Duty)
	if n.Peer != "" {
		fmt.Fprintf(&b, ", peer %s", n.Peer)
	}
	if n.Event == Due && n.Overdue {
		b.WriteString(", OVERDUE")
	}
	if n.Office != "" {
		fmt.Fprintf(&b, " [%s]", n.Office)
	}
	return ascii(b.String())
}

// field is one fact of a notice in the order in which people read them.
type field struct{ name, value string }

func (n *Notice) fields() []field {
	mark := codebook.MarkOf(n.Status)
	list := []field{{"event", string(n.Event)}, {"status", n.Status.String()}, {"sign", mark.Sign}, {"colour", mark.Colour}, {"precedence", n.Precedence.String()}, {"party", string(n.Party)},
		{"node", n.Node}, {"duty", n.Duty}, {"peer", string(n.Peer)}, {"due", utc(n.Due)}}
	if n.Overdue {
		list = append(list, field{"overdue", "yes"})
	}
	list = append(list, field{"office", n.Office}, field{"targets", strings.Join(n.Targets, " ")}, field{"case", n.Case},
		field{"statement", n.Statement}, field{"channel", n.Channel}, field{"key", n.Key}, field{"id", n.ID()})
	var filled []field
	for _, f := range list {
		if f.value != "" {
			filled = append(filled, field{f.name, ascii(f.value)})
		}
	}
	return filled
}

// wire is the JSON of a notice, as webhooks and commands get it. Members are only ever added.
type wire struct {
	Event      Event         `json:"event"`
	ID         string        `json:"id"`
	Key        string        `json:"key"`
	Repeat     uint64        `json:"repeat"`
	Summary    string        `json:"summary"`
	Party      hotline.Party `json:"party"`
	Node       string        `json:"node"`
	Status     string        `json:"status"`
	Sign       string        `json:"sign"`   // of the status: three ASCII characters
	Colour     string        `json:"colour"` // of the status, by its CSS name
	Precedence string        `json:"precedence,omitempty"`
	Duty       string        `json:"duty,omitempty"`
	Peer       hotline.Party `json:"peer,omitempty"`
	Case       string        `json:"case,omitempty"`
	Statement  string        `json:"statement,omitempty"`
	Office     string        `json:"office,omitempty"`
	Targets    []string      `json:"targets"`
	Due        string        `json:"due,omitempty"`
	Overdue    bool          `json:"overdue"`
	Channel    string        `json:"channel,omitempty"`
	At         string        `json:"at"`
}

// JSON is the notice for machines.
func (n *Notice) JSON() []byte {
	targets := n.Targets
	if targets == nil {
		targets = []string{}
	}
	mark := codebook.MarkOf(n.Status)
	b, err := json.Marshal(wire{Event: n.Event, ID: n.ID(), Key: n.Key, Repeat: n.Repeat, Summary: n.Line(), Party: n.Party, Node: n.Node,
		Status: n.Status.String(), Sign: mark.Sign, Colour: mark.Colour, Precedence: n.Precedence.String(), Duty: n.Duty, Peer: n.Peer, Case: n.Case, Statement: n.Statement,
		Office: n.Office, Targets: targets, Due: utc(n.Due), Overdue: n.Overdue, Channel: n.Channel, At: utc(n.At)})
	if err != nil {
		panic("page: a notice of plain text cannot be encoded: " + err.Error())
	}
	return b
}

// utc is a time for people and machines, RFC 3339 with milliseconds; "" for none.
func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// ascii keeps printable ASCII and puts a question mark in the place of everything else, so that no name can break a line or a
// header.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Channel is one way to wake people. Send returns nil only when the other side said that it has the notice. It returns soon
// after ctx has ended, and may be called from several goroutines.
type Channel interface {
	Send(ctx context.Context, n *Notice) error
	// Lasting reports whether the other side keeps a page open until it is told Over, and after how long it must be told again
	// that it still is; 0 for never.
	Lasting() (lasting bool, again time.Duration)
}

// Attempt is one try of one channel.
type Attempt struct {
	Channel string
	Result  hotline.PageResult
	At      time.Time
	Took    time.Duration
	Err     error // why it failed; for this node's log alone
}

// errAbsent is told of a channel that this node does not have.
var errAbsent = errors.New("this node has no channel of that name; configure it as on the other nodes")

// errBusy is told of a channel whose attempts all hang.
var errBusy = errors.New("every attempt that the channel may make at once is still under way")
