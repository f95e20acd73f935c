package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// run is one pass of Apply.
type run struct {
	s        *State
	c        *Command
	t        hotline.Time // committed time of this command
	unproven bool         // the leader's time was not backed: t is the last permitted one
	clock    bool         // the first entry is preceded by a clock entry
	res      *Result
	newest   hotline.Entry      // the last entry made, without its content
	content  any                // and that
	replays  bool               // salts are taken as given, and what is made is kept as it is
	made     []made             // by a replay
	given    []hotline.Sequence // of a replayed entry, for parties outside the projection
}

// Apply takes one command and returns what it made. It is the only way in
// which the state changes. A refusal changes nothing, except that deadlines
// before it have fired: a late or refused command can never hide that
// something was overdue (SPEC §6.1).
//
// Apply does not verify signatures: whoever proposes or replays a command has
// called Verify. It fails only by refusing.
func (s *State) Apply(c *Command) *Result {
	r := &run{s: s, c: c, res: &Result{First: s.size}}
	r.apply()
	r.res.Time = s.time
	return r.res
}

func (r *run) apply() {
	if r.c.Type == Genesis {
		r.refuseIf(r.genesis())
		return
	}
	if r.s.self == "" {
		r.refuseIf(hotline.Refuse(hotline.CodeInternal, "the log has no genesis yet"))
		return
	}
	if r.c.Time > hotline.LastTime {
		r.refuseIf(hotline.Refuse(hotline.CodeMalformed, "time %d lies beyond the year 9999", r.c.Time))
		return
	}
	r.setTime()
	r.fire()
	r.s.forget(r.s.time)
	r.refuseIf(r.do())
	r.fire() // rungs that stand at the moment a duty opens
}

func (r *run) do() error {
	switch r.c.Type {
	case Submit:
		return r.submit()
	case Receive:
		return r.receive()
	case Receipt:
		return r.receipt()
	case Tick:
		return nil
	case Members:
		return r.members()
	case Rules:
		return r.rules()
	case Document:
		return r.document()
	case Paged:
		return r.paged()
	case Witness:
		return r.witness()
	case Hit, Dismiss, Draft, Cosign:
		return r.work()
	}
	return hotline.Refuse(hotline.CodeInternal, "command type %d is not known to rules %d", uint64(r.c.Type), r.s.rules)
}

func (r *run) refuseIf(err error) {
	if err == nil {
		return
	}
	r.res.Code = hotline.CodeOf(err)
	r.res.Text = err.Error()
	var refusal *hotline.Refusal
	if errors.As(err, &refusal) {
		r.res.Text = refusal.Text
	}
}

// setTime applies the rules of time of SPEC §6.1: committed time never goes
// back, and passes the last majority-backed time by at most MaxClockStep. A
// command that steps further carries the readings of a majority; without them
// it is done at the last permitted time.
func (r *run) setTime() {
	s := r.s
	r.t = max(r.c.Time, s.time, s.passed)
	limit := s.backed + hotline.Time(hotline.MaxClockStep.Milliseconds())
	if r.t <= limit {
		return
	}
	if s.readingsBack(r.c.Readings, r.t) {
		r.clock = true
		return
	}
	r.t = max(s.time, limit)
	r.unproven = true
}

// readingsBack reports whether a majority of the voters read a clock within
// the skew bound of t.
func (s *State) readingsBack(readings []hotline.Reading, t hotline.Time) bool {
	if (&hotline.Clock{Readings: readings}).Validate() != nil {
		return false // they could not stand in an entry
	}
	skew := hotline.Time(hotline.MaxClockSkew.Milliseconds())
	agree := map[string]bool{}
	for _, rd := range readings {
		if slices.Contains(s.voters, rd.Node) && rd.Time >= t-skew && rd.Time <= t+skew {
			agree[rd.Node] = true
		}
	}
	return len(agree) > len(s.voters)/2
}

// AtLimit reports whether t is the last time that is permitted without readings:
// what no majority backs is done at it, and may have been done later.
func (s *State) AtLimit(t hotline.Time) bool {
	return t == s.backed+hotline.Time(hotline.MaxClockStep.Milliseconds())
}

// NeedsReadings reports whether a command at t would need the readings of a
// majority to be done at t.
func (s *State) NeedsReadings(t hotline.Time) bool {
	return max(t, s.passed) > s.backed+hotline.Time(hotline.MaxClockStep.Milliseconds())
}

// add appends one entry and returns its index. The first entry of a command
// that carried readings is preceded by the clock entry that lets it.
func (r *run) add(t hotline.EntryType, scope hotline.Scope, cause hotline.Cause, content any) uint64 {
	r.back()
	return r.append(t, scope, cause, content)
}

