package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// newShowCmd shows one statement, or checks a disclosed one.
func newShowCmd(a *app) *cobra.Command {
	var disclose, disclosed, documents string
	cmd := &cobra.Command{
		Use:   "show ID | show --disclosed FILE",
		Short: "Show a statement, its place in the log, and what the receipts say",
		Long: "ID is the whole id, or at least 8 of its first digits if no other statement's id begins so; the group resolves it.\n\n" +
			"--disclose writes the opened body with its blind to a file, which shows what this one statement says to somebody who holds no\n" +
			"key. --disclosed checks such a file: that this is the body that the author committed to, and, if there are documents, that\n" +
			"the author signed it. It asks no node and needs no key.",
		Args: cobra.MaximumNArgs(1),
	}
	cmd.PreRunE = namesOne
	cmd.Flags().StringVar(&disclose, "disclose", "", "write the body and its proof to this file")
	cmd.Flags().StringVar(&disclosed, "disclosed", "", "check the body in this file")
	cmd.Flags().StringVar(&documents, "documents", "", "with --disclosed: directory of the convention and directories")
	atDesk := a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		v, st, err := s.find(ctx, args[0])
		if err != nil {
			return err
		}
		if disclose != "" {
			return s.disclose(v, st, disclose)
		}
		return s.showStatement(v, st)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (disclosed != "") == (len(args) == 1) || disclosed != "" && disclose != "" {
			return usage(cmd, "give either an id or --disclosed FILE")
		}
		if disclosed != "" {
			return a.checkDisclosure(disclosed, documents)
		}
		return atDesk(cmd, args)
	}
	return cmd
}

func (s *seat) showStatement(v *desk.ShowView, st *hotline.Statement) error {
	says, err := body(st, v.Body, v.Blind)
	if err != nil {
		return err
	}
	proof := verified
	if err := s.verify(st); err != nil {
		proof = err.Error()
	}
	view := map[string]any{"item": plain(v.Item), "header": plain(st.Header), "signatures": proof, "scope": plain(v.Scope), "marks": uint64(v.Marks),
		"tender": plain(v.Tender), "receipts": plain(v.Receipts), "body": plainBody(says), "unreadable": v.Unreadable, "raw": plain(st.Raw),
		"case": plain(v.Case), "late": plain(v.Late)}
	return s.show(view, func(w io.Writer) {
		p := s.sheet(w)
		s.statement(p, st, says)
		if says == nil {
			p.field("body", p.Say("hidden", "why", printable(v.Unreadable)))
		}
		p.proof(proof)
		p.places(v)
		p.caseOf(v)
		p.meaning(&st.Header, says, v)
	})
}

// verified is what stands in --json where every signature is good.
const verified = "verified"

func (p *sheet) proof(proof string) {
	if proof == verified {
		p.field("signatures", p.Say("verified"))
		return
	}
	p.given("signatures", printable(proof))
}

// places prints where a statement stands, here and elsewhere.
func (p *sheet) places(v *desk.ShowView) {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	p.field("here", p.Say("here", "index", number(v.Item.Index), "time", clock(v.Item.Time), "direction", p.Word(codebook.Directions, string(v.Item.Direction))))
	for _, m := range []struct {
		mark hotline.Marks
		code string
	}{{hotline.MarkTimeUnproven, "time-unproven"}, {hotline.MarkSkewed, "skewed"}, {hotline.MarkRevokedSince, "revoked-since"}} {
		if v.Marks&m.mark != 0 {
			p.field("mark", p.Word(codebook.Marks, m.code))
		}
	}
	place := func(what string, c *hotline.Claims) {
		p.field(what, p.Say(what, "index", number(c.Index), "log", fmt.Sprintf("%s/%d", c.Party, c.Generation), "time", clock(c.Time), "voters", number(c.Voters)))
	}
	if v.Tender != nil {
		place("tender", v.Tender)
	}
	for i := range v.Receipts {
		place("receipt", &v.Receipts[i])
	}
	for _, a := range v.Item.Addressees {
		p.named(p.Isolate(string(a.Party)), p.Say("addressee", "stage", p.Word(codebook.Stages, string(a.Stage)), "sequence", number(a.Sequence)))
	}
	how := "  (" + p.Isolate("hotline ack "+v.Item.ID.Short()) + ")" // whoever was just woken need not look it up
	switch a := v.Item.Ack; {
	case a == nil:
	case a.Acknowledged:
		p.field("acknowledged", p.Say("yes"))
	case a.Overdue:
		p.field("acknowledge", p.Say("overdue-since", "time", clock(a.Deadline))+how)
	default:
		p.field("acknowledge", p.Say("by", "time", clock(a.Deadline))+how)
	}
}

// plainBody is a body as --json prints it, with facts in words.
func plainBody(b hotline.Body) any {
	m, ok := plain(b).(map[string]any)
	if !ok {
		return nil
	}
	if facts := factsOf(b); facts != nil {
		m["facts"] = factWords(facts)
	}
	return m
}

// disclose writes the file that shows this body to a third person.
func (s *seat) disclose(v *desk.ShowView, st *hotline.Statement, path string) error {
	if len(v.Blind) != 32 {
		return refused(hotline.CodeUnreadable, "ask somebody who may read it", "there is no sealed body to disclose: %s", printable(v.Unreadable))
	}
	if _, err := body(st, v.Body, v.Blind); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(audit.Disclose(st.Raw, v.Blind, v.Body).Encode())
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.show(map[string]string{"disclosed": st.ID.String(), "file": path}, func(w io.Writer) {
		fmt.Fprintf(w, "%s holds what %s %s says; hotline show --disclosed %s checks it\n", path, st.Header.Kind, st.ID.Short(), path)
	})
}

// checkDisclosure verifies a disclosed body for somebody who holds no key.
func (a *app) checkDisclosure(path, documents string) error {
	text, err := ceremony.ReadFile(path, audit.MaxDisclosure)
	if err != nil {
		return err
	}
	_, st, says, err := audit.ParseDisclosure(text)
	if err != nil {
		return err
	}
	s := &seat{app: a, docs: new(ceremony.Documents)}
	proof := "not checked: there are no documents; give --documents"
	if documents != "" {
		if s.docs, err = ceremony.LoadDocuments(documents, st.Header.Convention); err != nil {
			return err
		}
		if err := s.verify(st); err != nil {
			return err
		}
		proof = verified
	}
	view := map[string]any{"header": plain(st.Header), "id": st.ID.String(), "body": plainBody(says), "signatures": proof, "commitment": "verified"}
	return a.show(view, func(w io.Writer) {
		p := a.sheet(w)
		s.statement(p, st, says)
		p.field("commitment", p.Say("committed"))
		if documents == "" {
			p.field("signatures", p.Say("unchecked", "documents", "--documents"))
		} else {
			p.proof(proof)
		}
		p.meaning(&st.Header, says, nil)
	})
}
