package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
)

// statement prints the header and the body of a statement for a person: coded facts in the reader's language, free text as it was
// written. Whoever prints it ends the sheet with its meaning.
func (s *seat) statement(p *sheet, st *hotline.Statement, says hotline.Body) {
	h := &st.Header
	p.line(p.sign(h.Status)+" "+strings.ToUpper(p.Kind(h.Kind)), p.Status(h.Status), p.Precedence(h.Precedence), p.Isolate(h.TLP.String()),
		p.Isolate(st.ID.String()))
	if p.Language() != codebook.English {
		p.given("codes", fmt.Sprintf("%s %s %s %s", h.Kind, h.Status, h.Precedence, h.TLP))
	}
	p.given("from", string(h.From))
	if len(h.To) > 0 {
		p.field("to", p.parties(h.To))
	}
	for i, id := range h.Authors {
		label := "signed-by"
		if i >= st.Signed {
			label = "waits-for"
		}
		p.field(label, s.author(p.Book, h.From, id))
	}
	p.references(h)
	s.decisions(p, h)
	for _, t := range []struct {
		label string
		at    hotline.Time
	}{{"detected", h.Detected}, {"assessed", h.Assessed}, {"issued", h.Issued}} {
		if t.at != 0 {
			p.given(t.label, clock(t.at))
		}
	}
	p.field("tlp", p.TLP(h.TLP))
	if says != nil {
		p.body(says)
	}
}

// references are the statements that a header names.
func (p *sheet) references(h *hotline.Header) {
	if h.Case != nil {
		p.given("case", h.Case.Key())
	}
	if h.Re != nil {
		p.given("re", h.Re.String())
	}
	if h.Supersedes != nil {
		p.given("supersedes", h.Supersedes.String())
	}
}

// decisions are what the author decided, as far as it stands in the header.
func (s *seat) decisions(p *sheet, h *hotline.Header) {
	if h.Verdict != 0 {
		p.field("verdict", p.Verdict(h.Verdict))
	}
	if len(h.Notify) > 0 {
		p.field("notify", p.parties(h.Notify))
	}
	if len(h.Answers) > 0 {
		p.field("answers", p.yesNo(h.Answers))
	}
	if h.Always != 0 {
		p.given("always", s.alwaysNotifiable(h))
	}
	if h.Disposition != 0 {
		p.field("disposition", p.Disposition(h.Disposition))
	}
	switch {
	case h.Reason == "":
	case h.Kind == hotline.KindRetract || h.Kind == hotline.KindLateReason:
		p.field("reason", p.Word(codebook.Reasons, string(h.Reason)))
	default:
		p.field("reason", p.refusal(h.Reason))
	}
}

// refusal is a code with what it means: the code is what people tell each other.
func (p *sheet) refusal(c hotline.Code) string {
	if text := p.Refusal(c); text != p.Isolate(string(c)) {
		return p.Isolate(string(c)) + ": " + text
	}
	return p.Isolate(string(c))
}

// alwaysNotifiable is the item of the convention that is always notifiable, or its number where that version is not known here.
func (s *seat) alwaysNotifiable(h *hotline.Header) string {
	if s.docs != nil {
		for _, c := range s.docs.Conventions {
			if c.Version == h.ConventionVersion && h.Always <= uint64(len(c.Always)) {
				return c.Always[h.Always-1]
			}
		}
	}
	return strconv.FormatUint(h.Always, 10)
}

// meaning ends a sheet: what the statement does not mean, and whether anybody has confirmed the rendering.
// v is nil where nothing is known of its way.
func (p *sheet) meaning(h *hotline.Header, says hotline.Body, v *desk.ShowView) {
	switch h.Status {
	case hotline.Exercise:
		p.fixed("exercise")
	case hotline.Test:
		p.fixed("test")
	}
	if h.Kind == hotline.KindAutomaticAlert {
		p.fixed("automatic")
	}
	if v != nil && len(v.Receipts) > 0 {
		p.fixed("receipt")
	}
	if h.Kind == hotline.KindAcknowledgement || v != nil && hasAcknowledgement(&v.Item) {
		p.fixed("acknowledgement")
	}
	if says != nil && factsOf(says) != nil {
		p.fixed("territory")
	}
	if p.Language() != codebook.English {
		p.fixed("codes")
	}
	p.notice()
}

// hasAcknowledgement reports whether a person of any side has acknowledged the statement.
func hasAcknowledgement(it *desk.InboxItem) bool {
	return it.Ack != nil && it.Ack.Acknowledged ||
		slices.ContainsFunc(it.Addressees, func(a desk.AddresseeView) bool { return a.Stage == desk.StageAcknowledged })
}

