// Package ledger is the only place that decides. It is a deterministic state
// machine with one door: Apply(command) → entries and effects (SPEC §6, §7).
// It uses no clock, no network, no file, no randomness and no goroutine; the
// leader, the other nodes of the group and the auditor run the same code.
//
// What an entry says depends on earlier entries and on its own command alone.
// That is the record state. Beside it lives the working state (triage queue,
// drafts): commands may read it to admit something, never to say something in
// an entry.
package ledger

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// RulesVersion is the newest version of the rules that this code can apply. A
// Rules command activates one; an old log keeps its verdicts because Apply
// dispatches on the version in force.
const RulesVersion = 1

// State is the state of one party's ledger. It is not safe for concurrent use.
type State struct {
	self       hotline.Party
	generation uint64
	convention hotline.ID // its id, fixed by genesis
	rules      uint64
	size       uint64
	tree       *tlog.Frontier // nil while a part of a log is replayed
	time       hotline.Time   // of the newest entry
	backed     hotline.Time   // last time that a majority of clocks backed
	passed     hotline.Time   // up to which something passed without an entry: no entry to come is earlier

	voters      []string
	conventions []*hotline.SignedConvention // by version, from 1
	directories map[hotline.Party][]*hotline.SignedDirectory
	ladder      *hotline.Ladder
	standing    *hotline.Ladder // by the own directory, in force while there is no other
	pairs       map[hotline.Party]*Pair
	cases       map[string]*Case
	opened      map[hotline.Party]int // derived: how many of cases each party opened
	unanswered  map[hotline.Party]int // derived: how many duties to acknowledge are open towards each
	house       house
	vacated     uint64 // version of the convention by which the duties for nobody were ended last
	recent      recents
	asks        map[askKey]*Ask
	answered    []askKey              // of asks: answered or overtaken, in the order in which they are forgotten
	unsaid      map[askKey]*Ask       // derived: asks that are to be said
	answers     map[hotline.Party]int // derived: how many of those answer something of each
	settling    []settling
	pagings     map[uint64]*paging // by due entry
	posts       []Post

	witnessed   map[hotline.Party]Cosigned // by the newest witnessed entry that names the party
	witnessedAt hotline.Time               // of the newest witnessed entry; 0: none
	weighty     uint64                     // Weighty
	anchored    hotline.Time               // of the newest anchor in the log; 0: none

	heap  clockHeap // derived from the open duties
	keyof map[keys.ID]hotline.KeyUse

	part    *Part   // what a projection shows; nil: the whole log
	gone    bool    // projection: the case of the entry that is replayed was forgotten, by that entry
	crowded bool    // projection: too much is open here for the statement of the entry that is replayed, by that entry
	turns   *[]Turn // of a replay: what the entry did to duties; nil: nobody asks
	working Working
}

// New returns the state before genesis.
func New() *State {
	return &State{
		tree:        &tlog.Frontier{},
		directories: map[hotline.Party][]*hotline.SignedDirectory{},
		standing:    defaultLadder(nil),
		pairs:       map[hotline.Party]*Pair{},
		cases:       map[string]*Case{},
		opened:      map[hotline.Party]int{},
		unanswered:  map[hotline.Party]int{},
		recent:      newRecents(),
		asks:        map[askKey]*Ask{},
		unsaid:      map[askKey]*Ask{},
		answers:     map[hotline.Party]int{},
		pagings:     map[uint64]*paging{},
		witnessed:   map[hotline.Party]Cosigned{},
		keyof:       map[keys.ID]hotline.KeyUse{},
		working:     newWorking(),
	}
}

// Pair is what this ledger knows of the line to one other party.
type Pair struct {
	Peer      hotline.Party
	NextOut   uint64 // sequence of the next statement to the peer
	In        Window // sequences of the peer seen here
	NextClock uint64
	Sent      map[hotline.ID]*Sent // not yet receipted, or receipted and not yet acknowledged
	Seen      recents              // peer's statements without a case, for references and to take each once
	Done      recents              // settled own statements without a case, for references that come late
	Duties    []*Duty
	Missed    uint64       // line tests without reply, in a row
	Asked     hotline.Time // newest own line test
	Tested    hotline.Time // newest own line test that was answered
	RoundTrip hotline.Time // from that test to its reply, ms
	Heard     hotline.Time // newest line test of the peer
	Here      Manned       // who here answered a TEST of the peer last
	There     Manned       // who there answered one of ours last
	Late      []Late       // duties without a case that were overdue

	SuspendedHere, SuspendedThere bool // by this party, by the peer, for the whole line
	Head                          Head // newest head of the peer's log that is proven here

	Paced hotline.Time // when the peer's directories taken so far would be, one each DirectoryPace (SPEC §5.3)
}

