package testnet

import (
	"bytes"
	"context"
	_ "embed" // the bundled feed
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/sensor"
)

//go:embed testdata/sample-eve.ndjson
var sampleFeed []byte

// Story says how the story is told.
type Story struct {
	// Detections is a Suricata EVE file that the first party's sensor wrote; empty: the bundled sample.
	Detections string
	// Begin is when the whole thing began: steps are timed from there.
	Begin time.Time
	// Tell is called with each step as it is over.
	Tell func(Step)
}

// story is a telling under way. XA warns XB; every other party stands by, with its lines tested.
type story struct {
	Story
	w              *Network
	xa, xb         *Party
	heardA, heardB *Watch             // what the auditors of either side hear
	releaser, desk *Watch             // what XA-R1 and XB-L1 hear at their own machines
	unread         *hotline.Statement // the alert that nobody at XB answers in time
	report         *Report
}

// Run tells the story over a network that is ready: one warning that goes well, one that nobody answers, one that nobody releases, a
// line test, and an audit of all logs. It waits for events of the desks alone. It fails if anything is otherwise than the
// story says, down to the auditor's observations, and if a process ends.
func (w *Network) Run(ctx context.Context, how Story) (report *Report, err error) {
	err = w.whileUp(ctx, func(ctx context.Context) (err error) {
		report, err = w.tell(ctx, how)
		return err
	})
	return report, err
}

func (w *Network) tell(ctx context.Context, how Story) (*Report, error) {
	c := w.Documents.Convention()
	s := &story{Story: how, w: w, xa: w.Parties[0], xb: w.Parties[1], report: &Report{Dir: w.Dir, Convention: c.ID.String(), Terms: c.Terms.Profile}}
	for _, place := range []struct {
		watch **Watch
		who   *Officer
	}{{&s.heardA, s.xa.Officer("U1")}, {&s.heardB, s.xb.Officer("U1")}, {&s.releaser, s.xa.Officer("R1")}, {&s.desk, s.xb.Officer("L1")}} {
		heard, err := place.who.Watch(ctx)
		if err != nil {
			return nil, err
		}
		defer heard.Close()
		*place.watch = heard
	}
	for _, chapter := range []func(context.Context) error{s.opening, s.answered, s.unanswered, s.unreleased, s.lineTest, s.late, s.audited} {
		if err := chapter(ctx); err != nil {
			return nil, err
		}
	}
	s.report.Elapsed = time.Since(s.Begin).Milliseconds()
	return s.report, nil
}

// step tells one line.
func (s *story) step(p *Party, did, fact, proves string) {
	line := Step{At: time.Since(s.Begin).Milliseconds(), Did: did, Fact: fact, Proves: proves}
	if p != nil {
		line.Party = p.Code
	}
	s.report.Steps = append(s.report.Steps, line)
	if s.Tell != nil {
		s.Tell(line)
	}
}

// opening: what stands before anything happens.
func (s *story) opening(ctx context.Context) error {
	c := s.w.Documents.Convention()
	var codes []string
	for _, p := range s.w.Parties {
		codes = append(codes, string(p.Code))
	}
	s.step(nil, fmt.Sprintf("%s sign one convention with their root keys", strings.Join(codes, ", ")),
		fmt.Sprintf("convention %s, terms %q; every party's directory is signed under it", c.ID.Short(), c.Terms.Profile),
		"what binds the parties is one text with one id, which every statement names")
	var leaders []string
	for _, p := range s.w.Parties {
		v, err := p.Officer("U1").Status(ctx)
		if err != nil {
			return err
		}
		leaders = append(leaders, v.Leader)
	}
	s.step(nil, fmt.Sprintf("%d parties of %d nodes run as %d processes", len(s.w.Parties), len(s.xa.Nodes), len(s.w.Parties)*len(s.xa.Nodes)),
		"each group has its log and its leader: "+strings.Join(leaders, ", "),
		"every party decides by itself: no group spans two parties, and no line needs a third")
	return nil
}

