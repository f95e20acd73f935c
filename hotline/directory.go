package hotline

import (
	"net/netip"
	"slices"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
)

// KindDirectory carries one party's own page, signed by its root key,
// numbered, never going back (SPEC §5.3). It travels as a document.
var KindDirectory = register(Rules{
	Kind: 16, Name: "directory", Class: ByRoots,
	ActualOnly: true,
	Body:       func() Body { return new(Directory) },
})

// Directory says which nodes, group keys and officers a party has.
type Directory struct {
	Party      Party              `cbor:"1,keyasint" json:"party"`
	Number     uint64             `cbor:"2,keyasint" json:"number"`
	Issued     Time               `cbor:"3,keyasint" json:"issued"`
	Generation uint64             `cbor:"4,keyasint" json:"generation"` // of the log
	Nodes      []Node             `cbor:"5,keyasint" json:"nodes"`      // sorted by name
	Log        keys.Public        `cbor:"6,keyasint" json:"log"`
	Service    keys.Public        `cbor:"7,keyasint" json:"service"`
	Witness    keys.Public        `cbor:"8,keyasint" json:"witness"`    // Ed25519
	WitnessPQ  keys.Public        `cbor:"9,keyasint" json:"witness_pq"` // ML-DSA-44
	Sealing    keys.SealingPublic `cbor:"10,keyasint" json:"sealing"`
	Officers   []Officer          `cbor:"11,keyasint" json:"officers"` // sorted by name
	UTCOffset  int64              `cbor:"12,keyasint" json:"utc_offset"`
	Prefixes   []ID               `cbor:"13,keyasint,omitempty" json:"prefixes,omitempty"`  // salted hashes of the party's network prefixes
	Confirmed  Time               `cbor:"14,keyasint,omitempty" json:"confirmed,omitempty"` // when every contact point was last tried and found right; 0: never said
	Closed     *ClosedLog         `cbor:"15,keyasint,omitempty" json:"closed,omitempty"`    // nil in the first generation
	Possession [][]byte           `cbor:"16,keyasint" json:"possession"`                    // one proof for each of ListedKeys, in their order
}

// ClosedLog is the last head of the generation before, which the root key closed
// when it opened another (SPEC §7.5).
type ClosedLog struct {
	_    struct{} `cbor:",toarray"`
	Size uint64   `json:"size"`
	Root ID       `json:"root"`
}

// validate: a first generation closes nothing, and every other one something.
func (c *ClosedLog) validate(generation uint64) error {
	switch {
	case (generation > 1) != (c != nil):
		return Refuse(CodeDocument, "every generation of the log but the first names the last head of the one before")
	case c != nil && (c.Size == 0 || c.Size >= tlog.MaxSize):
		return Refuse(CodeDocument, "the log before was closed at size %d, which is out of range", c.Size)
	}
	return nil
}

// Node is one daemon of the party.
type Node struct {
	Name string      `cbor:"1,keyasint" json:"name"` // XA-1
	Addr string      `cbor:"2,keyasint" json:"addr"` // IP:port, UDP; no name service is needed
	Key  keys.Public `cbor:"3,keyasint" json:"key"`  // Ed25519, TLS
}

// Officer is a person with a key. Name is a role name; the person's own name
// stands nowhere but, salted and hashed, in Person.
type Officer struct {
	Name    string      `cbor:"1,keyasint" json:"name"` // XA-L3
	Key     keys.Public `cbor:"2,keyasint" json:"key"`
	Roles   []Role      `cbor:"3,keyasint" json:"roles"` // in the order of Roles
	From    Time        `cbor:"4,keyasint" json:"from"`
	Until   Time        `cbor:"5,keyasint" json:"until"`
	Revoked Time        `cbor:"6,keyasint,omitempty" json:"revoked,omitempty"`
	Person  ID          `cbor:"7,keyasint,omitzero" json:"person,omitzero"`
}

// Has reports whether the officer has one of the roles.
func (o *Officer) Has(roles ...Role) bool {
	return slices.ContainsFunc(o.Roles, func(r Role) bool { return slices.Contains(roles, r) })
}

