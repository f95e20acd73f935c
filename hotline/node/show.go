package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
)

// What an officer may look at. Everything here reads; nothing decides.

// room bounds a batch of one reply, well below hotline.MaxDeskMessage.
const room = hotline.MaxDeskMessage / 2

// sendViews sends the documents that the asker does not have.
func (n *Node) sendViews(r *desk.DocumentsRequest, send func(*desk.Reply) error) error {
	have := map[hotline.Party]uint64{}
	for _, d := range r.Have {
		have[d.Party] = d.Number
	}
	var raws [][]byte
	n.machine.view(func(s *ledger.State) {
		for _, c := range s.Conventions() {
			if c.Version > r.Convention {
				raws = append(raws, c.Raw)
			}
		}
		for _, d := range directoriesOf(s) {
			if d.Number > have[d.Party] {
				raws = append(raws, d.Raw)
			}
		}
	})
	return batches(raws, func(b []byte) int { return len(b) }, func(list [][]byte) error {
		return send(&desk.Reply{Documents: &desk.DocumentsView{Raw: list}})
	})
}

// batches cuts a list so that each part fits one message; an empty list is one
// empty part.
func batches[T any](list []T, size func(T) int, send func([]T) error) error {
	for {
		n, used := 0, 0
		for n < len(list) && (n == 0 || used+size(list[n]) < room) && n < hotline.MaxArrayItems {
			used += size(list[n])
			n++
		}
		if err := send(list[:n]); err != nil {
			return err
		}
		if list = list[n:]; len(list) == 0 {
			return nil
		}
	}
}

func (n *Node) triage(send func(*desk.Reply) error) error {
	var hits []hotline.Hit
	var lost uint64
	n.machine.view(func(s *ledger.State) { hits, lost = s.Triage(), s.Lost() })
	return batches(hits, func(h hotline.Hit) int { return len(hotline.MustMarshal(h)) }, func(list []hotline.Hit) error {
		return send(&desk.Reply{Triage: &desk.TriageView{Hits: list, Lost: lost}})
	})
}

func (n *Node) drafts(who *desk.Officer, send func(*desk.Reply) error) error {
	var list []ledger.DraftItem
	n.machine.view(func(s *ledger.State) { list = s.Drafts() })
	for _, d := range list {
		v := &desk.DraftView{ID: d.ID, Raw: d.Raw, Since: d.Since}
		if st, err := hotline.Parse(d.Raw); err == nil && who.MayRead() && st.Header.Kind.Rules().Sealed {
			if blind, body, err := n.openStatement(st); err == nil {
				v.Body, v.Blind = body, blind[:]
			}
		}
		if err := send(&desk.Reply{Draft: v}); err != nil {
			return err
		}
	}
	return nil
}

// inbox lists statements, newest first, by walking the log backwards. It ends
// with what it has found when the asker's time is nearly over.
func (n *Node) inbox(ctx context.Context, r *desk.InboxRequest, send func(*desk.Reply) error) error {
	if from, to, behind := n.machine.missing(); behind { // the newest ones would be missing in silence (SPEC §12 rule 12)
		return hotline.Refuse(hotline.CodeBusy, "this node still fetches history, and has %d of %d entries: ask again, or another node", from, to)
	}
	view, began := &desk.InboxView{}, time.Now()
	i := n.machine.store.Size()
	if r.Before > 0 {
		i = min(i, r.Before)
	}
	for i > 0 {
		if uint64(len(view.Items)) == r.Limit || (len(view.Items) > 0 && time.Since(began) > inboxTime) {
			view.More = true
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		i--
		st, e, content, err := n.statementAt(i)
		if hotline.CodeOf(err) == hotline.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		view.Items = append(view.Items, n.item(i, st, e, content))
	}
	return send(&desk.Reply{Inbox: view})
}

// inboxTime bounds the walk for one page that has something on it.
const inboxTime = hotline.DeskExchange / 4

func (n *Node) item(i uint64, st *hotline.Statement, e *hotline.Entry, content any) desk.InboxItem {
	h := &st.Header
	it := desk.InboxItem{Index: i, Time: e.Time, ID: st.ID, Kind: h.Kind, From: h.From, To: h.To, Case: st.InCase(), Re: h.Re,
		Precedence: h.Precedence, Status: h.Status, Direction: desk.Kept, Verdict: h.Verdict}
	n.machine.view(func(s *ledger.State) {
		switch c := content.(type) {
		case *hotline.Received:
			it.Direction, it.Code = desk.Received, c.Code
			if c.Code == "" && h.Kind.Rules().OpensAck {
				it.Ack = ackView(s, st)
			}
		case *hotline.Sent:
			if len(c.Sequences) > 0 {
				it.Direction, it.Addressees = desk.Sent, addressees(s, st, c)
			}
		}
	})
	if slices.ContainsFunc(it.Addressees, func(a desk.AddresseeView) bool { return a.Stage == "" }) {
		n.ends(i, st, it.Addressees) // outside the view: it reads files
	}
	return it
}

func ackView(s *ledger.State, st *hotline.Statement) *desk.AckView {
	for _, d := range s.Duties(st.InCase(), st.Header.From) {
		if d.Class == hotline.DutyAcknowledge && d.Subject == st.ID {
			return &desk.AckView{Deadline: d.Deadline, Overdue: d.Overdue}
		}
	}
	return &desk.AckView{Acknowledged: true}
}

// addressees says how far each addressee is; without a stage where the state waits for
// nothing from it any more, and so does not know.
func addressees(s *ledger.State, st *hotline.Statement, sent *hotline.Sent) []desk.AddresseeView {
	var list []desk.AddresseeView
	for _, q := range sent.Sequences {
		v := desk.AddresseeView{Party: q.To, Sequence: q.N}
		if c := st.InCase(); c != nil {
			if k := s.Case(*c); k != nil {
				for _, t := range k.Told {
					if t.Party == q.To && t.Statement == st.ID {
						v.Stage = desk.Stage(t.Stage.String())
					}
				}
			}
		} else if p := s.Pair(q.To); p != nil {
			if o := p.Sent[st.ID]; o != nil {
				v.Stage = stageOf(o)
			}
		}
		list = append(list, v)
	}
	return list
}

// ends finds in the log how the statement at entry i ended at each addressee without a
// stage. Of which nothing is found soon behind it, no more is said than that it was
// received.
func (n *Node) ends(i uint64, st *hotline.Statement, list []desk.AddresseeView) {
	stages := map[hotline.Party]desk.Stage{}
	for raw, err := range n.machine.store.Entries(i+1, min(n.machine.store.Size(), i+1+receiptHorizon)) {
		if err != nil || !slices.ContainsFunc(list, func(v desk.AddresseeView) bool { return v.Stage == "" && stages[v.Party] == "" }) {
			break
		}
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			break
		}
		if p, stage := endIn(content, i, st); stages[p] == "" {
			stages[p] = stage
		}
	}
	for k := range list {
		if v := &list[k]; v.Stage == "" {
			v.Stage = cmp.Or(stages[v.Party], desk.StageReceived)
		}
	}
}

