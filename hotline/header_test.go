package hotline_test

import (
	"fmt"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	. "example.org/hotline/hotline"
)

// TestHeaderRulesOfEveryKind: a field that the kind must bear is missed, one
// that it must not bear is refused, one that it may bear is taken either way.
func TestHeaderRulesOfEveryKind(t *testing.T) {
	w := newWorld()
	set := map[string]func(*Header){
		"case":     func(h *Header) { h.Case = &CaseID{Party: "XA", ID: someID("case")} },
		"re":       func(h *Header) { id := someID("re"); h.Re = &id },
		"notify":   func(h *Header) { h.Notify = []Party{"XB"} },
		"verdict":  func(h *Header) { h.Verdict = BelowThreshold },
		"cause":    func(h *Header) { h.Cause = 1 },
		"reason":   func(h *Header) { h.Reason = reasonOf(h.Kind) },
		"detected": func(h *Header) { h.Detected = at },
		"assessed": func(h *Header) { h.Assessed = at },
		"disposition": func(h *Header) {
			h.Disposition = Interim
			if list := h.Kind.Rules().Dispositions; list != nil {
				h.Disposition = list[0]
			}
		},
		"answers": func(h *Header) { h.Answers = []bool{true} },
		"always":  func(h *Header) { h.Always = 1 },
	}
	clear := map[string]func(*Header){
		"case": func(h *Header) { h.Case = nil }, "re": func(h *Header) { h.Re = nil },
		"notify": func(h *Header) { h.Notify = nil }, "verdict": func(h *Header) { h.Verdict = 0 },
		"cause": func(h *Header) { h.Cause = 0 }, "reason": func(h *Header) { h.Reason = "" },
		"detected": func(h *Header) { h.Detected = 0 }, "assessed": func(h *Header) { h.Assessed = 0 },
		"disposition": func(h *Header) { h.Disposition = 0 }, "answers": func(h *Header) { h.Answers = nil }, "always": func(h *Header) { h.Always = 0 },
	}
	for _, r := range Kinds() {
		st := w.statement(t, r.Kind, false)
		try := func(change func(*Header)) error {
			h := st.Header
			change(&h)
			_, err := Parse(message(MustMarshal(h), st.Payload, st.Signed))
			return err
		}
		for _, p := range presences(r) {
			with, without := try(set[p.name]), try(clear[p.name])
			if r.Kind == KindAssessment && p.name == "notify" {
				with = try(func(h *Header) { h.Notify, h.Verdict = []Party{"XB"}, Notifiable })
				without = try(func(h *Header) { h.Notify, h.Verdict = nil, BelowThreshold })
			}
			if r.Kind == KindAutomaticAlert && (p.name == "case" || p.name == "re") {
				with = nil // compared with the embedded assessment in its own test
			}
			name := r.Name + " " + p.name
			switch p.rule {
			case Never:
				wantCode(t, name+" present", with, CodeHeader)
			case Must:
				wantCode(t, name+" present", with, "")
				wantCode(t, name+" absent", without, CodeHeader)
			case May:
				wantCode(t, name+" present", with, "")
				wantCode(t, name+" absent", without, "")
			}
		}
		for name, change := range wrongFor(r) {
			wantCode(t, r.Name+" with "+name, try(change), CodeHeader)
		}
		if r.ActualOnly {
			wantCode(t, r.Name+" as an exercise", try(func(h *Header) { h.Status = Exercise }), CodeStatus)
		}
		if r.Class == ByGroup && r.OpensAck && r.Kind != KindAutomaticAlert { // no officer stands behind it
			for _, status := range []Status{Actual, Exercise} {
				wantCode(t, r.Name+" that is "+status.String(), try(func(h *Header) { h.Status = status }), CodeStatus)
			}
			for _, p := range []Precedence{Flash, Priority, Routine} {
				wantCode(t, r.Name+" that is "+p.String(), try(func(h *Header) { h.Precedence = p }), CodeHeader)
			}
		}
	}
}

// wrongFor are changes that make a good header of a kind a wrong one, apart
// from the fields that each kind chooses for itself.
func wrongFor(r *Rules) map[string]func(*Header) {
	wrong := map[string]func(*Header){"no convention version": func(h *Header) { h.ConventionVersion = 0 },
		"a disposition of no kind": func(h *Header) { h.Disposition = Resumed + 1 }}
	if r.Dispositions != nil && r.Kind != KindSuspension {
		wrong["another kind's disposition"] = func(h *Header) { h.Disposition = Resumed }
	}
	if r.Kind == KindRetract || r.Kind == KindLateReason {
		wrong["a reason of another list"] = func(h *Header) { h.Reason = CodeNoReceipt }
	}
	if r.Opens && r.Delivered {
		wrong["no addressee in a case that it opens"] = func(h *Header) { h.To = nil }
	}
	if r.Delivered {
		wrong["no addressee"] = func(h *Header) { h.To = nil }
	} else {
		wrong["an addressee"] = func(h *Header) { h.To = []Party{"XB"} }
	}
	if r.Sealed {
		wrong["no commitment"] = func(h *Header) { h.Commitment = [32]byte{} }
	} else {
		wrong["a commitment"] = func(h *Header) { h.Commitment = someID("c") }
	}
	if r.Class != ByOfficers {
		wrong["something superseded"] = func(h *Header) { id := someID("old"); h.Supersedes = &id }
	}
	if r.Kind == KindConvention {
		wrong["a directory"] = func(h *Header) { h.Directory = 1 }
	} else {
		wrong["no directory"] = func(h *Header) { h.Directory = 0 }
		wrong["no convention"] = func(h *Header) { h.Convention = ID{} }
	}
	return wrong
}