// matter is one case on its way.
type matter struct {
	id         hotline.CaseID
	precedence hotline.Precedence
	detected   hotline.Time
	assessment *hotline.Statement
	facts      hotline.Facts
}

// detect adopts a hit, or enters what an operator was told.
func (s *story) detect(ctx context.Context, precedence hotline.Precedence, hit *hotline.Hit, text string) (*matter, *desk.SubmitView, error) {
	m := &matter{precedence: precedence, detected: now(), facts: hotline.Facts{Nature: 3, Category: 5, Relation: 1, Actor: 1, State: 1}}
	adopts := ""
	if hit != nil {
		adopts = hit.Key
		m.detected = min(hotline.Time(hit.First), m.detected)
		m.facts.Indicators = hit.Signatures
		m.facts.Networks = networksOf(hit)
	}
	o := s.xa.Officer("O1")
	st, err := o.Sign(Letter{Kind: hotline.KindDetection, Precedence: precedence, Detected: m.detected, Body: &hotline.Detection{Text: text, Hit: hit}})
	if err != nil {
		return nil, nil, err
	}
	m.id = hotline.CaseID{Party: s.xa.Code, ID: st.ID}
	v, err := o.Submit(ctx, st, adopts)
	return m, v, err
}

// networksOf names each source of a hit as a network of one address.
func networksOf(hit *hotline.Hit) []string {
	var list []string
	for _, text := range hit.From {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, netip.PrefixFrom(a, a.BitLen()).String())
		}
	}
	return list
}

// assess finds that XB must be told.
func (s *story) assess(ctx context.Context, m *matter) (*desk.SubmitView, error) {
	st, v, err := s.xa.Officer("O1").Say(ctx, Letter{Kind: hotline.KindAssessment, Precedence: m.precedence, Case: &m.id, Re: &m.id.ID,
		Assessed: now(), Verdict: hotline.Notifiable, Notify: []hotline.Party{s.xb.Code},
		Answers: []bool{true, true, false, true}, Body: &hotline.Assessment{Facts: m.facts}})
	m.assessment = st
	return v, err
}

// alert has two officers write and release the alert.
func (s *story) alert(ctx context.Context, m *matter, text string) (*hotline.Statement, *desk.SubmitView, error) {
	id, err := s.xa.Officer("O1").Draft(ctx, Letter{Kind: hotline.KindAlert, Precedence: m.precedence, To: []hotline.Party{s.xb.Code},
		Case: &m.id, Re: &m.assessment.ID, Detected: m.detected, Assessed: m.assessment.Header.Assessed, With: s.xa.Officer("R1"),
		Body: &hotline.Alert{Facts: m.facts, Language: "en", Text: text}})
	if err != nil {
		return nil, nil, err
	}
	_, err = s.releaser.Wait(ctx, "the draft waits for the releaser", func(e *desk.Event) bool { return e.Type == desk.EventWake && e.ID == id })
	if err != nil {
		return nil, nil, err
	}
	return s.xa.Officer("R1").Release(ctx, id)
}

// after is the time between two entries, for people.
func after(from, at hotline.Time) string {
	return (time.Duration(at-from) * time.Millisecond).String()
}

// feed opens the sensor's feed.
func (s *story) feed() (io.ReadCloser, error) {
	if s.Detections == "" {
		return io.NopCloser(bytes.NewReader(sampleFeed)), nil
	}
	return os.Open(s.Detections)
}

// maxTriage bounds the hits that the story puts into triage, those that left the territory first: a person reads them.
const maxTriage = 256

