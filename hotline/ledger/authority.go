package ledger

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// mayAuthor judges whether the statement's authors were allowed to sign it, by
// the directory in force where it was logged and at that time (SPEC §3.5).
// That the signatures are theirs, Verify has checked.
func mayAuthor(st *hotline.Statement, d *hotline.SignedDirectory, t hotline.Time) error {
	h := &st.Header
	rules := h.Kind.Rules()
	switch rules.Class {
	case hotline.ByGroup:
		if h.Authors[0] != d.ServiceID() {
			return hotline.Refuse(hotline.CodeUnknownKey, "%s is not signed by the service key of directory %d", rules.Name, d.Number)
		}
		return nil
	case hotline.ByOfficers:
		return mayOfficers(h, rules, d, t)
	}
	return hotline.Refuse(hotline.CodeHeader, "%s is a document: publish it instead", rules.Name)
}

func mayOfficers(h *hotline.Header, rules *hotline.Rules, d *hotline.SignedDirectory, t hotline.Time) error {
	var people []*hotline.Officer
	for i, key := range h.Authors {
		o := d.Officer(key)
		if o == nil {
			return hotline.Refuse(hotline.CodeUnknownKey, "author %d (key %s) is no officer of directory %d", i+1, key, d.Number)
		}
		roles := rules.Authors[i]
		if len(h.Authors) < len(rules.Authors) && h.Status == hotline.Actual {
			roles = rules.Authors[len(rules.Authors)-1] // alone, it must be the one whose word releases
		}
		switch {
		case !o.Has(roles...):
			return hotline.Refuse(hotline.CodeRole, "%s lacks the role for author %d of %s: one of %v", o.Name, i+1, rules.Name, roles)
		case o.Revoked != 0 && t >= o.Revoked:
			return hotline.Refuse(hotline.CodeRevoked, "the key of %s is revoked", o.Name)
		case t < o.From || t >= o.Until:
			return hotline.Refuse(hotline.CodeExpired, "the key of %s is not valid at this time", o.Name)
		}
		for _, other := range people {
			if other.Name == o.Name || (!o.Person.IsZero() && o.Person == other.Person) {
				return hotline.Refuse(hotline.CodeSameOfficer, "%s and %s are one person", other.Name, o.Name)
			}
		}
		people = append(people, o)
	}
	if rules.SameRole && !slices.ContainsFunc(rules.Authors[0], func(role hotline.Role) bool {
		return !slices.ContainsFunc(people, func(o *hotline.Officer) bool { return !o.Has(role) })
	}) {
		return hotline.Refuse(hotline.CodeRole, "the authors of %s have none of %v in common", rules.Name, rules.Authors[0])
	}
	return nil
}

// revokedSince reports whether the newest directory known no longer lets one
// of the authors sign.
func revokedSince(st *hotline.Statement, newest *hotline.SignedDirectory) bool {
	if st.Header.Kind.Rules().Class == hotline.ByGroup {
		return st.Header.Authors[0] != newest.ServiceID()
	}
	for _, key := range st.Header.Authors {
		if o := newest.Officer(key); o == nil || o.Revoked != 0 {
			return true
		}
	}
	return false
}

// fitsVersion judges a statement's convention version against the one in force
// where and when it was logged: that one, or the one before it during the
// overlap.
func (s *State) fitsVersion(v, inForce uint64, t hotline.Time) error {
	if inForce == 0 || inForce > uint64(len(s.conventions)) {
		return hotline.Refuse(hotline.CodeConvention, "version %d of the convention cannot be in force", inForce)
	}
	c := s.conventions[inForce-1]
	if v == inForce || (v == inForce-1 && t < c.ValidFrom+hotline.Time(c.Overlap)) {
		return nil
	}
	return hotline.Refuse(hotline.CodeConvention, "version %d of the convention; in force is %d", v, inForce)
}

// Verify checks every signature and proof that a command carries, against keys
// and documents that stand in this state. The leader calls it before it
// proposes, the other nodes behind the commit, the auditor always. It changes
// nothing. own fetches the own statement that a receipt is for.
//
// A failure is no reason for a signed reject: who cannot be verified is
// nobody. The caller answers with the code and counts it.
func (s *State) Verify(c *Command, own func(index uint64) (*Own, error)) error {
	switch c.Type {
	case Submit, Draft:
		st, err := c.ParseStatement()
		if err != nil {
			return err
		}
		if err := s.verifyStatement(st); err != nil || len(c.Anchor) == 0 {
			return err
		}
		a, err := hotline.ParseAnchor(c.Anchor)
		if err != nil {
			return err
		}
		return s.verifyAnchor(a)
	case Receive:
		return s.verifyReceive(c)
	case Receipt:
		return s.verifyReceipt(c, own)
	case Cosign:
		return s.verifyCosign(c)
	case Witness:
		return s.verifyWitnessed(c.Witnessed)
	}
	return nil
}

