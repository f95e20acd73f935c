package ceremony

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/ops/strict"
)

// MaxPage bounds the file in which a keeper keeps a party's page, in bytes.
const MaxPage = 256 << 10

// Page is what the keeper of a party's directory writes: the next page, with keys as the names of public key files. Times without an
// offset are UTC.
type Page struct {
	Party      string        `toml:"party"`
	Number     uint64        `toml:"number"`
	Generation uint64        `toml:"generation"` // of the log; absent: 1
	Closed     string        `toml:"closed"`     // last head of the generation before, SIZE:ROOT with the root in hexadecimal; absent: in the first
	Issued     time.Time     `toml:"issued"`     // absent: when the draft is made
	UTCOffset  millis        `toml:"utc_offset"` // 2h, -5h30m; absent: 0
	Group      string        `toml:"group"`      // directory with the public files of the group's keys
	Nodes      []string      `toml:"nodes"`      // public files of the nodes
	Officers   []PageOfficer `toml:"officers"`
	Confirmed  time.Time     `toml:"confirmed"` // when every contact point was last tried and found right; absent: never said
	Prefixes   []string      `toml:"prefixes"`  // salted SHA-256 of network prefixes, in hexadecimal
}

// PageOfficer is one officer of a Page.
type PageOfficer struct {
	Key     string    `toml:"key"` // public file
	Roles   []string  `toml:"roles"`
	From    time.Time `toml:"from"`    // absent: when the draft is made
	Until   time.Time `toml:"until"`   // absent: five years after from
	Revoked time.Time `toml:"revoked"` // absent: not revoked
	Person  string    `toml:"person"`  // salted SHA-256 of the person's name, in hexadecimal
}

// officerTerm is how long an officer's key is good where the page does not say.
const officerTerm = 5 * 365 * 24 * time.Hour

// LoadPage reads a page file: strict TOML with the keys of Page. Paths in it are taken from the directory of the file.
func LoadPage(path string) (*Page, error) {
	text, err := ReadFile(path, MaxPage)
	if err != nil {
		return nil, err
	}
	p := new(Page)
	if _, err := strict.Read(text, MaxPage, p); err != nil {
		return nil, hotline.Refuse(hotline.CodeDocument, "%s: %v", path, err)
	}
	readUTC(&p.Issued, &p.Confirmed)
	for i := range p.Officers {
		o := &p.Officers[i]
		readUTC(&o.From, &o.Until, &o.Revoked)
	}
	base := filepath.Dir(path)
	p.Group = under(base, p.Group)
	for i := range p.Nodes {
		p.Nodes[i] = under(base, p.Nodes[i])
	}
	for i := range p.Officers {
		p.Officers[i].Key = under(base, p.Officers[i].Key)
	}
	return p, nil
}

