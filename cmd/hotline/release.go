package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
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
func (s *seat) author(b *codebook.Book, from hotline.Party, id keys.ID) string {
	pages := s.docs.Directories[from]
	for i := len(pages) - 1; i >= 0; i-- {
		if pages[i].Service.ID() == id {
			return b.Say("group", "party", string(from))
		}
		if o := pages[i].Officer(id); o != nil {
			return b.Isolate(o.Name)
		}
	}
	return b.Say("key", "key", id.String()[:16])
}

func (s *seat) listDrafts(list []waiting) error {
	view, english := []any{}, codebook.Open(codebook.English)
	for _, d := range list {
		view = append(view, map[string]any{"id": d.st.ID.String(), "since": int64(d.since), "header": plain(d.st.Header),
			"waits_for": s.author(english, s.party(), d.st.Header.Authors[d.st.Signed])})
	}
	return s.show(view, func(w io.Writer) {
		p := s.sheet(w)
		for _, d := range list {
			h := &d.st.Header
			p.line(p.draft(h, d.st.ID, d.since, s.author(english, s.party(), h.Authors[d.st.Signed])))
		}
		p.line(p.Say("drafts", "count", strconv.Itoa(len(list))))
		p.notice()
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
		return refused(hotline.CodeMissingAuthor, "have that officer release it", "the draft waits for %s", s.author(codebook.Open(codebook.English), s.party(), next))
	}
	if d.says == nil {
		return refused(hotline.CodeUnreadable, "tell a technician", "the group cannot show what draft %s says: nobody signs what they cannot read", d.st.ID.Short())
	}
	p := s.sheet(s.err)
	s.statement(p, d.st, d.says)
	p.meaning(&d.st.Header, d.says, nil)
	if !yes {
		if err := s.ask(p.Say("confirm", "kind", p.Kind(d.st.Header.Kind), "officer", s.self.Name) + " "); err != nil {
			return err
		}
	}
	raw, err := hotline.Countersign(d.st.Raw, s.key)
	if err != nil {
		return err
	}
	return s.file(ctx, raw, "")
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256

// ask wants a y on the standard input; anything else is no.
func (s *seat) ask(question string) error {
	fmt.Fprint(s.err, question)
	if s.lines == nil {
		s.lines = bufio.NewReaderSize(s.in, maxAnswer) // one for all questions: it reads ahead
	}
	line, err := atQuestion(func() { fmt.Fprintln(s.err) }, func() ([]byte, error) { return s.lines.ReadSlice('\n') })
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(string(line))); answer != "y" && answer != "yes" {
		return refused(codeStopped, "nothing was signed", "not confirmed")
	}
	return nil
}
