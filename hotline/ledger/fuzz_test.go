package ledger_test

import (
	"bytes"
	"reflect"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// prepared is a state in the middle of things, and one encoded command of each
// type that fits it or came before it.
func prepared(t tester) (snap []byte, commands [][]byte) {
	w := newWorld(t, setup{parties: []hotline.Party{"XA", "XB", "XC"}, voters: 1, at: hotlinetest.Epoch + 9*3600*1000})
	a, b := w.members["XA"], w.members["XB"]
	w.observe = func(m *member, c *ledger.Command, _ *ledger.Result) {
		if m == a {
			commands = append(commands, hotline.MustMarshal(c))
		}
	}
	say := func(m *member, st *hotline.Statement) *hotline.Statement {
		w.must(m, &ledger.Command{Type: ledger.Submit, Statement: st.Raw})
		return st
	}
	hand := func(from, to *member, st *hotline.Statement) {
		p := from.tenders[st.ID]
		w.must(to, &ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: p.sender, Tender: p.tender})
	}
	d := say(a, a.Detection(w.now))
	as := say(a, a.Assessment(w.now, d, []hotline.Party{"XB", "XC"}))
	flash := say(a, a.FlashAlert(w.now, as, []hotline.Party{"XB"}))
	hand(a, b, flash)
	w.must(a, &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[flash.ID], Tender: a.tenders[flash.ID].tender})
	text := say(b, b.Text(w.now, "XA", "words"))
	hand(b, a, text)
	w.must(a, &ledger.Command{Type: ledger.Hit, Hit: hit("a")})
	w.must(a, &ledger.Command{Type: ledger.Members, Voters: a.nodes(3)})
	w.must(a, &ledger.Command{Type: ledger.Document, Document: a.SignDirectory(a.Page(2))})
	snap = snapshot(t, a.state)
	w.now += 3 * 3600 * 1000
	w.must(a, &ledger.Command{Type: ledger.Tick})
	for _, ask := range a.state.Asks(w.now) {
		say(a, w.answer(a, ask))
	}
	say(a, a.Acknowledgement(w.now, text))
	say(a, a.Ladder(w.now, 1))
	return snap, commands
}

// FuzzApply: whatever command decodes, Apply answers it and does not fall, and
// what it makes can be read back: entries, and the state from its snapshot.
func FuzzApply(f *testing.F) {
	snap, commands := prepared(f)
	for _, c := range commands {
		f.Add(c)
	}
	empty := snapshot(f, ledger.New())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ledger.DecodeCommand(b)
		if err != nil {
			return
		}
		for _, from := range [][]byte{snap, empty} {
			s, err := ledger.RestoreState(from)
			if err != nil {
				t.Fatal(err)
			}
			before := s.Time()
			_ = s.Verify(c, func(uint64) (*ledger.Own, error) { return nil, hotline.Refuse(hotline.CodeNotFound, "no entry") })
			r := s.Apply(c)
			for _, e := range r.Entries {
				if _, _, err := hotline.DecodeEntry(e); err != nil {
					t.Fatalf("an entry cannot be read back: %v", err)
				}
			}
			if s.Time() < before {
				t.Fatalf("time goes back from %d to %d", before, s.Time())
			}
			restored(t, s)
		}
	})
}

// FuzzDecodeCommand: a command has one encoding.
func FuzzDecodeCommand(f *testing.F) {
	_, commands := prepared(f)
	for _, c := range commands {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ledger.DecodeCommand(b)
		if err != nil {
			if hotline.CodeOf(err) != hotline.CodeMalformed && hotline.CodeOf(err) != hotline.CodeTooLarge {
				t.Fatalf("refused without its code: %v", err)
			}
			return
		}
		if !bytes.Equal(hotline.MustMarshal(c), b) {
			t.Fatal("two encodings of one command")
		}
	})
}

// FuzzRestoreState: a damaged snapshot is an error and never a fall.
func FuzzRestoreState(f *testing.F) {
	snap, _ := prepared(f)
	f.Add(snap)
	f.Add(snap[:len(snap)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ledger.RestoreState(b); err == nil {
			_, _ = s.Snapshot()
		}
	})
}

// plain is a Command to the general codec, which reads the tags.
type plain ledger.Command

// everything is a command with every field, for whoever forgets one in Written.
var everything = ledger.Command{Type: ledger.Tick, Time: -1, Seed: []byte("s"), Readings: []hotline.Reading{{Node: "XA-1", Time: 1}},
	Genesis: &hotline.Genesis{Party: "XA", Generation: 1}, Statement: []byte("st"), Sender: []byte("se"), Tender: []byte("t"), Receipt: []byte("r"),
	Voters: []string{"XA-1"}, Rules: 1, Document: []byte("d"), Hit: hit("a"), Key: "k", Page: &hotline.Page{Due: 1, Key: []byte("k")}, Peer: "XB",
	Extension: []byte("e"), Witnessed: &hotline.Witnessed{Heads: []hotline.WitnessedHead{{Party: "XB"}}}, Anchor: []byte("a")}

// FuzzCommand: a command is read and written as the general codec does by its tags: what that refuses is refused, and the bytes are the same.
func FuzzCommand(f *testing.F) {
	for v, i := reflect.ValueOf(everything), 0; i < v.NumField(); i++ {
		if field := v.Type().Field(i); field.IsExported() && v.Field(i).IsZero() {
			f.Fatalf("set %s in the command that has every field", field.Name)
		}
	}
	f.Add(hotline.MustMarshal((*plain)(&everything)))
	_, commands := prepared(f)
	for _, c := range commands {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ledger.DecodeCommand(b)
		p := new(plain)
		if perr := hotline.Unmarshal(b, p, ledger.MaxCommand); (err == nil) != (perr == nil) {
			t.Fatalf("%x: %v, but by its tags: %v", b, err, perr)
		}
		if err != nil {
			return
		}
		if own, general := hotline.MustMarshal(c), hotline.MustMarshal(p); !bytes.Equal(own, b) || !bytes.Equal(general, b) {
			t.Fatalf("%x is written as %x, and by its tags as %x", b, own, general)
		}
	})
}