// back writes down the readings of a command that carried some, once.
func (r *run) back() {
	if r.clock {
		r.clock = false
		r.s.backed = r.t
		r.append(hotline.EntryClock, hotline.Common(), hotline.Outside, &hotline.Clock{Readings: r.c.Readings})
	}
}

// pass notes that something passed at t without an entry. What comes after may not
// go back behind it, without readings either: so those that permit it are written
// down.
func (r *run) pass(t hotline.Time) {
	if r.s.NeedsReadings(t) {
		r.back()
	}
	r.s.passed = max(r.s.passed, t)
}

func (r *run) append(t hotline.EntryType, scope hotline.Scope, cause hotline.Cause, content any) uint64 {
	index := r.s.size
	r.newest, r.content = hotline.Entry{Type: t, Time: r.t, Scope: scope, Cause: cause}, content
	r.s.size++
	r.s.time = r.t
	if CallsForCheckpoint(t) {
		r.s.weighty = r.s.size
	}
	if r.replays {
		r.made = append(r.made, made{r.newest, content})
		return index
	}
	r.newest.Salt = r.salt(index)
	b, err := hotline.EncodeEntry(t, r.t, r.newest.Salt, scope, cause, content)
	if err != nil {
		// Every content is bounded before it comes here (room checks it for
		// statements): an entry that cannot be encoded is a fault of this
		// program, and a log that goes on without it would be a wrong log.
		panic("ledger: entry cannot be made: " + err.Error())
	}
	if r.s.tree != nil {
		r.s.tree.Append(tlog.LeafHash(b))
	}
	r.res.Entries = append(r.res.Entries, b)
	return index
}

// salt makes a leaf hash reveal nothing of the leaf: HMAC of the command's
// seed, which stands in no entry.
func (r *run) salt(index uint64) (salt [16]byte) {
	m := hmac.New(sha256.New, r.c.Seed)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], index)
	m.Write(b[:])
	copy(salt[:], m.Sum(nil))
	return salt
}

// placed notes that the newest entry holds the command's statement, and keeps
// what tender or receipt need: the tree of exactly this size.
func (r *run) placed(id hotline.ID, index uint64) {
	entry := r.newest
	r.res.ID, r.res.Index, r.res.Placed = id, index, true
	r.res.Entry, r.res.Content = &entry, r.content
	if r.s.tree != nil {
		r.res.Root, r.res.Path = r.s.tree.Root(), r.s.tree.LastProof()
	}
}

func (r *run) effect(e Effect) { r.res.Effects = append(r.res.Effects, e) }

func (r *run) genesis() error {
	s, g := r.s, r.c.Genesis
	switch {
	case s.self != "":
		return hotline.Refuse(hotline.CodeDuplicate, "the log has its genesis")
	case g == nil || !g.Party.Valid() || g.Generation == 0 || g.Convention.IsZero():
		return hotline.Refuse(hotline.CodeMalformed, "genesis names a party, a generation and a convention")
	case g.Rules != RulesVersion:
		return hotline.Refuse(hotline.CodeVersion, "rules version %d, known is %d", g.Rules, RulesVersion)
	case r.c.Time <= 0 || r.c.Time > hotline.LastTime:
		return hotline.Refuse(hotline.CodeMalformed, "genesis carries the first time")
	}
	s.self, s.generation, s.convention, s.rules = g.Party, g.Generation, g.Convention, g.Rules
	r.t, s.backed = r.c.Time, r.c.Time
	r.add(hotline.EntryGenesis, hotline.Common(), hotline.Outside, g)
	return nil
}

func (r *run) members() error {
	v := slices.Clone(r.c.Voters)
	slices.Sort(v)
	v = slices.Compact(v)
	content := &hotline.Members{Voters: v}
	if err := content.Validate(); err != nil {
		return err
	}
	if slices.Equal(v, r.s.voters) {
		return nil // nothing changed, nothing to record
	}
	r.add(hotline.EntryMembers, hotline.Common(), hotline.Outside, content)
	r.s.voters = v
	return nil
}

func (r *run) rules() error {
	if r.c.Rules <= r.s.rules || r.c.Rules > RulesVersion {
		return hotline.Refuse(hotline.CodeOldNumber, "rules version %d; in force is %d, known up to %d", r.c.Rules, r.s.rules, RulesVersion)
	}
	r.add(hotline.EntryRules, hotline.Common(), hotline.Outside, &hotline.RulesVersion{Version: r.c.Rules})
	r.s.rules = r.c.Rules
	return nil
}
