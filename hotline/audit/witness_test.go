package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// cosignedBy is a checkpoint of a party's first entries, cosigned by others.
func (p *peer) cosignedBy(size int, witnesses ...hotline.Party) []byte {
	p.w.t.Helper()
	note := p.checkpoint(p.entries[:size])
	c, err := tlog.ClaimedCheckpoint(note)
	if err != nil {
		p.w.t.Fatal(err)
	}
	for _, code := range witnesses {
		for _, k := range []*keys.Private{p.w.at(code).Witness, p.w.at(code).WitnessPQ} {
			line, err := tlog.Cosign(c, tlog.WitnessName(string(code)), uint64(p.w.now/1000), k)
			if err != nil {
				p.w.t.Fatal(err)
			}
			note = append(note, line...)
		}
	}
	return note
}

// with puts a cosigned checkpoint into an export.
func with(t *testing.T, dir string, note []byte) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, FileCosigned), note, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// witness lets a party record that it cosigned a log.
func (p *peer) witness(of hotline.Party, note []byte) {
	p.w.t.Helper()
	p.do(&ledger.Command{Type: ledger.Witness, Witnessed: &hotline.Witnessed{Heads: []hotline.WitnessedHead{{Party: of, Checkpoint: note}}}})
}

// Promise: witnesses are counted by party, once, and only with both their keys; a third party is called independent, the
// other side of a pair export is not; and of two parties alone the report says that no independent witness exists.
func TestWitnessesAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	size := len(a.entries)
	w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	note := a.cosignedBy(size, "XB", "XC")
	full := with(t, a.export(), note)
	r := audited(t, full)
	wantFound(t, r)
	if l := r.Logs[0]; len(l.Witnesses) != 2 || l.Cosigned != uint64(size) || !l.Witnesses[0].Independent {
		t.Errorf("%+v of %d", l.Witnesses, l.Cosigned)
	}
	if all := text(t, r); !strings.Contains(all, "cosigned by XB at ") || !strings.Contains(all, "are not cosigned yet") {
		t.Error(all)
	}
	r = audited(t, pairOf(t, full, "XB"))
	if l := r.Logs[0]; len(l.Witnesses) != 2 || l.Witnesses[0].Independent || !l.Witnesses[1].Independent {
		t.Errorf("in the pair export %+v", l.Witnesses)
	}
	oneKey := note[:bytes.LastIndexByte(note[:len(note)-1], '\n')+1] // without the last line
	r = audited(t, with(t, a.export(), oneKey))
	if l := r.Logs[0]; len(l.Witnesses) != 1 || l.Witnesses[0].Party != "XB" {
		t.Errorf("with one key of XC missing %+v", l.Witnesses)
	}
	r = audited(t, a.export())
	if all := text(t, r); len(r.Logs[0].Witnesses) != 0 || !strings.Contains(all, "no independent witness has cosigned it") {
		t.Error(all)
	}
	two := newWorld(t, terms(), "XA", "XB").at("XA")
	r = audited(t, with(t, two.export(), two.cosignedBy(len(two.entries), "XB")))
	if all := text(t, r); !strings.Contains(all, "no independent witness exists") || r.Logs[0].Witnesses[0].Independent {
		t.Error(all)
	}
}

// Promise: the log of an observer audits clean, holds witnessed entries and common ones alone, and proves a fork of a log that it
// witnessed; its cosignature is independent of the only pair there is.
func TestObserverWitnessesForTwoParties(t *testing.T) {
	t.Parallel()
	w := newObserved(t, terms(), []hotline.Party{"XC"}, "XA", "XB", "XC")
	a, c := w.at("XA"), w.at("XC")
	w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	c.witness("XA", a.checkpoint(a.entries))
	full := with(t, a.export(), a.cosignedBy(len(a.entries), "XC"))
	r := audited(t, full, w.at("XB").export(), c.export())
	wantFound(t, r)
	if l := r.Logs[0]; len(l.Witnesses) != 1 || !l.Witnesses[0].Independent || !l.Witnesses[0].Observer {
		t.Errorf("witnesses %+v", l.Witnesses)
	}
	all := text(t, r)
	if !strings.Contains(all, "(observer)") || strings.Contains(all, "no independent witness exists") || strings.Contains(all, "no independent witness has cosigned the log of XA") {
		t.Error(all)
	}
	for i, raw := range c.entries {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.Scope.Class != hotline.ScopeCommon {
			t.Errorf("entry %d of the observer is no common one: %T", i, content)
		}
	}
	r = audited(t, pairOf(t, full, "XB"))
	if l := r.Logs[0]; len(l.Witnesses) != 1 || !l.Witnesses[0].Independent {
		t.Errorf("in the pair export %+v", l.Witnesses)
	}
	last := len(a.entries) - 1
	rewritten := append(slices.Clone(a.entries[:last]), reenter(t, a.entries[last], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 }))
	wantFound(t, audited(t, a.exportOf(rewritten), c.export()), "fork@XA")
}

