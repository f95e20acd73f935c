package desk

import (
	"example.org/hotline/hotline"
)

// ALPN names the conversation.
const ALPN = "hotline-desk/1"

// Request is what an officer's machine asks. Exactly one of the pointers is
// set.
type Request struct {
	Version   uint64            `cbor:"1,keyasint"` // hotline.Protocol; set by the Client
	Status    *StatusRequest    `cbor:"2,keyasint,omitempty"`
	Documents *DocumentsRequest `cbor:"3,keyasint,omitempty"` // stream of Reply.Documents
	Publish   *PublishRequest   `cbor:"4,keyasint,omitempty"`
	Submit    *SubmitRequest    `cbor:"5,keyasint,omitempty"` // Reply.Submit
	Draft     *DraftRequest     `cbor:"6,keyasint,omitempty"`
	Drafts    *DraftsRequest    `cbor:"7,keyasint,omitempty"` // stream of Reply.Draft
	Hits      *HitsRequest      `cbor:"8,keyasint,omitempty"` // Reply.Hits
	Triage    *TriageRequest    `cbor:"9,keyasint,omitempty"` // stream of Reply.Triage
	Dismiss   *DismissRequest   `cbor:"10,keyasint,omitempty"`
	Inbox     *InboxRequest     `cbor:"11,keyasint,omitempty"` // Reply.Inbox
	Show      *ShowRequest      `cbor:"12,keyasint,omitempty"` // Reply.Show
	Watch     *WatchRequest     `cbor:"13,keyasint,omitempty"` // stream of Reply.Event, until the asker goes away
	Export    *ExportRequest    `cbor:"14,keyasint,omitempty"` // stream of Reply.Export
	Ladder    *LadderRequest    `cbor:"15,keyasint,omitempty"` // Reply.Ladder
	Backup    *BackupRequest    `cbor:"16,keyasint,omitempty"` // stream of Reply.Backup
	Proof     *ProofRequest     `cbor:"17,keyasint,omitempty"` // Reply.Proof
}

// StatusRequest asks how the node, the group, its lines and its duties are.
type StatusRequest struct{}

// DocumentsRequest asks for the documents that the asker does not have: every
// convention version after Convention, in order, then the newest directory of
// every party whose number is above the one in Have.
type DocumentsRequest struct {
	Convention uint64      `cbor:"1,keyasint"`
	Have       []Directory `cbor:"2,keyasint,omitempty"` // sorted by party; at most hotline.MaxParties
}

// Directory names one number of one party's directory.
type Directory struct {
	_      struct{} `cbor:",toarray"`
	Party  hotline.Party
	Number uint64
}

// PublishRequest hands a convention version or a directory to the group.
type PublishRequest struct {
	Document []byte `cbor:"1,keyasint"` // at most hotline.MaxDocument
}

// SubmitRequest hands in a statement that all its authors have signed. It may
// be asked again with the same bytes until the outcome is known.
type SubmitRequest struct {
	Statement []byte `cbor:"1,keyasint"`           // at most hotline.MaxStatement
	Adopts    string `cbor:"2,keyasint,omitempty"` // key of the hit that a detection takes out of triage
}

// DraftRequest keeps a statement that not all authors have signed in the
// group's working state.
type DraftRequest struct {
	Statement []byte `cbor:"1,keyasint"`
}

// DraftsRequest asks for the drafts that wait, oldest first.
type DraftsRequest struct{}

// HitsRequest puts sensor hits into the triage queue.
type HitsRequest struct {
	Hits []hotline.Hit `cbor:"1,keyasint"` // 1 to hotline.MaxHitsAtOnce that fit hotline.MaxDeskMessage
}

// TriageRequest asks for the hits that wait, oldest first.
type TriageRequest struct{}

// DismissRequest takes a hit out of the triage queue without adopting it.
type DismissRequest struct {
	Key string `cbor:"1,keyasint"`
}

// InboxRequest asks for statements in the ledger, newest first.
type InboxRequest struct {
	Limit  uint64 `cbor:"1,keyasint"`           // 1 to hotline.MaxDeskInbox
	Before uint64 `cbor:"2,keyasint,omitempty"` // only entries below this index; 0: from the newest
}

