package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
)

func newDirectoryCmd(a *app) *cobra.Command {
	return newGroupCmd("directory", "Draft, sign and verify a party's directory", newDirectoryNewCmd(a), newDirectorySignCmd(a),
		newDirectoryVerifyCmd(a), newDirectoryShowCmd(a))
}

// pageFlags say on the command line what a page file says.
type pageFlags struct {
	party, offset, group, from, until, confirmed, closed string
	number, generation                                   uint64
	nodes, officers                                      []string
}

func (f *pageFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.party, "party", "", "code of the party")
	flags.Uint64Var(&f.number, "number", 1, "number of the page; each is above the one before")
	flags.Uint64Var(&f.generation, "generation", 1, "generation of the party's log")
	flags.StringVar(&f.closed, "closed", "", "SIZE:ROOT, the last head of the generation before, which a later one than the first closes")
	flags.StringVar(&f.offset, "utc-offset", "0s", "the party's offset from UTC, like 2h or -5h30m")
	flags.StringVar(&f.confirmed, "confirmed", "", "when every contact point was last tried and found right (never said)")
	flags.StringVar(&f.group, "group", "", "directory with the public files of the group's keys")
	flags.StringArrayVar(&f.nodes, "node", nil, "public file of a node (repeat)")
	flags.StringArrayVar(&f.officers, "officer", nil, "FILE.pub=ROLE[,ROLE]: public file and roles of an officer (repeat)")
	flags.StringVar(&f.from, "from", "", "since when the officers' keys are good (now)")
	flags.StringVar(&f.until, "until", "", "until when the officers' keys are good (five years later)")
}

func (f *pageFlags) page() (*ceremony.Page, error) {
	p := &ceremony.Page{Party: f.party, Number: f.number, Generation: f.generation, Closed: f.closed, Group: f.group, Nodes: f.nodes}
	if err := p.SetUTCOffset(f.offset); err != nil {
		return nil, err
	}
	if err := p.SetConfirmed(f.confirmed); err != nil {
		return nil, err
	}
	for _, text := range f.officers {
		file, roles, ok := strings.Cut(text, "=")
		if !ok {
			return nil, hotline.Refuse(hotline.CodeDocument, "%q gives no role: write it like XA-L3.pub=liaison", text)
		}
		o := ceremony.PageOfficer{Key: file, Roles: strings.Split(roles, ",")}
		if err := o.SetValidity(f.from, f.until); err != nil {
			return nil, err
		}
		p.Officers = append(p.Officers, o)
	}
	return p, nil
}

const pageHelp = `Writes a draft as text with every key in it, fit to be carried to the machine with the root key. What it holds comes from
a page file, or from flags. A page file is TOML; paths in it are taken from where it lies, and times are UTC:

  party = "XA"
  number = 1                 # above the one before
  generation = 1             # of the log; left out: 1
  closed = "SIZE:ROOT"       # last head of the generation before; left out in the first
  utc_offset = "2h"          # left out: 0
  group = "group"            # directory with log.pub, service.pub, witness.pub, witness-pq.pub, sealing.pub
  nodes = ["XA-1.pub", "XA-2.pub", "XA-3.pub"]
  confirmed = 2026-01-01     # when every contact point was last tried and found right; left out: never said
  prefixes = []              # salted SHA-256 of network prefixes

  [[officers]]
  key = "XA-L3.pub"
  roles = ["liaison"]        # operator, releaser, liaison, authority, auditor, technician; or reporter alone
  from = 2026-01-01          # left out: now
  until = 2027-01-01         # left out: five years after from
  # revoked = 2026-06-01T08:00:00Z
  # person = ""              # salted SHA-256 of the person's name`

func newDirectoryNewCmd(a *app) *cobra.Command {
	var f pageFlags
	cmd := &cobra.Command{
		Use:   "new [PAGE] -o DRAFT",
		Short: "Draft the next page of a party's directory",
		Long:  pageHelp,
		Args:  cobra.MaximumNArgs(1),
	}
	f.add(cmd)
	out := cmd.Flags().StringP("output", "o", "", "the draft to write")
	required(cmd, "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var p *ceremony.Page
		var err error
		switch {
		case len(args) == 1 && (f.party != "" || f.group != "" || len(f.nodes)+len(f.officers) > 0):
			return usage(cmd, "give a page file or flags, not both")
		case len(args) == 1:
			p, err = ceremony.LoadPage(args[0])
		case f.party == "" || f.group == "":
			return usage(cmd, "give a page file, or --party and --group")
		default:
			p, err = f.page()
		}
		if err != nil {
			return err
		}
		d, err := ceremony.DraftDirectory(p, hotline.Time(a.now().UnixMilli()))
		if err != nil {
			return err
		}
		text, err := ceremony.EncodeDirectory(d)
		if err != nil {
			return err
		}
		if err := ceremony.WriteDraft(*out, text); err != nil {
			return err
		}
		return a.showPage(d, *out, "draft")
	}
	return cmd
}