// Manned is the last time at which a person of a party acknowledged a TEST.
type Manned struct {
	At hotline.Time // committed here; 0: never
	By string       // role name
}

// Sent is an own statement on its way to one addressee.
type Sent struct {
	ID           hotline.ID
	Kind         hotline.Kind
	Status       hotline.Status
	Precedence   hotline.Precedence
	Case         *hotline.CaseID
	Index        uint64
	Sequence     uint64
	Time         hotline.Time // tendered
	Receipted    bool
	Acknowledged bool // an acknowledgement may overtake the receipt
	Undelivered  bool
}

// Window is the exactly-once memory of one peer's sequences (SPEC §6.6):
// everything up to Watermark, and single numbers above it.
type Window struct {
	Generation uint64
	Watermark  uint64
	Above      map[uint64]bool
}

// Stage is how far a case is (SPEC §6.9).
type Stage uint8

// The stages of a case. How far it is towards each party that was told is its
// Life.
const (
	Detected       Stage = 1
	BelowThreshold Stage = 2
	NotifiableCase Stage = 3
	Tendered       Stage = 4
	Concerned      Stage = 5 // opened by another party
	Retracted      Stage = 6 // every own alert was retracted: it may be assessed again
	Opened         Stage = 7 // opened here, by another statement than a detection
)

func (s Stage) String() string {
	names := [...]string{"", "DETECTED", "BELOW-THRESHOLD", "NOTIFIABLE", "TENDERED", "RECEIVED", "RETRACTED", "OPENED"}
	if int(s) < len(names) {
		return names[s]
	}
	return "STAGE"
}

// Case is one case, opened here or by another party.
type Case struct {
	ID         hotline.CaseID
	Status     hotline.Status
	Precedence hotline.Precedence
	Stage      Stage
	Detected   hotline.Time // T0, as the operator stated it; 0 where no own detection opened it
	Opened     hotline.Time // committed time of the opening entry here: of an own detection, when it was adopted
	Assessed   hotline.Time // committed time of the newest own assessment
	Touched    hotline.Time
	Parties    []hotline.Party // who may use it
	Assessment hotline.ID
	AssessedAt uint64          // index of the assessment's entry
	Untold     []hotline.Party // whom a NOTIFIABLE assessment names and no alert has reached for
	NextClock  uint64
	Known      []Known
	Told       []Told
	Duties     []*Duty
	Late       []Late // own duties that were overdue
}

// Known is a statement of a case.
type Known struct {
	ID          hotline.ID
	Kind        hotline.Kind
	From        hotline.Party
	To          []hotline.Party
	Index       uint64
	Time        hotline.Time
	Re          hotline.ID // zero: it refers to nothing
	Precedence  hotline.Precedence
	Disposition hotline.Disposition
	Alone       keys.ID         // who released an ACTUAL alert alone; zero: nobody did
	Past        []hotline.Party // of To, those towards whom it is forgotten
}

// goesTo reports whether p is an addressee who is remembered as one.
func (x *Known) goesTo(p hotline.Party) bool {
	return slices.Contains(x.To, p) && !slices.Contains(x.Past, p)
}

// Told is how far one addressee of a statement is.
type Told struct {
	Party     hotline.Party
	Statement hotline.ID
	Stage     TellStage
}

// TellStage is how far one addressee is.
type TellStage uint8

// The stages of telling.
const (
	ToldTendered     TellStage = 1
	ToldReceived     TellStage = 2
	ToldAcknowledged TellStage = 3
	ToldUndelivered  TellStage = 4
	ToldRejected     TellStage = 5
)

func (t TellStage) String() string {
	names := [...]string{"", "TENDERED", "RECEIVED", "ACKNOWLEDGED", "UNDELIVERED", "REJECTED"}
	if int(t) < len(names) {
		return names[t]
	}
	return "TOLD"
}

// Self returns the party whose ledger this is.
func (s *State) Self() hotline.Party { return s.self }

// Generation returns the log's generation.
func (s *State) Generation() uint64 { return s.generation }

// Size returns the number of entries.
func (s *State) Size() uint64 { return s.size }

// Root returns the root of the tree over all entries.
func (s *State) Root() tlog.Hash {
	if s.tree == nil {
		return tlog.Hash{}
	}
	return s.tree.Root()
}

// Time returns the committed time of the newest entry.
func (s *State) Time() hotline.Time { return s.time }

