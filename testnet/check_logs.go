package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
)

// Logged is one entry of an exported log.
type Logged struct {
	Index   uint64
	Raw     []byte
	Entry   *hotline.Entry
	Content any // as hotline.DecodeEntry gives it
}

// Logs are the exported logs of all parties.
type Logs map[hotline.Party][]Logged

// ReadLog decodes the entries of one log.
func ReadLog(entries [][]byte) ([]Logged, error) {
	list := make([]Logged, len(entries))
	for i, raw := range entries {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		list[i] = Logged{uint64(i), raw, e, content}
	}
	return list, nil
}

// logs exports the log of every node of every party into dir, checks that the nodes of a party agree, has all of it audited, and returns
// the longest log of each party. All are of one moment: what a party said while its peer's log was already read would else look lost.
func (w *Network) logs(ctx context.Context, dir string) (Logs, error) {
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the logs grow without an end"))
	defer cancel()
	for {
		all, dirs, err := w.exportAll(ctx, dir)
		if err != nil {
			return nil, err
		}
		grown, err := w.grown(ctx, all)
		if err != nil {
			return nil, err
		}
		if !grown {
			return all, w.audit(ctx, dirs)
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
}

// exportAll also returns where the longest log of each party lies.
func (w *Network) exportAll(ctx context.Context, dir string) (all Logs, dirs []string, err error) {
	all, longest := Logs{}, map[hotline.Party]string{}
	for _, p := range w.Parties {
		for _, n := range p.Nodes {
			at := filepath.Join(dir, n.Name)
			var entries [][]byte
			err := until(ctx, "the log of "+n.Name+" is exported", func() (err error) { // on a busy machine a node may be silent for so long that it is given up
				entries, err = n.export(ctx, at)
				return err
			})
			if err != nil {
				return nil, nil, err
			}
			log, err := ReadLog(entries)
			if err == nil {
				err = CheckAgreement(all[p.Code], log)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("log of %s: %w", n.Name, err)
			}
			if len(log) > len(all[p.Code]) {
				all[p.Code], longest[p.Code] = log, at
			}
		}
	}
	for _, at := range longest {
		dirs = append(dirs, at)
	}
	slices.Sort(dirs)
	return all, dirs, nil
}

// grown says whether the log of a party is longer by now.
func (w *Network) grown(ctx context.Context, all Logs) (grown bool, err error) {
	for _, p := range w.Parties {
		err = until(ctx, string(p.Code)+" says how long its log is", func() error {
			s, err := p.Officer("U1").Status(ctx)
			if err == nil {
				grown = grown || s.Size > uint64(len(all[p.Code]))
			}
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return grown, nil
}

// export writes a full export of the log as this node alone sees it.
func (n *Node) export(ctx context.Context, dir string) ([][]byte, error) {
	auditor := n.party.Officer("U1").at(n)
	defer auditor.close()
	return n.party.exportBy(ctx, auditor, dir)
}

// audit has the auditor judge exports. A lapse is what happens when nobody answers; a broken rule or proof is an error.
func (w *Network) audit(ctx context.Context, dirs []string) error {
	found, err := audit.Replay(ctx, dirs, audit.Options{Convention: w.Documents.Convention().ID, TempDir: w.Dir})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer found.Close()
	var broken []error
	for _, o := range found.Observations {
		if o.Class == audit.Protocol {
			broken = append(broken, fmt.Errorf("the auditor observes %s in entry %d of %s: %s", o.Code, o.Entry, o.Party, o.Text))
		}
	}
	return errors.Join(broken...)
}

// CheckAgreement says where two logs of one party differ: one must be the beginning of the other.
func CheckAgreement(a, b []Logged) error {
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i].Raw, b[i].Raw) {
			return fmt.Errorf("entry %d is not what another node of the party has", i)
		}
	}
	return nil
}

// Check runs every checker over the logs of all parties.
func (l Logs) Check() error {
	return errors.Join(l.CheckOnce(), l.CheckTimers(), l.CheckTime(), l.CheckReceipts(), l.CheckDuties())
}