// TestHeaderRanges: whatever is out of range or in a second form is refused
// with its own code (SPEC §3.2, §3.5).
func TestHeaderRanges(t *testing.T) {
	w := newWorld()
	st := w.statement(t, KindAlert, true)
	many := make([]Party, MaxAddressees+1)
	for i := range many {
		many[i] = Party(fmt.Sprintf("X%03d", i))
	}
	zero := ID{}
	for name, c := range map[string]struct {
		change func(*Header)
		code   Code
	}{
		"kind 0":                  {func(h *Header) { h.Kind = 0 }, CodeUnknownKind},
		"kind 36":                 {func(h *Header) { h.Kind = 36 }, CodeUnknownKind},
		"status 0":                {func(h *Header) { h.Status = 0 }, CodeHeader},
		"status 4":                {func(h *Header) { h.Status = 4 }, CodeHeader},
		"precedence 0":            {func(h *Header) { h.Precedence = 0 }, CodeHeader},
		"precedence 5":            {func(h *Header) { h.Precedence = 5 }, CodeHeader},
		"tlp 0":                   {func(h *Header) { h.TLP = 0 }, CodeHeader},
		"tlp 6":                   {func(h *Header) { h.TLP = 6 }, CodeHeader},
		"lower-case sender":       {func(h *Header) { h.From = "xa" }, CodeHeader},
		"long sender":             {func(h *Header) { h.From = "XABCDEFGH" }, CodeHeader},
		"to itself":               {func(h *Header) { h.To = []Party{"XA", "XB"} }, CodeWrongAddressee},
		"to unsorted":             {func(h *Header) { h.To = []Party{"XC", "XB"} }, CodeHeader},
		"to doubled":              {func(h *Header) { h.To = []Party{"XB", "XB"} }, CodeHeader},
		"to nobody in particular": {func(h *Header) { h.To = []Party{""} }, CodeHeader},
		"to too many":             {func(h *Header) { h.To = many }, CodeHeader},
		"no case, two addressees": {func(h *Header) {
			h.Kind, h.Case, h.Detected, h.Assessed, h.Authors = KindText, nil, 0, 0, h.Authors[:1]
		}, CodeHeader},
		"issued 0":                 {func(h *Header) { h.Issued = 0 }, CodeHeader},
		"detected before the time": {func(h *Header) { h.Detected = -1 }, CodeHeader},
		"zero re":                  {func(h *Header) { h.Re = &zero }, CodeHeader},
		"supersedes zero":          {func(h *Header) { h.Supersedes = &zero }, CodeHeader},
		"case of nobody":           {func(h *Header) { h.Case = &CaseID{ID: someID("case")} }, CodeHeader},
		"case of nothing":          {func(h *Header) { h.Case = &CaseID{Party: "XA"} }, CodeHeader},
		"origin of nobody":         {func(h *Header) { h.Peer = &PeerHead{Origin: "hotline/xb/1"} }, CodeHeader},
		"origin elsewhere":         {func(h *Header) { h.Peer = &PeerHead{Origin: "example.org/log"} }, CodeHeader},
		"generation 0":             {func(h *Header) { h.Peer = &PeerHead{Origin: "hotline/XB/0"} }, CodeHeader},
		"generation 01":            {func(h *Header) { h.Peer = &PeerHead{Origin: "hotline/XB/01"} }, CodeHeader},
		"generation +1":            {func(h *Header) { h.Peer = &PeerHead{Origin: "hotline/XB/+1"} }, CodeHeader},
	} {
		h := st.Header
		c.change(&h)
		_, err := Parse(message(MustMarshal(h), st.Payload, 1))
		wantCode(t, name, err, c.code)
	}
	for _, reason := range []Code{"Busy", "a b", "\x1b[2J", "ä", Code(strings.Repeat("a", 33))} {
		h := w.header(KindReject, true)
		h.Authors, h.Reason = []keys.ID{w.a.Service.Public().ID()}, reason
		_, err := Parse(message(MustMarshal(h), MustMarshal(&Reject{Sequence: 1}), 1))
		wantCode(t, fmt.Sprintf("reason %q", reason), err, CodeHeader)
	}
}

// TestVerdictAndNotifyAgree: NOTIFIABLE says to whom, BELOW-THRESHOLD to nobody.
func TestVerdictAndNotifyAgree(t *testing.T) {
	w := newWorld()
	st := w.assessment()
	for name, change := range map[string]func(*Header){
		"NOTIFIABLE to nobody":       func(h *Header) { h.Notify = nil },
		"BELOW-THRESHOLD to parties": func(h *Header) { h.Verdict = BelowThreshold },
		"a third verdict":            func(h *Header) { h.Verdict = 3 },
	} {
		h := st.Header
		change(&h)
		_, err := Parse(message(MustMarshal(h), st.Payload, 1))
		wantCode(t, name, err, CodeHeader)
	}
}
