package main

import (
	"context"
	"fmt"
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/drill"
)

// notice is the announcement of an exercise, as it stands in the own ledger.
type notice struct {
	index       uint64
	from, until hotline.Time
}

// consented finds the announcement of a script and makes sure that every other party acknowledged it, and that it still holds.
func (s *seat) consented(ctx context.Context, x *drill.Script) (*notice, error) {
	if !slices.Contains(x.Parties(), s.party()) {
		return nil, refused(hotline.CodeWrongSender, "give another script", "%s takes no part in the exercise %s", s.party(), x.Name)
	}
	gone := map[hotline.ID]hotline.Kind{} // what newer statements take back or object to
	var found *desk.InboxItem
	var n *notice
	for before, seen := uint64(0), 0; found == nil && seen < searchDepth; {
		page, err := s.pageOf(ctx, hotline.MaxDeskInbox, before)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			it := &page.Items[i]
			before = it.Index
			if takes := it.Kind == hotline.KindRetract || it.Kind == hotline.KindDispute; takes && it.Re != nil && it.Code == "" &&
				gone[it.ID] != hotline.KindRetract && gone[*it.Re] != hotline.KindRetract {
				gone[*it.Re] = it.Kind
			}
			if it.Kind != hotline.KindAdvanceNotice || it.From != x.Lead || it.Code != "" || it.Status != hotline.Actual || gone[it.ID] == hotline.KindRetract {
				continue
			}
			if n, err = s.announces(ctx, it, x); err != nil {
				return nil, err
			}
			if n != nil {
				found = it
				break
			}
		}
		if seen += len(page.Items); !page.More || before == 0 {
			break
		}
	}
	if found == nil {
		return nil, refused(codeConsent, "have an operator of "+string(x.Lead)+" announce it: hotline drill announce",
			"no announcement of this very script (SHA-256 %x) stands in the ledger", x.Digest)
	}
	if gone[found.ID] == hotline.KindDispute {
		return nil, refused(codeConsent, "settle that first", "the announcement %s is disputed", found.ID.Short())
	}
	return n, s.mayBegin(x, found, n)
}

// announces opens an advance notice, and returns nil if it is not of this script.
func (s *seat) announces(ctx context.Context, it *desk.InboxItem, x *drill.Script) (*notice, error) {
	v, st, err := s.find(ctx, it.ID.String())
	if err != nil {
		return nil, err
	}
	says, err := body(st, v.Body, v.Blind)
	if err != nil {
		return nil, err
	}
	a, ok := says.(*hotline.AdvanceNotice)
	if !ok || a.Activity != exerciseActivity || !x.Announces(a.Text) {
		return nil, nil
	}
	if !slices.Equal(st.Header.To, x.With) {
		return nil, nil
	}
	return &notice{index: it.Index, from: a.From, until: a.Until}, nil
}

// mayBegin checks who has acknowledged the announcement, and its window.
func (s *seat) mayBegin(x *drill.Script, it *desk.InboxItem, n *notice) error {
	if s.party() != x.Lead && (it.Ack == nil || !it.Ack.Acknowledged) {
		return refused(codeConsent, "hotline ack "+it.ID.Short(), "nobody of %s has acknowledged the announcement %s", s.party(), it.ID.Short())
	}
	for _, a := range it.Addressees {
		if a.Stage != desk.StageAcknowledged {
			return refused(codeConsent, "ask them to acknowledge it, as whoever takes part", "nobody of %s has acknowledged the announcement %s", a.Party, it.ID.Short())
		}
	}
	if now := s.time(); now < n.from || now >= n.until {
		return refused(codeConsent, "begin within it, or announce another", "the window of the exercise is %s to %s", clock(n.from), clock(n.until))
	}
	return nil
}

// observer gathers what the own ledger holds of one exercise.
type observer struct {
	*seat
	script *drill.Script   // nil: only the case counts
	in     *hotline.CaseID // nil: not begun here yet; the script's mark will tell
	since  uint64          // nothing before this entry belongs to it

	walked uint64 // the newest entry that was looked at
	record drill.Record
	places map[hotline.ID]int // in record.Statements
}

// look reads what is new, and whether receipts came for what was sent.
func (o *observer) look(ctx context.Context) error {
	v, err := o.status(ctx)
	if err != nil {
		return err
	}
	o.record.Party, o.record.Now = o.party(), v.Clock
	fresh, err := o.fresh(ctx)
	if err != nil {
		return err
	}
	if o.in == nil {
		if err := o.begin(ctx, fresh); err != nil || o.in == nil {
			return err
		}
	}
	o.record.Case = *o.in
	for i := range o.record.Statements {
		st := &o.record.Statements[i]
		if st.From == o.party() && len(st.Received) < len(st.To) {
			if err := o.take(ctx, st.ID); err != nil {
				return err
			}
		}
	}
	for i := range fresh {
		it := &fresh[i]
		if _, ok := o.places[it.ID]; !ok && (it.ID == o.in.ID || it.Case != nil && *it.Case == *o.in) {
			if err := o.take(ctx, it.ID); err != nil {
				return err
			}
		}
		o.walked = max(o.walked, it.Index)
	}
	return nil
}

