package audit

import (
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// wake does what a leader with two channels does: the first refuses, the
// second takes it, now and then only after the thing was done.
func (p *peer) wake() {
	p.w.t.Helper()
	for _, x := range p.state.Pagings(p.w.now) {
		entry := &hotline.Page{Due: x.Page.Index, Key: x.Key[:], Repeat: x.Repeat}
		switch {
		case x.Stage == ledger.PageIntend:
			entry.Routes = []hotline.PageRoute{{Targets: x.Page.Targets, Channels: []string{"mail", "hook"}}}
		case x.Stage == ledger.PageBreak:
			entry.End, entry.Node = hotline.PageStopped, p.Name("1")
		case x.Stage == ledger.PageTry && x.Page.Index%2 == 0:
			entry.End, entry.Node = hotline.PageDelivered, p.Name("1")
			entry.Attempts = []hotline.PageAttempt{{Channel: "mail", Tries: 2, First: p.w.now, Last: p.w.now, Result: hotline.PageRefused},
				{Channel: "hook", Tries: 1, First: p.w.now, Last: p.w.now, Result: hotline.PageTaken}}
		default:
			continue
		}
		p.do(&ledger.Command{Type: ledger.Paged, Page: entry})
	}
}

// Promise: an auditor reads in plain words who was to be woken by what, and
// what came of it, and a log that says so replays without an observation.
func TestPagesAreToldAndReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	w.wakes = true
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	w.at("XA").send(alert, "XB")
	w.at("XB").tick()
	w.pass(minute)
	w.at("XB").acknowledge(alert)
	w.at("XB").tick()
	r := audited(t, w.at("XB").export())
	wantFound(t, r)
	all := text(t, r)
	for _, want := range []string{"XB intends to page for the rung of entry ", "XB-L1, XB-L2 by mail, then hook", "XB: the page for the rung of entry "} {
		if !strings.Contains(all, want) {
			t.Errorf("the report does not say %q:\n%s", want, all)
		}
	}
}

// Promise: an end that no intent came before is a breach of the rules, like
// every entry that the decisions do not make.
func TestForgedPageIsObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	w.wakes = true
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	w.at("XA").send(alert, "XB")
	b := w.at("XB")
	i := last(t, b.entries, hotline.EntryPage)
	b.entries[i] = reenter(t, b.entries[i], func(_ *hotline.Entry, c any) { c.(*hotline.Page).Due++ })
	if r := audited(t, b.export()); r.ExitCode() != ExitProtocol {
		t.Errorf("a page for a rung that is none goes unnoticed: %v", found(r))
	}
}
