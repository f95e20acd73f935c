package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// saying is what an officer says with a statement of a kind that has no verb of its own.
type saying struct {
	kind                                       hotline.Kind
	facts                                      factFlags
	file, text, language, in, second           string
	status, precedence, tlp, reason, disposing string
	to                                         []string
	more                                       bodyFlags
}

// manner is how the verb of a kind is written: what stands behind it, and to whom its statement goes.
type manner struct {
	kind  hotline.Kind
	use   string // of the verb; it holds " ID" if another statement must be named
	short string
	long  string
	goes  addressing
}

// addressing says who is addressed if --to is not given.
type addressing uint8

const (
	byFlag   addressing = iota // --to must be given
	likeIt                     // the addressees of the statement that is named
	toSender                   // its sender
	nobody                     // own ledger only
)

// manners are the verbs below send, one per kind.
var manners = []manner{
	{hotline.KindSupplement, "supplement ALERT", "More about what was alerted: the second of the staged reports",
		"The coded facts are those of the statement named, unless flags or the file say otherwise.", likeIt},
	{hotline.KindProgress, "progress ALERT", "How the case stands, periodically or when asked",
		"--state is that of the statement named, unless it is given.", likeIt},
	{hotline.KindFinal, "final ALERT", "What is known at the end of a case",
		"The coded facts are those of the statement named, unless flags or the file say otherwise.", likeIt},
	{hotline.KindInformation, "information --to PARTY", "What nobody is obliged to tell; opens a case, or says more in one", "", byFlag},
	{hotline.KindAdvanceNotice, "advance-notice --to PARTY", "What might be taken for an attack: a scan, a takedown, an exercise, with its window", "", byFlag},
	{hotline.KindThirdPartyReport, "third-party-report --to PARTY", "What you saw that concerns others", "", byFlag},
	{hotline.KindAssistanceRequest, "assistance-request --to PARTY", "Ask for technical, legal or financial help, or for training", "", byFlag},
	{hotline.KindAssistanceResponse, "assistance-response REQUEST", "Approve or deny a request for assistance, or say that it is pending",
		"--disposition is approved, denied or pending; after pending another term begins.", toSender},
	{hotline.KindAssistanceDelivered, "assistance-delivered REQUEST", "Say what help was given on an approved request", "", toSender},
	{hotline.KindConsult, "consult --to PARTY", "Call for a meeting, as an authority", "", byFlag},
	{hotline.KindDispute, "dispute STATEMENT", "Object, as an authority, to what another party said",
		"It changes no clock. Retracting it ends it.", toSender},
	{hotline.KindSuspension, "suspension --to PARTY", "Suspend, as an authority, your party's part in a case or on a line, or resume it",
		"--disposition is suspended or resumed; with --case it concerns that case alone. It stops no clock: nobody silences the record.", byFlag},
	{hotline.KindLateReason, "late-reason STATEMENT", "Say why a duty about a statement was overdue; it stays overdue",
		"hotline show of any statement of the case lists what was overdue and not explained yet.", nobody},
	{hotline.KindHandover, "handover --releaser OFFICER", "Pass the desk to another liaison or operator, who releases it", "", nobody},
}

// asking are the verbs beside send.
var asking = []manner{
	{hotline.KindInquiry, "inquire --to PARTY", "Ask another party to explain or to confirm; it owes a reply", "", byFlag},
	{hotline.KindReply, "reply REQUEST", "Reply to an inquiry or a consult",
		"--disposition is interim or final; after interim another term begins.", toSender},
	{hotline.KindRetract, "retract STATEMENT", "Take back an own statement, towards all of its addressees; it stays in every log",
		"Whoever the assessment names and was not told yet is still to be told, if need be by the automatic alert. If nothing is to be told any more, assess the case below the threshold.", likeIt},
}

// newSayingCmd makes the verb of a kind.
func newSayingCmd(a *app, m manner) *cobra.Command {
	x := &saying{kind: m.kind}
	rules := m.kind.Rules()
	named := strings.Contains(m.use, " ") && !strings.Contains(m.use, " --")
	cmd := &cobra.Command{Use: m.use, Short: m.short, Args: cobra.NoArgs, PreRunE: namesOne,
		Long: strings.TrimSpace(m.short + ".\n\n" + m.long + "\n\n--file holds the whole body as JSON, as hotline show --json prints it; then no other flag says anything of it.")}
	if named {
		cmd.Args = cobra.ExactArgs(1)
	}
	f := cmd.Flags()
	f.StringVar(&x.file, "file", "", "the body as JSON")
	f.StringVar(&x.text, "text", "", "what you say")
	f.StringVar(&x.language, "language", "", "language of the text, as en or fr-CA")
	if m.goes == byFlag {
		f.StringSliceVar(&x.to, "to", nil, "addressee, may be given again")
		f.StringVar(&x.status, "status", "", "ACTUAL, EXERCISE or TEST; default: that of the case, or ACTUAL")
	}
	if m.goes != nobody {
		f.StringVar(&x.tlp, "tlp", "AMBER", "RED, AMBER+STRICT, AMBER, GREEN or CLEAR")
		f.StringVar(&x.precedence, "precedence", "", "FLASH, IMMEDIATE, PRIORITY or ROUTINE; default: that of the statement named, or PRIORITY")
	}
	if rules.Case == hotline.May && m.goes != nobody {
		f.StringVar(&x.in, "case", "", "id of any statement of the case it belongs to")
	}
	if len(rules.Authors) == 2 {
		f.StringVar(&x.second, "releaser", "", "role name of the officer who signs after you")
	}
	if rules.Reason == hotline.Must {
		f.StringVar(&x.reason, "reason", "", "one of "+codes(reasonsOf(m.kind)))
	}
	if rules.Dispositions != nil {
		f.StringVar(&x.disposing, "disposition", "", "one of "+strings.Join(dispositionWords(rules), ", "))
	}
	x.bodyFlags(cmd)
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		l, err := s.letterOf(ctx, m, x, args)
		if err != nil {
			return err
		}
		raw, err := s.compose(ctx, l)
		if err != nil {
			return err
		}
		return s.file(ctx, raw, "")
	})
	return cmd
}

