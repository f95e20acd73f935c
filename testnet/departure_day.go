package testnet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// day is what three parties do in every run of a departure, whoever departs: so that the control run is of the same length, and what is
// observed comes of the departure alone.
type day struct {
	w          *Network
	departure  string
	xa, xb, xc *Party
	heard      map[hotline.Party]*Watch // by each party's auditor
	alert      *hotline.Statement       // of XB to both others
	inCase     hotline.CaseID           // that XB opens
}

// live lives the day.
func (w *Network) live(ctx context.Context, departure string) error {
	d := &day{w: w, departure: departure, xa: w.Party("XA"), xb: w.Party("XB"), xc: w.Party("XC"), heard: map[hotline.Party]*Watch{}}
	for _, p := range w.Parties {
		heard, err := p.Officer("U1").Watch(ctx)
		if err != nil {
			return err
		}
		defer heard.Close()
		d.heard[p.Code] = heard
	}
	for _, part := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"greetings", d.greetings}, {"XB warns both", d.warning}, {"XA inquires", d.inquiry}, {"XA writes to XB", d.letter},
		{"XB acknowledges late", d.late}, {"XB revokes a key", d.revocation}, {"farewells", d.greetings},
	} {
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return nil
}

// receipted waits until a party has the receipt of its own statement from another.
func (d *day) receipted(ctx context.Context, st *hotline.Statement, by *Party) error {
	_, err := d.heard[st.Header.From].Wait(ctx, fmt.Sprintf("%s has receipted %s %s", by.Code, st.Header.Kind, st.ID.Short()), func(e *desk.Event) bool {
		return e.Type == desk.EventSettled && e.ID == st.ID && e.Peer == by.Code
	})
	return err
}

// write sends a text and waits for its receipt.
func (d *day) write(ctx context.Context, from, to *Party, precedence hotline.Precedence) (*hotline.Statement, error) {
	st, _, err := from.Officer("O1").Say(ctx, Letter{Kind: hotline.KindText, Precedence: precedence, To: []hotline.Party{to.Code},
		Body: &hotline.Note{Text: "a text of " + from.Officer("O1").Name}})
	if err != nil {
		return nil, err
	}
	return st, d.receipted(ctx, st, to)
}

// greetings: XB has signed something for either side, at the beginning of the day and at its end.
func (d *day) greetings(ctx context.Context) error {
	for _, line := range [][2]*Party{{d.xa, d.xb}, {d.xb, d.xa}, {d.xc, d.xb}, {d.xb, d.xc}} {
		if _, err := d.write(ctx, line[0], line[1], hotline.Routine); err != nil {
			return err
		}
	}
	return nil
}

// warning: XB detects, assesses, and alerts both others, who acknowledge.
func (d *day) warning(ctx context.Context) error {
	o, at := d.xb.Officer("O1"), now()
	facts := hotline.Facts{Nature: 1, Category: 5, Relation: 1, Actor: 1, State: 1, Indicators: []string{"198.51.100.23"}}
	detection, _, err := o.Say(ctx, Letter{Kind: hotline.KindDetection, Precedence: hotline.Priority, Detected: at,
		Body: &hotline.Detection{Text: "connections from 198.51.100.23 to many hosts"}})
	if err != nil {
		return err
	}
	d.inCase = hotline.CaseID{Party: d.xb.Code, ID: detection.ID}
	both := []hotline.Party{d.xa.Code, d.xc.Code}
	assessment, _, err := o.Say(ctx, Letter{Kind: hotline.KindAssessment, Precedence: hotline.Priority, Case: &d.inCase, Re: &detection.ID,
		Assessed: now(), Verdict: hotline.Notifiable, Notify: both, Answers: []bool{true, true, false, true}, Body: &hotline.Assessment{Facts: facts}})
	if err != nil {
		return err
	}
	letter := Letter{Kind: hotline.KindAlert, Precedence: hotline.Priority, To: both, Case: &d.inCase, Re: &assessment.ID, Detected: at,
		With: d.xb.Officer("R1"), Body: &hotline.Alert{Facts: facts, Language: "en", Text: "Connections from our networks to yours were seen."}}
	if d.departure == "backdate" { // its officers date it as its log will
		letter.Issued = now() - hotline.Time(time.Hour.Milliseconds())
	}
	if d.alert, err = o.sayTwo(ctx, letter); err != nil {
		return err
	}
	for _, p := range []*Party{d.xa, d.xc} {
		if err := d.receipted(ctx, d.alert, p); err != nil {
			return err
		}
		ack, _, err := p.Officer("L1").Acknowledge(ctx, d.alert)
		if err != nil {
			return err
		}
		if err := d.receipted(ctx, ack, d.xb); err != nil {
			return err
		}
	}
	return nil
}