// endIn says whose end of the statement at entry i another entry holds: its reject or
// its acknowledgement, or its receipt where nobody acknowledges. "": none.
func endIn(content any, i uint64, st *hotline.Statement) (p hotline.Party, stage desk.Stage) {
	switch c := content.(type) {
	case *hotline.Receipted:
		if rc, err := hotline.ParseReceipt(c.Receipt); err == nil && c.Index == i && !st.Header.Kind.Rules().OpensAck {
			return rc.Party, desk.StageReceived
		}
	case *hotline.Received:
		said, err := hotline.Parse(c.Statement)
		if err != nil || c.Code != "" || said.Header.Re == nil || *said.Header.Re != st.ID {
			return "", ""
		}
		switch said.Header.Kind {
		case hotline.KindReject:
			return said.Header.From, desk.StageRejected
		case hotline.KindAcknowledgement:
			return said.Header.From, desk.StageAcknowledged
		}
	}
	return "", ""
}

func stageOf(o *ledger.Sent) desk.Stage {
	switch {
	case o.Acknowledged:
		return desk.StageAcknowledged
	case o.Receipted:
		return desk.StageReceived
	case o.Undelivered:
		return desk.StageUndelivered
	}
	return desk.StageTendered
}

// maxPrefix bounds how many ids a prefix may match before it is refused.
const maxPrefix = 2

func (n *Node) find(prefix string) (uint64, error) {
	b, err := hex.DecodeString(prefix[:len(prefix)&^1])
	if err != nil || len(prefix) > 2*len(hotline.ID{}) {
		return 0, hotline.Refuse(hotline.CodeMalformed, "%q is not the beginning of an id: hexadecimal digits, at most %d", prefix, 2*len(hotline.ID{}))
	}
	var found []hotline.ID
	all := n.machine.indexed() // before the look: what comes meanwhile may be missed
	for _, id := range n.machine.ids().prefix(b, 64) {
		if id.String()[:len(prefix)] == prefix {
			found = append(found, id)
		}
	}
	switch {
	case len(found) == 0 && !all:
		return 0, hotline.Refuse(hotline.CodeBusy, "no statement's id begins with %s in what this node has read of its log so far: ask again, or another node", prefix)
	case len(found) == 0:
		return 0, hotline.Refuse(hotline.CodeNotFound, "no statement's id begins with %s", prefix)
	case len(found) >= maxPrefix:
		return 0, hotline.Refuse(hotline.CodeReference, "%d statements' ids begin with %s; give more digits", len(found), prefix)
	}
	i, _ := n.machine.ids().find(found[0])
	return i, nil
}

