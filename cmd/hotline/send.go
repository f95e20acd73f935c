package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// newSendCmd holds the statements that go to other parties.
func newSendCmd(a *app) *cobra.Command {
	return newGroupCmd("send", "Sign a statement for another party, or draft it for a second officer",
		append([]*cobra.Command{newSendAlertCmd(a), newSendTextCmd(a), newSendRatificationCmd(a)}, newSayingCmds(a, manners)...)...)
}

// alerting is what an officer adds to an assessment to make it an alert.
type alerting struct {
	facts                                     factFlags
	releaser, text, language, precedence, tlp string
	to                                        []string
}

func newSendAlertCmd(a *app) *cobra.Command {
	var x alerting
	cmd := &cobra.Command{
		Use:   "alert CASE",
		Short: "The obligatory first notice: coded facts and at most 200 words",
		Long: "Signs an alert for a case that was assessed NOTIFIABLE. Addressees, precedence and coded facts are those of the assessment unless\n" +
			"flags say otherwise. An ACTUAL alert needs a second officer: name them with --releaser and they sign with hotline release. A\n" +
			"releaser may send an ACTUAL FLASH alert alone, to be ratified, if the terms say so; EXERCISE and TEST need one officer.",
		Args: cobra.ExactArgs(1), PreRunE: namesOne,
	}
	f := cmd.Flags()
	f.StringVar(&x.releaser, "releaser", "", "role name of the officer who signs after you")
	f.StringVar(&x.text, "text", "", "free text, at most 200 words")
	f.StringVar(&x.language, "language", "", "language of the text, as en or fr-CA")
	f.StringVar(&x.precedence, "precedence", "", "another precedence than the assessment's")
	f.StringVar(&x.tlp, "tlp", "AMBER", "RED, AMBER+STRICT, AMBER, GREEN or CLEAR")
	f.StringSliceVar(&x.to, "to", nil, "other addressees than the assessment names")
	x.facts.flags(cmd)
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		_, in, err := s.findCase(ctx, args[0])
		if err != nil {
			return err
		}
		raw, err := s.alert(ctx, &x, in)
		if err != nil {
			return err
		}
		return s.file(ctx, raw, "")
	})
	return cmd
}

// alert signs the alert of a case by its assessment.
func (s *seat) alert(ctx context.Context, x *alerting, in *hotline.CaseID) ([]byte, error) {
	st, judged, err := s.assessed(ctx, in)
	if err != nil {
		return nil, err
	}
	_, opening, err := s.find(ctx, in.ID.String())
	if err != nil {
		return nil, err
	}
	facts := judged.Facts
	if err := x.facts.apply(s.cmd, &facts); err != nil {
		return nil, err
	}
	l := &letter{kind: hotline.KindAlert, status: st.Header.Status, precedence: st.Header.Precedence, to: st.Header.Notify, in: in, re: &st.ID,
		detected: opening.Header.Detected, assessed: st.Header.Assessed, body: &hotline.Alert{Facts: facts, Language: x.language, Text: x.text}}
	if x.precedence != "" {
		if l.precedence, err = precedenceOf(s.cmd, x.precedence); err != nil {
			return nil, err
		}
	}
	if len(x.to) > 0 {
		if l.to, err = parties(s.cmd, "to", x.to); err != nil {
			return nil, err
		}
	}
	if l.tlp, err = tlpOf(s.cmd, x.tlp); err != nil {
		return nil, err
	}
	if l.second, err = s.second(x.releaser); err != nil {
		return nil, err
	}
	if l.second == nil && l.status == hotline.Actual && !s.mayReleaseAlone(l.precedence) {
		return nil, refused(hotline.CodeMissingAuthor, "name a second officer with --releaser",
			"an ACTUAL alert needs two officers, or a releaser alone for FLASH where the terms allow it")
	}
	return s.compose(ctx, l)
}

// mayReleaseAlone reports whether this officer's word alone sends an ACTUAL alert.
func (s *seat) mayReleaseAlone(p hotline.Precedence) bool {
	return p == hotline.Flash && s.self.Has(hotline.Releaser) && s.convention(s.time()).Terms.OneOfficer
}

// assessed finds the newest NOTIFIABLE assessment of a case and what it says.
func (s *seat) assessed(ctx context.Context, in *hotline.CaseID) (*hotline.Statement, *hotline.Assessment, error) {
	found, err := s.search(ctx, func(it *desk.InboxItem) bool {
		return it.Kind == hotline.KindAssessment && it.Verdict == hotline.Notifiable && it.Case != nil && *it.Case == *in
	}, func(it *desk.InboxItem) bool { return it.ID == in.ID })
	if err != nil {
		return nil, nil, err
	}
	if found == nil {
		return nil, nil, refused(hotline.CodeNotOwed, "sign one with hotline assess", "case %s has no assessment NOTIFIABLE", in)
	}
	v, st, err := s.find(ctx, found.ID.String())
	if err != nil {
		return nil, nil, err
	}
	b, err := body(st, v.Body, v.Blind)
	if err != nil {
		return nil, nil, err
	}
	judged, ok := b.(*hotline.Assessment)
	if !ok {
		return nil, nil, refused(hotline.CodeUnreadable, "tell a technician", "the assessment %s cannot be read: %s", st.ID.Short(), printable(v.Unreadable))
	}
	return st, judged, nil
}

