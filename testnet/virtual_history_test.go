package testnet_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// history is what was seen of a run: every page and every end of pages, and the last lines of what happened.
type history struct {
	mu    sync.Mutex
	lines []string
	heard []heard
	rolls sync.Mutex // guards the plan's random numbers
}

// lastLines is how much of what happened is shown when a run fails.
const lastLines = 200

func (h *history) note(at hotline.Time, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, time.UnixMilli(int64(at)).UTC().Format("01-02 15:04:05.000 ")+fmt.Sprintf(format, args...))
	if len(h.lines) > 2*lastLines {
		h.lines = append(h.lines[:0], h.lines[len(h.lines)-lastLines:]...)
	}
}

func (h *history) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines[max(0, len(h.lines)-lastLines):], "\n")
}

// matter names a duty as a page does.
type matter struct {
	duty    hotline.Duty
	subject string // short id
	peer    hotline.Party
}

// heard is a page, or the end of all pages about a matter.
type heard struct {
	party hotline.Party
	node  string
	at    hotline.Time // by the node's clock
	about matter
	page  bool
	told  bool // a desk that watches was told; else the leader's log says that it woke somebody
}

func (h *history) hear(x heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, x)
}

// hear takes what a node tells a watching desk.
func (p *party) hear(node string, e *desk.Event) {
	now := p.w.now()
	switch e.Type {
	case desk.EventPage, desk.EventStop:
		page := e.Type == desk.EventPage
		if strings.HasPrefix(e.Text, "rejected: ") {
			break // a page about what came of it, not one that it be done
		}
		p.w.history.hear(heard{p.Code, node, now, matter{e.Duty, e.ID.Short(), e.Peer}, page, true})
	case desk.EventReceived:
		p.mu.Lock()
		first := !p.seen[e.ID]
		p.seen[e.ID] = true
		p.mu.Unlock()
		if first {
			p.received(e)
		}
	case desk.EventLost:
		p.w.t.Errorf("%s missed %d events of %s", p.Code, e.Index, node)
	}
	if e.Type != desk.EventBegin {
		p.w.history.note(now, "%s: %s %s %s %s of %s, due %d, entry %d", node, e.Type, e.Kind, e.Duty, e.ID.Short(), e.Peer, e.Due, e.Index)
	}
}

// listener reads a node's log: who leads, and whom the leader wakes.
type listener struct {
	p    *party
	node string
}

func (l *listener) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *listener) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *listener) WithGroup(string) slog.Handler                    { return l }

func (l *listener) Handle(_ context.Context, r slog.Record) error {
	now := l.p.w.now()
	values := map[string]any{}
	var text strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.Any()
		fmt.Fprintf(&text, " %s=%v", a.Key, a.Value)
		return true
	})
	switch {
	case r.Message == "this node leads its group":
		l.p.up()
	case r.Message == "page" && strings.HasPrefix(fmt.Sprint(values["note"]), "rejected: "):
	case r.Message == "page":
		about := matter{values["duty"].(hotline.Duty), values["statement"].(string), values["peer"].(hotline.Party)}
		l.p.w.history.hear(heard{l.p.Code, l.node, now, about, true, false})
	case r.Level < slog.LevelWarn:
		return nil
	}
	l.p.w.history.note(now, "%s: log: %s%s", l.node, r.Message, text.String())
	return nil
}
