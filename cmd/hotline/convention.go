package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
)

func newConventionCmd(a *app) *cobra.Command {
	return newGroupCmd("convention", "Draft, sign and verify the convention", newConventionNewCmd(a), newConventionSignCmd(a),
		newConventionFinishCmd(a), newConventionVerifyCmd(a), newConventionShowCmd(a))
}

// proposalFlags are the flags of convention new, as they were given.
type proposalFlags struct {
	name, profile, amend, scale, validFrom, overlap                    string
	parties, remove, observers, speakers, reserve, settings, questions []string
	always, amends, signers                                            []string
	witnesses                                                          uint64
}

func (f *proposalFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "name of the convention")
	flags.StringVar(&f.profile, "profile", "", "terms to begin with: crisis (minutes) or standard (hours)")
	flags.StringArrayVar(&f.parties, "party", nil, "CODE=ROOT.pub: a party with its root key; in an amendment a new party, or a new root key (repeat)")
	flags.StringArrayVar(&f.remove, "remove", nil, "CODE: a party that leaves (repeat)")
	flags.StringArrayVar(&f.observers, "observer", nil, "CODE: a member that only witnesses and audits, and neither gives nor takes statements (repeat)")
	flags.StringArrayVar(&f.speakers, "full-party", nil, "CODE: an observer until now that takes full part from this version on (repeat)")
	flags.StringArrayVar(&f.reserve, "reserve", nil, "CODE=automatic-alert or CODE=line-test: a party's reservation (repeat)")
	flags.StringVar(&f.amend, "amend", "", "share of the parties that must sign an amendment (2/3 in version 1)")
	flags.StringVar(&f.scale, "scale", "", "multiply every duration of the terms, each at least 1 s, for drills: 1/60")
	flags.StringArrayVar(&f.settings, "set", nil, "NAME=VALUE, after --scale: acknowledge.FLASH=20s, line_test=0s, automatic_alert=false (repeat)")
	flags.StringVar(&f.validFrom, "valid-from", "", "2026-03-01T12:00:00Z or 2026-03-01 (version 1: now)")
	flags.StringVar(&f.overlap, "overlap", "", "how long the version before is still good for statements in flight (24h in version 1)")
	flags.Uint64Var(&f.witnesses, "witnesses", 0, "most witnesses of one log (7 in version 1)")
	flags.StringArrayVar(&f.questions, "question", nil, "a question that an assessment answers (repeat); default: the four that ship with the profiles")
	flags.StringArrayVar(&f.always, "always", nil, "what is notifiable whatever the answers are (repeat); default: the list that ships with the profiles")
	flags.StringArrayVar(&f.amends, "amends", nil, "the versions before: files, or a directory of documents (repeat)")
	flags.StringSliceVar(&f.signers, "signers", nil, "which parties of the version before sign an amendment (all)")
}

// proposal reads the flags.
func (f *proposalFlags) proposal(cmd *cobra.Command) (*ceremony.Proposal, error) {
	p := &ceremony.Proposal{Name: f.name, Profile: f.profile, Settings: f.settings, Questions: f.questions, Always: f.always,
		Remove: partyCodes(f.remove), Observers: partyCodes(f.observers), Speakers: partyCodes(f.speakers)}
	for _, text := range f.parties {
		root, err := ceremony.LoadPartyRoot(text)
		if err != nil {
			return nil, err
		}
		p.Parties = append(p.Parties, root)
	}
	for _, text := range f.reserve {
		r, err := ceremony.ParseReservation(text)
		if err != nil {
			return nil, err
		}
		p.Reserve = append(p.Reserve, r)
	}
	for text, target := range map[*string]**hotline.Share{&f.amend: &p.Amend, &f.scale: &p.Scale} {
		if *text == "" {
			continue
		}
		num, den, err := ceremony.ParseFraction(*text)
		if err != nil {
			return nil, err
		}
		*target = &hotline.Share{Num: num, Den: den}
	}
	if cmd.Flags().Changed("witnesses") {
		p.Witnesses = &f.witnesses
	}
	return p, f.times(p)
}

func (f *proposalFlags) times(p *ceremony.Proposal) error {
	if f.overlap != "" {
		ms, err := ceremony.ParseDuration(f.overlap)
		if err != nil {
			return err
		}
		p.Overlap = &ms
	}
	if f.validFrom == "" {
		return nil
	}
	var err error
	p.ValidFrom, err = ceremony.ParseTime(f.validFrom)
	return err
}

func partyCodes(list []string) []hotline.Party {
	var codes []hotline.Party
	for _, code := range list {
		codes = append(codes, hotline.Party(code))
	}
	return codes
}