func under(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// SetConfirmed takes what ParseTime reads; an empty text says nothing.
func (p *Page) SetConfirmed(text string) error {
	if text == "" {
		return nil
	}
	t, err := ParseTime(text)
	p.Confirmed = momentOf(t)
	return err
}

// SetUTCOffset takes "2h" or "-5h30m".
func (p *Page) SetUTCOffset(text string) error { return p.UTCOffset.UnmarshalText([]byte(text)) }

// closedInto reads SIZE:ROOT; of nothing it makes nothing.
func closedInto(d *hotline.Directory, text string) error {
	if text == "" {
		return nil
	}
	size, root, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(size, 10, 64)
	b, bad := hex.DecodeString(root)
	if err != nil || bad != nil || len(b) != len(hotline.ID{}) {
		return hotline.Refuse(hotline.CodeDocument, "%q is no head of a closed log: write SIZE:ROOT, the root in 64 hexadecimal digits", text)
	}
	d.Closed = &hotline.ClosedLog{Size: n, Root: hotline.ID(b)}
	return nil
}

// DraftDirectory reads the public files that a page names and returns the directory, sorted and checked by every rule that one page
// can break. now is the time of issue where the page does not say, and the beginning of officers' validity likewise.
func DraftDirectory(p *Page, now hotline.Time) (*hotline.Directory, error) {
	d := &hotline.Directory{Party: hotline.Party(p.Party), Number: p.Number, Generation: max(p.Generation, 1),
		Issued: cmp.Or(timeOf(p.Issued), now), UTCOffset: int64(p.UTCOffset), Confirmed: timeOf(p.Confirmed)}
	if err := closedInto(d, p.Closed); err != nil {
		return nil, err
	}
	group, err := LoadGroup(p.Group)
	if err != nil {
		return nil, err
	}
	if owner := group[keys.PurposeLog].Name; owner != p.Party {
		return nil, hotline.Refuse(hotline.CodeDocument, "%s holds the keys of %s, not of %s", p.Group, owner, p.Party)
	}
	d.Log, d.Service = group[keys.PurposeLog].Signing, group[keys.PurposeService].Signing
	d.Witness, d.WitnessPQ = group[keys.PurposeWitness].Signing, group[keys.PurposeWitnessPQ].Signing
	d.Sealing = group[keys.PurposeSealing].Sealing
	proved := proofs{}
	for _, k := range group {
		proved[k.Signing] = k.Possession
	}
	for _, file := range p.Nodes {
		k, err := LoadPublicKey(file, keys.PurposeTLS)
		if err != nil {
			return nil, err
		}
		proved[k.Signing] = k.Possession
		d.Nodes = append(d.Nodes, hotline.Node{Name: k.Name, Addr: k.Address, Key: k.Signing})
	}
	for _, o := range p.Officers {
		officer, proof, err := o.load(now)
		if err != nil {
			return nil, err
		}
		proved[officer.Key] = proof
		d.Officers = append(d.Officers, officer)
	}
	for _, text := range p.Prefixes {
		id, err := ParseID(text)
		if err != nil {
			return nil, err
		}
		d.Prefixes = append(d.Prefixes, id)
	}
	slices.SortFunc(d.Nodes, func(a, b hotline.Node) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Officers, func(a, b hotline.Officer) int { return cmp.Compare(a.Name, b.Name) })
	proved.into(d)
	return d, d.Validate()
}

// proofs are those of possession, by key.
type proofs map[keys.Public][]byte

// into gives d the proofs of the keys that stand in it, in their order.
func (p proofs) into(d *hotline.Directory) {
	for _, k := range d.ListedKeys() {
		d.Possession = append(d.Possession, p[k.Key])
	}
}

// proofsOf are the proofs that stand in d.
func proofsOf(d *hotline.Directory) proofs {
	p := proofs{}
	for i, k := range d.ListedKeys() {
		if i < len(d.Possession) {
			p[k.Key] = d.Possession[i]
		}
	}
	return p
}

// text is the proof of a key as a draft shows it.
func (p proofs) text(k keys.Public) string { return hex.EncodeToString(p[k]) }

// read takes the proof of a key from a draft.
func (p proofs) read(k keys.Public, text string) (err error) {
	p[k], err = parseProof(text)
	return err
}

// SetValidity takes both ends as ParseTime reads them; an empty text leaves an end to DraftDirectory.
func (o *PageOfficer) SetValidity(from, until string) error {
	for _, end := range []struct {
		text   string
		target *time.Time
	}{{from, &o.From}, {until, &o.Until}} {
		if end.text == "" {
			continue
		}
		t, err := ParseTime(end.text)
		if err != nil {
			return err
		}
		*end.target = momentOf(t)
	}
	return nil
}

func (o *PageOfficer) load(now hotline.Time) (officer hotline.Officer, proof []byte, err error) {
	k, err := LoadPublicKey(o.Key, keys.PurposeOfficer)
	if err != nil {
		return officer, nil, err
	}
	from := cmp.Or(timeOf(o.From), now)
	officer = hotline.Officer{Name: k.Name, Key: k.Signing, From: from,
		Until: cmp.Or(timeOf(o.Until), from+hotline.Time(officerTerm.Milliseconds())), Revoked: timeOf(o.Revoked)}
	if officer.Person, err = ParseID(o.Person); err != nil {
		return officer, nil, err
	}
	officer.Roles, err = parseRoles(k.Name, o.Roles)
	return officer, k.Possession, err
}

// parseRoles brings roles into the order of SPEC §5.3.
func parseRoles(officer string, names []string) ([]hotline.Role, error) {
	var list []hotline.Role
	for _, name := range names {
		r := hotline.Role(strings.TrimSpace(name))
		if !slices.Contains(hotline.Roles, r) {
			return nil, hotline.Refuse(hotline.CodeDocument, "officer %s: there is no role %q; known are %s", officer, name, roleNames(hotline.Roles))
		}
		if slices.Contains(list, r) {
			return nil, hotline.Refuse(hotline.CodeDocument, "officer %s: role %s stands twice", officer, r)
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b hotline.Role) int { return slices.Index(hotline.Roles, a) - slices.Index(hotline.Roles, b) })
	return list, nil
}

func roleNames(roles []hotline.Role) string { return strings.Join(roleTexts(roles), ", ") }

func roleTexts(roles []hotline.Role) []string {
	list := make([]string, len(roles))
	for i, r := range roles {
		list[i] = string(r)
	}
	return list
}

// SignDirectory signs a directory with the party's root key under the newest convention of documents that names it, and verifies it as the next
// page there: a number or a generation that goes back, a key that stands elsewhere, and the root key of somebody else are refused.
// documents stay as they were.
func SignDirectory(d *hotline.Directory, documents *Documents, root keys.Signer) (*hotline.SignedDirectory, error) {
	c := hotline.NewestNaming(d.Party, documents.Conventions)
	if c == nil {
		return nil, hotline.Refuse(hotline.CodeNeed, "a directory is signed under a convention, and there is none")
	}
	m := c.Member(d.Party)
	if m == nil {
		return nil, hotline.Refuse(hotline.CodeDocument, "%s is no party of the convention", d.Party)
	}
	if m.Root != root.Public() {
		return nil, hotline.Refuse(hotline.CodeExtraAuthor, "this key is not the root key of %s in the convention, which is %s",
			d.Party, oneLine(m.Root.Fingerprint()))
	}
	payload, err := hotline.Marshal(d)
	if err != nil {
		return nil, err
	}
	raw, err := hotline.Sign(hotline.DirectoryHeader(d, c.ID, c.Version, m.Root), payload, root)
	if err != nil {
		return nil, err
	}
	check := documents.clone()
	if err := check.Add(raw); err != nil {
		return nil, err
	}
	return check.Directory(d.Party), nil
}

// directoryText is the text form of a directory: the draft that goes to the machine with the root key.
type directoryText struct {
	Party      string        `toml:"party"`
	Number     uint64        `toml:"number"`
	Issued     time.Time     `toml:"issued"`
	Generation uint64        `toml:"generation" comment:"Of the log; a new one closes the old log."`
	Closed     string        `toml:"closed,omitempty" comment:"Last head of the log that was closed: size and root."`
	UTCOffset  millis        `toml:"utc_offset"`
	Confirmed  *time.Time    `toml:"confirmed,omitempty" comment:"When every contact point was last tried and found right."`
	Prefixes   []string      `toml:"prefixes,multiline" comment:"Salted hashes of the party's network prefixes."`
	Group      []keyText     `toml:"group"`
	Nodes      []nodeText    `toml:"nodes"`
	Officers   []officerText `toml:"officers"`
}

type keyText struct {
	Purpose     string `toml:"purpose"`
	Fingerprint string `toml:"fingerprint"`
	Key         string `toml:"key"`
	Possession  string `toml:"possession,omitempty"`
}

type nodeText struct {
	Name        string `toml:"name"`
	Address     string `toml:"address"`
	Fingerprint string `toml:"fingerprint"`
	Key         string `toml:"key"`
	Possession  string `toml:"possession,omitempty"`
}

type officerText struct {
	Name        string     `toml:"name"`
	Roles       []string   `toml:"roles"`
	From        time.Time  `toml:"from"`
	Until       time.Time  `toml:"until"`
	Revoked     *time.Time `toml:"revoked,omitempty"`
	Person      string     `toml:"person,omitempty"`
	Fingerprint string     `toml:"fingerprint"`
	Key         string     `toml:"key"`
	Possession  string     `toml:"possession,omitempty"`
}

const directoryHead = `# Draft of a directory page. Whoever keeps the root key reads it, compares the fingerprints with the owners
# of the keys, and signs it (hotline directory sign). Below each key stands its own proof that the party holds it, which nobody
# need read: it is verified when the page is signed.

`

// EncodeDirectory returns the text of a draft: TOML, always the same for the same directory, with every key and its proof of
// possession written out.
func EncodeDirectory(d *hotline.Directory) ([]byte, error) {
	return encodeDirectory(directoryHead, d, proofsOf(d))
}

// DirectoryContent is what people read of a directory: EncodeDirectory without the words at its head and without the proofs.
func DirectoryContent(d *hotline.Directory) ([]byte, error) { return encodeDirectory("", d, nil) }

// InspectDirectory reads a signed directory without verifying anything, so that people can look at it.
func InspectDirectory(raw []byte) (*hotline.Directory, error) {
	st, err := hotline.Parse(raw)
	if err != nil {
		return nil, err
	}
	body, err := st.OpenBody()
	if err != nil {
		return nil, err
	}
	d, ok := body.(*hotline.Directory)
	if !ok {
		return nil, hotline.Refuse(hotline.CodeDocument, "this is a %s, not a directory", st.Header.Kind)
	}
	return d, nil
}

func encodeDirectory(head string, d *hotline.Directory, proved proofs) ([]byte, error) {
	t := directoryText{Party: string(d.Party), Number: d.Number, Issued: momentOf(d.Issued), Generation: d.Generation,
		UTCOffset: millis(d.UTCOffset), Prefixes: []string{}}
	if d.Confirmed != 0 {
		confirmed := momentOf(d.Confirmed)
		t.Confirmed = &confirmed
	}
	if c := d.Closed; c != nil {
		t.Closed = fmt.Sprintf("%d:%s", c.Size, c.Root)
	}
	for _, k := range groupKeys(d) {
		text, err := k.hexKey()
		if err != nil {
			return nil, err
		}
		t.Group = append(t.Group, keyText{Purpose: k.Purpose, Fingerprint: k.Fingerprint(), Key: text, Possession: proved.text(k.Signing)})
	}
	for _, n := range d.Nodes {
		k := PublicKey{Name: n.Name, Signing: n.Key}
		text, err := k.hexKey()
		if err != nil {
			return nil, err
		}
		t.Nodes = append(t.Nodes, nodeText{Name: n.Name, Address: n.Addr, Fingerprint: k.Fingerprint(), Key: text, Possession: proved.text(n.Key)})
	}
	for _, o := range d.Officers {
		k := PublicKey{Name: o.Name, Signing: o.Key}
		text, err := k.hexKey()
		if err != nil {
			return nil, err
		}
		line := officerText{Name: o.Name, Roles: roleTexts(o.Roles), From: momentOf(o.From), Until: momentOf(o.Until), Fingerprint: k.Fingerprint(), Key: text,
			Possession: proved.text(o.Key)}
		if o.Revoked != 0 {
			revoked := momentOf(o.Revoked)
			line.Revoked = &revoked
		}
		if !o.Person.IsZero() {
			line.Person = o.Person.String()
		}
		t.Officers = append(t.Officers, line)
	}
	for _, id := range d.Prefixes {
		t.Prefixes = append(t.Prefixes, id.String())
	}
	return encodeText(head, t)
}

// groupKeys are the group's keys of a directory, in the order of GroupPurposes.
func groupKeys(d *hotline.Directory) []PublicKey {
	name := string(d.Party)
	return []PublicKey{
		{Purpose: keys.PurposeLog, Name: name, Signing: d.Log},
		{Purpose: keys.PurposeService, Name: name, Signing: d.Service},
		{Purpose: keys.PurposeWitness, Name: name, Signing: d.Witness},
		{Purpose: keys.PurposeWitnessPQ, Name: name, Signing: d.WitnessPQ},
		{Purpose: keys.PurposeSealing, Name: name, Sealing: d.Sealing},
	}
}

// ParseDirectoryDraft reads what EncodeDirectory returns, also after a person changed it, and checks it.
func ParseDirectoryDraft(text []byte) (*hotline.Directory, error) {
	var t directoryText
	if _, err := strict.Read(text, MaxDraft, &t); err != nil {
		return nil, hotline.Refuse(hotline.CodeDocument, "draft of a directory: %v", err)
	}
	readUTC(&t.Issued)
	d := &hotline.Directory{Party: hotline.Party(t.Party), Number: t.Number, Issued: timeOf(t.Issued), Generation: t.Generation, UTCOffset: int64(t.UTCOffset)}
	if t.Confirmed != nil {
		readUTC(t.Confirmed)
		d.Confirmed = timeOf(*t.Confirmed)
	}
	if err := closedInto(d, t.Closed); err != nil {
		return nil, err
	}
	proved := proofs{}
	if err := t.groupInto(d, proved); err != nil {
		return nil, err
	}
	for _, n := range t.Nodes {
		key, err := parseHexKey("node "+n.Name, n.Key, n.Fingerprint)
		if err != nil {
			return nil, err
		}
		if err := proved.read(key, n.Possession); err != nil {
			return nil, err
		}
		d.Nodes = append(d.Nodes, hotline.Node{Name: n.Name, Addr: n.Address, Key: key})
	}
	for _, o := range t.Officers {
		officer, err := o.officer()
		if err != nil {
			return nil, err
		}
		if err := proved.read(officer.Key, o.Possession); err != nil {
			return nil, err
		}
		d.Officers = append(d.Officers, officer)
	}
	for _, text := range t.Prefixes {
		id, err := ParseID(text)
		if err != nil {
			return nil, err
		}
		d.Prefixes = append(d.Prefixes, id)
	}
	proved.into(d)
	return d, d.Validate()
}

func (t *directoryText) groupInto(d *hotline.Directory, proved proofs) error {
	targets := map[string]*keys.Public{keys.PurposeLog: &d.Log, keys.PurposeService: &d.Service,
		keys.PurposeWitness: &d.Witness, keys.PurposeWitnessPQ: &d.WitnessPQ}
	for _, k := range t.Group {
		if k.Purpose == keys.PurposeSealing && d.Sealing.IsZero() {
			if err := d.Sealing.UnmarshalText([]byte(k.Key)); err != nil {
				return fmt.Errorf("sealing key: %w", err)
			}
			if k.Fingerprint != oneLine(d.Sealing.Fingerprint()) {
				return hotline.Refuse(hotline.CodeDocument, "sealing key: the fingerprint does not fit the key")
			}
			if k.Possession != "" {
				return hotline.Refuse(hotline.CodeDocument, "sealing key: it has no proof of possession: take the line away")
			}
			continue
		}
		target := targets[k.Purpose]
		if target == nil || !target.IsZero() {
			return hotline.Refuse(hotline.CodeDocument, "group key %q is unknown or stands twice", k.Purpose)
		}
		var err error
		if *target, err = parseHexKey(k.Purpose+" key", k.Key, k.Fingerprint); err != nil {
			return err
		}
		if err := proved.read(*target, k.Possession); err != nil {
			return err
		}
	}
	return nil
}

func (o *officerText) officer() (hotline.Officer, error) {
	readUTC(&o.From, &o.Until)
	officer := hotline.Officer{Name: o.Name, From: timeOf(o.From), Until: timeOf(o.Until)}
	if o.Revoked != nil {
		readUTC(o.Revoked)
		officer.Revoked = timeOf(*o.Revoked)
	}
	var err error
	if officer.Key, err = parseHexKey("officer "+o.Name, o.Key, o.Fingerprint); err != nil {
		return officer, err
	}
	if officer.Person, err = ParseID(o.Person); err != nil {
		return officer, err
	}
	officer.Roles, err = parseRoles(o.Name, o.Roles)
	return officer, err
}
