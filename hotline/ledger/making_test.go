package ledger_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// args are what stands behind the verb of a line: words, and key=value pairs.
type args struct {
	words []string
	pairs map[string]string
}

func parseArgs(list []string) args {
	a := args{pairs: map[string]string{}}
	for _, s := range list {
		if key, value, ok := strings.Cut(s, "="); ok {
			a.pairs[key] = value
		} else {
			a.words = append(a.words, s)
		}
	}
	return a
}

func (a args) word(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

func (a args) has(word string) bool { return slices.Contains(a.words, word) }

func (a args) number(key string) uint64 {
	n, err := strconv.ParseUint(a.pairs[key], 10, 64)
	if err != nil && a.pairs[key] != "" {
		panic("not a number: " + key + "=" + a.pairs[key])
	}
	return n
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func partiesOf(s string) []hotline.Party {
	var out []hotline.Party
	for _, p := range list(s) {
		out = append(out, hotline.Party(p))
	}
	slices.Sort(out)
	return out
}

var statusOf = map[string]hotline.Status{"actual": hotline.Actual, "exercise": hotline.Exercise, "test": hotline.Test}
var precedenceOf = map[string]hotline.Precedence{"flash": hotline.Flash, "immediate": hotline.Immediate,
	"priority": hotline.Priority, "routine": hotline.Routine}

// when reads a time of a story: 09:00:00.000 on the first day, 2d09:00:00.000
// on the third, or +10m and -1ms from base.
func when(s string, base hotline.Time) (hotline.Time, bool) {
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		d, err := time.ParseDuration(s)
		return base + hotline.Time(d.Milliseconds()), err == nil
	}
	days := 0
	if before, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.Atoi(before)
		if err != nil {
			return 0, false
		}
		days, s = n, rest
	}
	for _, layout := range []string{"15:04:05.000", "15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			sinceMidnight := t.Sub(t.Truncate(24 * time.Hour))
			return hotlinetest.Epoch + hotline.Time(sinceMidnight.Milliseconds()) + hotline.Time(days)*24*3600*1000, true
		}
	}
	return 0, false
}

func clock(t hotline.Time) string {
	ms := int64(t - hotlinetest.Epoch)
	day := int64(24 * 3600 * 1000)
	s := time.UnixMilli(ms % day).UTC().Format("15:04:05.000")
	if ms >= day {
		return fmt.Sprintf("%dd%s", ms/day, s)
	}
	return s
}

// st finds a statement by its name in the story.
func (w *world) st(name string) *hotline.Statement {
	s := w.statements[name]
	if s == nil {
		w.t.Fatalf("no statement is called %q", name)
	}
	return s
}

// name gives a statement its name, or the next of its kind.
func (w *world) name(st *hotline.Statement, as string) {
	if old, ok := w.names[st.ID]; ok && as == "" {
		w.statements[old] = st
		return
	}
	if as == "" {
		w.counts[st.Header.Kind.String()]++
		as = fmt.Sprintf("%s%d", st.Header.Kind, w.counts[st.Header.Kind.String()])
	}
	w.names[st.ID], w.statements[as] = as, st
}

func (w *world) called(id hotline.ID) string {
	if id.IsZero() {
		return "-"
	}
	if n, ok := w.names[id]; ok {
		return "$" + n
	}
	return "$unknown"
}

