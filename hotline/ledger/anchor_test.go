package ledger_test

import (
	"bytes"
	"slices"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// anchored says how an anchor is made; what is left out is as it should be.
type anchored struct {
	origin    string
	size      uint64 // 0: all entries
	log       *member
	seconds   uint64
	witnesses []hotline.Party
	foreign   bool // the lines are for another checkpoint
}

func (w *world) anchorOf(of *member, a anchored) []byte {
	w.t.Helper()
	if a.size == 0 {
		a.size = uint64(len(of.entries))
	}
	if a.origin == "" {
		a.origin = tlog.Origin(string(of.Code), 1)
	}
	if a.log == nil {
		a.log = of
	}
	var tree tlog.Frontier
	for i := range a.size {
		tree.Append(tlog.LeafHash(of.entries[min(i, uint64(len(of.entries)-1))]))
	}
	c := tlog.Checkpoint{Origin: a.origin, Size: a.size, Root: tree.Root()}
	note, err := tlog.SignCheckpoint(c, a.log.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.foreign {
		c.Size++
	}
	for _, p := range a.witnesses {
		line, err := tlog.Cosign(c, tlog.WitnessName(string(p)), a.seconds, w.members[p].Witness)
		if err != nil {
			w.t.Fatal(err)
		}
		note = append(note, line...)
	}
	return note
}

func anchorWorld(t *testing.T) (w *world, a *member) {
	w = newWorld(t, setup{parties: []hotline.Party{"XA", "XB", "XC"}, voters: 1, at: hotlinetest.Epoch + 9*3600*1000})
	return w, w.members["XA"]
}

// logged submits a text and says whether its entry bears the anchor of the command.
func (w *world) logged(m *member, anchor []byte) bool {
	w.t.Helper()
	w.now++ // so that no two texts are the same statement
	r := w.must(m, &ledger.Command{Type: ledger.Submit, Statement: m.Text(w.now, "XB", "Please call.").Raw, Anchor: anchor})
	_, content, err := hotline.DecodeEntry(m.entries[r.Index])
	if err != nil {
		w.t.Fatal(err)
	}
	got := content.(*hotline.Sent).Anchor
	if len(got) > 0 && !bytes.Equal(got, anchor) {
		w.t.Fatalf("another anchor %q", got)
	}
	return len(got) > 0
}

// Promise: an entry bears the anchor of its command if that keeps the rules of the log, and a command with any other is done
// all the same (SPEC §7.13 rule 3).
func TestAnchorThatBreaksARuleIsLeftOut(t *testing.T) {
	w, a := anchorWorld(t)
	b := w.members["XB"]
	now := uint64(w.now / 1000)
	both := []hotline.Party{"XB", "XC"}
	for name, bad := range map[string]anchored{
		"of another generation": {origin: tlog.Origin("XA", 2), seconds: now, witnesses: both},
		"of more than the log":  {size: uint64(len(a.entries)) + 20, seconds: now, witnesses: both},
		"of the future":         {seconds: now + uint64(hotline.SkewMark.Seconds()) + 2, witnesses: both},
	} {
		if w.logged(a, w.anchorOf(a, bad)) {
			t.Errorf("%s: it stands in the log", name)
		}
	}
	raw := &ledger.Command{Type: ledger.Submit, Statement: a.Text(w.now, "XB", "Another key.").Raw,
		Anchor: w.anchorOf(a, anchored{log: b, seconds: now, witnesses: both})}
	if r, err := w.propose(a, raw, true); err != nil || r.Code != "" || bytes.Contains(a.entries[r.Index], []byte("/witness")) {
		t.Errorf("signed with another key: %+v, %v", r, err)
	}
	raw = &ledger.Command{Type: ledger.Submit, Statement: a.Text(w.now+1, "XB", "No anchor.").Raw, Anchor: []byte("no anchor")}
	if r, err := w.propose(a, raw, true); err != nil || r.Code != "" || bytes.Contains(a.entries[r.Index], []byte("no anchor")) {
		t.Errorf("no anchor at all: %+v, %v", r, err)
	}
	if !w.logged(a, w.anchorOf(a, anchored{seconds: now, witnesses: both})) {
		t.Error("a good anchor is left out")
	}
	pause := uint64(hotline.AnchorPause.Seconds())
	if w.logged(a, w.anchorOf(a, anchored{seconds: now + pause - 1, witnesses: both})) {
		t.Error("an anchor soon after the last one stands in the log")
	}
	if !w.logged(a, w.anchorOf(a, anchored{seconds: now + pause, witnesses: []hotline.Party{"XC"}})) {
		t.Error("the next good anchor is left out")
	}
}

// Promise: what a leader proposes, and what a group has committed, is verified with every line of a known witness.
func TestAnchorOfTheOwnLogIsVerified(t *testing.T) {
	w, a := anchorWorld(t)
	now := uint64(w.now / 1000)
	for name, v := range map[string]struct {
		anchored
		code hotline.Code
	}{
		"good":                  {anchored{seconds: now, witnesses: []hotline.Party{"XB", "XC"}}, ""},
		"another key":           {anchored{log: w.members["XB"], seconds: now, witnesses: []hotline.Party{"XB"}}, hotline.CodeBadSignature},
		"lines of another head": {anchored{foreign: true, seconds: now, witnesses: []hotline.Party{"XB"}}, hotline.CodeBadSignature},
	} {
		c := &ledger.Command{Type: ledger.Submit, Statement: a.Text(w.now, "XB", "Please call.").Raw, Anchor: w.anchorOf(a, v.anchored)}
		if err := a.state.Verify(c, nil); hotline.CodeOf(err) != v.code {
			t.Errorf("%s: %v, want %q", name, err, v.code)
		}
	}
	if !w.logged(a, w.anchorOf(a, anchored{seconds: now, witnesses: []hotline.Party{"XB"}})) {
		t.Fatal("the anchor is left out")
	}
	if judged, err := a.state.Judge().Entry(a.entries[len(a.entries)-1], nil); !judged || err != nil {
		t.Errorf("behind the commit: %v, %v", judged, err)
	}
}

// Promise: a receiver refuses a statement whose anchor is not what it says, takes one of a witness that it does not know, and
// holds the anchor beside the statement that it takes (SPEC §7.13 rule 5).
func TestReceiverVerifiesTheAnchor(t *testing.T) {
	w, a := anchorWorld(t)
	b := w.members["XB"]
	now := uint64(w.now / 1000)
	both := []hotline.Party{"XB", "XC"}
	stranger := hotlinetest.NewParty("XD", "stranger")
	unknown := bytes.ReplaceAll(w.anchorOf(a, anchored{seconds: now, witnesses: []hotline.Party{"XC"}}), []byte("XC/witness"), []byte(stranger.Code+"/witness"))
	for name, v := range map[string]struct {
		anchor []byte
		code   hotline.Code
	}{
		"none":                  {nil, ""},
		"good":                  {w.anchorOf(a, anchored{seconds: now, witnesses: both}), ""},
		"of an unknown witness": {unknown, ""},
		"another generation":    {w.anchorOf(a, anchored{origin: tlog.Origin("XA", 2), seconds: now, witnesses: both}), hotline.CodeTender},
		"another party's log":   {w.anchorOf(b, anchored{seconds: now, witnesses: []hotline.Party{"XC"}}), hotline.CodeTender},
		"beyond its entry":      {w.anchorOf(a, anchored{size: uint64(len(a.entries)) + 20, seconds: now, witnesses: both}), hotline.CodeTender},
		"another key":           {w.anchorOf(a, anchored{log: b, seconds: now, witnesses: both}), hotline.CodeTender},
		"lines of another head": {w.anchorOf(a, anchored{foreign: true, seconds: now, witnesses: both}), ""}, // they count for nothing
		"no anchor":             {[]byte("no anchor"), hotline.CodeMalformed},
	} {
		c := w.delivered(a, v.anchor)
		if err := b.state.Verify(c, nil); hotline.CodeOf(err) != v.code {
			t.Errorf("%s: %v, want %q", name, err, v.code)
		}
	}
	r := w.must(b, w.delivered(a, w.anchorOf(a, anchored{seconds: now, witnesses: both})))
	e, _, err := hotline.DecodeEntry(b.entries[r.Index])
	if err != nil || len(e.Parts.Sender.Sent.Anchor) == 0 {
		t.Errorf("the receiver holds no anchor: %v", err)
	}
}

// Promise: no witness keeps a statement from its addressee by publishing, there alone, a second key whose hash is that of
// the key with which it cosigned, whether the page with that key is there as well or not.
func TestNoWitnessStandsInTheWayOfAStatement(t *testing.T) {
	for _, first := range []bool{true, false} {
		w, a := anchorWorld(t)
		b, c := w.members["XB"], w.members["XC"]
		page := func(m *member, n uint64, place string) {
			d := c.Page(n)
			d.Witness = c.Key(keys.Ed25519, place).Public()
			w.must(m, &ledger.Command{Type: ledger.Document, Document: c.SignDirectory(d)})
		}
		page(a, 2, "witness 62793") // two keys of one hash, found by trying
		page(b, 3, "witness 115411")
		if first {
			page(b, 2, "witness 62793")
		}
		c.Witness = c.Key(keys.Ed25519, "witness 62793")
		anchor := w.anchorOf(a, anchored{seconds: uint64(w.now / 1000), witnesses: []hotline.Party{"XC"}})
		if !w.logged(a, anchor) {
			t.Fatal("the sender does not take the anchor")
		}
		if err := b.state.Verify(w.delivered(a, anchor), nil); err != nil {
			t.Errorf("with the first page %v: the addressee refuses the statement: %v", first, err)
		}
	}
}

// delivered is a text of m in a log that holds what m has logged and then an entry with this anchor, whatever it is.
func (w *world) delivered(m *member, anchor []byte) *ledger.Command {
	w.t.Helper()
	st := m.Text(w.now, "XB", "Please call.")
	j := hotlinetest.NewJournal(m.Party, w.now)
	for _, raw := range slices.Clone(m.entries)[1:] {
		j.AppendRaw(raw)
	}
	sent := hotline.Sent{Sequences: []hotline.Sequence{{To: "XB", N: 1}}, Directory: 1, Convention: 1, Voters: j.Voters, Statement: st.Raw, Anchor: anchor}
	scope := hotlinetest.SentScope(st)
	index := j.Append(hotline.EntrySent, w.now, scope, hotline.Outside, &sent)
	tender := j.Prove(hotline.Claims{Statement: st.ID, Time: w.now})
	sent.Statement = nil
	return &ledger.Command{Type: ledger.Receive, Statement: st.Raw, Tender: tender,
		Sender: hotline.MustMarshal(hotline.SenderEntry{Time: w.now, Salt: j.Salt(index), Scope: scope, Sent: sent})}
}

// Promise: there is work while a case has an open duty or a draft waits, and not in an idle log.
func TestAtWork(t *testing.T) {
	w, a := anchorWorld(t)
	if a.state.AtWork(w.now) {
		t.Error("a log in which nothing happened is at work")
	}
	b := w.members["XB"]
	h := b.Alert(w.now, b.Assessment(w.now, b.Detection(w.now), []hotline.Party{"XA"}), []hotline.Party{"XA"}).Header
	draft := w.draft(b, h, hotlinetest.AlertBody(), signersOf(b, "O1", "R1"), 1)
	w.must(b, &ledger.Command{Type: ledger.Draft, Statement: draft.Raw})
	day := hotline.Time(hotline.SubmitWindow.Milliseconds())
	if !b.state.AtWork(w.now+day) || b.state.AtWork(w.now+day+1) {
		t.Error("a draft is work as long as it can be submitted, and no longer")
	}
	r := w.must(a, &ledger.Command{Type: ledger.Submit, Statement: a.Detection(w.now).Raw})
	if !a.state.AtWork(w.now) {
		t.Errorf("a detection to assess is no work: %+v", r)
	}
}
