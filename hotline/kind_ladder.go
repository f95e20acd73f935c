package hotline

// KindLadder sets the party's own ladder; signed by an authority, own ledger
// only (SPEC §4.7, §6.5).
var KindLadder = register(Rules{
	Kind: 7, Name: "ladder", Class: ByOfficers,
	Authors:    [][]Role{{Authority}},
	ActualOnly: true,
	Body:       func() Body { return new(Ladder) },
})

// Ladder is what climbs when a duty is not done. Rungs stand at fractions of
// the duty's term, so that one ladder serves every precedence.
type Ladder struct {
	Number    uint64 `cbor:"1,keyasint" json:"number"`
	Owing     []Rung `cbor:"2,keyasint" json:"owing"`     // assess, alert, ratify
	Receiving []Rung `cbor:"3,keyasint" json:"receiving"` // acknowledge, and waiting for the other side's acknowledgement
}

// Rung is one step.
type Rung struct {
	_        struct{} `cbor:",toarray"`
	Permille uint64   `json:"permille"` // of the term; 1000 is the deadline itself
	Office   string   `json:"office"`   // what stands on it: desk, deputy, second-site, director, voice, authority
	Targets  []string `json:"targets"`  // officers by role name, who are woken
}

// Deadline is the permille of the rung at which a duty is overdue.
const Deadline = 1000

// MaxPermille bounds a ladder at ten times the term.
const MaxPermille = 10000

// Validate demands rising rungs, each with somebody on it, and one exactly at
// the deadline on either side.
func (l *Ladder) Validate() error {
	if l.Number == 0 {
		return Refuse(CodeLadder, "a ladder's number begins at 1")
	}
	for _, side := range []struct {
		name  string
		rungs []Rung
	}{{"owing", l.Owing}, {"receiving", l.Receiving}} {
		if err := checkRungs(side.name, side.rungs); err != nil {
			return err
		}
	}
	return nil
}

func checkRungs(side string, rungs []Rung) error {
	if len(rungs) == 0 || len(rungs) > MaxRungs {
		return Refuse(CodeLadder, "%s: %d rungs, 1 to %d are allowed", side, len(rungs), MaxRungs)
	}
	atDeadline := false
	for i, r := range rungs {
		if i > 0 && rungs[i-1].Permille >= r.Permille {
			return Refuse(CodeLadder, "%s rung %d does not come after the one before", side, i+1)
		}
		if r.Permille > MaxPermille {
			return Refuse(CodeLadder, "%s rung %d stands at %d permille, at most %d", side, i+1, r.Permille, MaxPermille)
		}
		if len(r.Targets) == 0 || len(r.Targets) > MaxTargets {
			return Refuse(CodeLadder, "%s rung %d (%s) has %d people on it, 1 to %d are allowed", side, i+1, r.Office, len(r.Targets), MaxTargets)
		}
		if err := checkText("office", r.Office, MaxRoleName); err != nil || r.Office == "" {
			return Refuse(CodeLadder, "%s rung %d names no office", side, i+1)
		}
		for _, t := range r.Targets {
			if !validRoleName(t) {
				return Refuse(CodeLadder, "%s rung %d: %q is no officer's role name", side, i+1, t)
			}
		}
		atDeadline = atDeadline || r.Permille == Deadline
	}
	if !atDeadline {
		return Refuse(CodeLadder, "%s has no rung at the deadline (1000 permille)", side)
	}
	return nil
}

// validRoleName accepts names as XA-L3: 3 to 32 of A-Z, 0-9 and hyphen.
func validRoleName(s string) bool {
	if len(s) < 3 || len(s) > MaxRoleName {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
