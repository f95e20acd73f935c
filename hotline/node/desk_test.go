package node_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

// unknownKind is a well-formed, well-signed statement of a kind outside the
// closed set.
func unknownKind(t *testing.T, p *hotlinetest.Party) []byte {
	t.Helper()
	signer := p.Officer("O1")
	header := map[int]any{1: 99, 2: 1, 3: 4, 4: 3, 5: string(p.Code), 7: []keys.ID{signer.Public().ID()},
		8: p.Convention.ID, 9: 1, 10: 1, 15: now()}
	prot := hotline.MustMarshal(map[int]any{2: []int{hotline.HeaderLabel}, hotline.HeaderLabel: header})
	raw, err := seal.Sign(prot, []byte{0xa0}, hotline.AAD(p.Convention.ID, hotline.Actual), signer)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Promise: what an officer's machine hands in that is not acceptable is refused
// with its own code, enters no log, and the next good statement goes through.
func TestHostileSubmissionIsRefused(t *testing.T) {
	t.Parallel()
	w, _ := meet(t, func(a, _ *party) {
		for i := range a.page.Officers {
			switch o := &a.page.Officers[i]; o.Name {
			case "XA-O2":
				o.Revoked = now() - 1000
			case "XA-R2":
				o.Until = now() - 1000
			case "XA-L1", "XA-L2":
				o.Person = hotline.ID{1} // one person with two keys
			}
			if o := &a.page.Officers[i]; o.Name == "XA-L1" || o.Name == "XA-L2" {
				o.Roles = []hotline.Role{hotline.Operator, hotline.Releaser, hotline.Liaison}
			}
		}
	})
	p := w.parties["XA"]
	detection := p.Detection(now())
	p.submit(t, 0, detection)
	assessment := p.Assessment(now(), detection, []hotline.Party{"XB"})
	p.submit(t, 0, assessment)
	alert := p.Alert(now(), assessment, []hotline.Party{"XB"})
	note := func(posts string, o ...hotlinetest.Option) []byte {
		return p.By(p.Header(hotline.KindText, now(), append([]hotlinetest.Option{hotlinetest.To("XB")}, o...)...), &hotline.Note{Text: "words"}, posts).Raw
	}
	half, err := hotline.Sign(alert.Header, alert.Payload, p.Officer("O1"))
	if err != nil {
		t.Fatal(err)
	}
	other := hotlinetest.NewParty("XA", "another network")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), other, hotlinetest.NewParty("XB", "another network"))
	good := note("O1")
	cases := []struct {
		name string
		code hotline.Code
		raw  []byte
	}{
		{"random bytes", hotline.CodeMalformed, bytes.Repeat([]byte{0x5a, 0xc3}, 300)},
		{"truncated", hotline.CodeMalformed, good[:len(good)-9]},
		{"oversized", hotline.CodeTooLarge, slices.Concat(good, make([]byte, hotline.MaxStatement))},
		{"deep nesting", hotline.CodeMalformed, bytes.Repeat([]byte{0x81}, 5000)},
		{"unknown kind", hotline.CodeUnknownKind, unknownKind(t, p.Party)},
		{"mutilated signature", hotline.CodeBadSignature, flip(good)},
		{"another convention", hotline.CodeConvention, other.Text(now(), "XB", "words").Raw},
		{"addressee outside the convention", hotline.CodeWrongAddressee, func() []byte {
			h := p.Header(hotline.KindText, now(), hotlinetest.To("XB"))
			st := p.By(h, &hotline.Note{Text: "words"}, "O1")
			h = st.Header
			h.To = []hotline.Party{"XZ"}
			raw, err := hotline.Sign(h, st.Payload, p.Officer("O1"))
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}()},
		{"revoked officer", hotline.CodeRevoked, note("O2")},
		{"expired officer", hotline.CodeExpired, note("R2")},
		{"role that may not", hotline.CodeRole, note("U1")},
		{"missing second signature", hotline.CodeMissingAuthor, half},
		{"one person with two keys", hotline.CodeSameOfficer, p.By(alert.Header, hotlinetest.AlertBody(), "L1", "L2").Raw},
		{"exercise in an actual case", hotline.CodeStatus, p.Alert(now(), assessment, []hotline.Party{"XB"}, hotlinetest.Status(hotline.Exercise)).Raw},
		{"issued long ago", hotline.CodeStale, p.Text(now()-48*3600*1000, "XB", "words").Raw},
		{"of another party", hotline.CodeWrongSender, w.parties["XC"].Text(now(), "XB", "words").Raw},
		{"nothing is owed", hotline.CodeNotOwed, p.Acknowledgement(now(), w.parties["XB"].Text(now(), "XA", "never sent")).Raw},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := w.size(t)
			if _, err := p.ask(t, 0, &desk.Request{Submit: &desk.SubmitRequest{Statement: c.raw}}); hotline.CodeOf(err) != c.code {
				t.Errorf("answered %v, want %s", err, c.code)
			}
			if after := w.size(t); after != before {
				t.Errorf("the log grew from %d to %d entries", before, after)
			}
		})
	}
	p.submit(t, 0, p.Text(now(), "XB", "the next good one"))
}

// Promise: one officer's machine, however many watches it opens, leaves places for the consoles of the others: a desk that cannot
// watch does not ring.
func TestOneOfficerLeavesPlacesToWatch(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	watch := func(post string) error {
		begun := make(chan error, 1)
		say := func(err error) {
			select {
			case begun <- err:
			default: // it has begun
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		who := desk.Officer{Name: p.Name(post), Key: p.Officer(post).Public().ID(), Roles: hotline.Roles}
		go func() {
			say(p.nodes[0].Handle(ctx, who, &desk.Request{Watch: &desk.WatchRequest{}}, func(*desk.Reply) error {
				say(nil)
				return nil
			}))
		}()
		return <-begun
	}
	var err error
	for range hotline.MaxWatchers {
		if err = watch("U1"); err != nil {
			break
		}
	}
	if hotline.CodeOf(err) != hotline.CodeBusy {
		t.Errorf("one officer has opened %d watches: %v", hotline.MaxWatchers, err)
	}
	if err := watch("L1"); err != nil {
		t.Errorf("another officer watches: %v", err)
	}
}
