package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// bitStride is how many bits lie between two that a default run changes: a prime,
// so that every place of a byte is met.
const bitStride = 211

// strideOfBits is 1 if HOTLINE_EVERY_BIT is set: then every bit is changed. With
// TMPDIR on a file system in memory that takes some minutes on two processors.
func strideOfBits() int {
	if os.Getenv("HOTLINE_EVERY_BIT") != "" {
		return 1
	}
	return bitStride
}

// slim is a world in which each party has one node and one officer, and has logged
// one line test with its receipt: the smallest log that holds every kind of proof.
func slim(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: hotlinetest.Epoch + 24*60*minute, parties: map[hotline.Party]*peer{}}
	a, b := hotlinetest.NewParty("XA", "slim"), hotlinetest.NewParty("XB", "slim")
	all := []*hotlinetest.Party{a, b}
	crisis := hotlinetest.Terms("crisis")
	c := hotlinetest.Convention(crisis, all...)
	pages := [][]byte{}
	for _, p := range all {
		page := p.Page(1)
		page.Nodes, page.Officers = page.Nodes[:1], page.Officers[:1]
		pages = append(pages, p.SignDirectory(page))
	}
	for _, q := range all {
		p := &peer{Party: q, w: w, state: ledger.New(), results: map[hotline.ID]*ledger.Result{}}
		w.parties[q.Code] = p
		p.do(&ledger.Command{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: q.Code, Generation: 1, Convention: c.ID, Rules: 1}})
		p.do(&ledger.Command{Type: ledger.Members, Voters: []string{p.Name("1")}})
		for _, raw := range append([][]byte{c.Raw}, pages...) {
			p.do(&ledger.Command{Type: ledger.Document, Document: raw})
		}
	}
	p := w.at("XA")
	for len(p.state.Asks(p.state.Time())) == 0 {
		w.pass(minute)
		p.do(&ledger.Command{Type: ledger.Tick})
	}
	p.send(p.submit(p.answer(p.state.Asks(p.state.Time())[0])), "XB")
	return w
}

// Promise: each single changed bit of each file of an export is refused with the
// export named, or observed. Of `cosigned` alone a changed bit may make a
// cosignature one of a key that nobody asked for: then the report counts that
// witness no more. By default one bit of bitStride is changed.
func TestEveryChangedBitIsNoticed(t *testing.T) {
	t.Parallel()
	sweep(t)
	a := slim(t).at("XA")
	pair := pairOf(t, a.export(), "XB")
	full := with(t, a.export(), a.cosignedBy(len(a.entries), "XB"))
	for name, dir := range map[string]string{"full": full, "pair": pair} {
		t.Run(name, func(t *testing.T) {
			r := audited(t, dir)
			if r.ExitCode() == ExitProtocol {
				t.Fatalf("%+v", r.Observations)
			}
			changeBits(t, dir, len(r.Logs[0].Witnesses))
		})
	}
}

// place is one bit of one file.
type bitPlace struct {
	file string
	bit  int
}

// changeBits changes the bits of a directory in turn, in copies of it, one for each
// processor.
func changeBits(t *testing.T, dir string, witnesses int) {
	t.Helper()
	good := map[string][]byte{}
	var places []bitPlace
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		good[name] = b
		for bit := range 8 * len(b) {
			places = append(places, bitPlace{name, bit})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	workers, step := runtime.GOMAXPROCS(0), strideOfBits()
	var all sync.WaitGroup
	for worker := range workers {
		copied, tmp := copyDir(t, dir), t.TempDir()
		all.Go(func() {
			for i := worker * step; i < len(places) && !t.Failed(); i += workers * step {
				changeBit(t, copied, tmp, places[i], good[places[i].file], witnesses)
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d bits in %d files", (len(places)+step-1)/step, len(places), len(good))
}

func changeBit(t *testing.T, dir, tmp string, at bitPlace, good []byte, witnesses int) {
	name := filepath.Join(dir, at.file)
	changed := bytes.Clone(good)
	changed[at.bit/8] ^= 1 << (at.bit % 8)
	if err := os.WriteFile(name, changed, 0o600); err != nil {
		t.Error(err)
		return
	}
	r, err := Replay(context.Background(), []string{dir}, Options{TempDir: tmp, Workers: 1})
	switch {
	case err == nil:
		if r.ExitCode() != ExitProtocol && (at.file != FileCosigned || len(r.Logs[0].Witnesses) >= witnesses) {
			t.Errorf("%s bit %d of %d goes unnoticed", at.file, at.bit, 8*len(good))
		}
		err = r.Close()
	case errors.Is(err, ErrUnusable) && !strings.Contains(err.Error(), filepath.Base(dir)):
		err = fmt.Errorf("the error names no file: %w", err)
	case errors.Is(err, ErrUnusable):
		err = nil
	}
	if err := errors.Join(err, os.WriteFile(name, good, 0o600)); err != nil {
		t.Errorf("%s bit %d: %v", at.file, at.bit, err)
	}
}
