package hotline_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"example.org/hotline/crypto/keys"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// TestDirectoryIsSignedByItsRootAlone: nobody but the party's root key makes
// its page, under this convention and for this party.
func TestDirectoryIsSignedByItsRootAlone(t *testing.T) {
	w := newWorld()
	page := w.a.Page(3)
	good := DirectoryHeader(page, w.conv.ID, 1, w.a.Root.Public())
	sign := func(change func(*Header), signers ...*hotlinetest.Party) error {
		h := good
		change(&h)
		h.Authors = nil
		for _, p := range signers {
			h.Authors = append(h.Authors, p.Root.Public().ID())
		}
		raw, err := Sign(h, MustMarshal(page), rootsOf(signers)...)
		if err != nil {
			return err
		}
		_, err = ParseDirectory(raw, w.conv)
		return err
	}
	same := func(*Header) {}
	wantCode(t, "good", sign(same, w.a), "")
	wantCode(t, "another's root key", sign(same, w.b), CodeMissingAuthor)
	wantCode(t, "a second root key", sign(same, w.a, w.b), CodeMissingAuthor)
	wantCode(t, "another number in the header", sign(func(h *Header) { h.Directory = 2 }, w.a), CodeDocument)
	wantCode(t, "from another", sign(func(h *Header) { h.From = "XB" }, w.a), CodeWrongSender)
	wantCode(t, "another convention", sign(func(h *Header) { h.Convention = someID("x") }, w.a), CodeConvention)
	wantCode(t, "as an exercise", sign(func(h *Header) { h.Status = Exercise }, w.a), CodeStatus)
	_, err := ParseDirectory(w.conv.Raw, w.conv)
	wantCode(t, "a convention", err, CodeDocument)
	stranger := hotlinetest.NewParty("XD", "1")
	stranger.Convention = w.conv
	_, err = ParseDirectory(stranger.SignDirectory(stranger.Page(1)), w.conv)
	wantCode(t, "of no party", err, CodeDocument)
	forged := parse(t, w.a.SignDirectory(page))
	_, err = ParseDirectory(reframe(forged, MustMarshal(forged.Header), signaturesOf(w.a.SignDirectory(w.a.Page(4)))), w.conv)
	wantCode(t, "signature of another number", err, CodeBadSignature)
}

// TestNoKeyStandsTwice: in no two places of a page, and no root key in a page.
func TestNoKeyStandsTwice(t *testing.T) {
	w := newWorld()
	officer := w.a.Officer("O1").Public()
	for name, change := range map[string]func(*Directory){
		"log key is service key":      func(d *Directory) { d.Service = d.Log },
		"witness key is log key":      func(d *Directory) { d.Witness = d.Log },
		"two officers share a key":    func(d *Directory) { d.Officers[0].Key = d.Officers[1].Key },
		"two nodes share a key":       func(d *Directory) { d.Nodes[0].Key = d.Nodes[1].Key },
		"an officer's key is a nodes": func(d *Directory) { d.Nodes[0].Key = officer },
		"an officer is the group":     func(d *Directory) { d.Officers[0].Key = d.Service },
	} {
		d := w.a.Page(1)
		change(d)
		d.Possession = w.a.Possession(d)
		wantCode(t, name, d.Validate(), CodeDocument)
	}
	for name, p := range map[string]*hotlinetest.Party{"own": w.a, "another's": w.c} {
		d := w.a.Page(1)
		d.Officers[0].Key = p.Root.Public()
		_, err := ParseDirectory(w.a.SignDirectory(d), w.conv)
		wantCode(t, name+" root key as an officer's", err, CodeDocument)
	}
	if uses := w.a.Page(1).Uses(); len(uses) != 4+3+len(hotlinetest.Posts) {
		t.Errorf("%d keys are listed", len(uses))
	}
}

