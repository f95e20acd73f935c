package testnet

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what one process has used since it began, by proc(5).
type usage struct {
	processor time.Duration // of all its threads, in user and kernel mode
	resident  int64         // bytes of memory, now
	peak      int64         // bytes of memory, at most so far
	wrote     int64         // bytes written to files, pipes and terminals
	dirtied   int64         // bytes of pages that this made the disk's business
}

// usageOf reads what a process has used. Its threads' own counts are in nanoseconds; those of the process would be in hundredths of a second.
// A Go program keeps its threads, so none is missed.
func usageOf(pid int) (u usage, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "schedstat"))
	if err != nil || len(threads) == 0 {
		return u, fmt.Errorf("process %d shows no threads in %s", pid, dir)
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has just ended
		}
		var ran int64
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			return u, fmt.Errorf("%s: %w", file, err)
		}
		u.processor += time.Duration(ran)
	}
	for file, want := range map[string]map[string]*int64{
		"status": {"VmRSS": &u.resident, "VmHWM": &u.peak},
		"io":     {"wchar": &u.wrote, "write_bytes": &u.dirtied},
	} {
		if err := readNumbers(filepath.Join(dir, file), want); err != nil {
			return u, err
		}
	}
	return u, nil
}

// readNumbers reads lines "name: number", or "name: number kB", into want.
func readNumbers(path string, want map[string]*int64) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		to := want[strings.TrimSpace(name)]
		fields := strings.Fields(rest)
		if to == nil || len(fields) == 0 {
			continue
		}
		if *to, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
		if len(fields) > 1 && fields[1] == "kB" {
			*to <<= 10
		}
		found++
	}
	if found != len(want) {
		return fmt.Errorf("%s shows %d of %d numbers that are needed", path, found, len(want))
	}
	return nil
}

// loopbackBytes is what the loopback of this machine has carried so far.
func loopbackBytes() (int64, error) {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "lo:"); ok {
			var n int64
			_, err := fmt.Sscan(rest, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("/proc/net/dev shows no loopback")
}

// forgetPeak lets the kernel count the peak of this process's memory anew.
func forgetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// loadAverage is that of the last minute, -1 if it cannot be read.
func loadAverage() float64 {
	load := -1.0
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load)
	}
	return load
}

func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