// Validate checks one number by itself.
func (d *Directory) Validate() error {
	switch {
	case !d.Party.Valid():
		return Refuse(CodeDocument, "%q is no party code", d.Party)
	case d.Number == 0 || d.Generation == 0 || d.Issued <= 0 || d.Issued > LastTime:
		return Refuse(CodeDocument, "number, generation and issued time begin at 1, and the time ends at %d", LastTime)
	case d.Confirmed < 0 || d.Confirmed > d.Issued:
		return Refuse(CodeDocument, "contact data are confirmed at %d, before 1970 or after the directory was issued", d.Confirmed)
	case len(d.Nodes) == 0 || len(d.Nodes) > MaxNodes:
		return Refuse(CodeDocument, "%d nodes, 1 to %d are allowed", len(d.Nodes), MaxNodes)
	case len(d.Officers) > MaxOfficers:
		return Refuse(CodeDocument, "%d officers, at most %d", len(d.Officers), MaxOfficers)
	case d.UTCOffset < -14*hour || d.UTCOffset > 14*hour:
		return Refuse(CodeDocument, "utc offset is milliseconds within 14 hours")
	case len(d.Prefixes) > MaxArrayItems:
		return Refuse(CodeDocument, "%d prefixes, at most %d", len(d.Prefixes), MaxArrayItems)
	case d.Sealing.IsZero():
		return Refuse(CodeDocument, "the sealing key is missing")
	}
	if err := d.Closed.validate(d.Generation); err != nil {
		return err
	}
	for _, k := range []struct {
		name string
		key  keys.Public
		alg  keys.Algorithm
	}{
		{"log", d.Log, keys.Ed25519}, {"service", d.Service, keys.Ed25519},
		{"witness", d.Witness, keys.Ed25519}, {"witness-pq", d.WitnessPQ, keys.MLDSA44},
	} {
		if k.key.IsZero() || k.key.Algorithm() != k.alg {
			return Refuse(CodeDocument, "the %s key is missing or of another algorithm than the suite's", k.name)
		}
	}
	for i := range d.Nodes {
		if err := d.Nodes[i].validate(d.Party); err != nil {
			return err
		}
		if i > 0 && d.Nodes[i-1].Name >= d.Nodes[i].Name {
			return Refuse(CodeDocument, "nodes are not sorted without doubles at %s", d.Nodes[i].Name)
		}
	}
	for i := range d.Officers {
		if err := d.Officers[i].validate(d.Party); err != nil {
			return err
		}
		if i > 0 && d.Officers[i-1].Name >= d.Officers[i].Name {
			return Refuse(CodeDocument, "officers are not sorted without doubles at %s", d.Officers[i].Name)
		}
	}
	if err := d.checkKeysOnce(); err != nil {
		return err
	}
	return d.checkProofs()
}

func (n *Node) validate(p Party) error {
	if !validRoleName(n.Name) || !strings.HasPrefix(n.Name, string(p)+"-") {
		return Refuse(CodeDocument, "node name %q does not begin with %s-", n.Name, p)
	}
	if a, err := netip.ParseAddrPort(n.Addr); err != nil || a.String() != n.Addr || a.Port() == 0 {
		return Refuse(CodeDocument, "node %s: address %q is not IP:port", n.Name, n.Addr)
	}
	if n.Key.IsZero() || n.Key.Algorithm() != keys.Ed25519 {
		return Refuse(CodeDocument, "node %s has no Ed25519 key", n.Name)
	}
	return nil
}

func (o *Officer) validate(p Party) error {
	if !validRoleName(o.Name) || !strings.HasPrefix(o.Name, string(p)+"-") {
		return Refuse(CodeDocument, "officer name %q does not begin with %s-", o.Name, p)
	}
	if o.Key.IsZero() || (o.Key.Algorithm() != keys.Ed25519 && o.Key.Algorithm() != keys.ES256) {
		return Refuse(CodeDocument, "officer %s has no Ed25519 or P-256 key", o.Name)
	}
	if len(o.Roles) == 0 {
		return Refuse(CodeDocument, "officer %s has no role", o.Name)
	}
	last := -1
	for _, r := range o.Roles {
		i := slices.Index(Roles, r)
		if i <= last {
			return Refuse(CodeDocument, "officer %s: role %q is unknown or out of order", o.Name, r)
		}
		last = i
	}
	if o.Has(Reporter) && len(o.Roles) > 1 {
		return Refuse(CodeDocument, "officer %s: a reporter has no other role; give the person a second key for that", o.Name)
	}
	if o.From <= 0 || o.Until <= o.From || o.Revoked < 0 {
		return Refuse(CodeDocument, "officer %s is valid from %d until %d", o.Name, o.From, o.Until)
	}
	return nil
}

