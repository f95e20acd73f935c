package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/hotline/hotline"
)

// busy is a world in which each of two parties has sent n messages, all receipted.
func busy(t testing.TB, n int) *world {
	w := newWorld(t, terms(), "XA", "XB")
	for range n {
		w.exchange()
	}
	return w
}

// exchange is one message in each direction, with its receipt.
func (w *world) exchange() {
	for _, pair := range [][2]hotline.Party{{"XA", "XB"}, {"XB", "XA"}} {
		p := w.at(pair[0])
		p.send(p.submit(p.ServiceMessage(w.now, pair[1], "the line is well")), pair[1])
	}
	w.pass(1000)
}

// longLog is the export of a log of at least so many entries: messages in each direction, each with its receipt, and how many signatures
// an auditor of it verifies.
func longLog(b *testing.B, size int) (dir string, entries, signatures int) {
	w := newWorld(b, terms(), "XA", "XB")
	a := w.at("XA")
	for len(a.entries) < size {
		w.exchange()
		clear(a.results)
		clear(w.at("XB").results)
	}
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
	return a.export(), len(a.entries), signatures
}

// floor is how many plain Ed25519 signatures a second all cores verify together, by the library itself.
func floor(b *testing.B) float64 {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	msg := make([]byte, 600)
	sig := ed25519.Sign(private, msg)
	const each = 20_000
	began := time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range each {
				if !ed25519.Verify(public, msg, sig) {
					panic("the library refuses its own signature")
				}
			}
		})
	}
	wg.Wait()
	return float64(each*runtime.GOMAXPROCS(0)) / time.Since(began).Seconds()
}

// BenchmarkReplay prints how many entries and signatures a second a replay of 100,000 entries decides, the machine's plain rate of
// verifying, measured before and after it, and the one as a share of the other.
func BenchmarkReplay(b *testing.B) {
	defer TuneMemory()()
	dir, entries, signatures := longLog(b, 100_000)
	before := floor(b)
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
	plain := (before + floor(b)) / 2
	b.ReportMetric(perSecond*float64(entries), "entries/s")
	b.ReportMetric(perSecond*float64(signatures), "signatures/s")
	b.ReportMetric(plain, "plain-signatures/s")
	b.ReportMetric(100*perSecond*float64(signatures)/plain, "%-of-plain")
}

// BenchmarkMillion prints the peak memory of hotline-audit over 1,000,000 entries. The log alone takes minutes to make.
func BenchmarkMillion(b *testing.B) {
	dir, entries, _ := longLog(b, 1_000_000)
	program := filepath.Join(b.TempDir(), "hotline-audit")
	if out, err := exec.Command("go", "build", "-o", program, "example.org/hotline/cmd/hotline-audit").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, verb := range []string{"replay", "verdicts", "stats"} {
		b.Run(verb, func(b *testing.B) {
			peak := 0
			for b.Loop() {
				peak = max(peak, peakOf(b, exec.Command(program, verb, dir)))
			}
			b.ReportMetric(float64(peak)/1024, "peak-MiB")
			b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// peakOf runs a program to its end and returns its peak memory in KiB, as the system tells of the running process: what it tells of one
// that has ended includes that of whoever started it.
func peakOf(b *testing.B, cmd *exec.Cmd) (peak int) {
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatal(err)
			}
			return peak
		case <-tick.C:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); err == nil && ok {
				line, _, _ := strings.Cut(rest, " kB")
				if kib, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
					peak = max(peak, kib)
				}
			}
		}
	}
}