// options turns the key=value pairs of a line into changes of the header.
func (w *world) options(a args) []hotlinetest.Option {
	var out []hotlinetest.Option
	add := func(f func(h *hotline.Header)) { out = append(out, f) }
	for key, v := range a.pairs {
		switch key {
		case "status":
			add(func(h *hotline.Header) { h.Status = statusOf[v] })
		case "prec":
			add(func(h *hotline.Header) { h.Precedence = precedenceOf[v] })
		case "to":
			add(func(h *hotline.Header) { h.To = partiesOf(v) })
		case "notify":
			add(func(h *hotline.Header) { h.Notify = partiesOf(v) })
		case "issued":
			add(func(h *hotline.Header) {
				t, ok := when(v, w.now)
				if !ok {
					w.t.Fatalf("issued=%s", v)
				}
				h.Issued = t
			})
		case "in":
			add(func(h *hotline.Header) {
				h.Case = nil
				if v != "none" {
					c := hotlinetest.CaseOf(w.st(v))
					h.Case = &c
				}
			})
		case "re":
			add(func(h *hotline.Header) { id := w.st(v).ID; h.Re = &id })
		case "reason":
			add(func(h *hotline.Header) { h.Reason = hotline.Code(v) })
		case "cause":
			add(func(h *hotline.Header) { h.Cause = a.number("cause") + 1 })
		case "cv":
			add(func(h *hotline.Header) { h.ConventionVersion = a.number("cv") })
		case "dir":
			add(func(h *hotline.Header) { h.Directory = a.number("dir") })
		case "answers": // answers=yyn
			add(func(h *hotline.Header) {
				h.Answers = nil
				for _, c := range v {
					h.Answers = append(h.Answers, c == 'y')
				}
			})
		case "always":
			add(func(h *hotline.Header) { h.Always = a.number("always") })
		case "convention":
			add(func(h *hotline.Header) { h.Convention = hotline.ID{1, 2, 3} })
		}
	}
	return out
}

// about is the header of what refers to another statement, in its case.
func about(st *hotline.Statement) hotlinetest.Option {
	return func(h *hotline.Header) {
		id := st.ID
		h.Status, h.Precedence, h.Re = st.Header.Status, st.Header.Precedence, &id
		if c := st.InCase(); c != nil {
			h.Case = c
		}
	}
}

func toSender(st *hotline.Statement) hotlinetest.Option {
	return func(h *hotline.Header) { h.To = []hotline.Party{st.Header.From} }
}

// plan is a statement before its header is changed and signed.
type plan struct {
	kind    hotline.Kind
	options []hotlinetest.Option
	body    hotline.Body
	by      []string // posts; none: the service key
}

var note = &hotline.Note{Language: "en", Text: "words"}

