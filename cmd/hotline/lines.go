package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
)

// item is one statement of the inbox in one line.
func (p *sheet) item(it *desk.InboxItem) string {
	who := string(it.From)
	if len(it.To) > 0 {
		who += "→" + joinParties(it.To)
	}
	parts := []string{p.sign(it.Status) + " " + p.Isolate(it.ID.Short()), p.Isolate(clock(it.Time)),
		p.column("direction", p.Word(codebook.Directions, string(it.Direction))) + " " + p.column("precedence", p.Precedence(it.Precedence)) + " " +
			p.column("status", p.Status(it.Status)) + " " + p.column("kind", p.Kind(it.Kind)) + " " + p.Isolate(who)}
	if it.Verdict != 0 {
		parts = append(parts, p.Verdict(it.Verdict))
	}
	if it.Code != "" {
		parts = append(parts, p.Say("rejected", "code", string(it.Code)))
	}
	for _, a := range it.Addressees {
		parts = append(parts, p.Isolate(string(a.Party))+":"+p.Word(codebook.Stages, string(a.Stage)))
	}
	switch a := it.Ack; {
	case a == nil:
	case a.Acknowledged:
		parts = append(parts, p.Say("acknowledged"))
	case a.Overdue:
		parts = append(parts, p.Say("acknowledgement-overdue", "time", clock(a.Deadline)))
	default:
		parts = append(parts, p.Say("acknowledge-by", "time", clock(a.Deadline)))
	}
	return strings.Join(parts, "  ")
}

// draft is one draft in one line.
func (p *sheet) draft(h *hotline.Header, id hotline.ID, since hotline.Time, waitsFor string) string {
	return strings.Join([]string{p.sign(h.Status) + " " + p.Isolate(id.Short()), p.Isolate(clock(since)),
		p.column("precedence", p.Precedence(h.Precedence)) + " " + p.column("status", p.Status(h.Status)) + " " + p.column("kind", p.Kind(h.Kind)) + " → " +
			p.parties(h.To), p.Say("draft-waits", "officer", waitsFor)}, "  ")
}

// duty is one open duty in one line, as it stands at now.
func (p *sheet) duty(d *desk.DutyView, now hotline.Time) string {
	line := pad(p.Say("duty", "duty", p.Duty(d.Class)), 26) + " " + p.Isolate(d.Subject.Short())
	if d.Peer != "" {
		line += " " + p.Isolate(string(d.Peer))
	}
	if d.Status != 0 {
		line += " " + p.signed(d.Status)
	}
	if d.Precedence != 0 {
		line += " " + p.Precedence(d.Precedence)
	}
	left := time.Duration(d.Deadline-now) * time.Millisecond
	if d.Overdue || left < 0 {
		line += ", " + p.Say("overdue-since", "time", clock(d.Deadline))
	} else {
		line += ", " + p.Say("due", "time", clock(d.Deadline), "span", span(left))
	}
	if n := d.Next; n != nil && n.Office != "" {
		line += "; " + p.Say("then", "office", p.Word(codebook.Offices, printable(n.Office)), "targets", printable(strings.Join(n.Targets, " ")), "time", clock(n.Due))
	}
	return line
}

// event is one event of a watch in one line.
func (p *sheet) event(e *desk.Event) string {
	parts := []string{p.Isolate(clock(e.Time)) + " ", p.column("event", p.Word(codebook.Events, string(e.Type)))}
	add := func(part string) { parts = append(parts, part) }
	if e.Status != 0 {
		add(p.signed(e.Status))
	}
	if e.Precedence != 0 {
		add(p.Precedence(e.Precedence))
	}
	if e.Kind != 0 {
		add(p.Kind(e.Kind))
	}
	if !e.ID.IsZero() {
		add(p.Isolate(e.ID.Short()))
	}
	if e.From != "" {
		add(p.Say("of", "party", string(e.From)))
	}
	if e.Peer != "" && e.Peer != e.From {
		add(p.Isolate(string(e.Peer)))
	}
	if e.Duty != 0 {
		add(p.Say("duty", "duty", p.Duty(e.Duty)))
	}
	if e.Overdue {
		add(p.Say("overdue"))
	}
	if e.Office != "" {
		add(p.Word(codebook.Offices, printable(e.Office)) + " (" + p.Isolate(printable(strings.Join(e.Targets, " "))) + ")")
	}
	if e.Text != "" {
		add(p.Isolate(printable(e.Text)))
	}
	switch e.Type {
	case desk.EventBegin:
		add(p.Say("at-entry", "index", strconv.FormatUint(e.Index, 10)))
	case desk.EventLost:
		add(p.Say("missed", "count", strconv.FormatUint(e.Index, 10), "command", "hotline status, hotline inbox"))
	}
	return strings.Join(parts, " ")
}

