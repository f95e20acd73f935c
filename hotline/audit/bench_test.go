package audit

import (
	"context"
	"crypto/ed25519"
	"testing"

	"example.org/hotline/hotline"
)

// busy is a log of n messages in each direction, all receipted.
func busy(t testing.TB, n int) *world {
	w := newWorld(t, terms(), "XA", "XB")
	for range n {
		for _, pair := range [][2]hotline.Party{{"XA", "XB"}, {"XB", "XA"}} {
			p := w.at(pair[0])
			p.send(p.submit(p.ServiceMessage(w.now, pair[1], "the line is well")), pair[1])
		}
		w.pass(1000)
	}
	return w
}

// BenchmarkReplay prints how many entries a second are replayed, and the floor:
// how many plain Ed25519 signatures of that size this machine verifies on one
// core.
func BenchmarkReplay(b *testing.B) {
	w := busy(b, 2000)
	a := w.at("XA")
	dir := a.export()
	signatures := 0
	for _, raw := range a.entries {
		e, _, err := hotline.DecodeEntry(raw)
		if err != nil {
			b.Fatal(err)
		}
		switch e.Type {
		case hotline.EntrySent, hotline.EntryReceipted:
			signatures++
		case hotline.EntryReceived:
			signatures += 2
		}
	}
	b.Run("log", func(b *testing.B) {
		for b.Loop() {
			r, err := Replay(context.Background(), []string{dir}, Options{TempDir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			if r.ExitCode() != ExitClean {
				b.Fatal(found(r))
			}
			r.Close()
		}
		perSecond := float64(b.N) / b.Elapsed().Seconds()
		b.ReportMetric(perSecond*float64(len(a.entries)), "entries/s")
		b.ReportMetric(perSecond*float64(signatures), "signatures/s")
	})
	b.Run("floor", func(b *testing.B) {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			b.Fatal(err)
		}
		msg := make([]byte, 600)
		sig := ed25519.Sign(private, msg)
		for b.Loop() {
			if !ed25519.Verify(public, msg, sig) {
				b.Fatal("does not verify")
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
	})
}