// ShowRequest asks for one statement. ID is 8 to 64 lower-case hexadecimal
// digits; the host answers CodeNotFound if no statement begins so, and
// CodeReference if several do.
type ShowRequest struct {
	ID string `cbor:"1,keyasint"`
}

// WatchRequest asks for everything that happens from now on. The first event
// is EventBegin.
type WatchRequest struct{}

// ExportRequest asks for the entries of the log from index From on, up to the
// size of the last chunk's checkpoint.
type ExportRequest struct {
	From uint64 `cbor:"1,keyasint"`
}

// BackupRequest asks for everything that a new disk needs, as it stands at one
// moment: the entries, then the state, then what proves both.
type BackupRequest struct{}

// ProofRequest asks for the proof that a statement stands in the own log under a
// cosigned checkpoint. ID is as in ShowRequest.
type ProofRequest struct {
	ID string `cbor:"1,keyasint"`
}

// LadderRequest asks for the ladder in force.
type LadderRequest struct{}

// Reply is what a node answers. Code is empty if what was asked was done; a
// code may come behind earlier replies of a stream, and ends it.
type Reply struct {
	Version   uint64          `cbor:"1,keyasint"` // set by Serve
	Code      hotline.Code    `cbor:"2,keyasint,omitempty"`
	Text      string          `cbor:"3,keyasint,omitempty"` // for people
	Status    *StatusView     `cbor:"4,keyasint,omitempty"`
	Documents *DocumentsView  `cbor:"5,keyasint,omitempty"`
	Submit    *SubmitView     `cbor:"6,keyasint,omitempty"`
	Draft     *DraftView      `cbor:"7,keyasint,omitempty"`
	Hits      *HitsView       `cbor:"8,keyasint,omitempty"` // may stand beside a code: how many were taken before it
	Triage    *TriageView     `cbor:"9,keyasint,omitempty"`
	Inbox     *InboxView      `cbor:"10,keyasint,omitempty"`
	Show      *ShowView       `cbor:"11,keyasint,omitempty"`
	Event     *Event          `cbor:"12,keyasint,omitempty"`
	Export    *ExportChunk    `cbor:"13,keyasint,omitempty"`
	Ladder    *hotline.Ladder `cbor:"14,keyasint,omitempty"`
	Backup    *BackupChunk    `cbor:"15,keyasint,omitempty"`
	Proof     *ProofView      `cbor:"16,keyasint,omitempty"`
}

// DocumentsView carries raw documents, as many as fit one message.
type DocumentsView struct {
	Raw [][]byte `cbor:"1,keyasint" json:"raw"`
}

// SubmitView says where a statement stands in the ledger.
type SubmitView struct {
	ID        hotline.ID         `cbor:"1,keyasint" json:"id"`
	Index     uint64             `cbor:"2,keyasint" json:"index"`
	Time      hotline.Time       `cbor:"3,keyasint" json:"time"` // committed
	Sequences []hotline.Sequence `cbor:"4,keyasint,omitempty" json:"sequences,omitempty"`
	Existing  bool               `cbor:"5,keyasint,omitempty" json:"existing,omitempty"` // it stood there before
}

// DraftView is one statement that waits for its next author. Body is opened by
// the group, so that the second officer sees what is signed; it is absent for
// those who may not read bodies.
type DraftView struct {
	ID    hotline.ID   `cbor:"1,keyasint" json:"id"`
	Raw   []byte       `cbor:"2,keyasint" json:"raw"`
	Since hotline.Time `cbor:"3,keyasint" json:"since"`
	Body  []byte       `cbor:"4,keyasint,omitempty" json:"body,omitempty"`
	Blind []byte       `cbor:"5,keyasint,omitempty" json:"blind,omitempty"` // 32 bytes: proves Body to be what the header commits to
}

// HitsView says how many of the hits were taken, in their order.
type HitsView struct {
	Taken   uint64 `cbor:"1,keyasint" json:"taken"`
	Receipt []byte `cbor:"2,keyasint,omitempty" json:"receipt,omitempty"` // hotline.HitReceipt for those taken, signed by the service key
}

// TriageView carries hits, as many as fit one message.
type TriageView struct {
	Hits []hotline.Hit `cbor:"1,keyasint" json:"hits"`
	Lost uint64        `cbor:"2,keyasint,omitempty" json:"lost,omitempty"` // hits that found the queue full, since the group began
}

