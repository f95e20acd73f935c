// Package hotlinetest makes parties, conventions, directories, statements,
// tenders and receipts for tests. Every key comes from a seed, so the same
// names give the same keys, ids of documents and fingerprints; only sealed
// bodies differ from run to run, unless the test fixes the global randomness
// (testing/cryptotest).
//
// Nothing here checks what a test hands in: a helper that cannot do its work
// panics, since that is a fault of the test. Nothing outside tests imports it.
package hotlinetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Times of the fixture, Unix milliseconds. Officers' keys are valid from
// Epoch until Expiry; documents are issued and valid at Epoch.
const (
	Epoch  hotline.Time = 1_767_225_600_000 // 2026-01-01 00:00 UTC
	Expiry hotline.Time = Epoch + 5*365*24*3600*1000
)

// Posts are the officers that every party has: the part of the role name
// after the party's code, with the algorithm of the key and the role.
var Posts = []struct {
	Name      string
	Algorithm keys.Algorithm
	Role      hotline.Role
}{
	{"A1", keys.Ed25519, hotline.Authority},
	{"L1", keys.Ed25519, hotline.Liaison},
	{"L2", keys.ES256, hotline.Liaison},
	{"O1", keys.Ed25519, hotline.Operator},
	{"O2", keys.ES256, hotline.Operator},
	{"R1", keys.Ed25519, hotline.Releaser},
	{"R2", keys.ES256, hotline.Releaser},
	{"T1", keys.Ed25519, hotline.Technician},
	{"U1", keys.Ed25519, hotline.Auditor},
}

// Party is one party with all of its private keys.
type Party struct {
	Code      hotline.Party
	Root      *keys.Private
	Log       *keys.Private
	Service   *keys.Private
	Witness   *keys.Private
	WitnessPQ *keys.Private
	Sealing   *keys.SealingPrivate
	Officers  map[string]*keys.Private // by role name, XA-L1
	Nodes     map[string]*keys.Private // by name, XA-1

	// Convention is the newest version that was made with this party in it.
	Convention *hotline.SignedConvention
	// Number is the directory number that its statements name, 1 at first.
	Number uint64

	seed  string
	peers map[hotline.Party]*Party
	held  *held
}

// held are the private keys that a party holds, with the proofs of possession that it has made of them.
type held struct {
	sync.Mutex
	private map[keys.ID]*keys.Private
	proofs  map[keys.ID][]byte
}

// proof is the party's own proof of possession of a key, nil if it does not hold the key.
func (p *Party) proof(id keys.ID) []byte {
	p.held.Lock()
	defer p.held.Unlock()
	if key := p.held.private[id]; key != nil && p.held.proofs[id] == nil {
		p.held.proofs[id] = must(hotline.ProvePossession(p.Code, key))
	}
	return p.held.proofs[id]
}

// NewParty makes a party of three nodes with one officer for each of Posts.
// The same code and seed give the same keys.
func NewParty(code hotline.Party, seed string) *Party {
	p := &Party{Code: code, Number: 1, seed: seed, Officers: map[string]*keys.Private{}, Nodes: map[string]*keys.Private{},
		held: &held{private: map[keys.ID]*keys.Private{}, proofs: map[keys.ID][]byte{}}}
	p.Root = p.Key(keys.Ed25519, "root")
	p.Log = p.Key(keys.Ed25519, "log")
	p.Service = p.Key(keys.Ed25519, "service")
	p.Witness = p.Key(keys.Ed25519, "witness")
	p.WitnessPQ = p.Key(keys.MLDSA44, "witness-pq")
	p.Sealing = must(keys.SealingFromSeed(p.Seed("sealing")))
	for _, post := range Posts {
		name := p.Name(post.Name)
		p.Officers[name] = p.Key(post.Algorithm, name)
	}
	for n := 1; n <= 3; n++ {
		name := p.Name(fmt.Sprint(n))
		p.Nodes[name] = p.Key(keys.Ed25519, "node "+name)
	}
	p.peers = map[hotline.Party]*Party{code: p}
	return p
}