// searchDepth bounds how many statements search looks through, newest first.
const searchDepth = 100_000

// search walks the inbox from the newest statement to the first that want accepts, and no further than one that last accepts. It
// returns nil if there is none.
func (s *seat) search(ctx context.Context, want, last func(*desk.InboxItem) bool) (*desk.InboxItem, error) {
	before := uint64(0)
	for seen := 0; seen < searchDepth; {
		view, err := s.pageOf(ctx, hotline.MaxDeskInbox, before)
		if err != nil {
			return nil, err
		}
		for i := range view.Items {
			it := &view.Items[i]
			if want(it) {
				return it, nil
			}
			if last(it) {
				return nil, nil
			}
			before = it.Index
		}
		if !view.More || len(view.Items) == 0 || before == 0 {
			return nil, nil
		}
		seen += len(view.Items)
	}
	return nil, refused(hotline.CodeNotFound, "give the id of the assessment's case again after checking it", "not among the newest %d statements", searchDepth)
}

// pageOf gets one page of the inbox.
func (s *seat) pageOf(ctx context.Context, limit, before uint64) (*desk.InboxView, error) {
	r, err := s.do(ctx, &desk.Request{Inbox: &desk.InboxRequest{Limit: limit, Before: before}})
	if err != nil {
		return nil, err
	}
	if r.Inbox == nil || uint64(len(r.Inbox.Items)) > limit {
		return nil, fmt.Errorf("%w: no page of the inbox", desk.ErrAnswer)
	}
	return r.Inbox, nil
}

func newSendTextCmd(a *app) *cobra.Command {
	var to, in, re, text, language, status, precedence, tlp string
	cmd := &cobra.Command{
		Use:   "text --to PARTY --text TEXT",
		Short: "Free text in your own language; the other side acknowledges it",
		Args:  cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "addressee")
	f.StringVar(&text, "text", "", "what you say")
	f.StringVar(&language, "language", "", "language of the text, as en or fr-CA")
	f.StringVar(&in, "case", "", "id of any statement of the case it belongs to")
	f.StringVar(&re, "re", "", "id of the statement it answers")
	f.StringVar(&status, "status", "", "ACTUAL, EXERCISE or TEST; default: that of the case, or ACTUAL")
	f.StringVar(&precedence, "precedence", "PRIORITY", "FLASH, IMMEDIATE, PRIORITY or ROUTINE")
	f.StringVar(&tlp, "tlp", "AMBER", "RED, AMBER+STRICT, AMBER, GREEN or CLEAR")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
		addressee, err := parties(cmd, "to", []string{to})
		if err != nil {
			return err
		}
		if text == "" {
			return usage(cmd, "--text is missing")
		}
		l := &letter{kind: hotline.KindText, status: hotline.Actual, to: addressee, body: &hotline.Note{Language: language, Text: text}}
		if l.precedence, err = precedenceOf(cmd, precedence); err != nil {
			return err
		}
		if l.tlp, err = tlpOf(cmd, tlp); err != nil {
			return err
		}
		if err := s.refer(ctx, l, in, re); err != nil {
			return err
		}
		if status != "" {
			if l.status, err = statusOf(cmd, status); err != nil {
				return err
			}
		}
		raw, err := s.compose(ctx, l)
		if err != nil {
			return err
		}
		return s.file(ctx, raw, "")
	})
	return cmd
}

// refer sets the case and the reference of a letter, and takes the status of what it refers to.
func (s *seat) refer(ctx context.Context, l *letter, in, re string) error {
	if re != "" {
		_, st, err := s.find(ctx, re)
		if err != nil {
			return err
		}
		l.re, l.in, l.status = &st.ID, st.InCase(), st.Header.Status
	}
	if in != "" {
		st, c, err := s.findCase(ctx, in)
		if err != nil {
			return err
		}
		l.in, l.status = c, st.Header.Status
	}
	return nil
}

func newSendRatificationCmd(a *app) *cobra.Command {
	var text, language string
	cmd := &cobra.Command{
		Use:   "ratification ALERT",
		Short: "Confirm, as an authority, a FLASH alert that one officer released",
		Args:  cobra.ExactArgs(1), PreRunE: namesOne,
	}
	cmd.Flags().StringVar(&text, "text", "", "remark")
	cmd.Flags().StringVar(&language, "language", "", "language of the text, as en or fr-CA")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		_, st, err := s.find(ctx, args[0])
		if err != nil {
			return err
		}
		h := &st.Header
		if h.Kind != hotline.KindAlert || h.From != s.party() {
			return refused(hotline.CodeReference, "name the alert that waits", "%s is a %s of %s, not an own alert", st.ID.Short(), h.Kind, h.From)
		}
		raw, err := s.compose(ctx, &letter{kind: hotline.KindRatification, status: h.Status, precedence: h.Precedence, tlp: h.TLP, to: s.stillOf(h.To), in: h.Case,
			re: &st.ID, body: &hotline.Note{Language: language, Text: text}})
		if err != nil {
			return err
		}
		return s.file(ctx, raw, "")
	})
	return cmd
}