// Direction says how a statement came into the ledger.
type Direction string

// The directions.
const (
	Sent     Direction = "sent"     // own, to others
	Received Direction = "received" // of another party
	Kept     Direction = "kept"     // own, for the own ledger only
)

// Stage is how far one addressee of a sent statement is.
type Stage string

// The stages, in the words of the ledger.
const (
	StageTendered     Stage = "TENDERED"
	StageReceived     Stage = "RECEIVED"
	StageAcknowledged Stage = "ACKNOWLEDGED"
	StageUndelivered  Stage = "UNDELIVERED"
	StageRejected     Stage = "REJECTED"
)

// InboxView is one page, newest first.
type InboxView struct {
	Items []InboxItem `cbor:"1,keyasint" json:"items"`
	More  bool        `cbor:"2,keyasint,omitempty" json:"more,omitempty"` // there are older ones: ask Before the last Index
}

// InboxItem is one statement in the ledger, without its body.
type InboxItem struct {
	Index      uint64             `cbor:"1,keyasint" json:"index"`
	Time       hotline.Time       `cbor:"2,keyasint" json:"time"` // committed
	ID         hotline.ID         `cbor:"3,keyasint" json:"id"`
	Kind       hotline.Kind       `cbor:"4,keyasint" json:"kind"`
	From       hotline.Party      `cbor:"5,keyasint" json:"from"`
	To         []hotline.Party    `cbor:"6,keyasint,omitempty" json:"to,omitempty"`
	Case       *hotline.CaseID    `cbor:"7,keyasint,omitempty" json:"case,omitempty"`
	Re         *hotline.ID        `cbor:"8,keyasint,omitempty" json:"re,omitempty"`
	Precedence hotline.Precedence `cbor:"9,keyasint" json:"precedence"`
	Status     hotline.Status     `cbor:"10,keyasint" json:"status"`
	Direction  Direction          `cbor:"11,keyasint" json:"direction"`
	Code       hotline.Code       `cbor:"12,keyasint,omitempty" json:"code,omitempty"` // under which it was rejected here
	Ack        *AckView           `cbor:"13,keyasint,omitempty" json:"ack,omitempty"`  // of a received one that opens the duty
	Addressees []AddresseeView    `cbor:"14,keyasint,omitempty" json:"addressees,omitempty"`
	Verdict    hotline.Verdict    `cbor:"15,keyasint,omitempty" json:"verdict,omitempty"`
}

// AckView is the duty to acknowledge one received statement.
type AckView struct {
	Deadline     hotline.Time `cbor:"1,keyasint,omitempty" json:"deadline,omitempty"` // 0 where it is no longer remembered
	Overdue      bool         `cbor:"2,keyasint,omitempty" json:"overdue,omitempty"`
	Acknowledged bool         `cbor:"3,keyasint,omitempty" json:"acknowledged,omitempty"`
}

// AddresseeView is how far one addressee of a sent statement is.
type AddresseeView struct {
	Party    hotline.Party `cbor:"1,keyasint" json:"party"`
	Stage    Stage         `cbor:"2,keyasint" json:"stage"`
	Sequence uint64        `cbor:"3,keyasint,omitempty" json:"sequence,omitempty"`
}

// ShowView is one statement with everything that the group holds about it.
type ShowView struct {
	Item   InboxItem       `cbor:"1,keyasint" json:"item"`
	Raw    []byte          `cbor:"2,keyasint" json:"raw"`
	Scope  hotline.Scope   `cbor:"3,keyasint" json:"scope"`
	Marks  hotline.Marks   `cbor:"4,keyasint,omitempty" json:"marks,omitempty"`
	Tender *hotline.Claims `cbor:"5,keyasint,omitempty" json:"tender,omitempty"` // of a received one: its place in the sender's log; of a sent one: in ours
	// Receipts holds, for a sent statement, what each addressee's receipt
	// claims; for a received one, our own receipt.
	Receipts []hotline.Claims `cbor:"6,keyasint,omitempty" json:"receipts,omitempty"`
	// Body and Blind are set if the kind is sealed, the group can open it and
	// the asker may read bodies. A body that is not sealed stands in Raw.
	Body  []byte `cbor:"7,keyasint,omitempty" json:"body,omitempty"`
	Blind []byte `cbor:"8,keyasint,omitempty" json:"blind,omitempty"` // 32 bytes
	// Unreadable says why a sealed body is not there.
	Unreadable string `cbor:"9,keyasint,omitempty" json:"unreadable,omitempty"`
	// Case is how far the statement's case is; absent where it stands in none,
	// or the case is no longer remembered.
	Case *CaseView `cbor:"10,keyasint,omitempty" json:"case,omitempty"`
	// Late are own duties of the case, or of the line, that were overdue, the
	// newest last, at most hotline.MaxDeskDuties.
	Late []LateView `cbor:"11,keyasint,omitempty" json:"late,omitempty"`
}