// KeyUse is one place where a key stands.
type KeyUse struct {
	Party Party
	Place string
}

// ListedKey is one signing key of a directory and the place where it stands.
type ListedKey struct {
	Key   keys.Public
	Place string
}

// ListedKeys are the signing keys of the directory, in the order of their proofs of
// possession (SPEC §5.3 rule 10).
func (d *Directory) ListedKeys() []ListedKey {
	list := []ListedKey{{d.Log, "log key"}, {d.Service, "service key"}, {d.Witness, "witness key"}, {d.WitnessPQ, "witness-pq key"}}
	for _, n := range d.Nodes {
		list = append(list, ListedKey{n.Key, "node " + n.Name})
	}
	for _, o := range d.Officers {
		list = append(list, ListedKey{o.Key, "officer " + o.Name})
	}
	return list
}

// Uses lists every signing key of the directory with the place where it
// stands.
func (d *Directory) Uses() map[keys.ID][]KeyUse {
	uses := map[keys.ID][]KeyUse{}
	for _, k := range d.ListedKeys() {
		if !k.Key.IsZero() {
			uses[k.Key.ID()] = append(uses[k.Key.ID()], KeyUse{d.Party, k.Place})
		}
	}
	return uses
}

// checkKeysOnce: no key appears twice, in any role.
func (d *Directory) checkKeysOnce() error {
	var names []string
	for _, places := range d.Uses() {
		if len(places) > 1 {
			names = append(names, places[0].Place+" and "+places[1].Place)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return Refuse(CodeDocument, "one key stands twice: %s", names[0])
}

// checkProofs: there is a proof of possession for each key, as long as its algorithm says. Whether
// it verifies is asked after the root key's signature.
func (d *Directory) checkProofs() error {
	listed := d.ListedKeys()
	if len(d.Possession) != len(listed) {
		return Refuse(CodeDocument, "%d proofs of possession for %d keys", len(d.Possession), len(listed))
	}
	for i, k := range listed {
		if want := k.Key.Algorithm().SignatureSize(); len(d.Possession[i]) != want {
			return Refuse(CodeDocument, "%s: the proof of possession has %d bytes, want %d", k.Place, len(d.Possession[i]), want)
		}
	}
	return nil
}

// verifyProofs: the party holds every signing key that it lists, so it cannot list one that it
// copied out of another's page (SPEC §5.3 rule 10).
func (d *Directory) verifyProofs() error {
	for i, k := range d.ListedKeys() {
		if !VerifyPossession(d.Party, k.Key, d.Possession[i]) {
			return Refuse(CodeBadSignature, "%s: the key does not prove that %s holds it: list it from the public file that was made with it, for %s", k.Place, d.Party, d.Party)
		}
	}
	return nil
}

// Officer finds an officer by key.
func (d *Directory) Officer(key keys.ID) *Officer {
	for i := range d.Officers {
		if d.Officers[i].Key.ID() == key {
			return &d.Officers[i]
		}
	}
	return nil
}

// OfficerByName finds an officer by role name.
func (d *Directory) OfficerByName(name string) *Officer {
	for i := range d.Officers {
		if d.Officers[i].Name == name {
			return &d.Officers[i]
		}
	}
	return nil
}

// Node finds a node by name.
func (d *Directory) Node(name string) *Node {
	for i := range d.Nodes {
		if d.Nodes[i].Name == name {
			return &d.Nodes[i]
		}
	}
	return nil
}

// SignedDirectory is a directory with its proof.
type SignedDirectory struct {
	Directory
	Raw []byte

	byKey     map[keys.ID]int // an officer's place; hashing every key for every signature would cost more than the look-up is worth
	serviceID keys.ID
}

// Officer finds an officer by key.
func (d *SignedDirectory) Officer(key keys.ID) *Officer {
	i, ok := d.byKey[key]
	if !ok {
		return nil
	}
	return &d.Officers[i]
}

// ServiceID is the id of the service key.
func (d *SignedDirectory) ServiceID() keys.ID { return d.serviceID }

// ParseDirectory decodes and verifies a directory under the party's root key
// in the convention, and that the party holds every signing key that it lists.
// Whether its number and keys fit what is already known is the ledger's to
// decide.
func ParseDirectory(raw []byte, c *SignedConvention) (*SignedDirectory, error) {
	st, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return st.provenDirectory(c)
}

// RereadDirectory is ParseDirectory for a page that ParseDirectory took before, as
// those of a state that comes back from its snapshot: the proofs of possession,
// which take most of the time, are not verified again.
func RereadDirectory(raw []byte, c *SignedConvention) (*SignedDirectory, error) {
	st, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return st.directory(c)
}

func (st *Statement) provenDirectory(c *SignedConvention) (*SignedDirectory, error) {
	d, err := st.directory(c)
	if err != nil {
		return nil, err
	}
	if err := d.verifyProofs(); err != nil {
		return nil, err
	}
	return d, nil
}

func (st *Statement) directory(c *SignedConvention) (*SignedDirectory, error) {
	if st.Header.Kind != KindDirectory {
		return nil, Refuse(CodeDocument, "this is a %s, not a directory", st.Header.Kind)
	}
	body, err := st.OpenBody()
	if err != nil {
		return nil, err
	}
	d := body.(*Directory)
	m := c.Member(d.Party)
	switch {
	case st.Header.Convention != c.ID:
		return nil, Refuse(CodeConvention, "the directory of %s names another convention", d.Party)
	case m == nil:
		return nil, Refuse(CodeDocument, "%s is no party of the convention", d.Party)
	case st.Header.From != d.Party:
		return nil, Refuse(CodeWrongSender, "a directory of %s from %s", d.Party, st.Header.From)
	case len(st.Header.Authors) != 1 || st.Header.Authors[0] != m.Root.ID():
		return nil, Refuse(CodeMissingAuthor, "the directory of %s is not signed by its root key alone", d.Party)
	case st.Header.Directory != d.Number:
		return nil, Refuse(CodeDocument, "header says number %d, the directory %d", st.Header.Directory, d.Number)
	}
	if m.Observer {
		if o := d.speaker(); o != nil {
			return nil, Refuse(CodeDocument, "%s is %v, but %s only observes: its officers are auditors and technicians", o.Name, o.Roles, d.Party)
		}
	}
	root := func(id keys.ID) (keys.Public, bool) { return m.Root, id == m.Root.ID() }
	if err := st.Verify(root); err != nil {
		return nil, err
	}
	for id, places := range d.Uses() {
		for _, other := range c.Parties {
			if other.Root.ID() == id {
				return nil, Refuse(CodeDocument, "%s is also the root key of %s", places[0].Place, other.Party)
			}
		}
	}
	signed := &SignedDirectory{Directory: *d, Raw: st.Raw, byKey: make(map[keys.ID]int, len(d.Officers)), serviceID: d.Service.ID()}
	for i := range d.Officers {
		signed.byKey[d.Officers[i].Key.ID()] = i
	}
	return signed, nil
}

// NewestNaming is the newest of these versions of the convention that names p: one that is to
// leave is a party until then (SPEC §5.3). If none names it, it is the newest; nil: there is none.
func NewestNaming(p Party, versions []*SignedConvention) *SignedConvention {
	if len(versions) == 0 {
		return nil
	}
	for _, c := range slices.Backward(versions) {
		if c.Member(p) != nil {
			return c
		}
	}
	return versions[len(versions)-1]
}

// ProveDirectory is ParseDirectory under the newest of these versions of the convention that
// names the party. Whether it still is one is the ledger's to decide.
func ProveDirectory(raw []byte, versions []*SignedConvention) (*SignedDirectory, error) {
	st, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	c := NewestNaming(st.Header.From, versions)
	if c == nil {
		return nil, Refuse(CodeNeed, "the convention comes before directories")
	}
	return st.provenDirectory(c)
}

// speaker finds an officer with a role that an observer has no use for, or nil.
func (d *Directory) speaker() *Officer {
	i := slices.IndexFunc(d.Officers, func(o Officer) bool {
		return slices.ContainsFunc(o.Roles, func(r Role) bool { return r != Auditor && r != Technician })
	})
	if i < 0 {
		return nil
	}
	return &d.Officers[i]
}

// DirectoryHeader is the header under which root signs d.
func DirectoryHeader(d *Directory, convention ID, version uint64, root keys.Public) Header {
	return Header{Kind: KindDirectory, Status: Actual, Precedence: Routine, TLP: TLPGreen, From: d.Party,
		Authors: []keys.ID{root.ID()}, Convention: convention, ConventionVersion: version,
		Directory: d.Number, Issued: d.Issued}
}
