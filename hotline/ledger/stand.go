package ledger

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// This file holds what changes no clock: who has the desk, what is disputed,
// and what is suspended.

// Post is who has the desk of a role.
type Post struct {
	Role    hotline.Role
	Officer keys.ID
	Since   hotline.Time
	Entry   uint64 // of the handover
}

// Posts returns who has the desk of each role, as far as handovers say.
func (s *State) Posts() []Post { return slices.Clone(s.posts) }

// handover passes the desk of every role that both authors have in common.
func (r *run) handover(st *hotline.Statement) func(uint64) {
	s, h := r.s, &st.Header
	d := s.Directory(s.self)
	return func(index uint64) {
		for _, role := range h.Kind.Rules().Authors[0] {
			if !d.Officer(h.Authors[0]).Has(role) || !d.Officer(h.Authors[1]).Has(role) {
				continue
			}
			post := Post{Role: role, Officer: h.Authors[1], Since: r.t, Entry: index}
			if i := slices.IndexFunc(s.posts, func(p Post) bool { return p.Role == role }); i >= 0 {
				s.posts[i] = post
			} else {
				s.posts = append(s.posts, post)
			}
		}
	}
}

// dispute takes an own objection to a statement of the one that it goes to.
func (r *run) dispute(st *hotline.Statement, k *Case) (func(uint64), error) {
	h := &st.Header
	if len(h.To) != 1 {
		return nil, hotline.Refuse(hotline.CodeWrongAddressee, "a dispute goes to the one whose statement is disputed")
	}
	if x := k.known(*h.Re); x == nil || x.From != h.To[0] {
		return nil, hotline.Refuse(hotline.CodeReference, "%s is no statement of %s in this case", h.Re.Short(), h.To[0])
	}
	return nil, nil
}

// disputedHere takes a peer's objection to an own statement.
func (r *run) disputedHere(st *hotline.Statement, k *Case) error {
	h := &st.Header
	if k != nil {
		if x := k.known(*h.Re); x != nil && x.From == r.s.self && x.goesTo(h.From) {
			return nil
		}
	}
	return hotline.Refuse(hotline.CodeReference, "%s is no statement of %s in this case", h.Re.Short(), r.s.self)
}

// suspension notes that a party suspends its part in a case or on a line, or
// resumes it. An own one changes something, or is refused; a peer's may repeat
// itself, since two of them may overtake each other.
func (r *run) suspension(st *hotline.Statement, k *Case) (func(uint64), error) {
	s, h := r.s, &st.Header
	suspends := h.Disposition == hotline.Suspended
	if h.From == s.self {
		for _, p := range h.To {
			pair := s.pairs[p]
			now := k == nil && pair != nil && pair.SuspendedHere
			if x := k.lastSuspension(s.self, p); x != nil {
				if s.lapsed(k, p, r.t) {
					continue // forgotten with this statement: either changes something
				}
				now = x.Disposition == hotline.Suspended
			}
			if s.concerns(p) && now == suspends {
				return nil, hotline.Refuse(hotline.CodeNotOwed, "towards %s it is so already", p)
			}
		}
	}
	if k != nil || h.Case != nil {
		return nil, nil // the case knows it by the statement itself
	}
	return func(uint64) {
		if h.From == s.self {
			s.pair(h.To[0]).SuspendedHere = suspends
		} else {
			s.pair(h.From).SuspendedThere = suspends
		}
	}, nil
}

// lastSuspension is the newest suspension or resumption of a party towards
// another in the case; nil of no case.
func (c *Case) lastSuspension(by, towards hotline.Party) *Known {
	if c == nil {
		return nil
	}
	return c.newest(by, towards, hotline.KindSuspension)
}