// CaseView is how far a case is.
type CaseView struct {
	ID       hotline.CaseID `cbor:"1,keyasint" json:"id"`
	Stage    Stage          `cbor:"2,keyasint" json:"stage"`
	Detected hotline.Time   `cbor:"3,keyasint,omitempty" json:"detected,omitempty"` // T0, of an own detection
	Opened   hotline.Time   `cbor:"4,keyasint" json:"opened"`                       // committed: of an own detection, when it was adopted
	Assessed hotline.Time   `cbor:"5,keyasint,omitempty" json:"assessed,omitempty"` // committed
	Lives    []LifeView     `cbor:"6,keyasint,omitempty" json:"lives,omitempty"`
}

// LifeView is how far a case is between one party that tells and one that is
// told (SPEC §6.9).
type LifeView struct {
	Teller hotline.Party `cbor:"1,keyasint" json:"teller"`
	Told   hotline.Party `cbor:"2,keyasint" json:"told"`
	Stage  Stage         `cbor:"3,keyasint" json:"stage"`
	Marks  []string      `cbor:"4,keyasint,omitempty" json:"marks,omitempty"` // what stands beside: UNDELIVERED, INQUIRY-OPEN …
}

// LateView is an own duty that was overdue.
type LateView struct {
	Class   hotline.Duty  `cbor:"1,keyasint" json:"class"`
	Subject hotline.ID    `cbor:"2,keyasint" json:"subject"`
	Peer    hotline.Party `cbor:"3,keyasint,omitempty" json:"peer,omitempty"`
	Due     hotline.Time  `cbor:"4,keyasint" json:"due"`
	Entry   uint64        `cbor:"5,keyasint" json:"entry"`                      // that says overdue: a late reason names it
	Done    hotline.Time  `cbor:"6,keyasint,omitempty" json:"done,omitempty"`   // 0: not yet
	Reason  hotline.Code  `cbor:"7,keyasint,omitempty" json:"reason,omitempty"` // absent: not explained
}

// PostView is who has the desk of a role.
type PostView struct {
	Role    hotline.Role `cbor:"1,keyasint" json:"role"`
	Officer string       `cbor:"2,keyasint" json:"officer"` // role name, XA-L3
	Since   hotline.Time `cbor:"3,keyasint" json:"since"`
}