// Promise: a cosigned checkpoint that is not the log's, or bears a forged line, makes the export unusable.
func TestForgedCosignedCheckpointIsUnusable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	size := len(a.entries)
	good := a.cosignedBy(size, "XB", "XC")
	flipped := bytes.Clone(good)
	at := len(flipped) - 100 // in the base64 of the last signature
	flipped[at] = map[bool]byte{true: 'B', false: 'A'}[flipped[at] == 'A']
	unusableWith(t, "cosignature", Options{}, with(t, a.export(), flipped))
	unusableWith(t, FileCosigned, Options{}, with(t, a.export(), w.at("XB").cosignedBy(size, "XC")))
	forked := slices.Clone(a.entries)
	a.entries = slices.Clone(forked)
	a.entries[size-1] = []byte("another entry")
	other := a.cosignedBy(size, "XB")
	a.entries = forked
	unusableWith(t, "two histories", Options{}, with(t, a.export(), other))
}

// Promise: a log that was rewritten after another party had recorded its checkpoint is a fork, proven by that record.
func TestWitnessedEntryProvesAFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, c := w.at("XA"), w.at("XC")
	w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	c.witness("XA", a.checkpoint(a.entries))
	wantFound(t, audited(t, a.export(), c.export()))
	last := len(a.entries) - 1
	rewritten := append(slices.Clone(a.entries[:last]), reenter(t, a.entries[last], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 }))
	r := audited(t, a.exportOf(rewritten), c.export())
	wantFound(t, r, "fork@XA")
}

// renewed is the second directory of a party, with other keys.
func renewed(p *peer, change func(*hotline.Directory)) *ledger.Command {
	page := p.Page(2)
	change(page)
	return &ledger.Command{Type: ledger.Document, Document: p.SignDirectory(page)}
}

// Promise: a log that renewed its key after witnesses had cosigned it is as good as before: the checkpoint that they saw bears the
// key of that time.
func TestCosignedUnderTheKeyBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	note := a.cosignedBy(len(a.entries), "XC")
	next := a.Key(keys.Ed25519, "second log")
	a.do(renewed(a, func(d *hotline.Directory) { d.Log = next.Public() }))
	a.Log = next
	for _, note := range [][]byte{note, a.cosignedBy(len(a.entries), "XC")} {
		r := audited(t, with(t, a.export(), note))
		wantFound(t, r)
		if l := r.Logs[0]; len(l.Witnesses) != 1 || l.Witnesses[0].Party != "XC" {
			t.Errorf("%+v", l.Witnesses)
		}
	}
	a.Log = a.Key(keys.Ed25519, "of no directory")
	foreign := a.cosignedBy(len(a.entries), "XC")
	a.Log = next
	unusableWith(t, FileCosigned, Options{}, with(t, a.export(), foreign))
}

// Promise: a witness that renewed its keys after it had cosigned still counts, by both keys of one directory; one key of each of
// two directories is none.
func TestCosignedWithTheWitnessKeysBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, c := w.at("XA"), w.at("XC")
	size := len(a.entries)
	old := a.cosignedBy(size, "XC")
	first, second := c.Key(keys.Ed25519, "second witness"), c.Key(keys.MLDSA44, "second witness")
	a.do(renewed(c, func(d *hotline.Directory) { d.Witness, d.WitnessPQ = first.Public(), second.Public() }))
	c.Witness = first
	mixed := a.cosignedBy(size, "XC")
	c.WitnessPQ = second
	for _, is := range []struct {
		what string
		note []byte
		want int
	}{{"old", old, 1}, {"new", a.cosignedBy(size, "XC"), 1}, {"mixed", mixed, 0}} {
		r := audited(t, with(t, a.export(), is.note))
		wantFound(t, r)
		l := r.Logs[0]
		if len(l.Witnesses) != is.want || strings.Contains(text(t, r), "were not judged") {
			t.Errorf("%s: %+v, %q", is.what, l.Witnesses, r.NotJudged)
		}
		if i, err := r.Interval("XA", 1, uint64(size-1)); err != nil || i.BeforeBy != "XC" {
			t.Errorf("%s bounds nothing: %+v, %v", is.what, i, err)
		}
	}
}