func newConventionNewCmd(a *app) *cobra.Command {
	var f proposalFlags
	cmd := &cobra.Command{
		Use:   "new -o DRAFT",
		Short: "Draft a convention, or an amendment of one",
		Long: "Writes a draft as text (TOML) that people read, compare, and change until the first of them has signed. Version 1 is\n" +
			"signed by every party. With --amends, the draft begins with the version before, and everything not given stays as it is.",
		Example: "  hotline convention new --name \"Early warning\" --profile crisis --party XA=XA/root.pub --party XB=XB/root.pub -o draft.toml\n" +
			"  hotline convention new --amends documents --set acknowledge.FLASH=5m --signers XA,XB -o draft-2.toml",
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	out := cmd.Flags().StringP("output", "o", "", "the draft to write")
	required(cmd, "output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := f.proposal(cmd)
		if err != nil {
			return err
		}
		now := hotline.Time(a.now().UnixMilli())
		before, err := lastVersion(f.amends)
		if err != nil {
			return err
		}
		if before == nil && p.ValidFrom == 0 {
			p.ValidFrom = now
		}
		c, err := p.Version(before)
		if err != nil {
			return err
		}
		d, err := ceremony.DraftConvention(c, before, partyCodes(f.signers), now)
		if err != nil {
			return err
		}
		text, err := d.Encode()
		if err != nil {
			return err
		}
		if err := ceremony.WriteDraft(*out, text); err != nil {
			return err
		}
		return a.showDraft(d, *out, "")
	}
	return cmd
}

// lastVersion verifies the versions before and returns the newest, or nil if no path was given.
func lastVersion(paths []string) (*hotline.SignedConvention, error) {
	documents, err := ceremony.LoadChain(paths, hotline.ID{})
	if err != nil {
		return nil, err
	}
	if len(paths) > 0 && documents.Convention() == nil {
		return nil, refused(hotline.CodeNeed, nextMoves[hotline.CodeNeed], "there is no convention among the documents given")
	}
	return documents.Convention(), nil
}

// draftView is how far a draft is on its way.
type draftView struct {
	Draft    string   `json:"draft"`
	Document string   `json:"document,omitempty"` // once everybody has signed
	Version  uint64   `json:"version"`
	Hash     string   `json:"hash"`
	Missing  []string `json:"missing"`
}

func (a *app) showDraft(d *ceremony.ConventionDraft, path, document string) error {
	hash, err := d.Hash()
	if err != nil {
		return err
	}
	v := draftView{Draft: path, Document: document, Version: d.Convention.Version, Hash: hash.String(), Missing: []string{}}
	for _, s := range d.Missing() {
		v.Missing = append(v.Missing, string(s.Party))
	}
	return a.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "version %d, hash of the content %s\n", v.Version, v.Hash)
		if document != "" {
			fmt.Fprintf(w, "everybody has signed: %s\n", document)
			return
		}
		fmt.Fprintf(w, "%s waits for the signature of %s\n", path, joinWords(v.Missing))
	})
}

func loadConventionDraft(path string) (*ceremony.ConventionDraft, error) {
	text, err := ceremony.ReadFile(path, ceremony.MaxDraft)
	if err != nil {
		return nil, err
	}
	if !ceremony.IsDraft(text) {
		return nil, refused(hotline.CodeDocument, "name the draft", "%s is a signed document, not a draft", path)
	}
	d, err := ceremony.ParseConventionDraft(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// finishFlags are where the document goes and what it follows.
type finishFlags struct {
	before []string
	out    string
}

func (f *finishFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.before, "before", nil, "for an amendment, the versions before: files, or a directory of documents (repeat)")
	cmd.Flags().StringVarP(&f.out, "output", "o", "", "the document (convention-VERSION.cbor beside the draft)")
}

// finish writes the document of a draft that everybody has signed.
func (f *finishFlags) finish(d *ceremony.ConventionDraft, draft string) (string, error) {
	before, err := lastVersion(f.before)
	if err != nil {
		return "", err
	}
	c, err := d.Finish(before)
	if err != nil {
		return "", err
	}
	out := f.out
	if out == "" {
		name, err := ceremony.DocumentName(c.Raw)
		if err != nil {
			return "", err
		}
		out = filepath.Join(filepath.Dir(draft), name)
	}
	return out, ceremony.WriteDocument(out, c.Raw)
}

func newConventionSignCmd(a *app) *cobra.Command {
	var f finishFlags
	cmd := &cobra.Command{
		Use:   "sign DRAFT --key ROOT.key",
		Short: "Sign a draft with a party's root key",
		Long: "Adds the signature of one party to the draft, which then travels to the next; their order does not matter. Read the draft\n" +
			"first (hotline convention show) and compare the hash of its content with the others: that content is what is signed. Once\n" +
			"everybody has signed, the document is written too. Comments that people put into the draft are lost when it is signed.",
		Args: cobra.ExactArgs(1),
	}
	key := cmd.Flags().String("key", "", "the root key file of the party")
	required(cmd, "key")
	f.add(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		d, err := loadConventionDraft(args[0])
		if err != nil {
			return err
		}
		root, err := a.loadRoot(*key)
		if err != nil {
			return err
		}
		if err := ceremony.SignConvention(d, root); err != nil {
			return err
		}
		text, err := d.Encode()
		if err != nil {
			return err
		}
		if err := ceremony.ReplaceDraft(args[0], text); err != nil {
			return err
		}
		if len(d.Missing()) > 0 {
			return a.showDraft(d, args[0], "")
		}
		document, err := f.finish(d, args[0])
		if err != nil {
			return errors.Join(fmt.Errorf("%s bears every signature, but no document was written (hotline convention finish)", args[0]), err)
		}
		return a.showDraft(d, args[0], document)
	}
	return cmd
}

func newConventionFinishCmd(a *app) *cobra.Command {
	var f finishFlags
	cmd := &cobra.Command{
		Use:   "finish DRAFT",
		Short: "Write the document of a draft that everybody has signed",
		Args:  cobra.ExactArgs(1),
	}
	f.add(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		d, err := loadConventionDraft(args[0])
		if err != nil {
			return err
		}
		document, err := f.finish(d, args[0])
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return a.showDraft(d, args[0], document)
	}
	return cmd
}
