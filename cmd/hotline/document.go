package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
)

// documentView is one document, or the draft of one.
type documentView struct {
	File    string         `json:"file"`
	Kind    string         `json:"kind"`
	Draft   bool           `json:"draft"`
	Hash    string         `json:"hash"`
	Signed  []string       `json:"signed,omitempty"`  // parties whose signature is there; whether it is good, verify says
	Missing []string       `json:"missing,omitempty"` // parties that have not signed
	Content map[string]any `json:"content"`
	text    []byte
}

func (v *documentView) write(w io.Writer) {
	state := "document"
	if v.Draft {
		state = "draft"
	}
	fmt.Fprintf(w, "%s: %s of a %s\nhash of the content %s\n", v.File, state, v.Kind, v.Hash)
	if len(v.Signed) > 0 {
		fmt.Fprintf(w, "bears the signature of %s (not verified here)\n", joinWords(v.Signed))
	}
	if len(v.Missing) > 0 {
		fmt.Fprintf(w, "waits for the signature of %s\n", joinWords(v.Missing))
	}
	fmt.Fprintf(w, "\n%s", v.text)
}

func newConventionShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Show a convention or a draft of one, without verifying it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := viewConvention(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return a.show(v, v.write)
		},
	}
}

func viewConvention(path string) (*documentView, error) {
	data, err := ceremony.ReadFile(path, ceremony.MaxDraft)
	if err != nil {
		return nil, err
	}
	v := &documentView{File: path, Kind: "convention", Draft: ceremony.IsDraft(data)}
	var d *ceremony.ConventionDraft
	strangers := 0
	if v.Draft {
		d, err = ceremony.ParseConventionDraft(data)
	} else {
		d, strangers, err = ceremony.InspectConvention(data)
	}
	if err != nil {
		return nil, err
	}
	hash, err := d.Hash()
	if err != nil {
		return nil, err
	}
	v.Hash = hash.String()
	for _, s := range d.Signers {
		if len(s.Signature) > 0 {
			v.Signed = append(v.Signed, string(s.Party))
		} else {
			v.Missing = append(v.Missing, string(s.Party))
		}
	}
	if strangers > 0 {
		v.Signed = append(v.Signed, fmt.Sprintf("%d root key(s) that do not stand in this version", strangers))
	}
	return v, v.fill(d.Content())
}

func (v *documentView) fill(text []byte, err error) error {
	if err != nil {
		return err
	}
	v.text = text
	v.Content, err = ceremony.Values(text)
	return err
}

func newConventionVerifyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a convention, or the signatures of a draft",
		Long: "Verifies one version with every signature that it demands. A version after the first needs those before it (--before).\n" +
			"A draft is verified as far as it is signed, and refused while a signature is missing.",
		Args: cobra.ExactArgs(1),
	}
	before := cmd.Flags().StringArray("before", nil, "the versions before: files, or a directory of documents (repeat)")
	pin := cmd.Flags().String("id", "", "the id that the convention must have, 64 hexadecimal digits")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		id, err := ceremony.ParseID(*pin)
		if err != nil {
			return err
		}
		if *pin != "" && id.IsZero() { // any convention would fit
			return refused(hotline.CodeDocument, "give the id that you know from elsewhere", "--id: %s is the id of no convention", *pin)
		}
		raw, err := ceremony.ReadFile(args[0], ceremony.MaxDraft)
		if err != nil {
			return err
		}
		if ceremony.IsDraft(raw) {
			return verifyDraft(args[0])
		}
		if _, _, err := ceremony.InspectConvention(raw); err != nil { // a directory is a document too
			return fmt.Errorf("%s: %w", args[0], err)
		}
		earlier, err := ceremony.LoadChain(*before, id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(earlier.Conventions, func(c *hotline.SignedConvention) bool { return bytes.Equal(c.Raw, raw) })
		if i < 0 {
			if err := earlier.Add(raw); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			i = len(earlier.Conventions) - 1
		}
		c := earlier.Conventions[i]
		return a.showGood(goodView{File: args[0], Kind: "convention", Convention: c.ID.String(), Number: c.Version, Hash: c.Hash.String()})
	}
	return cmd
}

// verifyDraft refuses a draft that is not complete: its document is what counts.
func verifyDraft(path string) error {
	d, err := loadConventionDraft(path)
	if err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var missing []string
	for _, s := range d.Missing() {
		missing = append(missing, string(s.Party))
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: %w", path, hotline.Refuse(hotline.CodeMissingAuthor, "the signature of %s is missing", joinWords(missing)))
	}
	return refused(hotline.CodeDocument, "run hotline convention finish and verify the document", "%s bears every signature, but is only a draft", path)
}

// goodView is a document that was verified.
type goodView struct {
	File       string `json:"file"`
	Kind       string `json:"kind"`
	Party      string `json:"party,omitempty"`
	Number     uint64 `json:"number"`
	Convention string `json:"convention"`
	Hash       string `json:"hash,omitempty"`
}

func (a *app) showGood(v goodView) error {
	return a.show(v, func(w io.Writer) {
		if v.Kind == "directory" {
			fmt.Fprintf(w, "%s: good: directory %d of %s\nconvention %s\n", v.File, v.Number, v.Party, v.Convention)
			return
		}
		fmt.Fprintf(w, "%s: good: version %d\nconvention %s\nhash of the content %s\n", v.File, v.Number, v.Convention, v.Hash)
	})
}

// joinWords is a list as people read it.
func joinWords(words []string) string { return strings.Join(words, ", ") }
