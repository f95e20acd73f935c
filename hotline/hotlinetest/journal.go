package hotlinetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// Journal is a party's log reduced to its form: it logs what it is told to,
// numbers it, and gives true tenders and receipts for it. It decides nothing;
// a ledger under test gets an honest peer from it.
type Journal struct {
	Party      *Party
	Generation uint64
	Voters     uint64
	Entries    [][]byte

	tree      tlog.Frontier
	sequences map[hotline.Party]uint64
}

// NewJournal opens a log of generation 1 with three voters; its genesis is
// entry 0.
func NewJournal(p *Party, at hotline.Time) *Journal {
	j := &Journal{Party: p, Generation: 1, Voters: 3, sequences: map[hotline.Party]uint64{}}
	j.Append(hotline.EntryGenesis, at, hotline.Common(), hotline.Outside,
		&hotline.Genesis{Party: p.Code, Generation: 1, Convention: p.Convention.ID, Rules: 1})
	return j
}

// Salt is the salt of the entry at an index.
func (j *Journal) Salt(index uint64) (salt [16]byte) {
	seed := j.Party.Seed("salt")
	mac := hmac.New(sha256.New, seed[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, index))
	copy(salt[:], mac.Sum(nil))
	return salt
}

// Append logs an entry and returns its index.
func (j *Journal) Append(t hotline.EntryType, at hotline.Time, scope hotline.Scope, cause hotline.Cause, content any) uint64 {
	index := j.tree.Size
	j.AppendRaw(must(hotline.EncodeEntry(t, at, j.Salt(index), scope, cause, content)))
	return index
}

// AppendRaw logs bytes as the next leaf.
func (j *Journal) AppendRaw(entry []byte) {
	j.Entries = append(j.Entries, entry)
	j.tree.Append(tlog.LeafHash(entry))
}

// Prove signs claims about the newest entry as a tender or receipt.
func (j *Journal) Prove(c hotline.Claims) []byte {
	c.Party, c.Generation, c.Index, c.Voters = j.Party.Code, j.Generation, j.tree.Size-1, j.Voters
	return must(hotline.SignReceipt(c, j.Party.Convention.ID, j.tree.Root(), j.tree.LastProof(), j.Party.Log))
}

// Delivery is what travels: a statement, the sender's entry, and the tender.
type Delivery struct {
	Statement *hotline.Statement
	Sender    []byte // encoded SenderEntry
	Tender    []byte
	Index     uint64 // of the sender's entry
}

// Send logs an own statement with the next sequence for each addressee and
// proves it.
func (j *Journal) Send(st *hotline.Statement, at hotline.Time) *Delivery {
	sent := &hotline.Sent{Directory: j.Party.Number, Convention: j.Party.Convention.Version, Voters: j.Voters, Statement: st.Raw}
	for _, to := range st.Header.To {
		j.sequences[to]++
		sent.Sequences = append(sent.Sequences, hotline.Sequence{To: to, N: j.sequences[to]})
	}
	index := j.Append(hotline.EntrySent, at, SentScope(st), hotline.Outside, sent)
	entry, content, err := hotline.DecodeEntry(j.Entries[index])
	if err != nil {
		panic("hotlinetest: " + err.Error())
	}
	sender := hotline.SenderEntryOf(entry, content.(*hotline.Sent))
	return &Delivery{Statement: st, Sender: hotline.MustMarshal(sender), Index: index,
		Tender: j.Prove(hotline.Claims{Statement: st.ID, Time: at})}
}

// Receive logs a delivered statement as accepted and returns the receipt.
func (j *Journal) Receive(d *Delivery, at hotline.Time) []byte {
	tender := must(hotline.ParseReceipt(d.Tender))
	sender := must(hotline.ParseSenderEntry(d.Sender))
	salt := j.Salt(j.tree.Size)
	j.AppendRaw(must(hotline.ReceivedEntry(j.Party.Code, d.Statement, d.Sender, d.Tender, at, salt, "", 0, j.Voters)))
	return j.Prove(hotline.Claims{Statement: d.Statement.ID, Time: at, Of: &hotline.Of{
		Party: tender.Party, Generation: tender.Generation, Index: tender.Index,
		Sequence: sender.Sent.SequenceFor(j.Party.Code), Salt: salt}})
}

// SentScope is the scope under which an own statement is logged: its case with
// all parties concerned, or the pair, or common for what concerns the whole
// party.
func SentScope(st *hotline.Statement) hotline.Scope {
	h := &st.Header
	switch {
	case h.Kind == hotline.KindLadder || h.Kind == hotline.KindHandover:
		return hotline.Common()
	case st.InCase() != nil || len(h.To) == 0:
		return hotline.CaseScope(CaseOf(st), append([]hotline.Party{h.From}, h.To...)...)
	}
	return hotline.PairScope(h.From, h.To[0])
}
