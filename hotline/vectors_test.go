package hotline_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/cryptotest"

	"example.org/hotline/crypto/keys"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// The vectors are for other implementations: what to accept, what to refuse,
// and with which code. They are made here from fixed seeds; -update writes
// them, and without it the files must be exactly what is made. Then they are
// read back and judged from the files alone.

// vectorFile is one file of testdata/vectors.
type vectorFile struct {
	About   string            `json:"about"`
	Form    string            `json:"form"`           // how each is decoded, see judge
	Keys    map[string]string `json:"keys,omitempty"` // id to encoded public key, both hexadecimal
	Context vectorContext     `json:"context"`
	Vectors []vector          `json:"vectors"`
}

// vectorContext is what a form needs beside the vector.
type vectorContext struct {
	Before     string `json:"before,omitempty"`     // the convention before, or that of a directory
	Statement  string `json:"statement,omitempty"`  // that a tender or receipt is for
	Sender     string `json:"sender,omitempty"`     // sender's entry
	Tender     string `json:"tender,omitempty"`     // sent along
	Index      uint64 `json:"index,omitempty"`      // of the sender's entry
	Convention string `json:"convention,omitempty"` // id
	Log        string `json:"log,omitempty"`        // public log key
	Sealing    string `json:"sealing,omitempty"`    // seed of the sealing key of an addressee
}

type vector struct {
	Name  string `json:"name"`
	Kind  uint64 `json:"kind,omitempty"` // of a body
	Bytes string `json:"bytes"`
	Code  Code   `json:"code"`            // "" for a good one
	ID    string `json:"id,omitempty"`    // of a good statement
	Blind string `json:"blind,omitempty"` // of a good sealed body, once opened
	Body  string `json:"body,omitempty"`  // of a good sealed statement, once opened
}

func TestVectors(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // sealed bodies are the same each time
	files := makeVectors(t)
	bad := 0
	for name, f := range files {
		path := filepath.Join("testdata", "vectors", name+".json")
		want, err := json.MarshalIndent(f, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator makes: if the protocol was meant to change, run go test -run Vectors -update ./hotline", path)
		}
		var read vectorFile
		if err := json.Unmarshal(got, &read); err != nil {
			t.Fatal(err)
		}
		for _, v := range read.Vectors {
			wantCode(t, name+": "+v.Name, judge(t, &read, &v), v.Code)
			if v.Code != "" {
				bad++
			}
		}
	}
	if bad < 40 {
		t.Errorf("only %d bad vectors", bad)
	}
}

// judge decodes and verifies one vector as its file's form says.
func judge(t *testing.T, f *vectorFile, v *vector) error {
	t.Helper()
	raw := unhex(v.Bytes)
	switch f.Form {
	case "statement":
		return judgeStatement(t, f, v, raw)
	case "body":
		_, err := DecodeBody(Kind(v.Kind), raw)
		return err
	case "entry":
		_, _, err := DecodeEntry(raw)
		return err
	case "convention":
		_, err := ParseConvention(raw, conventionBefore(t, f))
		return err
	case "directory":
		_, err := ParseDirectory(raw, conventionBefore(t, f))
		return err
	case "tender", "receipt":
		return judgeReceipt(t, f, raw)
	}
	t.Fatalf("form %q", f.Form)
	return nil
}

func judgeStatement(t *testing.T, f *vectorFile, v *vector, raw []byte) error {
	t.Helper()
	st, err := Parse(raw)
	if err != nil {
		return err
	}
	if err := st.Verify(func(id keys.ID) (keys.Public, bool) {
		pub, err := keys.ParsePublic(unhex(f.Keys[id.String()]))
		return pub, err == nil
	}); err != nil {
		return err
	}
	if !st.Complete() {
		return Refuse(CodeMissingAuthor, "%d of %d", st.Signed, len(st.Header.Authors))
	}
	if v.ID != "" && st.ID.String() != v.ID {
		t.Errorf("%s: id %s, want %s", v.Name, st.ID, v.ID)
	}
	if v.Body == "" {
		return nil
	}
	key, err := keys.SealingFromSeed([32]byte(unhex(f.Context.Sealing)))
	if err != nil {
		t.Fatal(err)
	}
	blind, body, err := st.OpenSealed(key)
	if err != nil {
		return err
	}
	if hex.EncodeToString(blind[:]) != v.Blind || hex.EncodeToString(body) != v.Body {
		t.Errorf("%s: another body or blind", v.Name)
	}
	_, err = st.Disclose(blind, body)
	return err
}