// factsOf returns the coded facts of a body, or nil if it has none.
func factsOf(b hotline.Body) *hotline.Facts {
	f := reflect.ValueOf(b).Elem().FieldByName("Facts")
	if !f.IsValid() {
		return nil
	}
	switch facts := f.Interface().(type) {
	case hotline.Facts:
		return &facts
	case *hotline.Facts:
		return facts
	}
	return nil
}

// body prints what a statement says, field by field in the order of the specification. A kind needs no line here: its fields are
// named by their json tags, for which every book has a label.
func (p *sheet) body(b hotline.Body) {
	if a, ok := b.(*hotline.AutomaticAlert); ok {
		if st, err := a.Open(); err == nil {
			p.given("assessment", st.ID.String())
		}
		return
	}
	p.fields(reflect.ValueOf(b).Elem(), "")
}

// fields prints every field that is set. language is that of the words, unless the structure itself says it.
func (p *sheet) fields(v reflect.Value, language string) {
	if own := v.FieldByName("Language"); own.IsValid() {
		language = own.String()
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if v.Field(i).IsZero() || name == "language" {
			continue
		}
		if name == "from" {
			name = "begins" // of a time: who sent it stands in the header
		}
		p.bodyField(name, language, v.Field(i).Interface())
	}
}

func (p *sheet) bodyField(name, language string, value any) {
	switch v := value.(type) {
	case hotline.Facts:
		p.fields(reflect.ValueOf(v), language)
	case *hotline.Facts:
		p.fields(reflect.ValueOf(*v), language)
	case *hotline.Hit:
		p.field(name, p.hit(v))
		if len(v.Notes) > 0 {
			p.given("notes", strings.Join(v.Notes, "\n"))
		}
	case hotline.Time:
		p.given(name, clock(v))
	case hotline.Party:
		p.given(name, string(v))
	case []hotline.Party:
		p.field(name, p.parties(v))
	case uint8:
		p.field(name, p.coded(name, int(v)))
	case []uint16:
		p.field(name, p.codedList(name, v))
	case []hotline.Rung:
		p.field(name, p.rungs(v))
	case []hotline.Rota:
		p.given(name, rotas(v))
	case []hotline.Reach:
		p.given(name, contacts(v))
	case []string:
		p.named(p.Label(name), p.quoted(p.Label(name), joinStrings(name, v)))
	case string:
		if name == "office" {
			p.field(name, p.Word(codebook.Offices, v))
			return
		}
		p.words(name, language, v)
	default:
		p.given(name, fmt.Sprint(plain(v)))
	}
}

// rotas names those who take turns; who stands when is for hotline ladder.
func rotas(list []hotline.Rota) string {
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("%s (%s): %s", r.Name, r.Zone, strings.Join(r.People, " ")))
	}
	return strings.Join(lines, "\n")
}

func contacts(list []hotline.Reach) string {
	var lines []string
	for _, c := range list {
		lines = append(lines, c.Officer+": "+strings.Join(c.Channels, " "))
	}
	return strings.Join(lines, "\n")
}

// joinStrings puts sentences on a line each, and identifiers on one line.
func joinStrings(name string, list []string) string {
	if name == "questions" {
		return strings.Join(list, "\n")
	}
	return strings.Join(list, ", ")
}

// coded renders a number of a field, from 1.
func (p *sheet) coded(name string, n int) string {
	if name == "activity" && n <= len(hotline.Activities) {
		return p.Word(codebook.Activities, hotline.Activities[n-1])
	}
	return p.Fact(name, n)
}

func (p *sheet) codedList(name string, list []uint16) string {
	var words []string
	for _, n := range list {
		if name == "forms" && int(n) <= len(hotline.AssistanceForms) {
			words = append(words, p.Word(codebook.Assistance, hotline.AssistanceForms[n-1]))
			continue
		}
		words = append(words, p.Fact(strings.TrimSuffix(name, "s"), int(n)))
	}
	return p.List(words)
}

func (p *sheet) rungs(list []hotline.Rung) string {
	var lines []string
	for _, r := range list {
		lines = append(lines, p.Say("rung", "office", p.Word(codebook.Offices, r.Office), "targets", strings.Join(r.Targets, " "),
			"permille", strconv.FormatUint(r.Permille, 10)))
	}
	return strings.Join(lines, "\n")
}