func (s *State) verifyStatement(st *hotline.Statement) error {
	from := st.Header.From
	if st.Header.Convention != s.convention {
		return hotline.Refuse(hotline.CodeConvention, "the statement names another convention")
	}
	lookup := func(id keys.ID) (keys.Public, bool) { return s.Key(from, id) }
	if err := st.Verify(lookup); err != nil {
		return err
	}
	if st.Header.Kind != hotline.KindAutomaticAlert {
		return nil
	}
	inner, err := embedded(st)
	if err != nil {
		return err
	}
	return inner.Verify(lookup)
}

func (s *State) verifyReceive(c *Command) error {
	st, err := c.ParseStatement()
	if err != nil {
		return err
	}
	sender, err := c.ParseSender()
	if err != nil {
		return err
	}
	tender, err := c.ParseTender()
	if err != nil {
		return err
	}
	generation, err := s.fitsLine(st, sender)
	if err != nil {
		return err
	}
	// The statement before its tender: a mutilated copy is called what it is.
	if err := s.verifyStatement(st); err != nil {
		return err
	}
	if tender.Generation != generation {
		return hotline.Refuse(hotline.CodeTender, "tender of generation %d, its directory is of %d", tender.Generation, generation)
	}
	d := s.DirectoryNumber(st.Header.From, sender.Sent.Directory)
	if err := hotline.VerifyTender(tender, st, sender, s.convention, d.Log); err != nil || len(sender.Sent.Anchor) == 0 {
		return err
	}
	return verifyPeerAnchor(sender, tender, d.Log)
}

// Own is an own statement with what its addressees need to rebuild its leaf.
type Own struct {
	Statement *hotline.Statement
	Sender    []byte // hotline.SenderEntry
}

// ReadOwn decodes the leaf of an own statement.
func ReadOwn(raw []byte) (*Own, error) {
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return nil, err
	}
	sent, ok := content.(*hotline.Sent)
	if !ok {
		return nil, hotline.Refuse(hotline.CodeReceipt, "the own entry is no statement")
	}
	st, err := hotline.Parse(sent.Statement)
	if err != nil {
		return nil, err
	}
	return OwnOf(st, e, sent), nil
}

// OwnOf puts together an own statement and its entry.
func OwnOf(st *hotline.Statement, e *hotline.Entry, sent *hotline.Sent) *Own {
	return &Own{st, hotline.MustMarshal(hotline.SenderEntryOf(e, sent))}
}

// OwnFrom reads own statements from the leaves that entry fetches.
func OwnFrom(entry func(index uint64) ([]byte, error)) func(uint64) (*Own, error) {
	return func(index uint64) (*Own, error) {
		raw, err := entry(index)
		if err != nil {
			return nil, err
		}
		return ReadOwn(raw)
	}
}

func (s *State) verifyReceipt(c *Command, own func(uint64) (*Own, error)) error {
	rc, err := c.parseReceipt()
	if err != nil {
		return err
	}
	if rc.Of == nil {
		return hotline.Refuse(hotline.CodeReceipt, "a tender where a receipt belongs")
	}
	o, err := own(rc.Of.Index)
	if err != nil {
		return hotline.Refuse(hotline.CodeReceipt, "own entry %d: %v", rc.Of.Index, err)
	}
	// The receipt is signed with the peer's log key in force at its entry. The
	// receipt does not name the directory, so each remembered log key of its
	// generation may be it.
	var last error = hotline.Refuse(hotline.CodeReceipt, "no directory of %s that is known opens generation %d of its log", rc.Party, rc.Generation)
	list := s.directories[rc.Party]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Generation != rc.Generation || i < len(list)-1 && list[i].Log == list[i+1].Log && list[i].Generation == list[i+1].Generation {
			continue
		}
		last = hotline.VerifyReceipt(rc, rc.Party, o.Statement, rc.Of.Index, s.generation, o.Sender, c.Tender, s.convention, list[i].Log)
		if last == nil {
			return nil
		}
	}
	return last
}

// embedded returns the assessment that an automatic alert carries.
func embedded(st *hotline.Statement) (*hotline.Statement, error) {
	body, err := st.OpenBody()
	if err != nil {
		return nil, err
	}
	inner, err := hotline.Parse(body.(*hotline.AutomaticAlert).Assessment)
	if err != nil {
		return nil, err
	}
	h, ih := &st.Header, &inner.Header
	switch {
	case ih.From != h.From || ih.Convention != h.Convention || ih.Status != h.Status:
		return nil, hotline.Refuse(hotline.CodeStatus, "the embedded assessment is of another party, convention or status")
	case h.Re == nil || *h.Re != inner.ID || ih.Case == nil || *ih.Case != *h.Case:
		return nil, hotline.Refuse(hotline.CodeReference, "the embedded assessment is not the one that the alert names")
	}
	return inner, nil
}