func conventionBefore(t *testing.T, f *vectorFile) *SignedConvention {
	t.Helper()
	if f.Context.Before == "" {
		return nil
	}
	c, err := ParseConvention(unhex(f.Context.Before), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func judgeReceipt(t *testing.T, f *vectorFile, raw []byte) error {
	t.Helper()
	c := &f.Context
	r, err := ParseReceipt(raw)
	if err != nil {
		return err
	}
	st := parse(t, unhex(c.Statement))
	log, err := keys.ParsePublic(unhex(c.Log))
	if err != nil {
		t.Fatal(err)
	}
	id := ID(unhex(c.Convention))
	if f.Form == "tender" {
		return VerifyTender(r, st, must(ParseSenderEntry(unhex(c.Sender))), id, log)
	}
	return VerifyReceipt(r, "XB", st, c.Index, 1, unhex(c.Sender), unhex(c.Tender), id, log)
}

func makeVectors(t *testing.T) map[string]*vectorFile {
	t.Helper()
	x := newExchange(t)
	h := hex.EncodeToString
	rc := vectorContext{Statement: h(x.st.Raw), Sender: h(x.sent.Sender), Tender: h(x.sent.Tender), Index: x.sent.Index, Convention: x.conv.ID.String()}
	tender, receipt := rc, rc
	tender.Log, receipt.Log = h(x.a.Log.Public().Bytes()), h(x.b.Log.Public().Bytes())
	seed := x.b.Seed("sealing")
	published := map[string]string{}
	for _, k := range x.a.Officers {
		published[k.Public().ID().String()] = h(k.Public().Bytes())
	}
	published[x.a.Service.Public().ID().String()] = h(x.a.Service.Public().Bytes())
	before := vectorContext{Before: h(x.conv.Raw)}
	return map[string]*vectorFile{
		"statements": {About: "Statements of XA: parse, verify, and open with the sealing key of XB (SPEC §3).", Form: "statement",
			Keys: published, Context: vectorContext{Sealing: h(seed[:])}, Vectors: statementVectors(t, x)},
		"bodies":      {About: "Bodies by kind (SPEC §4).", Form: "body", Vectors: bodyVectors(x)},
		"entries":     {About: "Entries of a log (SPEC §7.2).", Form: "entry", Vectors: entryVectors(t, x)},
		"conventions": {About: "Version 2 of a convention, after version 1 in context.before (SPEC §5.1).", Form: "convention", Context: before, Vectors: conventionVectors(x)},
		"directories": {About: "Directories under the convention in context.before (SPEC §5.3).", Form: "directory", Context: before, Vectors: directoryVectors(x)},
		"tenders":     {About: "Tenders for the statement in context (SPEC §8.2).", Form: "tender", Context: tender, Vectors: tenderVectors(x)},
		"receipts":    {About: "Receipts of XB for the statement in context (SPEC §8.3).", Form: "receipt", Context: receipt, Vectors: receiptVectors(x)},
	}
}

func good(name string, b []byte) vector           { return vector{Name: name, Bytes: hex.EncodeToString(b)} }
func bad(name string, b []byte, code Code) vector { v := good(name, b); v.Code = code; return v }

func statementVectors(t *testing.T, x *exchange) (list []vector) {
	w := x.world
	for _, r := range Kinds() {
		if r.Class == ByRoots {
			continue
		}
		for _, full := range []bool{false, true} {
			st := w.statement(t, r.Kind, full)
			v := good(r.Name, st.Raw)
			if full {
				v.Name += ", every field"
			}
			v.ID = st.ID.String()
			if r.Sealed && len(st.Header.To)+len(st.Header.Notify) > 0 {
				blind, body, err := st.OpenSealed(w.b.Sealing)
				if err != nil {
					t.Fatal(err)
				}
				v.Blind, v.Body = hex.EncodeToString(blind[:]), hex.EncodeToString(body)
			}
			list = append(list, v)
		}
	}
	for _, b := range secondEncodings(w.a.LineTest(at, "XB", 1, 2).Raw) {
		list = append(list, bad(b.name, b.raw, b.code))
	}
	alert := w.a.Alert(at, w.assessment(), []Party{"XB"})
	sigs, header := signaturesOf(alert.Raw), MustMarshal(alert.Header)
	changed := func(change func(*Header)) []byte {
		h := alert.Header
		change(&h)
		return resign(alert, h)
	}
	exercise := w.a.Alert(at, w.assessment(), []Party{"XB"}, hotlinetest.Status(Exercise))
	asReal := exercise.Header
	asReal.Status = Actual
	return append(list,
		bad("an exercise shown as actual", resign(exercise, asReal), CodeBadSignature),
		bad("under another convention", changed(func(h *Header) { h.Convention = someID("x") }), CodeBadSignature),
		bad("another addressee", changed(func(h *Header) { h.To = []Party{"XC"} }), CodeBadSignature),
		bad("signatures exchanged", reframe(alert, header, []any{sigs[1], sigs[0]}), CodeBadSignature),
		bad("second signature stripped", reframe(alert, header, sigs[:1]), CodeMissingAuthor),
		bad("first signature stripped", reframe(alert, header, sigs[1:]), CodeBadSignature),
		bad("author unknown", changed(func(h *Header) { h.Authors = []keys.ID{keys.ID(someID("x")), h.Authors[1]} }), CodeUnknownKey),
		bad("one author of an actual alert", changed(func(h *Header) { h.Authors = h.Authors[:1] }), CodeMissingAuthor),
		bad("one author twice", changed(func(h *Header) { h.Authors = []keys.ID{h.Authors[0], h.Authors[0]} }), CodeSameOfficer),
		bad("unknown kind", changed(func(h *Header) { h.Kind = 99 }), CodeUnknownKind),
		bad("alert without a case", changed(func(h *Header) { h.Case = nil }), CodeHeader),
		bad("alert with a verdict", changed(func(h *Header) { h.Verdict = Notifiable }), CodeHeader),
		bad("alert with a disposition", changed(func(h *Header) { h.Disposition = Conclusive }), CodeHeader),
		bad("alert with answers", changed(func(h *Header) { h.Answers = []bool{true} }), CodeHeader),
		bad("alert to its sender", changed(func(h *Header) { h.To = []Party{"XA"} }), CodeWrongAddressee),
	)
}

func bodyVectors(x *exchange) (list []vector) {
	for _, r := range Kinds() {
		for _, full := range []bool{false, true} {
			v := good(r.Name, MustMarshal(body(x.world, r.Kind, full)))
			v.Kind = uint64(r.Kind)
			if full {
				v.Name += ", every field"
			}
			list = append(list, v)
		}
	}
	facts := func(change func(*Facts)) []byte {
		f := fullFacts()
		change(&f)
		return MustMarshal(&Alert{Facts: f})
	}
	rungs := func(change func(*Ladder)) []byte {
		l := x.a.Watches(1, at)
		change(l)
		return MustMarshal(l)
	}
	words := MustMarshal(&Alert{Facts: hotlinetest.Facts(), Text: string(bytes.Repeat([]byte("word "), MaxAlertWords+1))})
	for _, b := range []struct {
		kind Kind
		name string
		raw  []byte
		code Code
	}{
		{KindAlert, "nature 0", facts(func(f *Facts) { f.Nature = 0 }), CodeMalformed},
		{KindAlert, "category 6", facts(func(f *Facts) { f.Category = 6 }), CodeMalformed},
		{KindAlert, "sectors out of order", facts(func(f *Facts) { f.Sectors = []uint16{2, 1} }), CodeMalformed},
		{KindAlert, "network with host bits", facts(func(f *Facts) { f.Networks = []string{"192.0.2.1/24"} }), CodeMalformed},
		{KindAlert, "terminal escape", facts(func(f *Facts) { f.Help = "\x1b[2J" }), CodeMalformed},
		{KindAlert, "201 words", words, CodeTooLarge},
		{KindText, "hidden direction", MustMarshal(&Note{Text: "\u202e"}), CodeMalformed},
		{KindText, "no language tag", MustMarshal(&Note{Language: "en us"}), CodeMalformed},
		{KindDetection, "nothing seen", MustMarshal(&Detection{}), CodeMalformed},
		{KindLadder, "nobody on a rung", rungs(func(l *Ladder) { l.Owing[0].Targets = nil }), CodeLadder},
		{KindLadder, "no rung at the deadline", rungs(func(l *Ladder) { l.Owing[2].Permille = 1001 }), CodeLadder},
		{KindLadder, "a hole in a rota", rungs(func(l *Ladder) { l.Rotas[0].Watches[1].Minutes-- }), CodeLadder},
		{KindLadder, "nobody on watch", rungs(func(l *Ladder) { l.Rotas[0].Watches[1].People = 0 }), CodeLadder},
		{KindLadder, "no such rota", rungs(func(l *Ladder) { l.Owing[0].Targets = []string{"night"} }), CodeLadder},
		{KindLadder, "nobody knows how to wake", rungs(func(l *Ladder) { l.Contacts = l.Contacts[:4] }), CodeLadder},
		{KindRetract, "no words", MustMarshal(&Words{}), CodeMalformed},
		{KindProgress, "state 4", MustMarshal(&Progress{State: 4, Text: "x"}), CodeMalformed},
		{KindSupplement, "began before time", MustMarshal(&Supplement{Facts: hotlinetest.Facts(), Began: -1}), CodeMalformed},
		{KindFinal, "no words", MustMarshal(&Final{Facts: hotlinetest.Facts()}), CodeMalformed},
		{KindInformation, "no words", MustMarshal(&Information{}), CodeMalformed},
		{KindAdvanceNotice, "window that ends as it begins", MustMarshal(&AdvanceNotice{Activity: 1, From: at, Until: at}), CodeMalformed},
		{KindAdvanceNotice, "activity 6", MustMarshal(&AdvanceNotice{Activity: 6, From: at, Until: at + 1}), CodeMalformed},
		{KindInquiry, "no question", MustMarshal(&Inquiry{}), CodeMalformed},
		{KindInquiry, "empty question", MustMarshal(&Inquiry{Questions: []string{""}}), CodeMalformed},
		{KindThirdPartyReport, "nobody concerned", MustMarshal(&ThirdPartyReport{Facts: hotlinetest.Facts()}), CodeMalformed},
		{KindAssistanceRequest, "forms out of order", MustMarshal(&AssistanceRequest{Forms: []uint16{2, 1}, Text: "x"}), CodeMalformed},
		{KindConsult, "no subject", MustMarshal(&Consult{}), CodeMalformed},
		{KindReject, "sequence 0", MustMarshal(&Reject{}), CodeMalformed},
		{99, "unknown kind", []byte{0xa0}, CodeUnknownKind},
	} {
		v := bad(b.name, b.raw, b.code)
		v.Kind = uint64(b.kind)
		list = append(list, v)
	}
	return list
}

func entryVectors(t *testing.T, x *exchange) (list []vector) {
	samples := contents(t, x.world)
	for typ := EntryGenesis; typ <= EntryPage; typ++ {
		for i, content := range samples[typ] {
			b := must(EncodeEntry(typ, at, [16]byte{1}, scopes[(int(typ)+i)%3], Cause(i%2), content))
			list = append(list, good(fmt.Sprintf("%d/%d", typ, i), b))
		}
	}
	entry := func(change func(*Entry)) []byte {
		e := Entry{Type: EntryRules, Time: at, Scope: Common(), Content: MustMarshal(&RulesVersion{Version: 1})}
		change(&e)
		return MustMarshal(e)
	}
	return append(list,
		bad("unknown type", entry(func(e *Entry) { e.Type = EntryPage + 1 }), CodeMalformed),
		bad("no time", entry(func(e *Entry) { e.Time = 0 }), CodeMalformed),
		bad("unknown cause", entry(func(e *Entry) { e.Cause = 2 }), CodeMalformed),
		bad("pair of three", entry(func(e *Entry) { e.Scope = Scope{Class: ScopePair, Parties: []Party{"XA", "XB", "XC"}} }), CodeMalformed),
		bad("common scope with a party", entry(func(e *Entry) { e.Scope.Parties = []Party{"XA"} }), CodeMalformed),
		bad("scope out of order", entry(func(e *Entry) { e.Scope = Scope{Class: ScopePair, Parties: []Party{"XB", "XA"}} }), CodeMalformed),
		bad("duty of no number", entry(func(e *Entry) {
			e.Type, e.Content = EntryDue, MustMarshal(&Due{Duty: DutyContacts + 1, Due: at})
		}), CodeMalformed),
		bad("content of another type", entry(func(e *Entry) { e.Type = EntryDue }), CodeMalformed),
		bad("content not in its one encoding", entry(func(e *Entry) { e.Content = unhex("a1011801") }), CodeMalformed),
	)
}

func conventionVectors(x *exchange) []vector {
	draft := func(change func(*Convention)) *Convention {
		c := hotlinetest.Draft(hotlinetest.Terms("standard"), x.a, x.b, x.c)
		c.Version, c.Previous = 2, x.conv.Hash
		change(c)
		return c
	}
	same := draft(func(*Convention) {})
	return []vector{
		good("signed by all", unchecked(x.conv.ID, same, x.a, x.b, x.c)),
		good("signed by two of three", unchecked(x.conv.ID, same, x.c, x.b)),
		bad("signed by one of three", unchecked(x.conv.ID, same, x.a), CodeMissingAuthor),
		bad("signed by a stranger too", unchecked(x.conv.ID, same, x.a, x.b, hotlinetest.NewParty("XD", "1")), CodeExtraAuthor),
		bad("wrong previous", unchecked(x.conv.ID, draft(func(c *Convention) { c.Previous = someID("x") }), x.a, x.b), CodeDocument),
		bad("version left out", unchecked(x.conv.ID, draft(func(c *Convention) { c.Version = 3 }), x.a, x.b), CodeNeed),
		bad("unknown suite", unchecked(x.conv.ID, draft(func(c *Convention) { c.Suite = 2 }), x.a, x.b), CodeDocument),
		bad("another convention's id", unchecked(someID("x"), same, x.a, x.b), CodeConvention),
		bad("version 1 again", x.conv.Raw, CodeOldNumber),
	}
}

func directoryVectors(x *exchange) []vector {
	page := func(change func(*Directory)) []byte {
		d := x.a.Page(1)
		change(d)
		h := DirectoryHeader(d, x.conv.ID, 1, x.a.Root.Public())
		raw, err := Sign(h, MustMarshal(d), x.a.Root)
		if err != nil {
			return message(MustMarshal(h), MustMarshal(d), 1)
		}
		return raw
	}
	byOther := DirectoryHeader(x.a.Page(1), x.conv.ID, 1, x.b.Root.Public())
	return []vector{
		good("one", page(func(*Directory) {})),
		good("every field", x.a.SignDirectory(fullDirectory(x.world))),
		bad("another's root key", must(Sign(byOther, MustMarshal(x.a.Page(1)), x.b.Root)), CodeMissingAuthor),
		bad("log key twice", page(func(d *Directory) { d.Service = d.Log }), CodeDocument),
		bad("root key of a party", page(func(d *Directory) { d.Officers[0].Key = x.b.Root.Public() }), CodeDocument),
		bad("host name", page(func(d *Directory) { d.Nodes[0].Addr = "localhost:1" }), CodeDocument),
		bad("unknown role", page(func(d *Directory) { d.Officers[0].Roles = []Role{"king"} }), CodeDocument),
		bad("party of no convention", page(func(d *Directory) { d.Party = "XZ" }), CodeDocument),
	}
}

func tenderVectors(x *exchange) []vector {
	flipped := bytes.Clone(x.sent.Tender)
	flipped[len(flipped)-1] ^= 1
	claims := must(ParseReceipt(x.sent.Tender)).Claims
	claims.Time++
	return []vector{
		good("one", x.sent.Tender),
		bad("last bit of the signature", flipped, CodeTender),
		bad("a receipt", x.receipt, CodeTender),
		bad("claims that nobody signed", receiptMessage(MustMarshal(Claims{Party: "XA", Generation: 1, Statement: x.st.ID, Index: 1, Time: at + 10, Voters: 3})), CodeTender),
		bad("proof in a larger tree", proofMessage(MustMarshal(claims), 9, claims.Index, []any{}), CodeMalformed),
	}
}

func receiptVectors(x *exchange) []vector {
	truth := must(ParseReceipt(x.receipt)).Claims
	changed := func(change func(*Claims)) []byte {
		c, of := truth, *truth.Of
		c.Of = &of
		change(&c)
		return x.logged(c, "")
	}
	return []vector{
		good("one", x.receipt),
		bad("a tender", x.sent.Tender, CodeReceipt),
		bad("for another statement", changed(func(c *Claims) { c.Statement = someID("x") }), CodeReceipt),
		bad("at another time", changed(func(c *Claims) { c.Time++ }), CodeReceipt),
		bad("for another sequence", changed(func(c *Claims) { c.Of.Sequence++ }), CodeReceipt),
		bad("for another own index", changed(func(c *Claims) { c.Of.Index++ }), CodeReceipt),
		bad("with another salt", changed(func(c *Claims) { c.Of.Salt[0]++ }), CodeReceipt),
		bad("of what was rejected", x.logged(truth, CodeCase), CodeReceipt),
		bad("unknown mark", receiptMessage(MustMarshal(Claims{Party: "XB", Generation: 1, Index: 1, Time: at, Voters: 1,
			Of: &Of{Party: "XA", Generation: 1, Sequence: 1, Marks: 8}})), CodeMalformed),
	}
}