// Seed is the secret that belongs to a place of this party.
func (p *Party) Seed(place string) [keys.SeedSize]byte {
	return sha256.Sum256([]byte("hotlinetest/" + p.seed + "/" + string(p.Code) + "/" + place))
}

// Key makes the private key that belongs to a place of this party.
func (p *Party) Key(alg keys.Algorithm, place string) *keys.Private {
	key := must(keys.FromSeed(alg, p.Seed(place)))
	p.Hold(key)
	return key
}

// Hold makes a private key one that the party can prove to hold: its own, or
// one that it has stolen.
func (p *Party) Hold(key *keys.Private) {
	p.held.Lock()
	defer p.held.Unlock()
	p.held.private[key.Public().ID()] = key
}

// Name is the role name of a post: XA-L1 for L1 of XA.
func (p *Party) Name(post string) string { return string(p.Code) + "-" + post }

// Officer is the key of a post: Officer("L1").
func (p *Party) Officer(post string) *keys.Private {
	k := p.Officers[p.Name(post)]
	if k == nil {
		panic("hotlinetest: no officer " + p.Name(post))
	}
	return k
}

// Keys finds the public keys of the party's officers, service and root: the
// lookup that Statement.Verify takes.
func (p *Party) Keys(id keys.ID) (keys.Public, bool) {
	for _, k := range p.Officers {
		if k.Public().ID() == id {
			return k.Public(), true
		}
	}
	for _, k := range []*keys.Private{p.Service, p.Root} {
		if k.Public().ID() == id {
			return k.Public(), true
		}
	}
	return keys.Public{}, false
}

// Peer finds a party of the convention by its code.
func (p *Party) Peer(code hotline.Party) *Party {
	q := p.peers[code]
	if q == nil {
		panic(fmt.Sprintf("hotlinetest: %s knows no %s: make a convention of both first", p.Code, code))
	}
	return q
}

// Terms returns a shipped profile.
func Terms(profile string) hotline.Terms {
	t, ok := hotline.Profile(profile)
	if !ok {
		panic("hotlinetest: no profile " + profile)
	}
	return t
}

// Draft is version 1 of a convention of these parties, not yet signed.
func Draft(terms hotline.Terms, parties ...*Party) *hotline.Convention {
	c := &hotline.Convention{
		Version: 1, Name: "Convention on early warning", ValidFrom: Epoch, Overlap: 24 * 3600 * 1000,
		Suite: hotline.Suite1, Amend: hotline.Share{Num: 2, Den: 3}, Terms: terms, Witnesses: 7,
		Questions: []string{"Does it leave our territory?", "Does it harm a protected service?",
			"Can it spread further?", "Would the other side act on it?"},
		Always: []string{"health", "nuclear"},
	}
	for _, p := range parties {
		c.Parties = append(c.Parties, hotline.Member{Party: p.Code, Root: p.Root.Public()})
	}
	slices.SortFunc(c.Parties, func(a, b hotline.Member) int {
		if a.Party < b.Party {
			return -1
		}
		return 1
	})
	return c
}

// Convention makes version 1 of a convention of these parties, signed by all,
// and introduces them to each other: they can seal to one another from now on.
func Convention(terms hotline.Terms, parties ...*Party) *hotline.SignedConvention {
	return Observed(terms, nil, parties...)
}

// Observed is Convention with some of the parties as observers.
func Observed(terms hotline.Terms, observers []hotline.Party, parties ...*Party) *hotline.SignedConvention {
	c := Draft(terms, parties...)
	for i := range c.Parties {
		c.Parties[i].Observer = slices.Contains(observers, c.Parties[i].Party)
	}
	return Amend(nil, c, parties...)
}

