package hotline

import (
	"strconv"
	"strings"

	"example.org/hotline/crypto/tlog"
)

// EntryWitnessed names checkpoints of other parties that this party has
// cosigned since the last such entry (SPEC §7.8): what follows it is younger
// than they are.
const EntryWitnessed EntryType = 11

// Witnessed is the content of EntryWitnessed.
type Witnessed struct {
	Heads []WitnessedHead `cbor:"1,keyasint"` // by party, each once
}

// WitnessedHead is one checkpoint: the note as its own log signed it, without
// cosignatures, so that the entry proves what it says.
type WitnessedHead struct {
	_          struct{} `cbor:",toarray"`
	Party      Party
	Checkpoint []byte
}

// Head reads what the checkpoint claims; whether the log signed it is not looked at.
func (h *WitnessedHead) Head() (generation uint64, c tlog.Checkpoint, err error) {
	if len(h.Checkpoint) > MaxOwnCheckpoint {
		return 0, c, Refuse(CodeTooLarge, "checkpoint of %d bytes, at most %d", len(h.Checkpoint), MaxOwnCheckpoint)
	}
	if c, err = tlog.ClaimedCheckpoint(h.Checkpoint); err != nil {
		return 0, c, Refuse(CodeMalformed, "%v", err)
	}
	p, generation, ok := SplitOrigin(c.Origin)
	if !ok || p != h.Party || c.Size == 0 {
		return 0, c, Refuse(CodeMalformed, "no checkpoint of a log of %s with entries", h.Party)
	}
	return generation, c, nil
}

// Validate checks bounds and order, and that each note is a checkpoint of its party.
func (w *Witnessed) Validate() error {
	if len(w.Heads) == 0 || len(w.Heads) > MaxParties {
		return Refuse(CodeMalformed, "%d checkpoints, 1 to %d are allowed", len(w.Heads), MaxParties)
	}
	parties := make([]Party, 0, len(w.Heads))
	for i := range w.Heads {
		if _, _, err := w.Heads[i].Head(); err != nil {
			return err
		}
		parties = append(parties, w.Heads[i].Party)
	}
	return recode(CodeMalformed, checkParties("checkpoints", parties, MaxParties))
}

// SplitOrigin reads the origin of a party's log (SPEC §7.5).
func SplitOrigin(s string) (p Party, generation uint64, ok bool) {
	f := strings.Split(s, "/")
	if len(f) != 3 {
		return "", 0, false
	}
	generation, err := strconv.ParseUint(f[2], 10, 64)
	p = Party(f[1])
	return p, generation, err == nil && p.Valid() && generation > 0 && tlog.Origin(f[1], generation) == s
}
