package hotline_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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
	Origin     string `json:"origin,omitempty"`     // of the log of a checkpoint
	Name       string `json:"name,omitempty"`       // of a witness
	Witness    string `json:"witness,omitempty"`    // its public key
	Entry      string `json:"entry,omitempty"`      // that a tlog-proof is for
}

type vector struct {
	Name  string `json:"name"`
	Kind  uint64 `json:"kind,omitempty"` // of a body
	Bytes string `json:"bytes,omitempty"`
	Code  Code   `json:"code"`            // "" for a good one
	Of    string `json:"of,omitempty"`    // of a bad one: the good one that it differs from
	Proof *proof `json:"proof,omitempty"` // of a tree, in place of bytes
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
		differsInOneThing(t, name, read.Vectors)
	}
	if bad < 150 {
		t.Errorf("only %d bad vectors", bad)
	}
}

// differsInOneThing: every bad vector names the good one that it differs from,
// and its own name, which no other has, says in what.
func differsInOneThing(t *testing.T, file string, list []vector) {
	t.Helper()
	good, names := map[string]vector{}, map[string]bool{}
	for _, v := range list {
		if names[v.Name] {
			t.Errorf("%s: two vectors %q", file, v.Name)
		}
		names[v.Name] = true
		if v.Code == "" {
			good[v.Name] = v
		}
	}
	for _, v := range list {
		of, ok := good[v.Of]
		if v.Code == "" {
			continue
		}
		if !ok || reflect.DeepEqual([]any{of.Kind, of.Bytes, of.Proof}, []any{v.Kind, v.Bytes, v.Proof}) {
			t.Errorf("%s: %s: is not made of a good vector %q by a change", file, v.Name, v.Of)
		}
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
	case "fork-proof":
		return judgeFork(f, raw)
	case "checkpoint", "cosignature", "inclusion", "consistency", "tlog-proof":
		return judgeLog(t, f, v)
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
	files := logVectors(t, x)
	maps.Copy(files, map[string]*vectorFile{
		"statements": {About: "Statements of XA: parse, verify, and open with the sealing key of XB (SPEC §3).", Form: "statement",
			Keys: published, Context: vectorContext{Sealing: h(seed[:])}, Vectors: statementVectors(t, x)},
		"bodies":      {About: "Bodies by kind (SPEC §4).", Form: "body", Vectors: bodyVectors(x)},
		"entries":     {About: "Entries of a log (SPEC §7.2).", Form: "entry", Vectors: entryVectors(t, x)},
		"conventions": {About: "Version 2 of a convention, after version 1 in context.before (SPEC §5.1).", Form: "convention", Context: before, Vectors: conventionVectors(x)},
		"directories": {About: "Directories under the convention in context.before (SPEC §5.3).", Form: "directory", Context: before, Vectors: directoryVectors(x)},
		"tenders":     {About: "Tenders for the statement in context (SPEC §8.2).", Form: "tender", Context: tender, Vectors: tenderVectors(x)},
		"receipts":    {About: "Receipts of XB for the statement in context (SPEC §8.3).", Form: "receipt", Context: receipt, Vectors: receiptVectors(x)},
	})
	maps.Copy(files, observedVectors())
	files["fork-proofs"] = forkVectors(t) // the last: what was random in the others stays as it was
	return files
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
	line := w.a.LineTest(at, "XB", 1, 2).Raw
	list = append(list, good("a line test", line))
	for _, b := range secondEncodings(line) {
		list = append(list, derived("a line test", []vector{bad(b.name, b.raw, b.code)})...)
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
	es256 := good("a text signed with ES256", w.a.By(w.a.Header(KindText, at, hotlinetest.To("XB")), &Note{Text: "x"}, "R2").Raw)
	list = append(list, good("an alert", alert.Raw), good("an exercise", exercise.Raw), es256)
	list = append(list, mutate(list, headerMutations, inHeader)...)
	list = append(list, signatureVectors(t, good("a line test", line), es256)...)
	list = append(list, derived("an exercise", []vector{bad("an exercise shown as actual", resign(exercise, asReal), CodeBadSignature)})...)
	return append(list, derived("an alert", []vector{
		bad("an actual alert shown as an exercise", changed(func(h *Header) { h.Status = Exercise }), CodeBadSignature),
		bad("an actual alert shown as a test", changed(func(h *Header) { h.Status = Test }), CodeBadSignature),
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
	})...)
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
	bom := good("text that begins with a byte order mark", MustMarshal(&Note{Text: "\ufeffabc"}))
	bom.Kind = uint64(KindText)
	stranger := bad("kind that is not of the set", MustMarshal(&Note{}), CodeUnknownKind)
	stranger.Kind, stranger.Of = 99, "text"
	list = append(list, bom)
	list = append(list, frames(list[0])...)
	return append(append(list, mutate(list, bodyMutations, mutated)...), stranger)
}

func entryVectors(t *testing.T, x *exchange) (list []vector) {
	samples := contents(t, x.world)
	for typ := EntryGenesis; typ <= EntryWitnessed; typ++ {
		for i, content := range samples[typ] {
			b := must(EncodeEntry(typ, at, [16]byte{1}, scopes[(int(typ)+i)%3], Cause(i%2), content))
			list = append(list, good(fmt.Sprintf("%d/%d", typ, i), b))
		}
	}
	list = append(list, frames(list[0])...)
	second := bad("2/0: content not in its one encoding", bytes.Replace(unhex(list[1].Bytes), unhex("0201030105"), unhex("021801030105"), 1), CodeMalformed)
	second.Of = "2/0"
	list = append(append(list, mutate(list, entryMutations, mutated)...), second)
	for _, c := range badAnchors(t, x.world) {
		m := mutation{of: "2/1", name: "anchor: " + c.name, path: to(5, 7), put: c.anchor, code: CodeMalformed}
		list = append(list, mutate(list, []mutation{m}, mutated)...)
	}
	return list
}

func conventionVectors(x *exchange) []vector {
	draft := func(change func(*Convention)) *Convention {
		c := hotlinetest.Draft(hotlinetest.Terms("standard"), x.a, x.b, x.c)
		c.Version, c.Previous = 2, x.conv.Hash
		change(c)
		return c
	}
	same := draft(func(*Convention) {})
	list := []vector{
		good("signed by all", unchecked(x.conv.ID, same, x.a, x.b, x.c)),
		good("signed by two of three", unchecked(x.conv.ID, same, x.c, x.b)),
	}
	list = append(list, frames(list[0])...)
	list = append(list, mutate(list, conventionMutations, inPayload)...)
	return append(list, derived("signed by all", []vector{
		bad("signed by one of three", unchecked(x.conv.ID, same, x.a), CodeMissingAuthor),
		bad("signed by a stranger too", unchecked(x.conv.ID, same, x.a, x.b, hotlinetest.NewParty("XD", "1")), CodeExtraAuthor),
		bad("wrong previous", unchecked(x.conv.ID, draft(func(c *Convention) { c.Previous = someID("x") }), x.a, x.b), CodeDocument),
		bad("version left out", unchecked(x.conv.ID, draft(func(c *Convention) { c.Version = 3 }), x.a, x.b), CodeNeed),
		bad("unknown suite", unchecked(x.conv.ID, draft(func(c *Convention) { c.Suite = 2 }), x.a, x.b), CodeDocument),
		bad("another convention's id", unchecked(someID("x"), same, x.a, x.b), CodeConvention),
		bad("version 1 again", x.conv.Raw, CodeOldNumber),
		bad("from another than the first author", fromAnother(x, same), CodeWrongSender),
	})...)
}

// fromAnother is truly signed by XA and XB, but says that it is from XB.
func fromAnother(x *exchange, c *Convention) []byte {
	h := ConventionHeader(c, x.conv.ID, []keys.Public{x.a.Root.Public(), x.b.Root.Public()}, "XB", at)
	return must(Sign(h, MustMarshal(c), x.a.Root, x.b.Root))
}

func directoryVectors(x *exchange) []vector {
	asIs := func(change func(*Directory)) []byte {
		d := x.a.Page(1)
		change(d)
		h := DirectoryHeader(d, x.conv.ID, 1, x.a.Root.Public())
		raw, err := Sign(h, MustMarshal(d), x.a.Root)
		if err != nil {
			return message(MustMarshal(h), MustMarshal(d), 1)
		}
		return raw
	}
	page := func(change func(*Directory)) []byte {
		return asIs(func(d *Directory) {
			change(d)
			d.Possession = x.a.Possession(d)
		})
	}
	byOther := DirectoryHeader(x.a.Page(1), x.conv.ID, 1, x.b.Root.Public())
	elsewhere := DirectoryHeader(x.a.Page(1), someID("x"), 1, x.a.Root.Public())
	foreign := DirectoryHeader(x.a.Page(1), x.conv.ID, 1, x.a.Root.Public())
	foreign.From = "XB"
	list := []vector{
		good("one", page(func(*Directory) {})),
		good("every field", x.a.SignDirectory(fullDirectory(x.world))),
	}
	list = append(list, frames(list[0])...)
	list = append(list, mutate(list, directoryMutations, inPayload)...)
	flipped := unhex(list[0].Bytes)
	flipped[len(flipped)-1] ^= 1
	return append(list, derived("one", []vector{
		bad("a bit of the signature", flipped, CodeBadSignature),
		bad("another's root key", must(Sign(byOther, MustMarshal(x.a.Page(1)), x.b.Root)), CodeMissingAuthor),
		bad("under another convention", must(Sign(elsewhere, MustMarshal(x.a.Page(1)), x.a.Root)), CodeConvention),
		bad("from another party", must(Sign(foreign, MustMarshal(x.a.Page(1)), x.a.Root)), CodeWrongSender),
		bad("log key twice", page(func(d *Directory) { d.Service = d.Log }), CodeDocument),
		bad("root key of a party", asIs(func(d *Directory) {
			d.Officers[0].Key, d.Possession[4+len(d.Nodes)] = x.b.Root.Public(), must(ProvePossession("XA", x.b.Root))
		}), CodeDocument),
		bad("host name", page(func(d *Directory) { d.Nodes[0].Addr = "localhost:1" }), CodeDocument),
		bad("party of no convention", page(func(d *Directory) { d.Party = "XZ" }), CodeDocument),
		bad("a convention in its place", x.conv.Raw, CodeDocument),
		bad("an officer's key of another party, with its proof", page(func(d *Directory) { d.Officers[0].Key = x.b.Officer("A1").Public() }), CodeBadSignature),
		bad("the log key of another party, with its proof", page(func(d *Directory) { d.Log = x.b.Log.Public() }), CodeBadSignature),
		bad("the log key proved by the service key", asIs(func(d *Directory) {
			d.Possession[0] = must(ProvePossession("XA", claimed{d.Log, x.a.Service}))
		}), CodeBadSignature),
		bad("proofs in another order", asIs(func(d *Directory) {
			d.Possession[0], d.Possession[1] = d.Possession[1], d.Possession[0]
		}), CodeBadSignature),
		bad("one proof too few", asIs(func(d *Directory) { d.Possession = d.Possession[:len(d.Possession)-1] }), CodeDocument),
		bad("one proof too many", asIs(func(d *Directory) { d.Possession = append(d.Possession, make([]byte, 64)) }), CodeDocument),
		bad("a bit of the proof of the ML-DSA-44 key", asIs(func(d *Directory) {
			d.Possession[3] = slices.Clone(d.Possession[3])
			d.Possession[3][100] ^= 1
		}), CodeBadSignature),
		bad("a bit of the proof of a P-256 key", asIs(func(d *Directory) {
			i := slices.IndexFunc(d.ListedKeys(), func(k ListedKey) bool { return k.Key.Algorithm() == keys.ES256 })
			d.Possession[i] = slices.Clone(d.Possession[i])
			d.Possession[i][10] ^= 1
		}), CodeBadSignature),
	})...)
}

// claimed is a key that says of itself that it is another.
type claimed struct {
	public keys.Public
	keys.Signer
}

func (c claimed) Public() keys.Public { return c.public }

func tenderVectors(x *exchange) []vector {
	flipped := bytes.Clone(x.sent.Tender)
	flipped[len(flipped)-1] ^= 1
	claims := must(ParseReceipt(x.sent.Tender)).Claims
	claims.Time++
	return append(proofVectors(good("one", x.sent.Tender), CodeTender), derived("one", []vector{
		bad("last bit of the signature", flipped, CodeTender),
		bad("a receipt", x.receipt, CodeTender),
		bad("claims that nobody signed", receiptMessage(MustMarshal(Claims{Party: "XA", Generation: 1, Statement: x.st.ID, Index: 1, Time: at + 10, Voters: 3})), CodeTender),
		bad("proof in a larger tree", proofMessage(MustMarshal(claims), 9, claims.Index, []any{}), CodeMalformed),
	})...)
}

func receiptVectors(x *exchange) []vector {
	truth := must(ParseReceipt(x.receipt)).Claims
	changed := func(change func(*Claims)) []byte {
		c, of := truth, *truth.Of
		c.Of = &of
		change(&c)
		return x.logged(c, "")
	}
	return append(proofVectors(good("one", x.receipt), CodeReceipt), derived("one", []vector{
		bad("a tender", x.sent.Tender, CodeReceipt),
		bad("for another statement", changed(func(c *Claims) { c.Statement = someID("x") }), CodeReceipt),
		bad("at another time", changed(func(c *Claims) { c.Time++ }), CodeReceipt),
		bad("for another sequence", changed(func(c *Claims) { c.Of.Sequence++ }), CodeReceipt),
		bad("for another own index", changed(func(c *Claims) { c.Of.Index++ }), CodeReceipt),
		bad("with another salt", changed(func(c *Claims) { c.Of.Salt[0]++ }), CodeReceipt),
		bad("of what was rejected", x.logged(truth, CodeCase), CodeReceipt),
		bad("unknown mark", receiptMessage(MustMarshal(Claims{Party: "XB", Generation: 1, Index: 1, Time: at, Voters: 1,
			Of: &Of{Party: "XA", Generation: 1, Sequence: 1, Marks: 8}})), CodeMalformed),
	})...)
}