// verbs say how each kind of statement is made out of the words of a line.
var verbs = map[string]func(w *world, m *member, a args) plan{
	"detect": func(w *world, m *member, a args) plan {
		return plan{hotline.KindDetection, []hotlinetest.Option{hotlinetest.Detected(w.now)}, &hotline.Detection{Text: "seen"}, []string{"O1"}}
	},
	"assess": func(w *world, m *member, a args) plan {
		o := []hotlinetest.Option{about(w.st(a.word(0))), hotlinetest.Assessed(w.now)}
		if a.word(1) == "below" {
			o = append(o, hotlinetest.Judged(hotline.BelowThreshold))
		} else {
			o = append(o, hotlinetest.Judged(hotline.Notifiable, partiesOf(a.word(1))...))
		}
		o = append(o, hotlinetest.Answers(false, false, false, false))
		return plan{hotline.KindAssessment, o, &hotline.Assessment{Facts: hotlinetest.Facts()}, []string{"O1"}}
	},
	"alert": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		o := []hotlinetest.Option{about(st), func(h *hotline.Header) { h.To = st.Header.Notify }}
		return plan{hotline.KindAlert, o, hotlinetest.AlertBody(), []string{"O1", "R1"}}
	},
	"ratify": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		o := []hotlinetest.Option{about(st), func(h *hotline.Header) { h.To = st.Header.To }}
		return plan{hotline.KindRatification, o, note, []string{"A1"}}
	},
	"text": func(w *world, m *member, a args) plan { return plan{hotline.KindText, nil, note, []string{"O1"}} },
	"ack": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		return plan{hotline.KindAcknowledgement, []hotlinetest.Option{about(st), toSender(st)}, note, []string{"L1"}}
	},
	"ladder": func(w *world, m *member, a args) plan {
		l := m.Rungs(a.number("number"))
		if a.has("watches") {
			l = m.Watches(a.number("number"), w.now)
		}
		if who := a.pairs["on"]; who != "" {
			l.Receiving[1].Targets = []string{who}
		}
		if a.has("bare") {
			only := []hotline.Rung{{Permille: 1000, Office: "director", Targets: []string{m.Name("A1")}}}
			l.Owing, l.Receiving = only, only
		}
		if a.has("slow") {
			l.Receiving = []hotline.Rung{{Permille: 1000, Office: "director", Targets: []string{m.Name("A1")}},
				{Permille: 10000, Office: "authority", Targets: []string{m.Name("A1")}}}
		}
		return plan{hotline.KindLadder, nil, l, []string{"A1"}}
	},
	"service": func(w *world, m *member, a args) plan {
		return plan{hotline.KindService, nil, &hotline.Service{Text: "maintenance"}, nil}
	},
	"unreadable": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		return plan{hotline.KindUnreadable, []hotlinetest.Option{about(st), toSender(st), hotlinetest.Reason(hotline.CodeUnreadable)}, &hotline.Service{}, nil}
	},
	"escalation": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		return plan{hotline.KindEscalation, []hotlinetest.Option{about(st), toSender(st)}, &hotline.Escalation{Due: w.now, Office: "director"}, nil}
	},
	"reject": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		return plan{hotline.KindReject, []hotlinetest.Option{about(st), toSender(st), hotlinetest.Reason(hotline.CodeHeader)}, &hotline.Reject{Sequence: max(a.number("of"), 1)}, nil}
	},
	"line-test": func(w *world, m *member, a args) plan {
		return plan{hotline.KindLineTest, nil, &hotline.LineTest{Serial: 1, Node: m.Name("1")}, nil}
	},
	"line-reply": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		return plan{hotline.KindLineReply, []hotlinetest.Option{about(st), toSender(st)}, &hotline.LineTest{Serial: 1, Node: m.Name("1")}, nil}
	},
	"non-delivery": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		return plan{hotline.KindNonDelivery, []hotlinetest.Option{about(st), hotlinetest.Reason(hotline.CodeNoReceipt)},
			&hotline.NonDelivery{To: partiesOf(a.word(1))[0], Due: w.now}, nil}
	},
	"automatic-alert": func(w *world, m *member, a args) plan {
		st := w.st(a.word(0))
		o := []hotlinetest.Option{about(st), func(h *hotline.Header) { h.To = st.Header.Notify }}
		return plan{hotline.KindAutomaticAlert, o, &hotline.AutomaticAlert{Assessment: st.Raw}, nil}
	},
}

// dispositionOf reads the word of a disposition.
var dispositionOf = map[string]hotline.Disposition{"interim": hotline.Interim, "final": hotline.Conclusive, "approved": hotline.Approved,
	"denied": hotline.Denied, "pending": hotline.Pending, "suspended": hotline.Suspended, "resumed": hotline.Resumed}

var words = &hotline.Words{Language: "en", Text: "words"}