func (n *Node) show(who *desk.Officer, r *desk.ShowRequest, send func(*desk.Reply) error) error {
	i, err := n.find(r.ID)
	if err != nil {
		return err
	}
	st, e, content, err := n.statementAt(i)
	if err != nil {
		return err
	}
	v := &desk.ShowView{Item: n.item(i, st, e, content), Raw: st.Raw, Scope: e.Scope}
	n.proofs(i, content, v)
	n.machine.view(func(s *ledger.State) { v.Case, v.Late = caseView(s, st), lateViews(s, st) })
	if st.Header.Kind.Rules().Sealed {
		switch blind, body, err := n.openStatement(st); {
		case !who.MayRead():
			v.Unreadable = "this role does not read bodies"
		case err != nil:
			v.Unreadable = err.Error()
		default:
			v.Body, v.Blind = body, blind[:]
		}
	}
	return send(&desk.Reply{Show: v})
}

// caseView is how far the case of a statement is; nil: it has none, or none
// that is remembered.
func caseView(s *ledger.State, st *hotline.Statement) *desk.CaseView {
	in := st.InCase()
	if in == nil {
		return nil
	}
	k := s.Case(*in)
	if k == nil {
		return nil
	}
	v := &desk.CaseView{ID: k.ID, Stage: desk.Stage(k.Stage.String()), Detected: k.Detected, Opened: k.Opened, Assessed: k.Assessed}
	for _, p := range k.Parties {
		if p == s.Self() {
			continue
		}
		for _, pair := range [][2]hotline.Party{{s.Self(), p}, {p, s.Self()}} {
			if l := s.Life(k, pair[0], pair[1]); l.Stage != 0 || len(l.Marks()) > 0 && pair[0] == k.ID.Party {
				v.Lives = append(v.Lives, desk.LifeView{Teller: pair[0], Told: pair[1], Stage: desk.Stage(l.Stage.String()), Marks: l.Marks()})
			}
		}
	}
	return v
}

// lateViews are the own duties of a statement's case that were overdue, or those
// of the line that a statement without a case came by.
func lateViews(s *ledger.State, st *hotline.Statement) (views []desk.LateView) {
	var list []ledger.Late
	if in := st.InCase(); in != nil {
		if k := s.Case(*in); k != nil {
			list = k.Late
		}
	} else if p := s.Pair(st.Header.From); p != nil {
		list = p.Late
	}
	for _, l := range list[max(0, len(list)-hotline.MaxDeskDuties):] {
		views = append(views, desk.LateView(l))
	}
	return views
}

// proofs adds what tender and receipts claim.
func (n *Node) proofs(i uint64, content any, v *desk.ShowView) {
	switch c := content.(type) {
	case *hotline.Received:
		v.Marks = c.Marks
		if t, err := hotline.ParseReceipt(c.Tender); err == nil {
			v.Tender = &t.Claims
		}
		if raw, err := n.receiptFor(i); err == nil {
			if rc, err := hotline.ParseReceipt(raw); err == nil {
				v.Receipts = append(v.Receipts, rc.Claims)
			}
		}
	case *hotline.Sent:
		v.Marks = c.Marks
		if len(c.Sequences) == 0 {
			return
		}
		if p, err := n.tenderFor(i); err == nil {
			if t, err := hotline.ParseReceipt(p.tender); err == nil {
				v.Tender = &t.Claims
			}
		}
		v.Receipts = n.receiptsOf(i, len(c.Sequences))
	}
}

// receiptHorizon is how many entries behind a statement are read for what its
// addressees said of it.
const receiptHorizon = 4096

// receiptsOf looks for the peers' receipts of the statement at entry i. They
// stand behind it, soon after as a rule.
func (n *Node) receiptsOf(i uint64, want int) (list []hotline.Claims) {
	for raw, err := range n.machine.store.Entries(i+1, min(n.machine.store.Size(), i+1+receiptHorizon)) {
		if err != nil || len(list) == want {
			break
		}
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			break
		}
		if rc, ok := content.(*hotline.Receipted); ok && rc.Index == i {
			if p, err := hotline.ParseReceipt(rc.Receipt); err == nil {
				list = append(list, p.Claims)
			}
		}
	}
	return list
}

// export streams the log up to the size that this node can sign now.
func (n *Node) export(ctx context.Context, r *desk.ExportRequest, send func(*desk.Reply) error) error {
	c, note, err := n.checkpoint()
	if err != nil {
		return err
	}
	from := min(r.From, c.Size)
	var list [][]byte
	size := 0
	flush := func() error {
		chunk := &desk.ExportChunk{From: from, Entries: slices.Clone(list), Size: c.Size}
		from += uint64(len(list))
		list, size = list[:0], 0
		return send(&desk.Reply{Export: chunk})
	}
	for raw, err := range n.machine.store.Entries(from, c.Size) {
		if err != nil {
			return err
		}
		list = append(list, raw)
		if size += len(raw) + 8; size >= hotline.ExportChunk || len(list) == hotline.MaxArrayItems {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return send(&desk.Reply{Export: &desk.ExportChunk{From: from, Size: c.Size, Checkpoint: note, Cosigned: n.cosigned(ctx, c.Size)}})
}
