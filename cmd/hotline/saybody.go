package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
)

// bodyFlags are what bodies hold beside facts and a text. Each kind has those that its body has a place for.
type bodyFlags struct {
	questions, forms, concerned                             []string
	activity, begins, until, wanted, proposed, began, ended string
	impact, outlook, cause, means                           string
}

// bodyFlags adds the flags for which the body of the kind has a place.
func (x *saying) bodyFlags(cmd *cobra.Command) {
	f, b := cmd.Flags(), &x.more
	if hasFacts(x.kind) || x.kind == hotline.KindInformation {
		x.facts.flags(cmd)
	}
	switch x.kind {
	case hotline.KindProgress:
		f.StringVar(&x.facts.state, "state", "", strings.Join(hotline.FactCodes["state"], ", "))
		f.StringVar(&x.facts.measures, "measures", "", "measures taken")
	case hotline.KindSupplement:
		f.StringVar(&b.began, "began", "", "when the event began, as 2026-03-01T12:00:00Z")
		f.StringVar(&b.impact, "impact", "", "what it does")
		f.StringVar(&b.outlook, "outlook", "", "assumed cause and foreseeable development")
	case hotline.KindFinal:
		f.StringVar(&b.ended, "ended", "", "when the event ended, as 2026-03-01T12:00:00Z")
		f.StringVar(&b.cause, "cause", "", "what caused it")
	case hotline.KindAdvanceNotice:
		f.StringVar(&b.activity, "activity", "", strings.Join(hotline.Activities, ", "))
		f.StringVar(&b.begins, "begins", "", "when it begins, as 2026-03-01T12:00:00Z")
		f.StringVar(&b.until, "until", "", "when it ends")
		f.StringSliceVar(&x.facts.networks, "network", nil, "network from which it will come, may be given again")
	case hotline.KindInquiry:
		f.StringArrayVar(&b.questions, "question", nil, "what you ask, may be given again")
		f.StringArrayVar(&x.facts.indicators, "indicator", nil, "indicator, may be given again")
		f.StringSliceVar(&x.facts.networks, "network", nil, "network in CIDR notation, may be given again")
	case hotline.KindThirdPartyReport:
		f.StringSliceVar(&b.concerned, "concerned", nil, "party that it concerns, may be given again")
	case hotline.KindAssistanceRequest:
		f.StringSliceVar(&b.forms, "form", nil, strings.Join(hotline.AssistanceForms, ", ")+"; may be given again")
		f.StringVar(&b.wanted, "wanted", "", "until when it would still help")
	case hotline.KindConsult:
		f.StringVar(&b.means, "means", "", "voice line, or place of a meeting")
		f.StringVar(&b.proposed, "proposed", "", "time that you propose")
	}
}

// hasFacts reports whether the body of a kind always bears coded facts.
func hasFacts(k hotline.Kind) bool {
	return k == hotline.KindSupplement || k == hotline.KindFinal || k == hotline.KindThirdPartyReport
}

// body makes the body of a saying: of its file, or of its flags and, for facts, of what the statement that it refers to says.
func (x *saying) body(s *seat, re hotline.Body) (hotline.Body, error) {
	b := x.kind.Rules().Body()
	if x.file != "" {
		return b, x.fromFile(s, b)
	}
	facts := notAssessed()
	if re != nil && factsOf(re) != nil {
		facts = *factsOf(re)
	}
	if hasFacts(x.kind) || x.kind == hotline.KindInformation || x.kind == hotline.KindProgress {
		if err := x.facts.apply(s.cmd, &facts); err != nil {
			return nil, err
		}
	}
	if err := x.fill(s, b, facts); err != nil {
		return nil, err
	}
	return b, nil
}