// TestAPageProvesThatItsPartyHoldsItsKeys: nobody lists a key that another party holds, with the owner's proof or without; the
// proof of a key is good in every page of its party, under any number and any convention (SPEC §5.3 rule 10).
func TestAPageProvesThatItsPartyHoldsItsKeys(t *testing.T) {
	w := newWorld()
	page := func(change func(*Directory)) error {
		d := w.a.Page(1)
		change(d)
		_, err := ParseDirectory(w.a.SignPage(d), w.conv)
		return err
	}
	wantCode(t, "as it is", page(func(*Directory) {}), "")
	for i, k := range w.b.Page(1).ListedKeys() {
		of := w.b.Page(1)
		take := func(d *Directory) { // the owner's key and proof, into the same place
			switch {
			case i < 4:
				*[]*keys.Public{&d.Log, &d.Service, &d.Witness, &d.WitnessPQ}[i] = k.Key
			case i < 4+len(d.Nodes):
				d.Nodes[i-4].Key = k.Key
			default:
				d.Officers[i-4-len(d.Nodes)].Key = k.Key
			}
			d.Possession[i] = of.Possession[i]
		}
		wantCode(t, "the "+k.Place+" of XB", page(take), CodeBadSignature)
		wantCode(t, "no proof of the "+k.Place, page(func(d *Directory) { d.Possession[i] = make([]byte, len(d.Possession[i])) }), CodeBadSignature)
	}
	for name, change := range map[string]func(d *Directory){
		"one too few":    func(d *Directory) { d.Possession = d.Possession[1:] },
		"one too many":   func(d *Directory) { d.Possession = append(d.Possession, d.Possession[0]) },
		"a byte too few": func(d *Directory) { d.Possession[3] = d.Possession[3][1:] },
	} {
		d := w.a.Page(1)
		change(d)
		wantCode(t, name, d.Validate(), CodeDocument)
	}

	other := newWorld() // the same keys in another convention
	hotlinetest.Convention(hotlinetest.Terms("standard"), other.a, other.b)
	d := other.a.Page(7)
	d.Possession = w.a.Page(1).Possession
	_, err := ParseDirectory(other.a.SignPage(d), other.a.Convention)
	wantCode(t, "in another page and convention", err, "")
}

// TestTheLargestDirectoryFits: as many nodes and officers as may be, each with everything that one can have, with the proofs of all
// their keys; only the hashes of prefixes are left out.
func TestTheLargestDirectoryFits(t *testing.T) {
	w := newWorld()
	d := fullDirectory(w)
	d.Number, d.Issued, d.Generation, d.Closed.Size = math.MaxInt64, LastTime, math.MaxInt64, 1<<50-1
	d.Prefixes, d.Confirmed, d.Nodes, d.Officers = nil, d.Issued, nil, nil
	for i := range MaxNodes {
		d.Nodes = append(d.Nodes, Node{Name: fmt.Sprintf("XA-%0*d", MaxRoleName-3, i), Addr: fmt.Sprintf("[2001:1db8:1111:2222:3333:4444:5555:%d]:65535", 1000+i),
			Key: w.a.Key(keys.Ed25519, fmt.Sprint("node ", i)).Public()})
	}
	for i := range MaxOfficers {
		name := fmt.Sprintf("XA-%0*d", MaxRoleName-3, i)
		d.Officers = append(d.Officers, Officer{Name: name, Key: w.a.Key(keys.ES256, name).Public(), Roles: Roles[:len(Roles)-1],
			From: LastTime - 1, Until: LastTime, Revoked: LastTime, Person: someID(name)})
	}
	d.Possession = w.a.Possession(d)
	raw := w.a.SignPage(d)
	if _, err := ParseDirectory(raw, w.conv); err != nil {
		t.Error(err)
	}
}

// TestDirectoryBounds: every rule about one number by itself.
func TestDirectoryBounds(t *testing.T) {
	w := newWorld()
	es256 := w.a.Officer("O2").Public()
	for name, change := range map[string]func(*Directory){
		"no party":                 func(d *Directory) { d.Party = "" },
		"number 0":                 func(d *Directory) { d.Number = 0 },
		"generation 0":             func(d *Directory) { d.Generation = 0 },
		"generation 2 of no other": func(d *Directory) { d.Generation = 2 },
		"first generation closes":  func(d *Directory) { d.Closed = &ClosedLog{Size: 1} },
		"closed when empty":        func(d *Directory) { d.Generation, d.Closed = 2, &ClosedLog{} },
		"closed beyond any size":   func(d *Directory) { d.Generation, d.Closed = 2, &ClosedLog{Size: 1 << 50} },
		"issued never":             func(d *Directory) { d.Issued = 0 },
		"no nodes":                 func(d *Directory) { d.Nodes = nil },
		"six nodes":                func(d *Directory) { d.Nodes = append(d.Nodes, d.Nodes...) },
		"unsorted nodes":           func(d *Directory) { slices.Reverse(d.Nodes) },
		"a node of another party":  func(d *Directory) { d.Nodes[0].Name = "XB-1" },
		"a node by host name":      func(d *Directory) { d.Nodes[0].Addr = "node.example:7001" },
		"a node without port":      func(d *Directory) { d.Nodes[0].Addr = "192.0.2.1" },
		"a node with port 0":       func(d *Directory) { d.Nodes[0].Addr = "192.0.2.1:0" },
		"an address in long form":  func(d *Directory) { d.Nodes[0].Addr = "[2001:0db8::1]:7001" },
		"a node with a P-256 key":  func(d *Directory) { d.Nodes[0].Key = es256 },
		"a log key of P-256":       func(d *Directory) { d.Log = es256 },
		"a witness key too weak":   func(d *Directory) { d.WitnessPQ = d.Witness },
		"an offset of a day":       func(d *Directory) { d.UTCOffset = 24 * 3600 * 1000 },
		"unsorted officers":        func(d *Directory) { slices.Reverse(d.Officers) },
		"an officer twice":         func(d *Directory) { d.Officers[1].Name = d.Officers[0].Name },
		"an officer by own name":   func(d *Directory) { d.Officers[0].Name = "XA-Jane Doe" },
		"another party's officer":  func(d *Directory) { d.Officers[0].Name = "XB-A1" },
		"an officer without role":  func(d *Directory) { d.Officers[0].Roles = nil },
		"an unknown role":          func(d *Directory) { d.Officers[0].Roles = []Role{"king"} },
		"a role twice":             func(d *Directory) { d.Officers[0].Roles = []Role{Liaison, Liaison} },
		"a reporter with more":     func(d *Directory) { d.Officers[0].Roles = []Role{Operator, Reporter} },
		"roles out of order":       func(d *Directory) { d.Officers[0].Roles = []Role{Liaison, Operator} },
		"valid until before from":  func(d *Directory) { d.Officers[0].Until = d.Officers[0].From },
		"valid from never":         func(d *Directory) { d.Officers[0].From = 0 },
		"revoked before all time":  func(d *Directory) { d.Officers[0].Revoked = -1 },
		"an officer of ML-DSA":     func(d *Directory) { d.Officers[0].Key = d.WitnessPQ },
		"confirmed before 1970":    func(d *Directory) { d.Confirmed = -1 },
		"confirmed after issued":   func(d *Directory) { d.Confirmed = d.Issued + 1 },
		"too many network hashes":  func(d *Directory) { d.Prefixes = make([]ID, MaxArrayItems+1) },
		"more officers than fit":   func(d *Directory) { d.Officers = make([]Officer, MaxOfficers+1) },
		"a directory sealed to no": func(d *Directory) { d.Sealing = Directory{}.Sealing },
	} {
		d := w.a.Page(1)
		change(d)
		d.Possession = w.a.Possession(d)
		wantCode(t, name, d.Validate(), CodeDocument)
	}
	if err := fullDirectory(w).Validate(); err != nil {
		t.Error(err)
	}
}