// pageView is one page in few words.
type pageView struct {
	File     string `json:"file"`
	Party    string `json:"party"`
	Number   uint64 `json:"number"`
	Nodes    int    `json:"nodes"`
	Officers int    `json:"officers"`
	Hash     string `json:"hash"`
}

func (a *app) showPage(d *hotline.Directory, path, state string) error {
	hash, err := contentHash(d)
	if err != nil {
		return err
	}
	v := pageView{File: path, Party: string(d.Party), Number: d.Number, Nodes: len(d.Nodes), Officers: len(d.Officers), Hash: hash}
	return a.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s of directory %d of %s: %d node(s), %d officer(s)\nhash of the content %s\n",
			path, state, v.Number, v.Party, v.Nodes, v.Officers, v.Hash)
	})
}

func contentHash(d *hotline.Directory) (string, error) {
	payload, err := hotline.Marshal(d)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:]), nil
}

func newDirectorySignCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign DRAFT --key ROOT.key --convention FILE",
		Short: "Sign a page with the party's root key",
		Long: "Signs a draft and verifies the result against the documents given with --convention: files, or a directory of documents.\n" +
			"Give the party's earlier pages and the other parties' pages too, and a number that is not above the last one, or a key that\n" +
			"stands elsewhere already, is refused here and not later by everybody else.",
		Args: cobra.ExactArgs(1),
	}
	key := cmd.Flags().String("key", "", "the root key file of the party")
	documents := cmd.Flags().StringArray("convention", nil, "the convention and other documents: files, or a directory (repeat)")
	out := cmd.Flags().StringP("output", "o", "", "the document (directory-PARTY-NUMBER.cbor beside the draft)")
	required(cmd, "key", "convention")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		text, err := ceremony.ReadFile(args[0], ceremony.MaxDraft)
		if err != nil {
			return err
		}
		d, err := ceremony.ParseDirectoryDraft(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		known, err := ceremony.LoadChain(*documents, hotline.ID{})
		if err != nil {
			return err
		}
		root, err := a.loadRoot(*key)
		if err != nil {
			return err
		}
		signed, err := ceremony.SignDirectory(d, known, root)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		path := *out
		if path == "" {
			name, err := ceremony.DocumentName(signed.Raw)
			if err != nil {
				return err
			}
			path = filepath.Join(filepath.Dir(args[0]), name)
		}
		if err := ceremony.WriteDocument(path, signed.Raw); err != nil {
			return err
		}
		return a.showPage(d, path, "document")
	}
	return cmd
}

func newDirectoryVerifyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify FILE --convention FILE",
		Short: "Verify a page against the convention and other pages",
		Args:  cobra.ExactArgs(1),
	}
	documents := cmd.Flags().StringArray("convention", nil, "the convention and other documents: files, or a directory (repeat)")
	required(cmd, "convention")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		raw, err := ceremony.ReadFile(args[0], hotline.MaxDocument)
		if err != nil {
			return err
		}
		d, err := ceremony.InspectDirectory(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		known, err := ceremony.LoadChain(append([]string{args[0]}, *documents...), hotline.ID{})
		if err != nil {
			return err
		}
		hash, err := contentHash(d)
		if err != nil {
			return err
		}
		return a.showGood(goodView{File: args[0], Kind: "directory", Party: string(d.Party), Number: d.Number,
			Convention: known.Convention().ID.String(), Hash: hash})
	}
	return cmd
}

func newDirectoryShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Show a page or a draft of one, without verifying it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := ceremony.ReadFile(args[0], ceremony.MaxDraft)
			if err != nil {
				return err
			}
			v := &documentView{File: args[0], Kind: "directory", Draft: ceremony.IsDraft(data)}
			var d *hotline.Directory
			if v.Draft {
				d, err = ceremony.ParseDirectoryDraft(data)
			} else {
				d, err = ceremony.InspectDirectory(data)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if v.Hash, err = contentHash(d); err != nil {
				return err
			}
			if !v.Draft {
				v.Signed = []string{string(d.Party)}
			}
			if err := v.fill(ceremony.DirectoryContent(d)); err != nil {
				return err
			}
			return a.show(v, v.write)
		},
	}
}