// StatusView is the state of one node and of its group.
type StatusView struct {
	Party             hotline.Party `cbor:"1,keyasint" json:"party"`
	Node              string        `cbor:"2,keyasint" json:"node"`
	Role              string        `cbor:"3,keyasint" json:"role"`                          // leader, follower, candidate or learner
	Leader            string        `cbor:"4,keyasint,omitempty" json:"leader,omitempty"`    // absent while there is none
	Generation        uint64        `cbor:"5,keyasint" json:"generation"`                    // of the log
	Size              uint64        `cbor:"6,keyasint" json:"size"`                          // entries
	Root              hotline.ID    `cbor:"7,keyasint" json:"root"`                          // of the tree of Size
	Time              hotline.Time  `cbor:"8,keyasint" json:"time"`                          // committed time of the newest entry
	Clock             hotline.Time  `cbor:"9,keyasint" json:"clock"`                         // this node's own
	Convention        hotline.ID    `cbor:"10,keyasint" json:"convention"`                   //
	ConventionVersion uint64        `cbor:"11,keyasint" json:"convention_version"`           // in force
	Directory         uint64        `cbor:"12,keyasint" json:"directory"`                    // number of the own one in force
	Voters            []string      `cbor:"13,keyasint" json:"voters"`                       // sorted
	Learners          []string      `cbor:"14,keyasint,omitempty" json:"learners,omitempty"` // members without a vote
	Triage            uint64        `cbor:"15,keyasint" json:"triage"`                       // hits that wait
	Drafts            uint64        `cbor:"16,keyasint" json:"drafts"`
	Peers             []PeerView    `cbor:"17,keyasint,omitempty" json:"peers,omitempty"` // sorted by party
	// Duties are open ones, the earliest deadline first, at most
	// hotline.MaxDeskDuties; MoreDuties counts those left out.
	Duties     []DutyView `cbor:"18,keyasint,omitempty" json:"duties,omitempty"`
	MoreDuties uint64     `cbor:"19,keyasint,omitempty" json:"more_duties,omitempty"`
	// Alarms are short texts of what needs a technician: empty on a sound node.
	Alarms []string   `cbor:"20,keyasint,omitempty" json:"alarms,omitempty"`
	Ladder uint64     `cbor:"21,keyasint,omitempty" json:"ladder,omitempty"` // number of the ladder in force; 0: the one that follows from the directory
	Posts  []PostView `cbor:"22,keyasint,omitempty" json:"posts,omitempty"`  // who has the desk, as far as handovers say
	// Observer is set while this party only observes (SPEC §5.1).
	Observer bool `cbor:"23,keyasint,omitempty" json:"observer,omitempty"`
	// Cosigned says who has witnessed the own log; absent: nobody yet.
	Cosigned *CosignedView `cbor:"24,keyasint,omitempty" json:"cosigned,omitempty"`
	Parties  uint64        `cbor:"25,keyasint,omitempty" json:"parties,omitempty"` // of the convention in force: two alone have no independent witness
}

// CosignedView is the newest checkpoint of the own log that witnesses have
// cosigned, as the node knows it.
type CosignedView struct {
	Size uint64        `cbor:"1,keyasint" json:"size"`                   // entries under it
	By   []WitnessView `cbor:"2,keyasint,omitempty" json:"by,omitempty"` // by party
}

// WitnessView is a party that has cosigned a checkpoint with both its keys.
type WitnessView struct {
	Party    hotline.Party `cbor:"1,keyasint" json:"party"`
	At       hotline.Time  `cbor:"2,keyasint" json:"at"`                           // by its own clock, to the second
	Observer bool          `cbor:"3,keyasint,omitempty" json:"observer,omitempty"` // it only observes, and is independent of every pair (SPEC §7.8)
}

// LinkState is how the line to a peer is at this moment.
type LinkState string

// The states of a line.
const (
	LinkUp     LinkState = "up"
	LinkDown   LinkState = "down"   // no connection
	LinkSilent LinkState = "silent" // a connection on which nothing comes back
)

// PeerView is the line to one other party.
type PeerView struct {
	Party     hotline.Party     `cbor:"1,keyasint" json:"party"`
	Link      LinkState         `cbor:"2,keyasint" json:"link"`
	Outbox    uint64            `cbor:"3,keyasint" json:"outbox"`                     // statements without receipt
	Tested    hotline.Time      `cbor:"4,keyasint,omitempty" json:"tested,omitempty"` // last line test that was answered
	Missed    uint64            `cbor:"5,keyasint,omitempty" json:"missed,omitempty"` // line tests without reply, in a row
	Directory uint64            `cbor:"6,keyasint,omitempty" json:"directory,omitempty"`
	Head      *hotline.PeerHead `cbor:"7,keyasint,omitempty" json:"head,omitempty"`          // newest cosigned head of the peer's log known here
	Asked     hotline.Time      `cbor:"8,keyasint,omitempty" json:"asked,omitempty"`         // newest own line test
	RoundTrip uint64            `cbor:"9,keyasint,omitempty" json:"round_trip_ms,omitempty"` // of Tested, from test to reply through both ledgers, ms
	Heard     hotline.Time      `cbor:"10,keyasint,omitempty" json:"heard,omitempty"`        // newest line test of the peer
	Rings     []hotline.Duty    `cbor:"11,keyasint,omitempty" json:"rings,omitempty"`        // alarms of the line: line-answered, line-heard
	Here      ManView           `cbor:"12,keyasint,omitzero" json:"here,omitzero"`           // who here acknowledged a TEST of the peer last
	There     ManView           `cbor:"13,keyasint,omitzero" json:"there,omitzero"`          // who there acknowledged one of ours last
	Confirmed hotline.Time      `cbor:"14,keyasint,omitempty" json:"confirmed,omitempty"`    // contact data, by the peer's directory
	Nodes     []NodeView        `cbor:"15,keyasint,omitempty" json:"nodes,omitempty"`        // in the order of the peer's directory, as this node sees them
	Observer  bool              `cbor:"16,keyasint,omitempty" json:"observer,omitempty"`     // it only observes (SPEC §5.1)
}

