package ceremony

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// draft is a draft of version 1 between three parties.
func draft(t *testing.T, parties ...*hotlinetest.Party) *ConventionDraft {
	t.Helper()
	d, err := DraftConvention(*hotlinetest.Draft(hotlinetest.Terms("crisis"), parties...), nil, nil, hotlinetest.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func three() (a, b, c *hotlinetest.Party) {
	return hotlinetest.NewParty("XA", "d"), hotlinetest.NewParty("XB", "d"), hotlinetest.NewParty("XC", "d")
}

// travel is a draft written and read again, as between two parties.
func travel(t *testing.T, d *ConventionDraft) *ConventionDraft {
	t.Helper()
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseConventionDraft(text)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.Encode()
	if err != nil || !bytes.Equal(text, second) {
		t.Errorf("the text changed on its way: %v", err)
	}
	return again
}

// TestPartiesSignInAnyOrder: in whatever order the text travels, the document is the same as if all had signed at one table, and
// until the last one has signed there is none.
func TestPartiesSignInAnyOrder(t *testing.T) {
	a, b, c := three()
	var first []byte
	for _, order := range [][]*hotlinetest.Party{{a, b, c}, {c, a, b}, {b, c, a}} {
		d := draft(t, c, a, b)
		for i, p := range order {
			if _, err := d.Finish(nil); hotline.CodeOf(err) != hotline.CodeMissingAuthor {
				t.Errorf("after %d of 3 signatures: %v", i, err)
			}
			if len(d.Missing()) != 3-i {
				t.Errorf("%d are missing after %d of 3", len(d.Missing()), i)
			}
			d = travel(t, d)
			if err := SignConvention(d, p.Root); err != nil {
				t.Fatal(err)
			}
		}
		signed, err := travel(t, d).Finish(nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = signed.Raw
		}
		if !bytes.Equal(first, signed.Raw) {
			t.Error("the order of signing shows in the document")
		}
		if hash, err := d.Hash(); err != nil || hash != signed.ID {
			t.Errorf("the hash that was read out is not the id: %v", err)
		}
	}
}

// TestChangedDraftVoidsSignatures: a text that was changed after somebody signed it can neither be signed nor finished.
func TestChangedDraftVoidsSignatures(t *testing.T) {
	a, b, _ := three()
	changes := map[string]func(*ConventionDraft){
		"term":      func(d *ConventionDraft) { d.Convention.Terms.Assess++ },
		"name":      func(d *ConventionDraft) { d.Convention.Name += "!" },
		"issued":    func(d *ConventionDraft) { d.Issued++ },
		"signature": func(d *ConventionDraft) { d.Signers[0].Signature[5] ^= 1 },
		"signers":   func(d *ConventionDraft) { slices.Reverse(d.Signers) },
		"id":        func(d *ConventionDraft) { d.ID[0] = 1 },
	}
	for what, change := range changes {
		d := draft(t, a, b)
		if err := SignConvention(d, a.Root); err != nil {
			t.Fatal(err)
		}
		change(d)
		if err := SignConvention(d, b.Root); hotline.CodeOf(err) != hotline.CodeBadSignature {
			t.Errorf("%s: signing is answered with %v", what, err)
		}
	}
	d := draft(t, a, b)
	for _, p := range []*hotlinetest.Party{a, b} {
		if err := SignConvention(d, p.Root); err != nil {
			t.Fatal(err)
		}
	}
	d.Convention.Overlap++
	if _, err := d.Finish(nil); hotline.CodeOf(err) != hotline.CodeBadSignature {
		t.Errorf("finishing a changed draft is answered with %v", err)
	}
}

// TestDeletedLineIsNoticed: a draft in which a person deleted a line is refused; nothing falls back to a value nobody wrote.
func TestDeletedLineIsNoticed(t *testing.T) {
	a, b, _ := three()
	d := draft(t, a, b)
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	// These say nothing when they say the same as if they were absent.
	harmless := []string{"questions", "always", "observer", "reservations", "issued", "signature ", "#", "[[", "]", "'"}
	lines := strings.SplitAfter(string(text), "\n")
	deleted := 0
	for i, line := range lines {
		if strings.TrimSpace(line) == "" || slices.ContainsFunc(harmless, func(h string) bool { return strings.HasPrefix(strings.TrimSpace(line), h) }) {
			continue
		}
		deleted++
		short := strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
		got, err := ParseConventionDraft([]byte(short))
		if err == nil {
			want, err1 := d.Hash()
			hash, err2 := got.Hash()
			if err1 != nil || err2 != nil || hash != want || len(got.Signers) != len(d.Signers) {
				t.Errorf("without %q the draft is another and is accepted", strings.TrimSpace(line))
			}
		}
	}
	if deleted < 25 {
		t.Errorf("only %d lines were deleted", deleted)
	}
}

// TestAmendmentNamesItsSigners: who must sign follows from the two versions: those asked with the old root key, a newcomer and a
// new root key always, too few and strangers never.
func TestAmendmentNamesItsSigners(t *testing.T) {
	a, b, c := three()
	v1 := hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b, c)
	fourth := hotlinetest.NewParty("XD", "d")
	next := a.Key(keys.Ed25519, "root 2")
	p := &Proposal{Name: "Second", Parties: []PartyRoot{{"XD", fourth.Root.Public()}, {"XA", next.Public()}}, Remove: []hotline.Party{"XC"}, Observers: []hotline.Party{"XD"}}
	content, err := p.Version(v1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := DraftConvention(content, v1, []hotline.Party{"XB", "XA"}, hotlinetest.Epoch+5)
	if err != nil {
		t.Fatal(err)
	}
	want := []*keys.Private{a.Root, next, b.Root, fourth.Root}
	if len(d.Signers) != len(want) {
		t.Fatalf("%d signers, want %d", len(d.Signers), len(want))
	}
	for i, s := range d.Signers {
		if s.Root != want[i].Public() {
			t.Errorf("signer %d is %s", i+1, s.Party)
		}
		if err := SignConvention(d, want[i]); err != nil {
			t.Error(err)
		}
	}
	v2, err := travel(t, d).Finish(v1)
	if err != nil {
		t.Fatal(err)
	}
	if v2.Version != 2 || v2.Member("XC") != nil || !v2.Member("XD").Observer || v2.Member("XA").Root != next.Public() || v2.Terms != v1.Terms {
		t.Errorf("version 2 is %+v", v2.Convention)
	}
	if v1.Member("XA").Root != a.Root.Public() {
		t.Error("the version before was changed in memory")
	}
	for what, asked := range map[hotline.Code][]hotline.Party{hotline.CodeMissingAuthor: {"XA"}, hotline.CodeExtraAuthor: {"XA", "XB", "XD"}, hotline.CodeSameOfficer: {"XA", "XA"}} {
		if _, err := DraftConvention(content, v1, asked, hotlinetest.Epoch); hotline.CodeOf(err) != what {
			t.Errorf("signers %v are answered with %v, want %s", asked, err, what)
		}
	}
	if _, err := DraftConvention(content, nil, []hotline.Party{"XA"}, hotlinetest.Epoch); hotline.CodeOf(err) != hotline.CodeExtraAuthor {
		t.Errorf("chosen signers of version 1 are answered with %v", err)
	}
}

// TestObserversSignForThemselvesAlone: an observer is asked to sign when it comes or its role changes, and has no vote; a party that
// becomes one signs once and loses its reservations; and everybody can read in the draft who only observes.
func TestObserversSignForThemselvesAlone(t *testing.T) {
	a, b, c := three()
	content := hotlinetest.Draft(hotlinetest.Terms("crisis"), a, b, c)
	content.Parties[1].Reservations, content.Parties[2].Observer = []string{hotline.ReserveLineTest}, true
	v1 := hotlinetest.Amend(nil, content, a, b, c)
	signers := func(p *Proposal, asked ...hotline.Party) (codes string, _ error) {
		content, err := p.Version(v1)
		if err != nil {
			return "", err
		}
		d, err := DraftConvention(content, v1, asked, hotlinetest.Epoch+5)
		if err != nil {
			return "", err
		}
		for _, s := range travel(t, d).Signers {
			codes += string(s.Party)
		}
		return codes, nil
	}
	fourth := hotlinetest.NewParty("XD", "d")
	exchange := &Proposal{Observers: []hotline.Party{"XB"}, Speakers: []hotline.Party{"XC"}}
	for _, v := range []struct {
		what  string
		p     *Proposal
		asked []hotline.Party
		want  string
	}{
		{"other terms", &Proposal{Profile: "standard"}, nil, "XAXB"},
		{"roles are exchanged", exchange, nil, "XAXBXC"},
		{"a second observer", &Proposal{Parties: []PartyRoot{{"XD", fourth.Root.Public()}}, Observers: []hotline.Party{"XD"}}, nil, "XAXBXD"},
		{"the observer leaves", &Proposal{Remove: []hotline.Party{"XC"}}, []hotline.Party{"XA", "XB"}, "XAXB"},
	} {
		if got, err := signers(v.p, v.asked...); err != nil || got != v.want {
			t.Errorf("%s: %s sign, want %s: %v", v.what, got, v.want, err)
		}
	}
	for what, p := range map[string]*Proposal{"one speaks": {Observers: []hotline.Party{"XB"}}, "a stranger": {Speakers: []hotline.Party{"XZ"}},
		"reserves": {Reserve: []Reservation{{"XC", hotline.ReserveLineTest}}}} {
		if _, err := signers(p); hotline.CodeOf(err) != hotline.CodeDocument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := signers(&Proposal{Profile: "standard"}, "XA", "XB", "XC"); hotline.CodeOf(err) != hotline.CodeExtraAuthor {
		t.Errorf("an observer that is asked for its vote: %v", err)
	}
	v2, err := exchange.Version(v1)
	if err != nil || !v2.Observes("XB") || v2.Observes("XC") || v2.Reserves("XB", hotline.ReserveLineTest) || !v1.Observes("XC") {
		t.Errorf("roles after the amendment: %+v, %v", v2.Parties, err)
	}
}

// TestTermsAreSetByName: every duration can be set alone and scaled, never below a second, and what was off stays off.
func TestTermsAreSetByName(t *testing.T) {
	terms := hotlinetest.Terms("crisis")
	for _, c := range clocks(&terms) {
		for lane, d := range c.lanes {
			name := c.name
			if len(c.lanes) > 1 {
				name += "." + hotline.Precedence(lane+1).String()
			}
			before := terms
			was := *d
			if err := SetTerm(&terms, name+"=1h0m7s"); err != nil {
				t.Error(err)
			}
			if *d != 3_607_000 {
				t.Errorf("%s is %d ms", name, *d)
			}
			*d = was
			if terms != before {
				t.Errorf("setting %s changed something else", name)
			}
		}
	}
	terms.LineTest = 0
	if err := ScaleTerms(&terms, 1, 3600); err != nil {
		t.Fatal(err)
	}
	if terms.LineTest != 0 || terms.Alert != (hotline.Durations{1000, 1000, 4000, 24_000}) || terms.FirstAttempt[0] != 1000 {
		t.Errorf("scaled terms are %+v", terms)
	}
	if err := SetTerm(&terms, "one_officer_flash=false"); err != nil || terms.OneOfficer {
		t.Errorf("one_officer_flash: %v", err)
	}
	if err := SetTerm(&terms, "threshold=3"); err != nil || terms.Threshold != 3 {
		t.Errorf("threshold: %v", err)
	}
	if err := SetTerm(&terms, "line_alarm=5"); err != nil || terms.LineAlarm != 5 {
		t.Errorf("line alarm: %v", err)
	}
	for _, bad := range []string{"threshold=many", "line_alarm=often", "assess", "assess.FLASH=1s", "alert.flash=1s", "allert=1s", "assess=10", "assess=1ns", "automatic_alert=maybe", "=1s"} {
		before := terms
		if err := SetTerm(&terms, bad); hotline.CodeOf(err) != hotline.CodeDocument || terms != before {
			t.Errorf("%q is answered with %v", bad, err)
		}
	}
	for _, bad := range [][2]int64{{0, 1}, {1, 0}, {-1, 2}, {2_000_000, 1}, {1_000_000, 1}} {
		if err := ScaleTerms(&terms, bad[0], bad[1]); hotline.CodeOf(err) != hotline.CodeDocument {
			t.Errorf("scale %v is answered with %v", bad, err)
		}
	}
}

// TestProposalKeepsWhatItDoesNotName, and refuses what it cannot mean.
func TestProposalKeepsWhatItDoesNotName(t *testing.T) {
	a, b, c := three()
	v1 := hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b, c)
	same, err := new(Proposal).Version(v1)
	if err != nil || !reflect.DeepEqual(same, v1.Convention) {
		t.Errorf("an empty proposal changes something: %v", err)
	}
	one, many := uint64(1), int64(90*24*3600*1000)
	full := &Proposal{Name: "N", Profile: "standard", Amend: &hotline.Share{Num: 1, Den: 2}, ValidFrom: hotlinetest.Epoch + 9, Overlap: &many, Witnesses: &one,
		Questions: []string{"q"}, Always: []string{"x"}, Reserve: []Reservation{{"XA", hotline.ReserveLineTest}, {"XA", hotline.ReserveAutomaticAlert}}}
	got, err := full.Version(v1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := DraftConvention(got, v1, nil, hotlinetest.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	got = d.Convention
	if got.Name != "N" || got.Terms.Profile != "standard" || got.Amend.Den != 2 || got.Overlap != many || got.Witnesses != 1 ||
		!slices.Equal(got.Member("XA").Reservations, []string{hotline.ReserveAutomaticAlert, hotline.ReserveLineTest}) {
		t.Errorf("proposed %+v", got)
	}
	questions, always := hotline.Instrument()
	first, err := (&Proposal{Name: "N", Profile: "crisis"}).Version(nil)
	if err != nil || !slices.Equal(first.Questions, questions) || !slices.Equal(first.Always, always) || len(questions) != 4 {
		t.Errorf("a first version without questions has %v and %v: %v", first.Questions, first.Always, err)
	}
	for what, p := range map[string]*Proposal{
		"remove":  {Remove: []hotline.Party{"XD"}},
		"observe": {Observers: []hotline.Party{"XD"}},
		"reserve": {Reserve: []Reservation{{"XD", hotline.ReserveLineTest}}},
		"twice":   {Parties: []PartyRoot{{"XD", a.Root.Public()}, {"XD", b.Root.Public()}}},
		"profile": {Profile: "mild"},
		"term":    {Settings: []string{"ratify=91000h"}},
	} {
		if _, err := p.Version(v1); hotline.CodeOf(err) != hotline.CodeDocument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := new(Proposal).Version(nil); hotline.CodeOf(err) != hotline.CodeDocument {
		t.Errorf("version 1 of nothing: %v", err)
	}
}

// TestPageBecomesTheDirectory: a page file with paths beside it, times without an offset in UTC wherever the machine stands, the
// draft that travels to the root key, and the signed page that everybody verifies.
func TestPageBecomesTheDirectory(t *testing.T) {
	zone := time.Local
	time.Local = time.FixedZone("far away", 9*3600)
	t.Cleanup(func() { time.Local = zone })
	dir := party(t, "XA")
	page := "party = 'XA'\nnumber = 3\nutc_offset = '-5h30m'\nconfirmed = 2026-01-01\ngroup = 'group'\nnodes = ['node/XA-1.pub']\nprefixes = ['" + strings.Repeat("ab", 32) + "']\n" +
		"[[officers]]\nkey = 'XA-O1.pub'\nroles = ['releaser', 'operator']\nfrom = 2026-01-01\nuntil = 2027-01-01T00:00:00+09:00\n" +
		"revoked = 2026-06-01T08:00:00\nperson = '" + strings.Repeat("cd", 32) + "'\n[[officers]]\nkey = 'XA-L1.pub'\nroles = ['liaison']\n"
	path := filepath.Join(dir, "page.toml")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPage(path)
	if err != nil {
		t.Fatal(err)
	}
	now := hotlinetest.Epoch + 77
	d, err := DraftDirectory(p, now)
	if err != nil {
		t.Fatal(err)
	}
	l, o := d.OfficerByName("XA-L1"), d.OfficerByName("XA-O1")
	if o.From != hotlinetest.Epoch || o.Until != hotline.Time(time.Date(2026, 12, 31, 15, 0, 0, 0, time.UTC).UnixMilli()) ||
		o.Revoked != hotline.Time(time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC).UnixMilli()) || o.Person[0] != 0xcd || !slices.Equal(o.Roles, []hotline.Role{hotline.Operator, hotline.Releaser}) {
		t.Errorf("XA-O1 is %+v", o)
	}
	if l.From != now || l.Until != now+hotline.Time(officerTerm.Milliseconds()) || d.Issued != now || d.UTCOffset != -19_800_000 || d.Generation != 1 || d.Confirmed != hotlinetest.Epoch {
		t.Errorf("directory %+v", d)
	}
	text, err := EncodeDirectory(d)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseDirectoryDraft(text)
	if err != nil || !reflect.DeepEqual(again, d) {
		t.Fatalf("the draft changed on its way: %v", err)
	}
	root, err := keys.Load(filepath.Join(dir, RootKeyFile), keys.PurposeRoot, rootPass)
	if err != nil {
		t.Fatal(err)
	}
	_, b, _ := three()
	a := hotlinetest.NewParty("XA", "d")
	a.Root = root
	documents := new(Documents)
	if _, err := SignDirectory(again, documents, root); hotline.CodeOf(err) != hotline.CodeNeed {
		t.Errorf("without a convention: %v", err)
	}
	if err := documents.Add(hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b).Raw); err != nil {
		t.Fatal(err)
	}
	if _, err := SignDirectory(again, documents, b.Root); hotline.CodeOf(err) != hotline.CodeExtraAuthor {
		t.Errorf("another party's root key: %v", err)
	}
	wrong := *again
	wrong.Possession = slices.Clone(again.Possession)
	wrong.Possession[0], wrong.Possession[1] = again.Possession[1], again.Possession[0]
	if _, err := SignDirectory(&wrong, documents, root); hotline.CodeOf(err) != hotline.CodeBadSignature {
		t.Errorf("a log key with the proof of the service key: %v", err)
	}
	proof := "possession = '" + hex.EncodeToString(d.Possession[0]) + "'\n"
	if _, err := ParseDirectoryDraft([]byte(strings.Replace(string(text), proof, "", 1))); hotline.CodeOf(err) != hotline.CodeDocument {
		t.Errorf("a draft without a proof: %v", err)
	}
	if content, err := DirectoryContent(d); err != nil || strings.Contains(string(content), "possession") {
		t.Errorf("what people read holds proofs, or is not written: %v", err)
	}
	signed, err := SignDirectory(again, documents, root)
	if err != nil {
		t.Fatal(err)
	}
	if documents.Directory("XA") != nil {
		t.Error("signing put the page among the documents")
	}
	if err := documents.Add(signed.Raw); err != nil || documents.Directory("XA").Number != 3 {
		t.Errorf("the signed page is refused: %v", err)
	}
	if _, err := SignDirectory(again, documents, root); hotline.CodeOf(err) != hotline.CodeOldNumber {
		t.Errorf("the same number again: %v", err)
	}
}

// FuzzDrafts: no text makes a reader panic, and what a reader accepts it writes so that it reads the same.
func FuzzDrafts(f *testing.F) {
	a, b, _ := three()
	d, err := DraftConvention(*hotlinetest.Draft(hotlinetest.Terms("crisis"), a, b), nil, nil, hotlinetest.Epoch)
	if err != nil {
		f.Fatal(err)
	}
	text, err := d.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	if text, err = EncodeDirectory(a.Page(1)); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	public := PublicKey{Purpose: keys.PurposeRoot, Name: "XA", Signing: a.Root.Public()}
	if text, err = public.Encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := ParseConventionDraft(text); err == nil {
			again, err := c.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if back, err := ParseConventionDraft(again); err != nil || !reflect.DeepEqual(back, c) {
				t.Errorf("a draft of a convention changed: %v", err)
			}
		}
		if page, err := ParseDirectoryDraft(text); err == nil {
			again, err := EncodeDirectory(page)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := ParseDirectoryDraft(again); err != nil || !reflect.DeepEqual(back, page) {
				t.Errorf("a draft of a directory changed: %v", err)
			}
		}
		if k, err := ParsePublicKey(text); err == nil {
			again, err := k.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if back, err := ParsePublicKey(again); err != nil || !reflect.DeepEqual(back, k) {
				t.Errorf("a public key file changed: %v", err)
			}
		}
	})
}