// fresh lists the statements of exercises that were not looked at, the oldest first.
func (o *observer) fresh(ctx context.Context) ([]desk.InboxItem, error) {
	var list []desk.InboxItem
	for before, seen := uint64(0), 0; seen < searchDepth; {
		page, err := o.pageOf(ctx, hotline.MaxDeskInbox, before)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			it := &page.Items[i]
			before = it.Index
			if it.Index <= max(o.walked, o.since) {
				before = 0
				break
			}
			if it.Status == hotline.Exercise && it.Code == "" {
				list = append(list, *it)
			}
			if o.in != nil && it.ID == o.in.ID { // it is the case's first
				before = 0
				break
			}
		}
		if seen += len(page.Items); !page.More || before == 0 {
			break
		}
	}
	slices.Reverse(list)
	return list, nil
}

// begin finds the case by the mark in the first statement of the leading party.
func (o *observer) begin(ctx context.Context, fresh []desk.InboxItem) error {
	for i := range fresh {
		it := &fresh[i]
		if it.From != o.script.Lead {
			continue
		}
		v, st, err := o.find(ctx, it.ID.String())
		if err != nil {
			return err
		}
		says, err := body(st, v.Body, v.Blind)
		if err != nil {
			return err
		}
		if script, _, ok := drill.ReadMark(wordsOf(says)); ok && script == o.script.Short() {
			o.in = st.InCase()
			return nil
		}
	}
	return nil
}

// take reads one statement with its times.
func (o *observer) take(ctx context.Context, id hotline.ID) error {
	v, st, err := o.find(ctx, id.String())
	if err != nil {
		return err
	}
	h := &st.Header
	if h.Status != hotline.Exercise {
		return fmt.Errorf("%w: %s statement %s in a case of an exercise", desk.ErrAnswer, h.Status, st.ID.Short())
	}
	says, err := body(st, v.Body, v.Blind)
	if err != nil {
		return err
	}
	x := drill.Statement{ID: st.ID, Kind: h.Kind, From: h.From, To: h.To, Re: h.Re, Precedence: h.Precedence, Interim: h.Disposition == hotline.Interim,
		At: v.Item.Time, Received: map[hotline.Party]hotline.Time{}}
	x.Script, x.Step, _ = drill.ReadMark(wordsOf(says))
	if v.Item.Direction == desk.Received {
		x.Received[o.party()] = v.Item.Time
		if v.Tender != nil {
			x.At = v.Tender.Time
		}
	} else {
		for _, r := range v.Receipts {
			x.Received[r.Party] = r.Time
		}
	}
	o.times(h, &v.Item)
	if i, ok := o.places[st.ID]; ok {
		o.record.Statements[i] = x
		return nil
	}
	if o.places == nil {
		o.places = map[hotline.ID]int{}
	}
	o.places[st.ID] = len(o.record.Statements)
	o.record.Statements = append(o.record.Statements, x)
	return nil
}

// times keeps when it was detected, adopted and assessed: by entries of the own ledger, or by what a received header says.
func (o *observer) times(h *hotline.Header, it *desk.InboxItem) {
	r := &o.record
	if r.T0 == 0 {
		r.T0 = h.Detected
	}
	switch {
	case h.Kind == hotline.KindDetection:
		r.Adopted = it.Time
	case h.Kind == hotline.KindAssessment && r.Assessed == 0:
		r.Assessed = it.Time
	case h.From != o.party() && r.Assessed == 0:
		r.Assessed = h.Assessed
	}
}

// bears reports whether any statement bears the mark of a script.
func (o *observer) bears(x *drill.Script) bool {
	return slices.ContainsFunc(o.record.Statements, func(st drill.Statement) bool { return st.Script == x.Short() })
}

func (o *observer) evaluate() *drill.Evaluation {
	return drill.Evaluate(o.script, &o.record, &o.convention(o.record.Now).Terms)
}

// wordsOf are the free words of a body, at whose end the mark of a script stands.
func wordsOf(b hotline.Body) string {
	switch b := b.(type) {
	case *hotline.Detection:
		return b.Text
	case *hotline.Assessment:
		return b.Note
	case *hotline.Alert:
		return b.Text
	case *hotline.Supplement:
		return b.Text
	case *hotline.Progress:
		return b.Text
	case *hotline.Final:
		return b.Text
	case *hotline.Inquiry:
		return b.Questions[len(b.Questions)-1]
	case *hotline.Words:
		return b.Text
	case *hotline.Note:
		return b.Text
	}
	return ""
}
