package hotline

import (
	"errors"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/crypto/tlog"
)

// Claims is the protected content of a tender or receipt: a COSE Receipt (RFC
// 9942) for the entry at Index, always in the tree of size Index+1, signed by
// the log key in force at that entry (SPEC §8). RFC 9942 itself signs only the
// root, and one proof verifies under several sizes; so the place and the time
// stand here.
type Claims struct {
	Party      Party  `cbor:"1,keyasint"` // whose log it is
	Generation uint64 `cbor:"2,keyasint"`
	Statement  ID     `cbor:"3,keyasint"`
	Index      uint64 `cbor:"4,keyasint"`
	Time       Time   `cbor:"5,keyasint"`
	Voters     uint64 `cbor:"6,keyasint"`
	// Of present in a receipt, absent in a tender: the sender's place, and
	// what the sender needs to rebuild the receiver's leaf.
	Of *Of `cbor:"7,keyasint,omitempty"`
}

// Of says which tendered entry a receipt is for.
type Of struct {
	Party      Party    `cbor:"1,keyasint"`
	Generation uint64   `cbor:"2,keyasint"`
	Index      uint64   `cbor:"3,keyasint"`
	Sequence   uint64   `cbor:"4,keyasint"`
	Salt       [16]byte `cbor:"5,keyasint"` // of the receiver's leaf
	Marks      Marks    `cbor:"6,keyasint,omitempty"`
}

// Receipt is a parsed tender or receipt.
type Receipt struct {
	Claims
	Raw   []byte
	proof *seal.Receipt
}

// receiptAAD is the external additional data of a receipt's signature:
// [domain, protocol, convention] (SPEC §3.3).
func receiptAAD(convention ID) []byte { return signedUnder(3, DomainReceipt, convention).b }

// SignReceipt makes the one tender or receipt for these claims: log signing is
// deterministic, so the same bytes come whenever it is asked for again.
func SignReceipt(c Claims, convention ID, root tlog.Hash, path []tlog.Hash, log keys.Signer) ([]byte, error) {
	claims, err := Marshal(c)
	if err != nil {
		return nil, err
	}
	proof := seal.InclusionProof{Size: c.Index + 1, Index: c.Index, Path: path}
	return seal.SignReceipt(claims, root, proof, receiptAAD(convention), log)
}

// ParseReceipt decodes a tender or receipt strictly. It verifies no signature.
func ParseReceipt(raw []byte) (*Receipt, error) {
	p, err := seal.ParseReceipt(raw, MaxReceipt)
	if errors.Is(err, seal.ErrTooLarge) {
		return nil, Refuse(CodeTooLarge, "%v", err)
	}
	if err != nil {
		return nil, Refuse(CodeMalformed, "receipt: %v", err)
	}
	r := &Receipt{Raw: raw, proof: p}
	if err := Unmarshal(p.Claims, &r.Claims, MaxReceipt); err != nil {
		return nil, wrap(err, "receipt")
	}
	if !r.Party.Valid() || r.Generation == 0 || r.Time <= 0 || r.Voters == 0 {
		return nil, Refuse(CodeMalformed, "receipt: a claim is out of range")
	}
	if r.Of != nil && (!r.Of.Party.Valid() || r.Of.Generation == 0 || r.Of.Sequence == 0 || !r.Of.Marks.known()) {
		return nil, Refuse(CodeMalformed, "receipt: a claim about the sender is out of range")
	}
	if p.Proof.Index != r.Index || p.Proof.Size != r.Index+1 {
		return nil, Refuse(CodeMalformed, "receipt: proof of index %d in size %d for entry %d", p.Proof.Index, p.Proof.Size, r.Index)
	}
	return r, nil
}

// Verify checks that exactly this leaf stands at Index under log's signature,
// and returns the root of the tree of size Index+1.
func (r *Receipt) Verify(leaf tlog.Hash, convention ID, log keys.Public) (tlog.Hash, error) {
	root, err := r.Root(leaf)
	if err != nil {
		return tlog.Hash{}, err
	}
	return root, r.VerifyRoot(root, convention, log)
}

// Root is the root of the tree of size Index+1 in which this leaf stands at
// Index, by the proof. Nobody has signed it as long as VerifyRoot has not said so.
func (r *Receipt) Root(leaf tlog.Hash) (tlog.Hash, error) {
	root, err := tlog.RootFromInclusion(r.proof.Proof.Size, r.Index, leaf, r.proof.Proof.Path)
	if err != nil {
		return tlog.Hash{}, Refuse(CodeReceipt, "%v", err)
	}
	return root, nil
}

// VerifyRoot checks log's signature over the claims and this root.
func (r *Receipt) VerifyRoot(root tlog.Hash, convention ID, log keys.Public) error {
	if err := r.proof.Verify(root, receiptAAD(convention), log); err != nil {
		return Refuse(CodeReceipt, "%v", err)
	}
	return nil
}

// VerifyTender checks a tender: that the statement, with the sender's entry as
// told, stands in the sender's log (SPEC §8.2). log is the sender's log key
// by the directory in force at that entry.
func VerifyTender(t *Receipt, st *Statement, s *SenderEntry, convention ID, log keys.Public) error {
	leaf, err := TenderedLeaf(t, st, s)
	if err != nil {
		return err
	}
	if _, err := t.Verify(leaf, convention, log); err != nil {
		return Refuse(CodeTender, "%v", err)
	}
	return nil
}

