package hotline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

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
//
// Who sits at a desk at which hour is written out in UTC for a bounded time:
// daylight saving is worked out where the ladder is written and signed, never
// where it is applied.
type Ladder struct {
	Number    uint64  `cbor:"1,keyasint" json:"number"`
	Owing     []Rung  `cbor:"2,keyasint" json:"owing"`              // assess, alert, ratify
	Receiving []Rung  `cbor:"3,keyasint" json:"receiving"`          // acknowledge, and waiting for the other side's acknowledgement
	From      Time    `cbor:"4,keyasint,omitempty" json:"from"`     // of the rotas, a whole minute; 0 without rotas
	Until     Time    `cbor:"5,keyasint,omitempty" json:"until"`    // of the rotas, a whole minute; 0 without rotas
	Rotas     []Rota  `cbor:"6,keyasint,omitempty" json:"rotas"`    // by name, rising
	Contacts  []Reach `cbor:"7,keyasint,omitempty" json:"contacts"` // by officer, rising; none: the daemon's own order
}

// Rung is one step.
type Rung struct {
	_        struct{} `cbor:",toarray"`
	Permille uint64   `json:"permille"` // of the term; 1000 is the deadline itself
	Office   string   `json:"office"`   // what stands on it: desk, deputy, second-site, director, voice, authority
	Targets  []string `json:"targets"`  // who is woken: officers by role name, and rotas by name
	Repeat   uint64   `json:"repeat"`   // permille of the term after which they are woken again, until the next rung; 0: once
}

// Rota is who takes turns at one post.
type Rota struct {
	_       struct{} `cbor:",toarray"`
	Name    string   `json:"name"`
	Zone    string   `json:"zone"`    // IANA name in which it was written; for people, no rule looks at it
	People  []string `json:"people"`  // officers by role name
	Watches []Watch  `json:"watches"` // without a hole from the ladder's From to its Until
}

// Watch is a time during which the same people stand at a post.
type Watch struct {
	_       struct{} `cbor:",toarray"`
	Minutes uint64   `json:"minutes"`
	People  uint64   `json:"people"` // bit i stands for person i of the rota; never 0
}

// Reach says by which channels an officer is woken, the first one first. The
// daemon knows the address behind a name; the ladder shows none.
type Reach struct {
	_        struct{} `cbor:",toarray"`
	Officer  string   `json:"officer"`
	Channels []string `json:"channels"`
}

// Deadline is the permille of the rung at which a duty is overdue.
const Deadline = 1000

// MaxPermille bounds a ladder at ten times the term.
const MaxPermille = 10000

// MinRepeat, in permille of the term, bounds how often one rung pages.
const MinRepeat = 10

const minuteTime = Time(60_000)

// Validate demands rising rungs, each with somebody on it, and one exactly at
// the deadline on either side; rotas without a hole; and a channel for
// everybody, if there is one for anybody.
func (l *Ladder) Validate() error {
	if l.Number == 0 {
		return Refuse(CodeLadder, "a ladder's number begins at 1")
	}
	if err := l.checkRotas(); err != nil {
		return err
	}
	if err := l.checkRungs("owing", l.Owing); err != nil {
		return err
	}
	if err := l.checkRungs("receiving", l.Receiving); err != nil {
		return err
	}
	return l.checkContacts()
}

func (l *Ladder) checkRungs(side string, rungs []Rung) error {
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
		if r.Repeat != 0 && (r.Repeat < MinRepeat || r.Repeat > MaxPermille) {
			return Refuse(CodeLadder, "%s rung %d repeats after %d permille, %d to %d are allowed", side, i+1, r.Repeat, MinRepeat, MaxPermille)
		}
		if err := l.checkTargets(r.Targets); err != nil {
			return Refuse(CodeLadder, "%s rung %d (%s): %s", side, i+1, r.Office, err.Error())
		}
		if err := checkText("office", r.Office, MaxRoleName); err != nil || r.Office == "" {
			return Refuse(CodeLadder, "%s rung %d names no office", side, i+1)
		}
		atDeadline = atDeadline || r.Permille == Deadline
	}
	if !atDeadline {
		return Refuse(CodeLadder, "%s has no rung at the deadline (1000 permille)", side)
	}
	return nil
}

func (l *Ladder) checkTargets(targets []string) error {
	if len(targets) == 0 || len(targets) > MaxTargets {
		return fmt.Errorf("%d people or rotas on it, 1 to %d are allowed", len(targets), MaxTargets)
	}
	for _, t := range targets {
		if !validRoleName(t) && l.rota(t) == nil {
			return fmt.Errorf("%q is no officer's role name and no rota", t)
		}
	}
	if n := len(l.People(targets)); n > MaxTargets {
		return fmt.Errorf("with its rotas %d people stand on it, at most %d", n, MaxTargets)
	}
	return nil
}

func (l *Ladder) checkRotas() error {
	span := l.Until - l.From
	switch {
	case len(l.Rotas) == 0 && l.From == 0 && l.Until == 0:
		return nil
	case len(l.Rotas) == 0 || len(l.Rotas) > MaxRotas:
		return Refuse(CodeLadder, "%d rotas, 1 to %d where there is a time for them", len(l.Rotas), MaxRotas)
	case l.From <= 0 || span <= 0 || l.From%minuteTime != 0 || span%minuteTime != 0 || int64(span) > MaxRotaSpan.Milliseconds():
		return Refuse(CodeLadder, "the rotas' time is to be whole minutes, and at most %d days", MaxRotaSpan/(24*time.Hour))
	}
	for i := range l.Rotas {
		r := &l.Rotas[i]
		if !validPlainName(r.Name) {
			return Refuse(CodeLadder, "%q is no name of a rota: 2 to 32 of a-z, 0-9 and hyphen, a letter first", r.Name)
		}
		if i > 0 && l.Rotas[i-1].Name >= r.Name {
			return Refuse(CodeLadder, "rota %s does not come after the one before", r.Name)
		}
		if err := r.check(uint64(span / minuteTime)); err != nil {
			return Refuse(CodeLadder, "rota %s: %s", r.Name, err.Error())
		}
	}
	return nil
}