func codes(list []hotline.Code) string {
	var s []string
	for _, c := range list {
		s = append(s, string(c))
	}
	return strings.Join(s, ", ")
}

func reasonsOf(k hotline.Kind) []hotline.Code {
	if k == hotline.KindRetract {
		return hotline.RetractReasons
	}
	return hotline.LateReasons
}

func dispositionWords(r *hotline.Rules) (words []string) {
	for _, d := range r.Dispositions {
		words = append(words, strings.ToLower(d.String()))
	}
	return words
}

// letterOf makes the letter of a saying: what it refers to, to whom it goes, and its body.
func (s *seat) letterOf(ctx context.Context, m manner, x *saying, args []string) (*letter, error) {
	l := &letter{kind: m.kind, status: hotline.Actual, precedence: hotline.Priority}
	var re hotline.Body
	if len(args) == 1 {
		var err error
		if re, err = s.about(ctx, m, l, args[0]); err != nil {
			return nil, err
		}
	}
	if err := s.choices(ctx, m, x, l); err != nil {
		return nil, err
	}
	var err error
	if l.second, err = s.second(x.second); err != nil {
		return nil, err
	}
	if rules := m.kind.Rules(); len(rules.Authors) == 2 && l.second == nil && (rules.OneOfficer == nil || l.status == hotline.Actual) {
		return nil, refused(hotline.CodeMissingAuthor, "name a second officer with --releaser", "a %s needs two officers", m.kind)
	}
	l.body, err = x.body(s, re)
	return l, err
}

// about takes from the statement that is named its case, status, precedence and addressees, and returns what it says, if it can be
// read. A late reason finds the entry that it explains.
func (s *seat) about(ctx context.Context, m manner, l *letter, id string) (hotline.Body, error) {
	v, st, err := s.find(ctx, caseDigits(id))
	if err != nil {
		return nil, err
	}
	h := &st.Header
	l.re, l.in, l.status, l.precedence, l.tlp = &st.ID, st.InCase(), h.Status, h.Precedence, h.TLP
	switch m.goes {
	case likeIt:
		l.to = s.stillOf(h.To)
	case toSender:
		l.to = []hotline.Party{h.From}
	case nobody:
		i := slices.IndexFunc(v.Late, func(late desk.LateView) bool { return late.Subject == st.ID && late.Reason == "" })
		if i < 0 {
			return nil, refused(hotline.CodeNotOwed, "see hotline show for what was overdue", "nothing about %s was overdue and is not explained", st.ID.Short())
		}
		l.cause = v.Late[i].Entry + 1
	}
	return body(st, v.Body, v.Blind)
}

// choices reads the flags that stand in the header.
func (s *seat) choices(ctx context.Context, m manner, x *saying, l *letter) (err error) {
	if x.in != "" {
		st, c, err := s.findCase(ctx, x.in)
		if err != nil {
			return err
		}
		l.in, l.status = c, st.Header.Status
	}
	if m.goes == byFlag {
		if l.to, err = parties(s.cmd, "to", x.to); err != nil {
			return err
		}
		if len(l.to) == 0 {
			return usage(s.cmd, "--to is missing")
		}
	}
	if x.status != "" {
		if l.status, err = statusOf(s.cmd, x.status); err != nil {
			return err
		}
	}
	if x.precedence != "" {
		if l.precedence, err = precedenceOf(s.cmd, x.precedence); err != nil {
			return err
		}
	}
	if x.tlp != "" && (l.tlp == 0 || s.cmd.Flags().Changed("tlp")) {
		if l.tlp, err = tlpOf(s.cmd, x.tlp); err != nil {
			return err
		}
	}
	return s.decided(m, x, l)
}

// decided reads the reason and the disposition.
func (s *seat) decided(m manner, x *saying, l *letter) error {
	rules := m.kind.Rules()
	if rules.Reason == hotline.Must {
		l.reason = hotline.Code(x.reason)
		if list := reasonsOf(m.kind); !slices.Contains(list, l.reason) {
			return usage(s.cmd, "--reason: %q is not one of %s", x.reason, codes(list))
		}
	}
	if rules.Dispositions == nil {
		return nil
	}
	n, err := word(s.cmd, "disposition", x.disposing, dispositionWords(rules))
	if err != nil {
		return err
	}
	l.disposition = rules.Dispositions[n-1]
	return nil
}

// newSayingCmds makes the verbs of a list of manners.
func newSayingCmds(a *app, list []manner) (verbs []*cobra.Command) {
	for _, m := range list {
		verbs = append(verbs, newSayingCmd(a, m))
	}
	return verbs
}