// fill puts the flags into the body.
func (x *saying) fill(s *seat, b hotline.Body, facts hotline.Facts) error {
	m := &x.more
	switch b := b.(type) {
	case *hotline.Words:
		b.Language, b.Text = x.language, x.text
	case *hotline.Note:
		b.Language, b.Text = x.language, x.text
	case *hotline.Supplement:
		*b = hotline.Supplement{Facts: facts, Language: x.language, Text: x.text, Impact: m.impact, Outlook: m.outlook}
		return s.times(timeFlag{"began", m.began, &b.Began})
	case *hotline.Progress:
		*b = hotline.Progress{State: facts.State, Language: x.language, Text: x.text, Measures: x.facts.measures}
	case *hotline.Final:
		*b = hotline.Final{Facts: facts, Language: x.language, Text: x.text, Cause: m.cause, Measures: facts.Measures}
		return s.times(timeFlag{"ended", m.ended, &b.Ended})
	case *hotline.Information:
		*b = hotline.Information{Language: x.language, Text: x.text}
		if x.facts.nature+x.facts.category+x.facts.relation+x.facts.state != "" {
			b.Facts = &facts
		}
	case *hotline.Inquiry:
		*b = hotline.Inquiry{Questions: m.questions, Language: x.language, Indicators: x.facts.indicators, Networks: x.facts.networks}
		if x.text != "" {
			b.Questions = append(slices.Clone(m.questions), x.text)
		}
	case *hotline.ThirdPartyReport:
		list, err := parties(s.cmd, "concerned", m.concerned)
		*b = hotline.ThirdPartyReport{Facts: facts, Concerned: sortedParties(list), Language: x.language, Text: x.text}
		return err
	case *hotline.Consult:
		*b = hotline.Consult{Language: x.language, Subject: x.text, Means: m.means}
		return s.times(timeFlag{"proposed", m.proposed, &b.Proposed})
	case *hotline.AdvanceNotice:
		n, err := word(s.cmd, "activity", m.activity, hotline.Activities)
		if err != nil {
			return err
		}
		*b = hotline.AdvanceNotice{Activity: n, Networks: x.facts.networks, Language: x.language, Text: x.text}
		return s.times(timeFlag{"begins", m.begins, &b.From}, timeFlag{"until", m.until, &b.Until})
	case *hotline.AssistanceRequest:
		*b = hotline.AssistanceRequest{Language: x.language, Text: x.text}
		for _, form := range m.forms {
			n, err := word(s.cmd, "form", form, hotline.AssistanceForms)
			if err != nil {
				return err
			}
			b.Forms = append(b.Forms, uint16(n))
		}
		slices.Sort(b.Forms)
		return s.times(timeFlag{"wanted", m.wanted, &b.Wanted})
	}
	return nil
}

// timeFlag is a time as a flag gives it, and where it goes.
type timeFlag struct {
	flag, given string
	to          *hotline.Time
}

// times reads the times that were given.
func (s *seat) times(list ...timeFlag) error {
	for _, t := range list {
		if t.given == "" {
			continue
		}
		at, err := ceremony.ParseTime(t.given)
		if err != nil {
			return usage(s.cmd, "--%s: %q is no time, as 2026-03-01T12:00:00Z", t.flag, t.given)
		}
		*t.to = at
	}
	return nil
}

// maxBodyFile bounds the file of a body, in bytes.
const maxBodyFile = 256 << 10

// fromFile reads the whole body from a JSON file. Codes may stand there as their words.
func (x *saying) fromFile(s *seat, b hotline.Body) error {
	text, err := ceremony.ReadFile(x.file, maxBodyFile)
	if err != nil {
		return err
	}
	var loose map[string]any
	if err := json.Unmarshal(text, &loose); err != nil {
		return refused(hotline.CodeMalformed, "write the body as one JSON object", "%s: %v", x.file, err)
	}
	if err := numbered(loose); err != nil {
		return refused(hotline.CodeMalformed, "correct the word", "%s: %v", x.file, err)
	}
	strict, err := json.Marshal(loose)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(strict))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return refused(hotline.CodeMalformed, "see hotline show --json of a statement of this kind", "%s: %v", x.file, err)
	}
	return nil
}

// codeSets are the words of the coded fields, by the names that they have in a body.
var codeSets = map[string][]string{"nature": hotline.FactCodes["nature"], "category": hotline.FactCodes["category"],
	"relation": hotline.FactCodes["relation"], "sectors": hotline.FactCodes["sector"], "actor": hotline.FactCodes["actor"],
	"state": hotline.FactCodes["state"], "activity": hotline.Activities, "forms": hotline.AssistanceForms}

// numbered puts the number of a coded word in its place, in the object and in its facts.
func numbered(object map[string]any) error {
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok && name == "facts" {
			if err := numbered(inner); err != nil {
				return err
			}
			continue
		}
		set, coded := codeSets[name]
		if !coded {
			continue
		}
		var err error
		switch v := value.(type) {
		case string:
			object[name], err = codeOf(name, v, set)
		case []any:
			for i := range v {
				if word, ok := v[i].(string); ok && err == nil {
					v[i], err = codeOf(name, word, set)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func codeOf(name, word string, set []string) (int, error) {
	if i := slices.Index(set, word); i >= 0 {
		return i + 1, nil
	}
	return 0, fmt.Errorf("%s: %q is not one of %s", name, word, strings.Join(set, ", "))
}
