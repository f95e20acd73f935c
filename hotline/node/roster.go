package node

import (
	"slices"
	"sync/atomic"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
	"example.org/hotline/hotline/replica"
)

// roster says which key may open which conversation. It is replaced whole when
// documents change; readers never wait.
type roster struct {
	byConversation map[string]map[keys.ID]caller
	nodes          map[string]hotline.Node // of the own party
	peers          []link.Peer
}

// caller is who a key belongs to.
type caller struct {
	party hotline.Party
	name  string

	officer *hotline.Officer // of a desk
}

// takes reports whether a roster leaves the officer at a desk less than they had when
// it opened: a role is gone, or the key ends sooner.
func (c caller) takes(now caller) bool {
	if c.officer == nil || now.officer == nil {
		return false
	}
	gone := func(r hotline.Role) bool { return !slices.Contains(now.officer.Roles, r) }
	return now.officer.Until < c.officer.Until || slices.ContainsFunc(c.officer.Roles, gone)
}

type rosterBox struct{ p atomic.Pointer[roster] }

func (b *rosterBox) get() *roster { return b.p.Load() }

// newRoster reads who is who from the newest directories.
func newRoster(self hotline.Party, directories []*hotline.SignedDirectory) *roster {
	r := &roster{
		byConversation: map[string]map[keys.ID]caller{link.ALPN: {}, replica.ALPN: {}, desk.ALPN: {}},
		nodes:          map[string]hotline.Node{},
	}
	for _, d := range directories {
		if d.Party == self {
			r.own(d)
			continue
		}
		r.peers = append(r.peers, link.Peer{Party: d.Party, Nodes: d.Nodes})
		for _, n := range d.Nodes {
			r.byConversation[link.ALPN][n.Key.ID()] = caller{party: d.Party, name: n.Name}
		}
	}
	slices.SortFunc(r.peers, func(a, b link.Peer) int {
		if a.Party < b.Party {
			return -1
		}
		return 1
	})
	return r
}

func (r *roster) own(d *hotline.SignedDirectory) {
	for _, n := range d.Nodes {
		r.nodes[n.Name] = n
		r.byConversation[replica.ALPN][n.Key.ID()] = caller{party: d.Party, name: n.Name}
	}
	for i := range d.Officers {
		o := &d.Officers[i]
		if o.Revoked == 0 {
			r.byConversation[desk.ALPN][o.Key.ID()] = caller{d.Party, o.Name, o}
		}
	}
}

// allows returns who may hold this conversation with this key.
func (r *roster) allows(alpn string, key keys.Public) (caller, bool) {
	c, ok := r.byConversation[alpn][key.ID()]
	return c, ok
}

// directoriesOf returns the newest directory of every party in the ledger.
func directoriesOf(s *ledger.State) []*hotline.SignedDirectory {
	var list []*hotline.SignedDirectory
	for _, p := range append(s.Peers(), s.Self()) {
		if d := s.Directory(p); d != nil {
			list = append(list, d)
		}
	}
	return list
}

// newRoster follows the documents in force. It runs under Apply and Restore
// and does not wait.
func (n *Node) newRoster() {
	var list []*hotline.SignedDirectory
	var own bool
	n.machine.view(func(s *ledger.State) { list, own = directoriesOf(s), s.Directory(s.Self()) != nil })
	if !own {
		return // what the documents directory says still counts
	}
	// Until every party's directory has been committed, those of the documents
	// directory count for the rest.
	have := map[hotline.Party]bool{}
	for _, d := range list {
		have[d.Party] = true
	}
	for _, d := range newest(n.docs) {
		if !have[d.Party] {
			list = append(list, d)
		}
	}
	n.roster.p.Store(newRoster(hotline.Party(n.cfg.Party), list))
	select {
	case <-n.ready:
		n.follow()
	default: // open follows when it is done
	}
}

// follow brings the line and every connection to the roster.
func (n *Node) follow() {
	n.followMu.Lock()
	defer n.followMu.Unlock()
	r := n.roster.get()
	n.line.SetPeers(r.peers)
	n.lines.keep(r.peers)
	n.end.follow(r)
}
