package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// maxDisclosure bounds the file of a disclosed body, in bytes.
const maxDisclosure = 256 << 10

// disclosure is the file that shows one body to a third person: the statement as it was signed, and the blind and body that its
// header commits to. It needs no key, and proves nothing but what this one statement says.
type disclosure struct {
	Format    uint64 `json:"format"`
	Statement []byte `json:"statement"`
	Blind     []byte `json:"blind"` // 32 bytes
	Body      []byte `json:"body"`
}

// disclosureFormat is the only version of the file.
const disclosureFormat = 1

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
	proof := "verified"
	if err := s.verify(st); err != nil {
		proof = err.Error()
	}
	view := map[string]any{"item": plain(v.Item), "header": plain(st.Header), "signatures": proof, "scope": plain(v.Scope), "marks": uint64(v.Marks),
		"tender": plain(v.Tender), "receipts": plain(v.Receipts), "body": plainBody(says), "unreadable": v.Unreadable, "raw": plain(st.Raw)}
	return s.show(view, func(w io.Writer) {
		s.writeStatement(w, st, says)
		if says == nil {
			writeField(w, "body", "not shown: "+printable(v.Unreadable))
		}
		writeField(w, "signatures", printable(proof))
		writePlaces(w, v)
	})
}

// writePlaces prints where a statement stands, here and elsewhere.
func writePlaces(w io.Writer, v *desk.ShowView) {
	writeField(w, "here", fmt.Sprintf("entry %d, %s, %s", v.Item.Index, clock(v.Item.Time), v.Item.Direction))
	if v.Marks&hotline.MarkTimeUnproven != 0 {
		writeField(w, "mark", "time unproven: no majority of clocks backed it")
	}
	if v.Marks&hotline.MarkSkewed != 0 {
		writeField(w, "mark", "issued far from the time at which it was logged")
	}
	if v.Marks&hotline.MarkRevokedSince != 0 {
		writeField(w, "mark", "the author's key is known to be revoked since")
	}
	if t := v.Tender; t != nil {
		writeField(w, "tender", fmt.Sprintf("entry %d of the log of %s/%d, %s", t.Index, t.Party, t.Generation, clock(t.Time)))
	}
	for _, r := range v.Receipts {
		writeField(w, "receipt", fmt.Sprintf("entry %d of the log of %s/%d, %s, on a majority of %d", r.Index, r.Party, r.Generation, clock(r.Time), r.Voters))
	}
	for _, a := range v.Item.Addressees {
		writeField(w, string(a.Party), fmt.Sprintf("%s, number %d", a.Stage, a.Sequence))
	}
	switch a := v.Item.Ack; {
	case a == nil:
	case a.Acknowledged:
		writeField(w, "acknowledged", "yes")
	case a.Overdue:
		writeField(w, "acknowledge", "OVERDUE since "+clock(a.Deadline))
	default:
		writeField(w, "acknowledge", "by "+clock(a.Deadline))
	}
}

// plainBody is a body as --json prints it, with facts in words.
func plainBody(b hotline.Body) any {
	m, ok := plain(b).(map[string]any)
	if !ok {
		return nil
	}
	switch b := b.(type) {
	case *hotline.Alert:
		m["facts"] = factWords(&b.Facts)
	case *hotline.Assessment:
		m["facts"] = factWords(&b.Facts)
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
	text, err := json.MarshalIndent(disclosure{Format: disclosureFormat, Statement: st.Raw, Blind: v.Blind, Body: v.Body}, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.show(map[string]string{"disclosed": st.ID.String(), "file": path}, func(w io.Writer) {
		fmt.Fprintf(w, "%s holds what %s %s says; hotline show --disclosed %s checks it\n", path, st.Header.Kind, st.ID.Short(), path)
	})
}

// checkDisclosure verifies a disclosed body for somebody who holds no key.
func (a *app) checkDisclosure(path, documents string) error {
	text, err := ceremony.ReadFile(path, maxDisclosure)
	if err != nil {
		return err
	}
	var d disclosure
	if err := json.Unmarshal(text, &d); err != nil || d.Format != disclosureFormat || len(d.Blind) != len([32]byte{}) {
		return refused(hotline.CodeMalformed, "get the file again from whoever made it", "%s is no disclosed statement", path)
	}
	st, err := hotline.Parse(d.Statement)
	if err != nil {
		return err
	}
	says, err := st.Disclose([32]byte(d.Blind), d.Body)
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
		proof = "verified"
	}
	view := map[string]any{"header": plain(st.Header), "id": st.ID.String(), "body": plainBody(says), "signatures": proof, "commitment": "verified"}
	return a.show(view, func(w io.Writer) {
		s.writeStatement(w, st, says)
		writeField(w, "commitment", "verified: this is the body that the header commits to")
		writeField(w, "signatures", proof)
	})
}