// TenderedLeaf checks all of a tender but its proof and signature, and returns
// the sender's leaf, for which they are.
func TenderedLeaf(t *Receipt, st *Statement, s *SenderEntry) (leaf tlog.Hash, err error) {
	switch {
	case t.Of != nil:
		return leaf, Refuse(CodeTender, "a receipt where a tender belongs")
	case t.Party != st.Header.From:
		return leaf, Refuse(CodeTender, "tender of %s for a statement of %s", t.Party, st.Header.From)
	case t.Statement != st.ID:
		return leaf, Refuse(CodeTender, "tender for another statement")
	case t.Time != s.Time || t.Voters != s.Sent.Voters:
		return leaf, Refuse(CodeTender, "tender and sender's entry disagree on time or voters")
	case len(s.Sent.Sequences) != len(st.Header.To):
		return leaf, Refuse(CodeTender, "sequences do not fit the addressees")
	}
	for i, q := range s.Sent.Sequences {
		if q.To != st.Header.To[i] || q.N == 0 {
			return leaf, Refuse(CodeTender, "sequences do not fit the addressees")
		}
	}
	if !s.Scope.covers(st) {
		return leaf, Refuse(CodeTender, "the sender logged it under a scope that leaves out its case or a party")
	}
	return s.Leaf(st.Raw)
}

// covers reports whether an entry of this scope is shown to everybody whom the
// statement concerns: a sender that logged it under another scope could leave
// it out of what it shows (SPEC §7.3).
func (s *Scope) covers(st *Statement) bool {
	h, in := &st.Header, st.InCase()
	if in == nil && s.Class != ScopePair || in != nil && (s.Case == nil || *s.Case != *in) {
		return false
	}
	for _, p := range h.To {
		if !slices.Contains(s.Parties, p) {
			return false
		}
	}
	return slices.Contains(s.Parties, h.From)
}

// ReceivedEntry builds the receiver's leaf for a delivered statement: the
// receiver to log it, the sender to check a receipt. self is the receiver.
func ReceivedEntry(self Party, st *Statement, senderEntry, tender []byte, at Time, salt [16]byte, code Code, marks Marks, voters uint64) ([]byte, error) {
	return EncodeEntry(EntryReceived, at, salt, ReceivedScope(self, st), Outside, &Received{
		Statement: st.Raw, Sender: senderEntry, Tender: tender, Code: code, Marks: marks, Voters: voters})
}

// ReceivedScope is the scope of a received statement: the two parties, in the
// statement's case if it stands in one or opens one.
func ReceivedScope(self Party, st *Statement) Scope {
	if in := st.InCase(); in != nil {
		return CaseScope(*in, self, st.Header.From)
	}
	return PairScope(self, st.Header.From)
}

// VerifyReceipt checks a receipt that the party from gave for an own
// statement: exactly these bytes, with this sequence, stand in its log
// (SPEC §8.3). index and generation are the own entry's, sender and tender
// what was sent along.
func VerifyReceipt(r *Receipt, from Party, st *Statement, index, generation uint64, senderEntry, tender []byte, convention ID, log keys.Public) error {
	s, err := ParseSenderEntry(senderEntry)
	if err != nil {
		return err
	}
	leaf, err := ReceiptedLeaf(r, from, st, index, generation, s, senderEntry, tender)
	if err != nil {
		return err
	}
	_, err = r.Verify(leaf, convention, log)
	return err
}

// ReceiptedLeaf checks all of a receipt but its proof and signature, and
// returns the receiver's leaf, for which they are. The arguments are those of
// VerifyReceipt; s is the sender's entry, and senderEntry its encoding.
func ReceiptedLeaf(r *Receipt, from Party, st *Statement, index, generation uint64, s *SenderEntry, senderEntry, tender []byte) (leaf tlog.Hash, err error) {
	want := Of{Party: st.Header.From, Generation: generation, Index: index, Sequence: s.Sent.SequenceFor(from)}
	switch {
	case r.Of == nil:
		return leaf, Refuse(CodeReceipt, "a tender where a receipt belongs")
	case r.Party != from:
		return leaf, Refuse(CodeReceipt, "receipt of %s from %s", r.Party, from)
	case r.Statement != st.ID:
		return leaf, Refuse(CodeReceipt, "receipt for another statement")
	case r.Of.Party != want.Party || r.Of.Generation != want.Generation || r.Of.Index != want.Index || r.Of.Sequence != want.Sequence:
		return leaf, Refuse(CodeReceipt, "receipt for entry %d of %s, sequence %d; sent was entry %d, sequence %d",
			r.Of.Index, r.Of.Party, r.Of.Sequence, want.Index, want.Sequence)
	}
	return hashEntry(&Entry{Type: EntryReceived, Time: r.Time, Salt: r.Of.Salt, Scope: ReceivedScope(from, st), Cause: Outside}, &Received{
		Statement: st.Raw, Sender: senderEntry, Tender: tender, Marks: r.Of.Marks, Voters: r.Voters})
}