// hit is one sensor hit in one line.
func (p *sheet) hit(h *hotline.Hit) string {
	what := p.Word(codebook.HitDirections, h.Direction.String()) + " " + p.Word(codebook.HitEvidence, h.Evidence.String())
	if !h.RolesConfirmed {
		what += ", " + p.Say("hit-unconfirmed")
	}
	if h.Nature != 0 {
		what += ", " + p.Word(codebook.HitNatures, h.Nature.String())
	}
	to := ""
	if len(h.To) > 0 {
		to = " → " + firstOf(h.To, h.ToTotal)
	}
	port := ""
	if h.Port != 0 {
		port = " " + p.Say("hit-port", "port", strconv.Itoa(int(h.Port)))
	}
	if h.Reporter != "" {
		port += " [" + p.Isolate(h.Reporter) + "]"
	}
	return what + " " + p.Isolate(firstOf(h.From, h.FromTotal)+to) + port +
		" " + p.Isolate(fmt.Sprintf("×%d %s: %s", h.Count, h.Protocol, h.Signatures[0]))
}

// firstOf shows the first of a list and how many there are beside it.
func firstOf(list []string, total uint) string {
	if total > 1 {
		return fmt.Sprintf("%s (+%d)", list[0], total-1)
	}
	return list[0]
}

// status is how the group, its lines and its duties are.
func (p *sheet) status(v *desk.StatusView) {
	leader := p.Isolate(v.Leader)
	if v.Leader == "" {
		leader = p.Say("nobody")
	}
	line := p.Say("node", "party", string(v.Party), "node", v.Node, "member", p.Word(codebook.Members, v.Role), "leader", leader,
		"voters", strings.Join(v.Voters, " "))
	if len(v.Learners) > 0 {
		line += ", " + p.Say("learning", "learners", strings.Join(v.Learners, " "))
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	p.line(line)
	if v.Observer {
		p.line(p.Say("observes", "party", string(v.Party)))
	}
	p.line(p.Say("log", "generation", number(v.Generation), "size", number(v.Size), "time", clock(v.Time), "root", v.Root.Short()))
	p.line(p.Say("documents", "convention", v.Convention.Short(), "version", number(v.ConventionVersion), "directory", number(v.Directory),
		"ladder", number(v.Ladder)))
	p.witnesses(v.Cosigned, v.Size, v.Parties, v.Clock)
	p.line(p.Say("waiting", "hits", number(v.Triage), "drafts", number(v.Drafts)))
	for i := range v.Peers {
		l := &v.Peers[i]
		if l.Observer {
			p.line(p.Say("line-observer", "party", pad(string(l.Party), 8), "link", p.column("link", p.Word(codebook.Links, string(l.Link)))))
			continue
		}
		p.line(p.Say("line", "party", pad(string(l.Party), 8), "link", p.column("link", p.Word(codebook.Links, string(l.Link))),
			"outbox", number(l.Outbox), "tested", clock(l.Tested), "missed", number(l.Missed)))
	}
	for _, post := range v.Posts {
		p.line(p.Say("post", "role", p.Word(codebook.Roles, string(post.Role)), "officer", post.Officer, "time", clock(post.Since)))
	}
	for i := range v.Duties {
		p.line(p.duty(&v.Duties[i], v.Clock))
	}
	if v.MoreDuties > 0 {
		p.line(p.Say("more-duties", "count", number(v.MoreDuties)))
	}
	for _, text := range v.Alarms {
		p.line(p.Say("alarm", "text", printable(text)))
	}
	p.notice()
}

// caseOf prints how far the case of a statement is, and what was overdue.
func (p *sheet) caseOf(v *desk.ShowView) {
	if c := v.Case; c != nil {
		p.field("case", p.Isolate(c.ID.Key())+"  "+p.Word(codebook.Stages, string(c.Stage)))
		for _, l := range c.Lives {
			words := []string{p.Word(codebook.Stages, string(l.Stage))}
			for _, m := range l.Marks {
				words = append(words, p.Word(codebook.Stages, m))
			}
			p.named(p.Isolate(string(l.Teller)+" → "+string(l.Told)), strings.Join(words, ", "))
		}
		for _, t := range []struct {
			label string
			at    hotline.Time
		}{{"detected", c.Detected}, {"adopted", c.Opened}, {"assessed", c.Assessed}} {
			if c.Detected != 0 && t.at != 0 {
				p.given(t.label, clock(t.at))
			}
		}
	}
	for i := range v.Late {
		p.field("late", p.late(&v.Late[i]))
	}
}

// late is one duty that was overdue, with when it was done and why it was late, so far as that is known.
func (p *sheet) late(l *desk.LateView) string {
	parts := []string{p.Duty(l.Class) + " " + p.Isolate(strings.TrimSpace(l.Subject.Short()+" "+string(l.Peer))),
		p.Say("overdue-since", "time", clock(l.Due)), p.Say("at-entry", "index", strconv.FormatUint(l.Entry, 10))}
	if l.Done != 0 {
		parts = append(parts, p.Say("done", "time", clock(l.Done)))
	}
	if l.Reason != "" {
		parts = append(parts, p.Word(codebook.Reasons, string(l.Reason)))
	}
	return strings.Join(parts, ", ")
}