// sense reads the feed and puts what it holds into triage. It returns the hits that left the territory, the strongest evidence first.
func (s *story) sense(ctx context.Context) ([]hotline.Hit, error) {
	in, err := s.feed()
	if err != nil {
		return nil, fmt.Errorf("sensor feed: %w", err)
	}
	defer in.Close()
	territory, err := sensor.NewPrefixes(s.xa.territory)
	if err != nil {
		return nil, err
	}
	found, err := sensor.ReadSuricata(in, territory, sensor.Options{})
	if err != nil {
		return nil, err
	}
	outbound := slices.DeleteFunc(slices.Clone(found.Hits), func(h hotline.Hit) bool { return h.Direction != hotline.HitOutbound })
	slices.SortStableFunc(outbound, func(a, b hotline.Hit) int { return strength(&b) - strength(&a) })
	if len(outbound) == 0 {
		return nil, fmt.Errorf("nothing in the feed leaves the territory %s: name another with --territory", strings.Join(s.xa.territory, ", "))
	}
	others := slices.DeleteFunc(slices.Clone(found.Hits), func(h hotline.Hit) bool { return h.Direction == hotline.HitOutbound })
	all := append(slices.Clone(outbound), others...)
	all = all[:min(len(all), maxTriage)]
	for part := range slices.Chunk(all, 32) {
		if _, err := s.xa.Officer("T1").Ask(ctx, &desk.Request{Hits: &desk.HitsRequest{Hits: part}}); err != nil {
			return nil, err
		}
	}
	s.step(s.xa, fmt.Sprintf("XA's sensor feed is read: %d lines, %d alerts, %d broken; %d hits, %d of them leave the territory",
		found.Lines, found.Events, found.Broken, len(found.Hits), len(outbound)),
		fmt.Sprintf("%d hits wait in triage on every node; the log has no entry of them", len(all)),
		"a sensor alone obliges nobody: a hit counts only when a person adopts it")
	return outbound, nil
}

// strength orders hits by what they are worth as evidence.
func strength(h *hotline.Hit) (n int) {
	if h.Evidence == hotline.HitObserved {
		n += 4
	}
	if h.DestinationKnown {
		n += 2
	}
	if h.Count > 1 {
		n++
	}
	return n
}

// conclude says what a hit that left the territory lets one say, and what not.
func conclude(h *hotline.Hit) string {
	events := fmt.Sprintf("%d events", h.Count)
	if h.Count == 1 {
		events = "one event"
	}
	roles := ""
	if !h.RolesConfirmed {
		roles = "direction unconfirmed, "
	}
	text := fmt.Sprintf("%s to %s: left our territory, %s%s, %s; ", strings.Join(h.From, " "), strings.Join(h.To[:min(len(h.To), 3)], " "), roles, events, h.Evidence)
	switch {
	case h.Evidence == hotline.HitListed:
		return text + "weak: the address stands on lists, which say nothing of what it did"
	case !h.DestinationKnown:
		return text + "whose network it reached cannot be known from the feed: the sensor's location must be declared"
	}
	return text + "whose network it reached can be looked up, and stands in no line of the feed"
}

// answered: a warning that goes as it should.
func (s *story) answered(ctx context.Context) error {
	hits, err := s.sense(ctx)
	if err != nil {
		return err
	}
	for i := range hits {
		s.report.Hits = append(s.report.Hits, HitLine{hits[i], conclude(&hits[i])})
	}
	m, v, err := s.detect(ctx, hotline.Priority, &hits[0], "")
	if err != nil {
		return err
	}
	s.step(s.xa, fmt.Sprintf("XA-O1 adopts the strongest hit (%s)", conclude(&hits[0])), fmt.Sprintf("entry %d of XA: detection %s, T0 is fixed", v.Index, v.ID.Short()),
		"from now on XA owes an assessment, and its own ladder runs")
	if v, err = s.assess(ctx, m); err != nil {
		return err
	}
	s.step(s.xa, "XA-O1 answers the questions: NOTIFIABLE, XB must be told", fmt.Sprintf("entry %d of XA: assessment %s, signed", v.Index, v.ID.Short()),
		"whom to tell is an officer's signed decision; no state is inferred from an address")
	const text = "Connections from our territory to many hosts of yours were seen. We look into their origin and tell you more."
	alert, v, err := s.alert(ctx, m, text)
	if err != nil {
		return err
	}
	s.step(s.xa, "XA-O1 writes the alert, XA-R1 releases it with a second signature", fmt.Sprintf("entry %d of XA: alert %s, number %d towards XB, tendered",
		v.Index, alert.ID.Short(), v.Sequences[0].N), "XA was in time, whatever XB does: that is judged on tendered")
	if err := s.arrive(ctx, alert, v.Time, text); err != nil {
		return err
	}
	return s.acknowledged(ctx, alert)
}