// check demands that the watches fill the time to the minute, each with
// somebody: a hole cannot be written down.
func (r *Rota) check(minutes uint64) error {
	if err := checkText("zone", r.Zone, MaxZoneName); err != nil || r.Zone == "" {
		return errors.New("it names no time zone")
	}
	if len(r.People) == 0 || len(r.People) > MaxTargets || len(r.Watches) == 0 || len(r.Watches) > MaxWatches {
		return fmt.Errorf("%d people and %d watches, 1 to %d and 1 to %d are allowed", len(r.People), len(r.Watches), MaxTargets, MaxWatches)
	}
	for i, p := range r.People {
		if !validRoleName(p) || slices.Contains(r.People[:i], p) {
			return fmt.Errorf("%q is no officer's role name, or stands there twice", p)
		}
	}
	var sum uint64
	for i, w := range r.Watches {
		if w.Minutes == 0 || w.Minutes > minutes || w.People == 0 || w.People >= 1<<len(r.People) {
			return fmt.Errorf("watch %d has no length, or nobody that the rota knows", i+1)
		}
		sum += w.Minutes
	}
	if sum != minutes {
		return fmt.Errorf("its watches are %d minutes, the ladder's time %d", sum, minutes)
	}
	return nil
}

func (l *Ladder) checkContacts() error {
	if len(l.Contacts) > MaxOfficers {
		return Refuse(CodeLadder, "%d contacts, at most %d", len(l.Contacts), MaxOfficers)
	}
	for i, c := range l.Contacts {
		if !validRoleName(c.Officer) || i > 0 && l.Contacts[i-1].Officer >= c.Officer {
			return Refuse(CodeLadder, "contact %d is no officer's role name, or does not come after the one before", i+1)
		}
		if len(c.Channels) == 0 || len(c.Channels) > MaxChannels {
			return Refuse(CodeLadder, "%s has %d channels, 1 to %d are allowed", c.Officer, len(c.Channels), MaxChannels)
		}
		for j, name := range c.Channels {
			if !validPlainName(name) || slices.Contains(c.Channels[:j], name) {
				return Refuse(CodeLadder, "%s: %q is no name of a channel, or stands there twice", c.Officer, name)
			}
		}
	}
	if len(l.Contacts) == 0 {
		return nil
	}
	for _, r := range slices.Concat(l.Owing, l.Receiving) {
		for _, name := range l.People(r.Targets) {
			if l.Channels(name) == nil {
				return Refuse(CodeLadder, "rung %s: %s has no channel", r.Office, name)
			}
		}
	}
	return nil
}

func (l *Ladder) rota(name string) *Rota {
	if i, ok := slices.BinarySearchFunc(l.Rotas, name, func(r Rota, n string) int { return strings.Compare(r.Name, n) }); ok {
		return &l.Rotas[i]
	}
	return nil
}

// Channels names the channels of an officer, the first one first; nil if the
// ladder gives none.
func (l *Ladder) Channels(officer string) []string {
	i, ok := slices.BinarySearchFunc(l.Contacts, officer, func(r Reach, n string) int { return strings.Compare(r.Officer, n) })
	if !ok {
		return nil
	}
	return l.Contacts[i].Channels
}

// People names every officer whom the targets of a rung may come to mean, in
// their order, each once.
func (l *Ladder) People(targets []string) []string {
	var list []string
	for _, name := range targets {
		if r := l.rota(name); r != nil {
			list = appendNew(list, r.People...)
		} else {
			list = appendNew(list, name)
		}
	}
	return list
}

// OnCall names the officers whom the targets of a rung mean at t. Outside the
// time for which it is written out a rota means everybody of it: a ladder that
// nobody renewed wakes too many, never none. A rota that the ladder does not
// know means nobody.
func (l *Ladder) OnCall(targets []string, t Time) []string {
	var list []string
	for _, name := range targets {
		switch r := l.rota(name); {
		case r != nil:
			list = appendNew(list, r.at(t-l.From)...)
		case validRoleName(name):
			list = appendNew(list, name)
		}
	}
	return list
}

// at names who stands there so long after the rota's first minute.
func (r *Rota) at(since Time) []string {
	if since < 0 {
		return r.People
	}
	minute, i := uint64(since/minuteTime), 0
	for ; i < len(r.Watches) && minute >= r.Watches[i].Minutes; i++ {
		minute -= r.Watches[i].Minutes
	}
	if i == len(r.Watches) {
		return r.People
	}
	var list []string
	for j, p := range r.People {
		if r.Watches[i].People>>j&1 == 1 {
			list = append(list, p)
		}
	}
	return list
}

func appendNew(list []string, names ...string) []string {
	for _, n := range names {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// validPlainName accepts names of rotas and channels as desk-east: 2 to 32 of
// a-z, 0-9 and hyphen, a letter first. No role name is one.
func validPlainName(s string) bool {
	if len(s) < 2 || len(s) > MaxRoleName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
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