// TestDirectoryFinds: officers by key and name, nodes by name, roles.
func TestDirectoryFinds(t *testing.T) {
	w := newWorld()
	d := w.a.Directory(1)
	for _, post := range hotlinetest.Posts {
		o := d.Officer(w.a.Officer(post.Name).Public().ID())
		if o == nil || o != d.OfficerByName(w.a.Name(post.Name)) || !o.Has(post.Role) {
			t.Errorf("%s is not found", post.Name)
		}
		if o != nil && o.Has(slices.DeleteFunc(slices.Clone(Roles), func(r Role) bool { return r == post.Role })...) {
			t.Errorf("%s has a role too many", post.Name)
		}
	}
	for n := 1; n <= 3; n++ {
		if d.Node(fmt.Sprintf("XA-%d", n)) == nil {
			t.Errorf("node %d is not found", n)
		}
	}
	if d.Node("XA-4") != nil || d.OfficerByName("XA-Z1") != nil || d.Officer(w.b.Officer("O1").Public().ID()) != nil {
		t.Error("somebody is found who is not there")
	}
}

// TestLadderRefusesEmptyRungs: a rung that nobody stands on is refused when the
// ladder is signed, not discovered at night (SPEC §4.7).
func TestLadderRefusesEmptyRungs(t *testing.T) {
	w := newWorld()
	for name, change := range map[string]func(*Ladder){
		"number 0":                func(l *Ladder) { l.Number = 0 },
		"no owing side":           func(l *Ladder) { l.Owing = nil },
		"no receiving side":       func(l *Ladder) { l.Receiving = nil },
		"nobody on a rung":        func(l *Ladder) { l.Owing[0].Targets = nil },
		"somebody without a name": func(l *Ladder) { l.Owing[0].Targets = []string{"nobody"} },
		"no office":               func(l *Ladder) { l.Owing[0].Office = "" },
		"no rung at the deadline": func(l *Ladder) { l.Owing[2].Permille = 999 },
		"rungs out of order":      func(l *Ladder) { slices.Reverse(l.Receiving) },
		"two rungs at one time":   func(l *Ladder) { l.Owing[1].Permille = l.Owing[0].Permille },
		"a rung too late to help": func(l *Ladder) { l.Owing[3].Permille = MaxPermille + 1 },
		"more people than wake":   func(l *Ladder) { l.Owing[0].Targets = slices.Repeat([]string{"XA-O1"}, MaxTargets+1) },
		"more rungs than bounded": func(l *Ladder) { l.Owing = slices.Repeat(l.Owing, 5) },
	} {
		l := w.a.Rungs(1)
		change(l)
		wantCode(t, name, l.Validate(), CodeLadder)
	}
	for _, l := range []*Ladder{w.a.Rungs(1), w.a.Watches(1, at)} {
		if err := l.Validate(); err != nil {
			t.Error(err)
		}
	}
}