// inquiry: XA asks about the case, by its name and by what was seen, and XB replies.
func (d *day) inquiry(ctx context.Context) error {
	inquiry, err := d.xa.Officer("O1").sayTwo(ctx, Letter{Kind: hotline.KindInquiry, Precedence: hotline.Priority, To: []hotline.Party{d.xb.Code},
		Case: &d.inCase, Re: &d.alert.ID, With: d.xa.Officer("R1"),
		Body: &hotline.Inquiry{Questions: []string{"Since when was this seen?"}, Indicators: []string{"198.51.100.23"}}})
	if err != nil {
		return err
	}
	if err := d.receipted(ctx, inquiry, d.xb); err != nil {
		return err
	}
	reply, err := d.xb.Officer("O1").sayTwo(ctx, Letter{Kind: hotline.KindReply, Precedence: hotline.Priority, To: []hotline.Party{d.xa.Code},
		Case: &d.inCase, Re: &inquiry.ID, With: d.xb.Officer("R1"), Disposition: hotline.Conclusive, Body: &hotline.Words{Text: "Since this morning."}})
	if err != nil {
		return err
	}
	return d.receipted(ctx, reply, d.xa)
}

// letter: XA sends a text that XB receipts.
func (d *day) letter(ctx context.Context) error {
	_, err := d.write(ctx, d.xa, d.xb, hotline.Priority)
	return err
}

// forged is a letter of one officer as it would be, with a signature of another one in the place of the officer's own.
func forged(of, by *Officer, l Letter) (*hotline.Statement, error) {
	st, err := of.Sign(l)
	if err != nil {
		return nil, err
	}
	signature, err := by.key.Sign(st.ID[:])
	if err != nil {
		return nil, err
	}
	raw := slices.Clone(st.Raw) // it ends with the signature (SPEC §3.1)
	return hotline.Parse(append(raw[:len(raw)-len(signature)], signature...))
}

// late: nobody at XB acknowledges XA's FLASH text in time. Somebody else tries to in the name of XB-L1, whose own signature comes when the
// term is over.
func (d *day) late(ctx context.Context) error {
	st, err := d.write(ctx, d.xa, d.xb, hotline.Flash)
	if err != nil {
		return err
	}
	l, o := d.xb.Officer("L1"), d.xb.Officer("O1")
	letter := Letter{Kind: hotline.KindAcknowledgement, Precedence: hotline.Flash, To: []hotline.Party{d.xa.Code}, Re: &st.ID, Body: &hotline.Note{}}
	untrue, err := forged(l, o, letter)
	if err != nil {
		return err
	}
	if err := d.submit(ctx, o, untrue, "forge", hotline.CodeBadSignature); err != nil {
		return err
	}
	_, err = d.heard[d.xa.Code].Wait(ctx, "XA's own clock says that no acknowledgement came", func(e *desk.Event) bool {
		return e.Type == desk.EventPage && e.ID == st.ID && e.Overdue
	})
	if err != nil || d.departure == "forge" { // then XB owes nothing any more, by its own log
		return err
	}
	ack, _, err := l.Acknowledge(ctx, st)
	if err != nil {
		return err
	}
	return d.receipted(ctx, ack, d.xa)
}

// submit hands in what a node that keeps to the protocol refuses with a code, and one that departs in one way takes.
func (d *day) submit(ctx context.Context, o *Officer, st *hotline.Statement, departure string, code hotline.Code) error {
	_, err := o.Submit(ctx, st, "")
	switch {
	case d.departure == departure:
		return err
	case hotline.CodeOf(err) != code:
		return fmt.Errorf("the %s should be refused with %s, and what comes is: %w", st.Header.Kind, code, err)
	}
	return nil
}

// revocation: XB's directory revokes the key of XB-L2, who then signs a text to XA.
func (d *day) revocation(ctx context.Context) error {
	l, at := d.xb.Officer("L2"), time.Now()
	page, old := d.xb.page(2), d.w.Documents.Directory(d.xb.Code)
	for i := range page.Officers {
		if page.Officers[i].From = time.UnixMilli(int64(old.Officers[0].From)); d.xb.Officers[i] == l {
			page.Officers[i].Revoked = at
		}
	}
	raw, err := d.w.signDirectory(d.xb, page, hotline.Time(at.UnixMilli()))
	if err != nil {
		return err
	}
	if _, err := d.xb.Officer("T1").Ask(ctx, &desk.Request{Publish: &desk.PublishRequest{Document: raw}}); err != nil {
		return err
	}
	st, err := l.Sign(Letter{Kind: hotline.KindText, Precedence: hotline.Priority, To: []hotline.Party{d.xa.Code}, Body: &hotline.Note{Text: "a text of XB-L2"}})
	if err != nil {
		return err
	}
	if err := d.submit(ctx, d.xb.Officer("O1"), st, "revoked", hotline.CodeRevoked); err != nil || d.departure != "revoked" {
		return err
	}
	return d.receipted(ctx, st, d.xa) // by a reject, which ends its delivery too
}