// Voters returns the names of the group's voters, sorted.
func (s *State) Voters() []string { return slices.Clone(s.voters) }

// ConventionID returns the id of the convention, fixed by genesis.
func (s *State) ConventionID() hotline.ID { return s.convention }

// Conventions returns the versions known, from 1.
func (s *State) Conventions() []*hotline.SignedConvention { return slices.Clone(s.conventions) }

// Convention returns the version in force at t, or nil before the first is
// known. Version 1 is in force from the beginning of the log.
func (s *State) Convention(t hotline.Time) *hotline.SignedConvention {
	var in *hotline.SignedConvention
	for _, c := range s.conventions {
		if in == nil || c.ValidFrom <= t {
			in = c
		}
	}
	return in
}

// Directory returns the newest directory of p that stands in this ledger.
func (s *State) Directory(p hotline.Party) *hotline.SignedDirectory {
	list := s.directories[p]
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// DirectoryNumber returns the directory of p with that number, or nil.
func (s *State) DirectoryNumber(p hotline.Party, n uint64) *hotline.SignedDirectory {
	for _, d := range s.directories[p] {
		if d.Number == n {
			return d
		}
	}
	return nil
}

// Directories returns the remembered directories of p, by number.
func (s *State) Directories(p hotline.Party) []*hotline.SignedDirectory {
	return slices.Clone(s.directories[p])
}

// Peers returns the other parties whose directory is known, sorted.
func (s *State) Peers() []hotline.Party {
	var list []hotline.Party
	for p := range s.directories {
		if p != s.self {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// Pair returns what is known of the line to p; nil if nothing is.
func (s *State) Pair(p hotline.Party) *Pair { return s.pairs[p] }

// Cases returns the cases remembered, sorted by opening time and name.
func (s *State) Cases() []*Case {
	list := make([]*Case, 0, len(s.cases))
	for _, c := range s.cases {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Case) int {
		if a.Opened != b.Opened {
			if a.Opened < b.Opened {
				return -1
			}
			return 1
		}
		if a.ID.Key() < b.ID.Key() {
			return -1
		}
		return 1
	})
	return list
}

// Case finds a case.
func (s *State) Case(id hotline.CaseID) *Case { return s.cases[id.Key()] }

// Ladder returns the ladder in force: the committed one, or the one that
// follows from the directory.
func (s *State) Ladder() *hotline.Ladder {
	if s.ladder != nil {
		return s.ladder
	}
	return s.standing
}

// LadderNumber returns the number of the committed ladder; 0 if there is none.
func (s *State) LadderNumber() uint64 {
	if s.ladder == nil {
		return 0
	}
	return s.ladder.Number
}

// Outbox returns the unreceipted statements for p, by sequence.
func (s *State) Outbox(p hotline.Party) []*Sent {
	pair := s.pairs[p]
	if pair == nil {
		return nil
	}
	var list []*Sent
	for _, o := range pair.Sent {
		if !o.Receipted {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *Sent) int { return int(a.Sequence) - int(b.Sequence) })
	return list
}

// Key finds a public key that stands in a remembered directory of p, for
// checking a signature. Whether the key was allowed to sign is Apply's to say.
func (s *State) Key(p hotline.Party, id keys.ID) (keys.Public, bool) {
	list := s.directories[p]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].ServiceID() == id {
			return list[i].Service, true
		}
		if o := list[i].Officer(id); o != nil {
			return o.Key, true
		}
	}
	return keys.Public{}, false
}

func (s *State) pair(p hotline.Party) *Pair {
	pair := s.pairs[p]
	if pair == nil {
		pair = &Pair{Peer: p, NextOut: 1, Sent: map[hotline.ID]*Sent{}, Seen: newRecents(), Done: newRecents(), In: Window{Above: map[uint64]bool{}}}
		s.pairs[p] = pair
	}
	return pair
}

func (c *Case) known(id hotline.ID) *Known {
	for i := range c.Known {
		if c.Known[i].ID == id {
			return &c.Known[i]
		}
	}
	return nil
}

func (c *Case) tell(p hotline.Party, id hotline.ID, stage TellStage) {
	for i := range c.Told {
		if c.Told[i].Party == p && c.Told[i].Statement == id {
			c.Told[i].Stage = stage
			return
		}
	}
	c.Told = append(c.Told, Told{Party: p, Statement: id, Stage: stage})
}

func (c *Case) admit(parties ...hotline.Party) {
	c.Parties = append(c.Parties, parties...)
	slices.Sort(c.Parties)
	c.Parties = slices.Compact(c.Parties)
}
