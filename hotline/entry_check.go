package hotline

import "slices"

// content is what stands in an entry of one type.
type content interface{ Validate() error }

// carrier is a content that carries what another party has signed. parts is
// Validate, and returns what it parses.
type carrier interface{ parts() (Parts, error) }

// The Validate methods of contents hold the bounds of SPEC §7.2. They look at
// one entry alone: whether a log may hold it at its place is the ledger's to
// say.

func (e *Entry) validate() error {
	if e.Time <= 0 {
		return Refuse(CodeMalformed, "entry time must be positive")
	}
	if e.Cause > Derived {
		return Refuse(CodeMalformed, "cause %d", e.Cause)
	}
	return e.Scope.validate()
}

// recode gives a refusal another code.
func recode(code Code, err error) error {
	if err == nil {
		return nil
	}
	return Refuse(code, "%v", err)
}

// known reports whether m holds no mark but those of SPEC §3.7.
func (m Marks) known() bool { return m <= MarkTimeUnproven|MarkSkewed|MarkRevokedSince }

// Validate checks that a genesis says whose log begins.
func (g *Genesis) Validate() error {
	if !g.Party.Valid() || g.Generation == 0 || g.Convention.IsZero() || g.Rules == 0 {
		return Refuse(CodeMalformed, "genesis names a party, a generation, a convention and a version of the rules")
	}
	return nil
}

// Validate checks the numbers and demands a statement.
func (s *Sent) Validate() error {
	if len(s.Statement) == 0 {
		return Refuse(CodeMalformed, "a sent entry holds its statement")
	}
	return s.check()
}

// check is Validate without the statement, as a sender's entry travels.
func (s *Sent) check() error {
	if !s.Marks.known() {
		return Refuse(CodeMalformed, "marks %d are not known", uint64(s.Marks))
	}
	to := make([]Party, 0, len(s.Sequences))
	for _, q := range s.Sequences {
		if q.N == 0 {
			return Refuse(CodeMalformed, "sequence towards %s is 0", q.To)
		}
		to = append(to, q.To)
	}
	if len(s.Anchor) > 0 {
		if _, err := ParseAnchor(s.Anchor); err != nil {
			return err
		}
	}
	return recode(CodeMalformed, checkParties("sequences", to, MaxAddressees))
}

// Validate checks code and marks, and the form of what proves the statement.
func (r *Received) Validate() error {
	_, err := r.parts()
	return err
}

func (r *Received) parts() (p Parts, err error) {
	switch {
	case len(r.Statement) == 0:
		return p, Refuse(CodeMalformed, "a received entry holds its statement")
	case r.Code != "" && !r.Code.wellFormed():
		return p, Refuse(CodeMalformed, "code is not 1 to 32 lower-case letters, digits and hyphens")
	case !r.Marks.known():
		return p, Refuse(CodeMalformed, "marks %d are not known", uint64(r.Marks))
	}
	if p.Sender, err = ParseSenderEntry(r.Sender); err != nil {
		return p, err
	}
	p.Tender, err = ParseReceipt(r.Tender)
	return p, wrap(err, "tender")
}

// Validate demands a statement and the form of tender and receipt.
func (r *Receipted) Validate() error {
	_, err := r.parts()
	return err
}

func (r *Receipted) parts() (p Parts, err error) {
	if r.Statement.IsZero() {
		return p, Refuse(CodeMalformed, "a receipted entry names its statement")
	}
	if p.Tender, err = ParseReceipt(r.Tender); err != nil {
		return p, wrap(err, "tender")
	}
	p.Receipt, err = ParseReceipt(r.Receipt)
	return p, err
}

// Validate checks the duty, the peer and the people.
func (d *Due) Validate() error {
	switch {
	case d.Duty < DutyAssess || d.Duty > DutyContacts:
		return Refuse(CodeMalformed, "duty %d", uint8(d.Duty))
	case d.Peer != "" && !d.Peer.Valid():
		return Refuse(CodeMalformed, "peer %q is no party code", d.Peer)
	case d.Due <= 0:
		return Refuse(CodeMalformed, "due time must be positive")
	case d.Permille > MaxPermille:
		return Refuse(CodeMalformed, "%d permille of the term, at most %d", d.Permille, MaxPermille)
	case len(d.Targets) > MaxTargets:
		return Refuse(CodeMalformed, "%d targets, at most %d", len(d.Targets), MaxTargets)
	}
	for _, t := range d.Targets {
		if !validRoleName(t) {
			return Refuse(CodeMalformed, "target %q is no role name", t)
		}
	}
	return checkText("office", d.Office, MaxRoleName)
}

// Validate bounds the readings.
func (c *Clock) Validate() error {
	names := make([]string, 0, len(c.Readings))
	for _, r := range c.Readings {
		if r.Time <= 0 {
			return Refuse(CodeMalformed, "reading of %s must be positive", r.Node)
		}
		names = append(names, r.Node)
	}
	slices.Sort(names)
	return checkNodes(names)
}

// Validate demands 1 to MaxNodes voters, sorted.
func (m *Members) Validate() error { return checkNodes(m.Voters) }

func checkNodes(names []string) error {
	if len(names) == 0 || len(names) > MaxNodes {
		return Refuse(CodeMalformed, "%d nodes, 1 to %d are allowed", len(names), MaxNodes)
	}
	for i, name := range names {
		if err := checkText("node", name, MaxRoleName); err != nil || name == "" {
			return Refuse(CodeMalformed, "node %d has no proper name", i+1)
		}
		if i > 0 && names[i-1] >= name {
			return Refuse(CodeMalformed, "nodes are not sorted without doubles at %s", name)
		}
	}
	return nil
}

// Validate demands a version.
func (r *RulesVersion) Validate() error {
	if r.Version == 0 {
		return Refuse(CodeMalformed, "versions of the rules begin at 1")
	}
	return nil
}

// Validate demands a document.
func (d *Document) Validate() error {
	if len(d.Raw) == 0 {
		return Refuse(CodeMalformed, "a document entry holds its document")
	}
	return nil
}
