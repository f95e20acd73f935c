package ledger

import "example.org/hotline/hotline"

// Turn is a duty that an entry opened or ended, for whoever tells of duties
// (SPEC §6.3). The duty is the state's own: it is read and never changed.
type Turn struct {
	Duty  *Duty
	What  TurnType
	Entry uint64       // that did it
	Time  hotline.Time // of that entry
}

// TurnType says what became of a duty.
type TurnType uint8

// The turns. A duty is dropped when its one clock has fired and nothing more
// can come, when the line proved to be alive, when the convention knows it no
// more or leaves nobody to whom it is owed or from whom it may come, or, in a part of a log, when what is hidden may have discharged it.
const (
	DutyOpened     TurnType = 1
	DutyDischarged TurnType = 2
	DutyDropped    TurnType = 3
	DutyWithdrawn  TurnType = 4 // what opened it was retracted, or assessed anew
)

// Turns returns what the entry that was fed last did to duties, in order. It is
// valid until the next entry.
func (r *Replay) Turns() []Turn { return r.turns }

// turn notes what became of a duty, if anybody asks.
func (s *State) turn(d *Duty, what TurnType) {
	if s.turns != nil {
		*s.turns = append(*s.turns, Turn{Duty: d, What: what, Entry: s.size - 1, Time: s.time})
	}
}
