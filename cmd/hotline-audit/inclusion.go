package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/ops/ceremony"
)

// outsider is what somebody without any log holds.
type outsider struct {
	documents, pin, entry, leaf string
	json                        bool
}

func inclusion() *cobra.Command {
	var o outsider
	c := &cobra.Command{
		Use:   "inclusion FILE",
		Short: "check a proof that a statement was logged and witnessed",
		Long: "inclusion checks a C2SP tlog-proof, as `hotline proof` writes it (SPEC §7.9): that an entry stands in a party's log, and who\n" +
			"has cosigned the log with it. It needs the entry or its leaf hash, and the documents of the convention; no export, no network\n" +
			"and no key of anybody. The directories must be those of the log's party and of its witnesses.\n\n" +
			"Exit codes: 0 it proves what is printed, 2 it proves nothing.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := o.check(args[0])
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(x)
			}
			return x.WriteText(cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.documents, "documents", "", "directory of the convention and the directories")
	f.StringVar(&o.pin, "convention", "", "the convention's id, known from elsewhere: 64 hexadecimal digits")
	f.StringVar(&o.entry, "entry", "", "file with the bytes of the entry")
	f.StringVar(&o.leaf, "leaf", "", "leaf hash of the entry, 64 hexadecimal digits, in place of --entry")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

func (o *outsider) check(file string) (*audit.Inclusion, error) {
	if o.documents == "" || (o.entry == "") == (o.leaf == "") {
		return nil, errors.New("give --documents, and either --entry or --leaf")
	}
	pin, err := pinned(o.pin)
	if err != nil {
		return nil, err
	}
	var leaf hotline.ID
	var entry []byte
	if o.leaf != "" {
		if leaf, err = audit.ParseID(o.leaf); err != nil {
			return nil, fmt.Errorf("--leaf: %w", err)
		}
	} else if entry, err = ceremony.ReadFile(o.entry, hotline.MaxEntry); err != nil {
		return nil, err
	}
	proof, err := ceremony.ReadFile(file, tlog.MaxProof)
	if err != nil {
		return nil, err
	}
	docs, err := ceremony.LoadDocuments(o.documents, pin)
	if err != nil {
		return nil, err
	}
	var pages []*hotline.SignedDirectory
	for _, p := range docs.Parties() {
		pages = append(pages, docs.Directories[p]...)
	}
	x, err := audit.CheckInclusion(proof, entry, leaf, docs.Convention(), pages)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return x, nil
}