// SignConvention signs a version with the root keys of signers in order, under
// the id of the convention of before, which is nil for version 1. It verifies
// nothing.
func SignConvention(before *hotline.SignedConvention, c *hotline.Convention, signers ...*Party) []byte {
	var id hotline.ID
	if before != nil {
		id = before.ID
	}
	var roots []keys.Public
	var private []keys.Signer
	for _, p := range signers {
		roots, private = append(roots, p.Root.Public()), append(private, p.Root)
	}
	h := hotline.ConventionHeader(c, id, roots, signers[0].Code, c.ValidFrom)
	return must(hotline.Sign(h, hotline.MustMarshal(c), private...))
}

// Amend signs the version c that follows before (nil for version 1), verifies
// it, and hands it to all signers.
func Amend(before *hotline.SignedConvention, c *hotline.Convention, signers ...*Party) *hotline.SignedConvention {
	signed := must(hotline.ParseConvention(SignConvention(before, c, signers...), before))
	for _, p := range signers {
		p.Convention = signed
		for _, q := range signers {
			p.peers[q.Code] = q
		}
	}
	return signed
}

// Page is the content of the party's directory under a number, not yet signed.
func (p *Party) Page(number uint64) *hotline.Directory {
	d := &hotline.Directory{
		Party: p.Code, Number: number, Issued: Epoch + hotline.Time(number), Generation: 1,
		Log: p.Log.Public(), Service: p.Service.Public(), Witness: p.Witness.Public(),
		WitnessPQ: p.WitnessPQ.Public(), Sealing: p.Sealing.Public(),
	}
	net := sha256.Sum256([]byte(p.Code))
	for n := 1; n <= len(p.Nodes); n++ {
		name := p.Name(fmt.Sprint(n))
		d.Nodes = append(d.Nodes, hotline.Node{Name: name, Key: p.Nodes[name].Public(),
			Addr: fmt.Sprintf("10.%d.%d.%d:7001", net[0], net[1], n)})
	}
	for _, post := range Posts {
		if p.Convention != nil && p.Convention.Observes(p.Code) && post.Role != hotline.Auditor && post.Role != hotline.Technician {
			continue
		}
		d.Officers = append(d.Officers, hotline.Officer{Name: p.Name(post.Name), Key: p.Officer(post.Name).Public(),
			Roles: []hotline.Role{post.Role}, From: Epoch, Until: Expiry})
	}
	d.Possession = p.Possession(d)
	return d
}

// Possession are the proofs for the keys that stand in d, as far as the party
// can give them: its own for a key that it holds, the owner's for one of a
// peer, which it can copy and not make, and zeros for any other.
func (p *Party) Possession(d *hotline.Directory) [][]byte {
	var list [][]byte
	for _, k := range d.ListedKeys() {
		proof := p.proof(k.Key.ID())
		for _, peer := range p.peers {
			if proof == nil {
				proof = peer.proof(k.Key.ID())
			}
		}
		if proof == nil {
			proof = make([]byte, k.Key.Algorithm().SignatureSize())
		}
		list = append(list, proof)
	}
	return list
}

// SignDirectory signs a page with the root key under the party's convention,
// with the proofs of Possession for the keys that now stand in it. It verifies
// nothing.
func (p *Party) SignDirectory(d *hotline.Directory) []byte {
	proved := *d
	proved.Possession = p.Possession(d)
	return p.SignPage(&proved)
}

// SignPage is SignDirectory with the proofs that stand in the page.
func (p *Party) SignPage(d *hotline.Directory) []byte {
	h := hotline.DirectoryHeader(d, p.Convention.ID, p.Convention.Version, p.Root.Public())
	return must(hotline.Sign(h, hotline.MustMarshal(d), p.Root))
}

// Directory is the party's signed and verified page under a number.
func (p *Party) Directory(number uint64) *hotline.SignedDirectory {
	return must(hotline.ParseDirectory(p.SignDirectory(p.Page(number)), p.Convention))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("hotlinetest: " + err.Error())
	}
	return v
}

// Introduce lets p seal to q, and q to p, without a convention of both.
func (p *Party) Introduce(q *Party) {
	p.peers[q.Code], q.peers[p.Code] = q, p
}