// arrive follows a statement into XB's log and its receipt back into XA's.
func (s *story) arrive(ctx context.Context, st *hotline.Statement, tendered hotline.Time, text string) error {
	e, err := s.heardB.Wait(ctx, "XB receives the alert", func(e *desk.Event) bool { return e.Type == desk.EventReceived && e.ID == st.ID })
	if err != nil {
		return err
	}
	if text != "" && bytes.Contains(st.Raw, []byte(text)) {
		return fmt.Errorf("the text of alert %s can be read in its signed bytes: it is not sealed", st.ID.Short())
	}
	s.step(s.xb, fmt.Sprintf("XB receives %d bytes of signed CBOR with the body sealed, %s after tendering", len(st.Raw), after(tendered, e.Time)),
		fmt.Sprintf("entry %d of XB: received, on a majority of its nodes", e.Index),
		"XB verified XA's signatures and XA's tender: exactly these bytes stand in XA's log, with this number")
	_, err = s.heardA.Wait(ctx, "XA has the receipt", func(e *desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID && e.Peer == s.xb.Code })
	if err != nil {
		return err
	}
	view, _, err := s.xa.Officer("U1").Show(ctx, st.ID)
	if err != nil {
		return err
	}
	if len(view.Receipts) != 1 {
		return fmt.Errorf("XA holds %d receipts of %s, not one", len(view.Receipts), st.ID.Short())
	}
	r := view.Receipts[0]
	s.step(s.xa, fmt.Sprintf("XB's receipt is verified and logged by XA: entry %d of XB, %d voters", r.Index, r.Voters), "delivery is closed in XA",
		"XA can prove with XB's own signature that XB has it, and where")
	return nil
}

// acknowledged: XB's desk rings and a person answers.
func (s *story) acknowledged(ctx context.Context, st *hotline.Statement) error {
	page, err := s.desk.Wait(ctx, "XB's desk rings", func(e *desk.Event) bool { return e.Type == desk.EventPage && e.ID == st.ID && e.Office == "desk" })
	if err != nil {
		return err
	}
	l := s.xb.Officer("L1")
	view, got, err := l.Show(ctx, st.ID)
	if err != nil {
		return err
	}
	read := "as XA's officer signed it for such a case"
	if st.Header.Kind.Rules().Sealed {
		body, err := got.Disclose([32]byte(view.Blind), view.Body)
		if err != nil {
			return err
		}
		read = fmt.Sprintf("in the words of XA: %q", body.(*hotline.Alert).Text)
	}
	s.step(s.xb, fmt.Sprintf("XB's desk rings: %s are woken, XB-L1 reads it %s", strings.Join(page.Targets, " and "), read),
		fmt.Sprintf("%s with XB's clock to acknowledge running until %s", st.Header.Precedence, clock(page.Due+s.term(st))),
		"XB's group opens the body for its officers, who check it against what XA signed")
	ack, v, err := l.Acknowledge(ctx, got)
	if err != nil {
		return err
	}
	e, err := s.heardA.Wait(ctx, "XA has XB's acknowledgement", func(e *desk.Event) bool { return e.Type == desk.EventReceived && e.ID == ack.ID })
	if err != nil {
		return err
	}
	s.step(s.xb, "XB-L1 acknowledges in their own name", fmt.Sprintf("entry %d of XB, and entry %d of XA %s later", v.Index, e.Index, after(v.Time, e.Time)),
		"a person has it, with their own key; that is no agreement and no admission")
	return nil
}

func (s *story) term(st *hotline.Statement) hotline.Time {
	return hotline.Time(s.w.Documents.Convention().Terms.Acknowledge.At(st.Header.Precedence))
}

// clock is a time of day for people, UTC.
func clock(t hotline.Time) string { return time.UnixMilli(int64(t)).UTC().Format("15:04:05.000") }
