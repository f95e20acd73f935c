package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// newReleaseCmd signs a draft as its second officer.
func newReleaseCmd(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "release [ID]",
		Short: "Read what another officer drafted, sign it too, and send it",
		Long: "Shows what is signed: the header, and the body, which is checked against what the header commits to. Then it asks, signs with\n" +
			"your key and submits. Without ID it lists the drafts that wait.",
		Args: cobra.MaximumNArgs(1),
	}
	cmd.PreRunE = namesOne
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		drafts, err := s.drafts(ctx)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return s.listDrafts(drafts)
		}
		d, err := pickDraft(cmd, drafts, args[0])
		if err != nil {
			return err
		}
		return s.release(ctx, d, yes)
	})
	return cmd
}

// waiting is a draft, parsed and checked: who has signed it, and what it says.
type waiting struct {
	st    *hotline.Statement
	since hotline.Time
	says  hotline.Body // nil if it was not shown
}

// drafts gets the drafts that wait. The signatures that are there are verified, and the body is what the header commits to.
func (s *seat) drafts(ctx context.Context) ([]waiting, error) {
	var list []waiting
	err := s.client.Stream(ctx, &desk.Request{Drafts: &desk.DraftsRequest{}}, func(r *desk.Reply) error {
		if r.Draft == nil || len(list) >= hotline.MaxDrafts {
			return fmt.Errorf("%w: no draft", desk.ErrAnswer)
		}
		st, err := hotline.Parse(r.Draft.Raw)
		if err != nil {
			return fmt.Errorf("%w: %w", desk.ErrAnswer, err)
		}
		if err := s.verify(st); err != nil {
			return fmt.Errorf("draft %s: %w", st.ID.Short(), err)
		}
		says, err := body(st, r.Draft.Body, r.Draft.Blind)
		if err != nil {
			return fmt.Errorf("draft %s: %w", st.ID.Short(), err)
		}
		list = append(list, waiting{st: st, since: r.Draft.Since, says: says})
		return nil
	})
	return list, err
}

// verify checks the signatures of a statement with the keys of the directories held here, the newest first.
func (s *seat) verify(st *hotline.Statement) error {
	return st.Verify(func(id keys.ID) (keys.Public, bool) {
		pages := s.docs.Directories[st.Header.From]
		for i := len(pages) - 1; i >= 0; i-- {
			if pages[i].Service.ID() == id {
				return pages[i].Service, true
			}
			if o := pages[i].Officer(id); o != nil {
				return o.Key, true
			}
		}
		return keys.Public{}, false
	})
}

// author names the officer of a key, by the newest directory that holds it.
func (s *seat) author(from hotline.Party, id keys.ID) string {
	pages := s.docs.Directories[from]
	for i := len(pages) - 1; i >= 0; i-- {
		if pages[i].Service.ID() == id {
			return string(from) + " (the group itself)"
		}
		if o := pages[i].Officer(id); o != nil {
			return o.Name
		}
	}
	return "key " + id.String()[:16]
}

func (s *seat) listDrafts(list []waiting) error {
	view := []any{}
	for _, d := range list {
		view = append(view, map[string]any{"id": d.st.ID.String(), "since": int64(d.since), "header": plain(d.st.Header),
			"waits_for": s.author(s.party(), d.st.Header.Authors[d.st.Signed])})
	}
	return s.show(view, func(w io.Writer) {
		for _, d := range list {
			h := &d.st.Header
			fmt.Fprintf(w, "%s  %s  %-9s %-8s %-12s to %s, waits for %s\n", d.st.ID.Short(), clock(d.since), h.Precedence, h.Status, h.Kind,
				joinParties(h.To), s.author(s.party(), h.Authors[d.st.Signed]))
		}
		fmt.Fprintf(w, "%d drafts wait\n", len(list))
	})
}

func pickDraft(cmd *cobra.Command, list []waiting, id string) (*waiting, error) {
	if len(id) < hotline.MinIDDigits || !lowerHex(id) {
		return nil, usage(cmd, "%q is no id: at least %d lower-case hexadecimal digits", id, hotline.MinIDDigits)
	}
	var found *waiting
	for i := range list {
		if !strings.HasPrefix(list[i].st.ID.String(), id) {
			continue
		}
		if found != nil {
			return nil, refused(hotline.CodeReference, "give more digits", "several drafts' ids begin with %s", id)
		}
		found = &list[i]
	}
	if found == nil {
		return nil, refused(hotline.CodeNotFound, "see hotline release for what waits", "no draft's id begins with %s", id)
	}
	return found, nil
}

// release shows, asks, signs and submits.
func (s *seat) release(ctx context.Context, d *waiting, yes bool) error {
	if next := d.st.Header.Authors[d.st.Signed]; next != s.self.Key.ID() {
		return refused(hotline.CodeMissingAuthor, "have that officer release it", "the draft waits for %s", s.author(s.party(), next))
	}
	if d.says == nil {
		return refused(hotline.CodeUnreadable, "tell a technician", "the group cannot show what draft %s says: nobody signs what they cannot read", d.st.ID.Short())
	}
	s.writeStatement(s.err, d.st, d.says)
	if !yes {
		if err := s.ask(fmt.Sprintf("sign and send this %s as %s? [y/N] ", d.st.Header.Kind, s.self.Name)); err != nil {
			return err
		}
	}
	raw, err := hotline.Countersign(d.st.Raw, s.key)
	if err != nil {
		return err
	}
	return s.file(ctx, raw, "")
}

// ask wants a y on the standard input; anything else is no.
func (s *seat) ask(question string) error {
	fmt.Fprint(s.err, question)
	line, err := bufio.NewReader(io.LimitReader(s.in, 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return refused(codeStopped, "nothing was signed", "not confirmed")
	}
	return nil
}

// writeStatement prints the header and the body of a statement for a person.
func (s *seat) writeStatement(w io.Writer, st *hotline.Statement, says hotline.Body) {
	h := &st.Header
	fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", strings.ToUpper(h.Kind.String()), h.Status, h.Precedence, h.TLP, st.ID)
	writeField(w, "from", string(h.From))
	if len(h.To) > 0 {
		writeField(w, "to", joinParties(h.To))
	}
	for i, id := range h.Authors {
		word := "signed by"
		if i >= st.Signed {
			word = "waits for"
		}
		writeField(w, word, s.author(h.From, id))
	}
	if h.Case != nil {
		writeField(w, "case", h.Case.Key())
	}
	if h.Re != nil {
		writeField(w, "re", h.Re.String())
	}
	if h.Verdict != 0 {
		writeField(w, "verdict", h.Verdict.String()+" "+joinParties(h.Notify))
	}
	if len(h.Answers) > 0 {
		writeField(w, "answers", yesNo(h.Answers))
	}
	if h.Always != 0 {
		writeField(w, "always", s.itemOf(h))
	}
	if h.Disposition != 0 {
		writeField(w, "disposition", h.Disposition.String())
	}
	if h.Reason != "" {
		writeField(w, "reason", string(h.Reason))
	}
	for _, t := range []struct {
		name string
		at   hotline.Time
	}{{"detected", h.Detected}, {"assessed", h.Assessed}, {"issued", h.Issued}} {
		if t.at != 0 {
			writeField(w, t.name, clock(t.at))
		}
	}
	if says != nil {
		writeBody(w, says)
	}
}
