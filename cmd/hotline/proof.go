package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// proofFile is where a proof and what it is about are written; "" is nowhere.
type proofFile struct {
	out, entry string
	wait       bool
}

// newProofCmd shows an outsider that a statement was logged, and who witnessed it.
func newProofCmd(a *app) *cobra.Command {
	var f proofFile
	cmd := &cobra.Command{
		Use:   "proof ID",
		Short: "Prove to an outsider that a statement stands in the own log, and who witnessed it",
		Long: "Prints a C2SP tlog-proof (https://c2sp.org/tlog-proof): the place of the statement's entry in the group's log, the path to the\n" +
			"log's root, and a checkpoint that witnesses have cosigned. It is verified here before it is shown. It says nothing of what the\n" +
			"statement says. Whoever gets it checks it with hotline-audit inclusion, with the documents of the convention and either the\n" +
			"entry (--entry writes it: the signed statement, its time and place; what is sealed stays sealed) or the leaf hash, which is\n" +
			"told beside. While no cosigned checkpoint covers the entry the verb refuses, or with --wait asks again until one does.",
		Args: cobra.ExactArgs(1),
	}
	cmd.PreRunE = namesOne
	cmd.Flags().StringVar(&f.out, "out", "", "write the proof to this file, by custom NAME.tlog-proof, and not to standard output")
	cmd.Flags().StringVar(&f.entry, "entry", "", "write the bytes of the entry to this file")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "ask again until a cosigned checkpoint covers the entry")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		p, err := s.proof(ctx, args[0], f.wait)
		if err != nil {
			return err
		}
		return s.handOut(p, &f)
	})
	return cmd
}

// provenEntry is a statement's entry with a proof that was verified.
type provenEntry struct {
	view *desk.ProofView
	leaf tlog.Hash
	head tlog.Checkpoint
	by   []hotline.Cosigned
}

// proof gets the proof of a statement and verifies it, waiting for a cosigned checkpoint if it is told to.
func (s *seat) proof(ctx context.Context, id string, wait bool) (*provenEntry, error) {
	for {
		r, err := s.do(ctx, &desk.Request{Proof: &desk.ProofRequest{ID: id}})
		if err != nil {
			return nil, err
		}
		v := r.Proof
		switch {
		case v == nil:
			return nil, fmt.Errorf("%w: no proof", desk.ErrAnswer)
		case len(v.Proof) > 0:
			return s.verifyProof(id, v)
		case !wait:
			return nil, refused(hotline.CodeBusy, "ask again later, or with --wait", "entry %d is not under a cosigned checkpoint yet: the newest covers %d entries", v.Index, v.Cosigned)
		}
		select {
		case <-time.After(hotline.RecordFresh): // the node looks for a newer one no more often
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// verifyProof believes the node in nothing: the entry holds the statement that was asked for, and the proof leads from it to a
// checkpoint of the own log.
func (s *seat) verifyProof(id string, v *desk.ProofView) (*provenEntry, error) {
	wrong := func(err error) error { return fmt.Errorf("%w: %w", desk.ErrAnswer, err) }
	_, st, err := hotline.StatementIn(v.Entry)
	if err != nil {
		return nil, wrong(err)
	}
	p, err := tlog.ParseProof(v.Proof)
	if err != nil {
		return nil, wrong(err)
	}
	if st.ID.String()[:len(id)] != id || p.Index != v.Index {
		return nil, wrong(fmt.Errorf("it is of %s at entry %d", st.ID, p.Index))
	}
	page, x := s.page(), &provenEntry{view: v, leaf: tlog.LeafHash(v.Entry)}
	if x.head, err = p.Verify(x.leaf, tlog.Origin(string(page.Party), page.Generation), page.Log); err != nil {
		return nil, wrong(err)
	}
	if x.by, err = s.cosignedBy(p.Checkpoint, x.head); err != nil {
		return nil, wrong(err)
	}
	return x, nil
}

// cosignedBy says who has cosigned a checkpoint of the own log, by the documents here.
func (s *seat) cosignedBy(note []byte, c tlog.Checkpoint) ([]hotline.Cosigned, error) {
	var pages []*hotline.SignedDirectory
	for _, p := range s.docs.Parties() {
		pages = append(pages, s.docs.Directories[p]...)
	}
	list, _, err := hotline.CosignedBy(note, c, pages)
	return list, err
}

// handOut writes the proof, and the entry if that is to be shown. What people read goes to standard error where the proof itself
// goes to standard output.
func (s *seat) handOut(x *provenEntry, f *proofFile) error {
	v := x.view
	for _, file := range []struct {
		path string
		b    []byte
	}{{f.entry, v.Entry}, {f.out, v.Proof}} {
		if file.path == "" {
			continue
		}
		if err := writeOnce(file.path, file.b); err != nil {
			return err
		}
	}
	words, proof := s.out, io.Discard
	if f.out == "" {
		words, proof = s.err, s.out
	}
	if s.json {
		proof = io.Discard
	}
	if _, err := proof.Write(v.Proof); err != nil {
		return err
	}
	told := map[string]any{"origin": x.head.Origin, "index": v.Index, "size": x.head.Size, "leaf": hex.EncodeToString(x.leaf[:]), "witnesses": plain(x.by), "proof": string(v.Proof)}
	return s.show(told, func(io.Writer) {
		p := s.sheet(words)
		p.line(p.Say("proven", "index", strconv.FormatUint(v.Index, 10), "log", x.head.Origin, "size", strconv.FormatUint(x.head.Size, 10)))
		p.line(p.Say("leaf", "leaf", hex.EncodeToString(x.leaf[:])))
		p.witnesses(s.cosignedView(x.head.Size, x.by), x.head.Size, uint64(len(s.convention(s.time()).Parties)), s.time())
	})
}

// cosignedView is who has cosigned, in the form of the desk.
func (s *seat) cosignedView(size uint64, by []hotline.Cosigned) *desk.CosignedView {
	v, c := &desk.CosignedView{Size: size}, s.convention(s.time())
	for _, w := range by {
		v.By = append(v.By, desk.WitnessView{Party: w.Party, At: hotline.Time(w.Seconds * 1000), Observer: c.Observes(w.Party)})
	}
	return v
}

// witnesses says how much of a log of total entries is cosigned, by whom and how long before now, and what two parties alone
// cannot have.
func (p *sheet) witnesses(v *desk.CosignedView, total, parties uint64, now hotline.Time) {
	if v == nil || len(v.By) == 0 {
		p.line(p.Say("no-witness"))
	} else {
		p.line(p.Say("cosigned", "size", strconv.FormatUint(v.Size, 10), "total", strconv.FormatUint(total, 10)))
		for _, w := range v.By {
			line := p.Say("witness", "party", string(w.Party), "time", clock(w.At), "span", span(time.Duration(max(now-w.At, 0))*time.Millisecond))
			if w.Observer {
				line += ", " + p.Say("independent")
			}
			p.line(line)
		}
	}
	if parties == 2 {
		p.line(p.Say("two-parties"))
	}
}

// writeOnce writes a file that is not there yet.
func writeOnce(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