// ManView is the last time at which a person acknowledged a TEST.
type ManView struct {
	At hotline.Time `cbor:"1,keyasint" json:"at"`
	By string       `cbor:"2,keyasint" json:"by"` // role name
}

// NodeView is the path from the node that answers to one node of a peer.
type NodeView struct {
	Node    string       `cbor:"1,keyasint" json:"node"`
	Link    LinkState    `cbor:"2,keyasint" json:"link"`
	Since   hotline.Time `cbor:"3,keyasint" json:"since"`                        // when the connection came or went
	RTT     uint64       `cbor:"4,keyasint,omitempty" json:"rtt_us,omitempty"`   // smoothed round trip of packets, microseconds
	Ahead   int64        `cbor:"5,keyasint,omitempty" json:"ahead_ms,omitempty"` // of its clock before this node's, ms
	Greeted hotline.Time `cbor:"6,keyasint,omitempty" json:"greeted,omitempty"`  // when Ahead was read: the newest answer to a hello; 0: never
	Taken   uint64       `cbor:"7,keyasint,omitempty" json:"taken,omitempty"`    // line tests that it took from this node, while this node led
	TakenAt hotline.Time `cbor:"8,keyasint,omitempty" json:"taken_at,omitempty"` // the newest of them
	Failed  uint64       `cbor:"9,keyasint,omitempty" json:"failed,omitempty"`   // attempts that it did not take
	Error   string       `cbor:"10,keyasint,omitempty" json:"error,omitempty"`   // why it is down
}

// DutyView is one open duty.
type DutyView struct {
	Class      hotline.Duty       `cbor:"1,keyasint" json:"class"`
	Subject    hotline.ID         `cbor:"2,keyasint" json:"subject"`
	Case       *hotline.CaseID    `cbor:"3,keyasint,omitempty" json:"case,omitempty"`
	Peer       hotline.Party      `cbor:"4,keyasint,omitempty" json:"peer,omitempty"`
	Precedence hotline.Precedence `cbor:"5,keyasint,omitempty" json:"precedence,omitempty"`
	Status     hotline.Status     `cbor:"6,keyasint,omitempty" json:"status,omitempty"`
	Opened     hotline.Time       `cbor:"7,keyasint" json:"opened"`
	Deadline   hotline.Time       `cbor:"8,keyasint" json:"deadline"`
	Overdue    bool               `cbor:"9,keyasint,omitempty" json:"overdue,omitempty"`
	Next       *RungView          `cbor:"10,keyasint,omitempty" json:"next,omitempty"` // absent once every rung was reached
}

// RungView is the next rung of a duty's ladder.
type RungView struct {
	Due     hotline.Time `cbor:"1,keyasint" json:"due"`
	Office  string       `cbor:"2,keyasint,omitempty" json:"office,omitempty"`
	Targets []string     `cbor:"3,keyasint,omitempty" json:"targets,omitempty"`
}

// EventType says what happened.
type EventType string

// The events of a watch.
const (
	EventBegin     EventType = "begin"     // the watch has begun: Index is the log's size, Time the committed time
	EventReceived  EventType = "received"  // a peer's statement was accepted
	EventAccepted  EventType = "accepted"  // an own statement stands in the ledger
	EventSettled   EventType = "settled"   // a peer's receipt is committed
	EventPage      EventType = "page"      // the people on a rung are woken
	EventStop      EventType = "stop"      // the duty was done: everything pending for it stops
	EventDue       EventType = "due"       // a clock of a duty passed; Overdue at the deadline
	EventWake      EventType = "wake"      // a hit or a draft waits; Text says which
	EventPublished EventType = "published" // a document is in force
	EventLost      EventType = "lost"      // the watcher was too slow and missed Index events: ask status and inbox
)