func init() {
	facts := hotlinetest.Facts()
	for name, make := range map[string]func(w *world, m *member, a args) plan{
		"supplement": func(w *world, m *member, a args) plan {
			return plan{hotline.KindSupplement, toSame(w.st(a.word(0))), &hotline.Supplement{Facts: facts}, []string{"O1", "R1"}}
		},
		"progress": func(w *world, m *member, a args) plan {
			return plan{hotline.KindProgress, toSame(w.st(a.word(0))), &hotline.Progress{State: 1, Text: "words"}, []string{"O1", "R1"}}
		},
		"final": func(w *world, m *member, a args) plan {
			return plan{hotline.KindFinal, toSame(w.st(a.word(0))), &hotline.Final{Facts: facts, Text: "words"}, []string{"O1", "R1"}}
		},
		"retract": func(w *world, m *member, a args) plan {
			return plan{hotline.KindRetract, append(toSame(w.st(a.word(0))), hotlinetest.Reason("mistaken")), words, []string{"O1", "R1"}}
		},
		"information": func(w *world, m *member, a args) plan {
			return plan{hotline.KindInformation, nil, &hotline.Information{Text: "words"}, []string{"O1"}}
		},
		"advance-notice": func(w *world, m *member, a args) plan {
			return plan{hotline.KindAdvanceNotice, nil, &hotline.AdvanceNotice{Activity: 1, From: w.now, Until: w.now + 1}, []string{"O1"}}
		},
		"inquiry": func(w *world, m *member, a args) plan {
			return plan{hotline.KindInquiry, nil, &hotline.Inquiry{Questions: []string{"words"}}, []string{"O1", "R1"}}
		},
		"third-party-report": func(w *world, m *member, a args) plan {
			return plan{hotline.KindThirdPartyReport, nil, &hotline.ThirdPartyReport{Facts: facts, Concerned: []hotline.Party{"XZ"}}, []string{"O1"}}
		},
		"assistance-request": func(w *world, m *member, a args) plan {
			return plan{hotline.KindAssistanceRequest, nil, &hotline.AssistanceRequest{Forms: []uint16{1}, Text: "words"}, []string{"O1"}}
		},
		"consult": func(w *world, m *member, a args) plan {
			return plan{hotline.KindConsult, nil, &hotline.Consult{Subject: "words"}, []string{"A1"}}
		},
		"reply": func(w *world, m *member, a args) plan {
			return plan{hotline.KindReply, answerTo(w.st(a.word(0)), a.word(1)), words, []string{"O1", "R1"}}
		},
		"assistance-response": func(w *world, m *member, a args) plan {
			return plan{hotline.KindAssistanceResponse, answerTo(w.st(a.word(0)), a.word(1)), words, []string{"A1"}}
		},
		"assistance-delivered": func(w *world, m *member, a args) plan {
			st := w.st(a.word(0))
			return plan{hotline.KindAssistanceDelivered, []hotlinetest.Option{about(st), toSender(st)}, words, []string{"O1"}}
		},
		"handover": func(w *world, m *member, a args) plan {
			return plan{hotline.KindHandover, nil, note, []string{"L1", "L2"}}
		},
		"late-reason": func(w *world, m *member, a args) plan {
			return plan{hotline.KindLateReason, []hotlinetest.Option{about(w.st(a.word(0))), hotlinetest.Reason("staff")}, words, []string{"O1"}}
		},
		"dispute": func(w *world, m *member, a args) plan {
			st := w.st(a.word(0))
			return plan{hotline.KindDispute, []hotlinetest.Option{about(st), toSender(st)}, words, []string{"A1"}}
		},
		"suspension": func(w *world, m *member, a args) plan {
			return plan{hotline.KindSuspension, []hotlinetest.Option{hotlinetest.Disposes(dispositionOf[a.word(0)])}, words, []string{"A1"}}
		},
	} {
		verbs[name] = make
	}
}

// toSame refers to an own statement and goes to its addressees.
func toSame(st *hotline.Statement) []hotlinetest.Option {
	return []hotlinetest.Option{about(st), func(h *hotline.Header) { h.To = st.Header.To }}
}

// answerTo refers to a peer's request and disposes of it.
func answerTo(st *hotline.Statement, disposition string) []hotlinetest.Option {
	return []hotlinetest.Option{about(st), toSender(st), hotlinetest.Disposes(dispositionOf[disposition])}
}

// made makes the statement of a line and names it.
func (w *world) made(m *member, verb string, a args) *hotline.Statement {
	w.t.Helper()
	p := verbs[verb](w, m, a)
	h := m.Header(p.kind, w.now, append(p.options, w.options(a)...)...)
	if by := a.pairs["by"]; by != "" {
		p.by = list(by)
	}
	var signers []keys.Signer
	for _, post := range p.by {
		signers = append(signers, m.Officer(post))
	}
	if len(signers) == 0 {
		signers = append(signers, m.Service)
	}
	n := -1
	if a.has("unsigned") {
		n = 1
	}
	st := w.draft(m, h, p.body, signers, n)
	w.name(st, a.pairs["as"])
	return st
}
