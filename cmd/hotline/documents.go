package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// newDocumentsCmd shows and publishes documents.
func newDocumentsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "documents",
		Short: "Get newer documents from the group, verify them, and show what is in force",
		Args:  cobra.NoArgs,
		RunE: a.atDesk(func(_ context.Context, s *seat, _ []string) error {
			return s.show(s.documents(), s.writeDocuments)
		}),
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "import FILE...",
		Short: "Hand signed convention versions and directories to the group",
		Long: "Hands documents to the group, conventions first and then by number, whatever the order of the files. Each is verified here before\n" +
			"it is sent. One that the group knows already is no error.",
		Args: cobra.MinimumNArgs(1),
		RunE: a.atDesk(func(ctx context.Context, s *seat, args []string) error { return s.publish(ctx, args) }),
	})
	return cmd
}

func (s *seat) documents() any {
	c := s.convention(s.time())
	var versions, pages []any
	for _, v := range s.docs.Conventions {
		versions = append(versions, map[string]any{"version": v.Version, "valid_from": int64(v.ValidFrom), "name": v.Name,
			"parties": len(v.Parties), "observers": len(v.Parties) - len(v.Speakers())})
	}
	for _, p := range s.docs.Parties() {
		d := s.docs.Directory(p)
		var officers []any
		for _, o := range d.Officers {
			officers = append(officers, map[string]any{"name": o.Name, "roles": o.Roles, "from": int64(o.From), "until": int64(o.Until), "revoked": int64(o.Revoked)})
		}
		pages = append(pages, map[string]any{"party": p, "observer": c.Observes(p), "number": d.Number, "issued": int64(d.Issued), "generation": d.Generation,
			"nodes": len(d.Nodes), "officers": officers})
	}
	return map[string]any{"convention": c.ID.String(), "in_force": c.Version, "versions": versions, "directories": pages,
		"questions": c.Questions, "always": c.Always, "witnesses": c.WitnessesOf(s.party())}
}

// witnessWords says whom the own log asks to witness, and whether one of them is independent of every pair.
func witnessWords(c *hotline.SignedConvention, self hotline.Party) string {
	list := c.WitnessesOf(self)
	independent := slices.DeleteFunc(slices.Clone(list), func(p hotline.Party) bool { return !c.Observes(p) })
	switch {
	case len(list) == 0:
		return "nobody witnesses the log of " + string(self)
	case len(c.Parties) == 2:
		return "the log of " + string(self) + " is witnessed by " + joinParties(list) + ": in a convention of two no independent witness exists, agree on an observer"
	case len(independent) == 0:
		return "the log of " + string(self) + " is witnessed by " + joinParties(list) + ": each is independent where it has no part itself"
	}
	return "the log of " + string(self) + " is witnessed by " + joinParties(list) + "; independent of every pair: " + joinParties(independent)
}

func (s *seat) writeDocuments(w io.Writer) {
	c := s.convention(s.time())
	fmt.Fprintf(w, "convention %s %q, version %d in force of %d, terms %s\n", c.ID, c.Name, c.Version, len(s.docs.Conventions), c.Terms.Profile)
	fmt.Fprintf(w, "  %s\n", witnessWords(c, s.party()))
	for i, q := range c.Questions {
		fmt.Fprintf(w, "  question %d: %s\n", i+1, q)
	}
	for _, item := range c.Always {
		fmt.Fprintf(w, "  always notifiable: %s\n", item)
	}
	for _, p := range s.docs.Parties() {
		d := s.docs.Directory(p)
		role := ""
		if c.Observes(p) {
			role = " (observer)"
		}
		fmt.Fprintf(w, "directory %d of %s%s, issued %s, %d nodes\n", d.Number, p, role, clock(d.Issued), len(d.Nodes))
		if p != s.party() {
			continue
		}
		for _, o := range d.Officers {
			var roles []string
			for _, r := range o.Roles {
				roles = append(roles, string(r))
			}
			mark := ""
			if o.Revoked != 0 {
				mark = ", REVOKED " + clock(o.Revoked)
			}
			fmt.Fprintf(w, "  %-10s %s, until %s%s\n", o.Name, strings.Join(roles, " "), clock(o.Until), mark)
		}
	}
}

// offered is one document to be published.
type offered struct {
	path string
	st   *hotline.Statement
}

// publish verifies documents in the order in which a ledger takes them, and hands each in.
func (s *seat) publish(ctx context.Context, paths []string) error {
	var list []offered
	for _, path := range paths {
		raw, err := ceremony.ReadFile(path, hotline.MaxDocument)
		if err != nil {
			return err
		}
		st, err := hotline.Parse(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, offered{path, st})
	}
	known, err := s.known(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b offered) int { return compareDocuments(&a.st.Header, &b.st.Header) })
	results := []any{}
	var text strings.Builder
	for _, d := range list {
		name, err := ceremony.DocumentName(d.st.Raw)
		if err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		outcome := "published"
		if slices.ContainsFunc(known, func(have []byte) bool { return bytes.Equal(have, d.st.Raw) }) {
			outcome = "known already"
		} else if err := s.publishOne(ctx, d.st.Raw); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		results = append(results, map[string]string{"file": d.path, "document": name, "outcome": outcome})
		fmt.Fprintf(&text, "%s  %s\n", name, outcome)
	}
	return s.show(results, func(w io.Writer) { fmt.Fprint(w, text.String()) })
}

// compareDocuments puts conventions before directories, and each by number.
func compareDocuments(a, b *hotline.Header) int {
	rank := map[hotline.Kind]int{hotline.KindConvention: 0, hotline.KindDirectory: 1}
	return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(a.ConventionVersion, b.ConventionVersion), cmp.Compare(a.Directory, b.Directory))
}

// known returns the documents that the group holds, as far as it shows them: it may have forgotten the oldest pages.
func (s *seat) known(ctx context.Context) (list [][]byte, err error) {
	err = s.client.Stream(ctx, &desk.Request{Documents: &desk.DocumentsRequest{}}, func(r *desk.Reply) error {
		if r.Documents == nil || len(list)+len(r.Documents.Raw) > ceremony.MaxDocumentFiles {
			return fmt.Errorf("%w: no documents", desk.ErrAnswer)
		}
		list = append(list, r.Documents.Raw...)
		return nil
	})
	return list, err
}

// publishOne verifies one document, hands it in and keeps it: the group must not get what does not fit here. That it stands here
// already says nothing of the group.
func (s *seat) publishOne(ctx context.Context, raw []byte) error {
	held := slices.ContainsFunc(s.docs.Raw(), func(have []byte) bool { return bytes.Equal(have, raw) })
	if !held {
		if err := s.docs.Add(raw); err != nil {
			return err
		}
	}
	if _, err := s.do(ctx, &desk.Request{Publish: &desk.PublishRequest{Document: raw}}); err != nil {
		return err
	}
	if held {
		return nil
	}
	return s.keepDocument(raw)
}