// Event is one thing that happened, with the facts of the header concerned.
type Event struct {
	Type       EventType          `cbor:"1,keyasint" json:"type"`
	Index      uint64             `cbor:"2,keyasint,omitempty" json:"index,omitempty"`
	Time       hotline.Time       `cbor:"3,keyasint" json:"time"` // committed
	ID         hotline.ID         `cbor:"4,keyasint,omitzero" json:"id,omitzero"`
	Kind       hotline.Kind       `cbor:"5,keyasint,omitempty" json:"kind,omitempty"`
	From       hotline.Party      `cbor:"6,keyasint,omitempty" json:"from,omitempty"`
	To         []hotline.Party    `cbor:"7,keyasint,omitempty" json:"to,omitempty"`
	Peer       hotline.Party      `cbor:"8,keyasint,omitempty" json:"peer,omitempty"`
	Case       *hotline.CaseID    `cbor:"9,keyasint,omitempty" json:"case,omitempty"`
	Re         *hotline.ID        `cbor:"10,keyasint,omitempty" json:"re,omitempty"`
	Precedence hotline.Precedence `cbor:"11,keyasint,omitempty" json:"precedence,omitempty"`
	Status     hotline.Status     `cbor:"12,keyasint,omitempty" json:"status,omitempty"`
	Duty       hotline.Duty       `cbor:"13,keyasint,omitempty" json:"duty,omitempty"`
	Due        hotline.Time       `cbor:"14,keyasint,omitempty" json:"due,omitempty"`
	Overdue    bool               `cbor:"15,keyasint,omitempty" json:"overdue,omitempty"`
	Office     string             `cbor:"16,keyasint,omitempty" json:"office,omitempty"`
	Targets    []string           `cbor:"17,keyasint,omitempty" json:"targets,omitempty"`
	Text       string             `cbor:"18,keyasint,omitempty" json:"text,omitempty"` // key of a hit, "draft", name of a document
}

// ExportChunk carries entries of the log, some hotline.ExportChunk bytes of
// them. The last one names the size and a signed checkpoint of exactly it.
type ExportChunk struct {
	From       uint64   `cbor:"1,keyasint" json:"from"` // index of Entries[0]
	Entries    [][]byte `cbor:"2,keyasint,omitempty" json:"entries,omitempty"`
	Size       uint64   `cbor:"3,keyasint" json:"size"`                           // of the tree that is exported: the same in every chunk
	Checkpoint []byte   `cbor:"4,keyasint,omitempty" json:"checkpoint,omitempty"` // in the last chunk alone
	Cosigned   []byte   `cbor:"5,keyasint,omitempty" json:"cosigned,omitempty"`   // there: the newest cosigned checkpoint, of Size or less
}

// ProofView is what shows a statement's entry to an outsider (SPEC §7.9).
type ProofView struct {
	Index    uint64 `cbor:"1,keyasint" json:"index"`
	Entry    []byte `cbor:"2,keyasint" json:"entry"`                        // the leaf; its bodies stay sealed
	Cosigned uint64 `cbor:"3,keyasint,omitempty" json:"cosigned,omitempty"` // entries under the newest cosigned checkpoint; 0: there is none
	Proof    []byte `cbor:"4,keyasint,omitempty" json:"proof,omitempty"`    // C2SP tlog-proof; absent while Cosigned does not cover Index
}

// BackupChunk carries a part of a backup: entries, or a part of the state behind
// them, and in the last chunk alone manifest and checkpoint of exactly Size.
type BackupChunk struct {
	From       uint64   `cbor:"1,keyasint" json:"from"` // index of Entries[0]
	Entries    [][]byte `cbor:"2,keyasint,omitempty" json:"entries,omitempty"`
	Size       uint64   `cbor:"3,keyasint" json:"size"` // entries of the backup: the same in every chunk
	State      []byte   `cbor:"4,keyasint,omitempty" json:"state,omitempty"`
	Manifest   []byte   `cbor:"5,keyasint,omitempty" json:"manifest,omitempty"` // hotline.Backup, signed
	Checkpoint []byte   `cbor:"6,keyasint,omitempty" json:"checkpoint,omitempty"`
}
