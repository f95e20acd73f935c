package hotline

// The parts of each coded type, in the order of their encoding (SPEC §2).

// head is an entry without its content, which is all that follows.
func (e *Entry) head(w *wire) {
	w.exactly(majorArray, 6)
	number(&e.Type, w)
	integer(&e.Time, w)
	w.fixed(e.Salt[:])
	e.Scope.code(w)
	number(&e.Cause, w)
}

func (s *Scope) code(w *wire) {
	w.exactly(majorArray, 3)
	number(&s.Class, w)
	switch {
	case w.writing && s.Case == nil:
		w.b = append(w.b, cborNull)
	case !w.writing && len(w.b) > 0 && w.b[0] == cborNull:
		w.b = w.b[1:]
	default:
		if !w.writing {
			s.Case = new(CaseID)
		}
		s.Case.code(w)
	}
	list(&s.Parties, w, text)
}

func (c *CaseID) code(w *wire) {
	w.exactly(majorArray, 2)
	text(&c.Party, w)
	c.ID.code(w)
}

func (s *SenderEntry) code(w *wire) {
	w.exactly(majorArray, 5)
	integer(&s.Time, w)
	w.fixed(s.Salt[:])
	s.Scope.code(w)
	number(&s.Cause, w)
	s.Sent.code(w)
}

func (q *Sequence) code(w *wire) {
	w.exactly(majorArray, 2)
	text(&q.To, w)
	number(&q.N, w)
}

func (s *Sent) code(w *wire) {
	f := w.fields()
	mayList(&f, 1, &s.Sequences, (*Sequence).code)
	number(&s.Directory, f.must(2))
	number(&s.Convention, f.must(3))
	mayNumber(&f, 4, &s.Marks)
	number(&s.Voters, f.must(5))
	mayBytes(&f, 6, &s.Statement)
	mayBytes(&f, 7, &s.Anchor)
	f.end()
}

func (r *Received) code(w *wire) {
	f := w.fields()
	byteString(&r.Statement, f.must(1))
	byteString(&r.Sender, f.must(2))
	byteString(&r.Tender, f.must(3))
	mayText(&f, 4, &r.Code)
	mayNumber(&f, 5, &r.Marks)
	number(&r.Voters, f.must(6))
	f.end()
}

func (r *Receipted) code(w *wire) {
	f := w.fields()
	r.Statement.code(f.must(1))
	number(&r.Index, f.must(2))
	byteString(&r.Tender, f.must(3))
	byteString(&r.Receipt, f.must(4))
	f.end()
}

func (d *Due) code(w *wire) {
	f := w.fields()
	number(&d.Duty, f.must(1))
	d.Subject.code(f.must(2))
	mayText(&f, 3, &d.Peer)
	integer(&d.Due, f.must(4))
	number(&d.Clock, f.must(5))
	number(&d.Permille, f.must(6))
	if f.may(7, d.Overdue) {
		boolean(&d.Overdue, w)
		f.full(d.Overdue)
	}
	mayText(&f, 8, &d.Office)
	mayList(&f, 9, &d.Targets, text)
	f.end()
}

func (c *Claims) code(w *wire) {
	f := w.fields()
	text(&c.Party, f.must(1))
	number(&c.Generation, f.must(2))
	c.Statement.code(f.must(3))
	number(&c.Index, f.must(4))
	integer(&c.Time, f.must(5))
	number(&c.Voters, f.must(6))
	mayPart(&f, 7, &c.Of, (*Of).code)
	f.end()
}

func (o *Of) code(w *wire) {
	f := w.fields()
	text(&o.Party, f.must(1))
	number(&o.Generation, f.must(2))
	number(&o.Index, f.must(3))
	number(&o.Sequence, f.must(4))
	f.must(5).fixed(o.Salt[:])
	mayNumber(&f, 6, &o.Marks)
	f.end()
}

func (p *protected) code(w *wire) {
	f := w.fields()
	list(&p.Crit, f.must(2), integer)
	p.Header.code(f.must(HeaderLabel))
	f.end()
}

func (h *Header) code(w *wire) {
	f := w.fields()
	number(&h.Kind, f.must(1))
	number(&h.Status, f.must(2))
	number(&h.Precedence, f.must(3))
	number(&h.TLP, f.must(4))
	text(&h.From, f.must(5))
	mayList(&f, 6, &h.To, text)
	list(&h.Authors, f.must(7), keyID)
	h.Convention.code(f.must(8))
	number(&h.ConventionVersion, f.must(9))
	number(&h.Directory, f.must(10))
	mayPart(&f, 11, &h.Case, (*CaseID).code)
	mayPart(&f, 12, &h.Re, (*ID).code)
	mayPart(&f, 13, &h.Supersedes, (*ID).code)
	mayNumber(&f, 14, &h.Cause)
	integer(&h.Issued, f.must(15))
	mayInteger(&f, 16, &h.Detected)
	mayInteger(&f, 17, &h.Assessed)
	mayPart(&f, 18, &h.Peer, (*PeerHead).code)
	if f.may(19, h.Commitment != [32]byte{}) {
		w.fixed(h.Commitment[:])
		f.full(h.Commitment != [32]byte{})
	}
	mayNumber(&f, 20, &h.Verdict)
	mayList(&f, 21, &h.Notify, text)
	mayText(&f, 22, &h.Reason)
	mayNumber(&f, 23, &h.Disposition)
	mayList(&f, 24, &h.Answers, boolean)
	mayNumber(&f, 25, &h.Always)
	f.end()
}

func (p *PeerHead) code(w *wire) {
	w.exactly(majorArray, 3)
	text(&p.Origin, w)
	number(&p.Size, w)
	w.fixed(p.Root[:])
}
