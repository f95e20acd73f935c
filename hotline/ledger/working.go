package ledger

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Working is the working state: it is replicated, but no entry follows from
// it, and a replay of the log does not have it.
type Working struct {
	Hits   []hotline.Hit // triage queue, oldest first
	Drafts []DraftItem   // statements that wait for a signature, oldest first
	Lost   uint64        // hits that found the queue full
	// Settled are the keys of hits that were adopted or dismissed, oldest first: whatever reads them again does not ring again.
	Settled []string
	// Cosigned are the newest checkpoints of peers that were cosigned, by party.
	Cosigned []Cosigned
}

// DraftItem is a statement that waits for its next author.
type DraftItem struct {
	ID    hotline.ID
	Raw   []byte
	Since hotline.Time
}

func newWorking() Working { return Working{} }

// Triage returns the hits that wait for an operator, oldest first.
func (s *State) Triage() []hotline.Hit { return slices.Clone(s.working.Hits) }

// Waits reports whether a hit of this key waits for an operator.
func (s *State) Waits(key string) bool {
	return slices.ContainsFunc(s.working.Hits, func(h hotline.Hit) bool { return h.Key == key })
}

// Lost returns how many hits found the queue full.
func (s *State) Lost() uint64 { return s.working.Lost }

// Drafts returns the statements that wait for a signature, oldest first.
func (s *State) Drafts() []DraftItem { return slices.Clone(s.working.Drafts) }

func (r *run) work() error {
	switch r.c.Type {
	case Hit:
		return r.hit()
	case Dismiss:
		if !r.s.dropHit(r.c.Key) {
			return hotline.Refuse(hotline.CodeNotFound, "no hit %q waits in triage", r.c.Key)
		}
		return nil
	case Cosign:
		return r.cosign()
	default:
		return r.draft()
	}
}

// hit queues a sensor hit; a hit of a key that waits already takes its place.
func (r *run) hit() error {
	h := r.c.Hit
	if h == nil {
		return hotline.Refuse(hotline.CodeMalformed, "the command carries no hit")
	}
	if err := h.Validate(); err != nil {
		return hotline.Refuse(hotline.CodeMalformed, "hit: %v", err)
	}
	if c := r.s.Convention(r.t); c != nil && c.Observes(r.s.self) {
		return hotline.Refuse(hotline.CodeObserver, "this party only observes: nobody here adopts a hit")
	}
	w := &r.s.working
	if i := slices.IndexFunc(w.Hits, func(x hotline.Hit) bool { return x.Key == h.Key }); i >= 0 {
		w.Hits[i] = *h
		return nil
	}
	if slices.Contains(w.Settled, h.Key) {
		return nil
	}
	if h.Reporter != "" && w.of(h.Reporter) >= hotline.MaxTriageOfOne {
		return hotline.Refuse(hotline.CodeBusy, "%d hits of %s wait in triage; they have to be looked at first", hotline.MaxTriageOfOne, h.Reporter)
	}
	if len(w.Hits) >= hotline.MaxTriage {
		w.Lost++
		return hotline.Refuse(hotline.CodeBusy, "%d hits wait in triage; adopt or dismiss some first", len(w.Hits))
	}
	w.Hits = append(w.Hits, *h)
	r.effect(Effect{Type: Wake, Time: r.c.Time, Office: "operator", Targets: r.s.onDuty(hotline.Operator), Text: h.Key})
	return nil
}

func (s *State) dropHit(key string) bool {
	n := len(s.working.Hits)
	if key != "" {
		s.working.Hits = slices.DeleteFunc(s.working.Hits, func(h hotline.Hit) bool { return h.Key == key })
	}
	if len(s.working.Hits) == n {
		return false
	}
	w := &s.working
	if w.Settled = append(w.Settled, key); len(w.Settled) > hotline.MaxSettledHits {
		w.Settled = slices.Delete(w.Settled, 0, 1)
	}
	return true
}

// of counts the hits that wait and that one reporter handed in.
func (w *Working) of(reporter string) (n int) {
	for i := range w.Hits {
		if w.Hits[i].Reporter == reporter {
			n++
		}
	}
	return n
}

// draft keeps a statement that its first author has signed. A draft with more
// signatures takes the place of the one with fewer.
func (r *run) draft() error {
	st, err := r.c.ParseStatement()
	if err != nil {
		return err
	}
	s := r.s
	switch {
	case st.Header.From != s.self || st.Header.Convention != s.convention:
		return hotline.Refuse(hotline.CodeWrongSender, "a draft of another party or convention")
	case st.Complete():
		return hotline.Refuse(hotline.CodeHeader, "every author has signed: submit it")
	}
	// SPEC §3.1 rule 5. It is judged again when it is submitted: roles and keys may change while it waits.
	if d := s.Directory(s.self); d != nil {
		if err := mayAuthor(st, d, r.t); err != nil {
			return err
		}
	}
	w := &s.working
	w.Drafts = slices.DeleteFunc(w.Drafts, func(d DraftItem) bool { return d.Since < r.t-window })
	if i := slices.IndexFunc(w.Drafts, func(d DraftItem) bool { return d.ID == st.ID }); i >= 0 {
		if old, err := hotline.Parse(w.Drafts[i].Raw); err != nil || old.Signed < st.Signed {
			w.Drafts[i].Raw = st.Raw
		}
		return nil
	}
	if w.draftsOf(st.Header.Authors[0]) >= hotline.MaxDraftsOfOne { // one machine must not keep everybody from releasing
		return hotline.Refuse(hotline.CodeBusy, "%d drafts of this officer wait; release or let them lapse", hotline.MaxDraftsOfOne)
	}
	if len(w.Drafts) >= hotline.MaxDrafts {
		return hotline.Refuse(hotline.CodeBusy, "%d drafts wait; release or let them lapse", len(w.Drafts))
	}
	w.Drafts = append(w.Drafts, DraftItem{ID: st.ID, Raw: st.Raw, Since: r.t})
	r.effect(Effect{Type: Wake, ID: st.ID, Kind: st.Header.Kind, Time: r.c.Time, Office: "releaser", Text: "draft"})
	return nil
}

// draftsOf counts the drafts that wait with one first author; 0 while they cannot be
// too many.
func (w *Working) draftsOf(author keys.ID) (n int) {
	if len(w.Drafts) < hotline.MaxDraftsOfOne {
		return 0
	}
	for i := range w.Drafts {
		if st, err := hotline.Parse(w.Drafts[i].Raw); err == nil && st.Header.Authors[0] == author {
			n++
		}
	}
	return n
}

func (s *State) dropDraft(id hotline.ID) {
	s.working.Drafts = slices.DeleteFunc(s.working.Drafts, func(d DraftItem) bool { return d.ID == id })
}
