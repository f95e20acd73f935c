package testnet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"example.org/hotline/crypto/keys"
)

// floorBytes is the size of what the floor writes, signs and sends: a small statement.
const floorBytes = 600

// measureFloor takes what no design on this machine can do without. Every value of a repeat is the median of its single measurements.
func (b *bench) measureFloor(ctx context.Context) error {
	b.tell("the floor of this machine")
	own, err := usageOf(os.Getpid())
	if err != nil {
		return err
	}
	b.floored("memory", "MiB", 1, []float64{mebibytes(own.resident)})
	for _, part := range []struct {
		name  string
		count int
		take  func(ctx context.Context, n int) ([]float64, error)
	}{
		{"append and fdatasync", b.count.syncs, b.syncs},
		{"Ed25519 sign", b.count.signatures, b.signs},
		{"Ed25519 verify", b.count.signatures, b.verifies},
		{"UDP round trip", b.count.trips, b.udpTrips},
		{"QUIC round trip", b.count.trips, b.quicTrips},
		{restingTrip, b.count.syncs, b.restingTrips},
	} {
		var medians []float64
		for range b.opt.Repeats {
			each, err := part.take(ctx, part.count)
			if err != nil {
				return fmt.Errorf("floor, %s: %w", part.name, err)
			}
			medians = append(medians, quantile(each, 0.5))
		}
		b.floored(part.name, "us", part.count, medians)
	}
	var rates, starts []float64
	for range b.opt.Repeats {
		rate, err := verifyRate(b.count.signatures)
		if err != nil {
			return err
		}
		start, err := b.processStart(ctx)
		if err != nil {
			return err
		}
		rates, starts = append(rates, rate), append(starts, start)
	}
	b.floored("Ed25519 verify on all cores", "1/s", b.count.signatures, rates)
	b.floored("start of a process", "ms", 1, starts)
	return nil
}

func (b *bench) floored(name, unit string, samples int, values []float64) {
	b.floor[name] = b.add("floor: "+name, unit, samples, values).Median
}

// timed measures n runs of f, in microseconds.
func timed(ctx context.Context, n int, f func() error) ([]float64, error) {
	return timedAtRest(ctx, n, 0, f)
}

// timedAtRest is timed with a pause before each run.
func timedAtRest(ctx context.Context, n int, rest time.Duration, f func() error) ([]float64, error) {
	list := make([]float64, 0, n)
	for range n {
		if rest > 0 {
			wait(ctx, rest)
		}
		began := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		list = append(list, micros(time.Since(began)))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return list, nil
}

func (b *bench) syncs(ctx context.Context, n int) (list []float64, err error) {
	f, err := os.CreateTemp(b.opt.Dir, "floor-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, floorBytes)
	return timed(ctx, n, func() error {
		if _, err := f.Write(block); err != nil {
			return err
		}
		return syncData(f)
	})
}

func (b *bench) signs(ctx context.Context, n int) ([]float64, error) {
	key, err := keys.Generate(keys.Ed25519)
	if err != nil {
		return nil, err
	}
	return timed(ctx, n, func() error {
		_, err := key.Sign(make([]byte, floorBytes))
		return err
	})
}

// aSignature is a signature with what it is over. It is made and verified by the library itself: what the project does to verify faster
// (crypto/keys) must not lower the floor.
func aSignature() (key ed25519.PublicKey, msg, sig []byte, err error) {
	key, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, nil, err
	}
	msg = make([]byte, floorBytes)
	return key, msg, ed25519.Sign(private, msg), nil
}

var errFloor = errors.New("the library refuses its own signature")

func (b *bench) verifies(ctx context.Context, n int) ([]float64, error) {
	key, msg, sig, err := aSignature()
	if err != nil {
		return nil, err
	}
	return timed(ctx, n, func() error {
		if !ed25519.Verify(key, msg, sig) {
			return errFloor
		}
		return nil
	})
}

// verifyRate is how many signatures a second all cores verify together.
func verifyRate(n int) (float64, error) {
	key, msg, sig, err := aSignature()
	if err != nil {
		return 0, err
	}
	workers := runtime.GOMAXPROCS(0)
	errs := make(chan error, workers)
	began := time.Now()
	for range workers {
		go func() { // awaited below
			var err error
			for i := 0; i < n && err == nil; i++ {
				if !ed25519.Verify(key, msg, sig) {
					err = errFloor
				}
			}
			errs <- err
		}()
	}
	for range workers {
		err = errors.Join(err, <-errs)
	}
	return float64(workers*n) / time.Since(began).Seconds(), err
}

// processStart is how long a node's program takes to start, and to end again because its configuration is not there.
func (b *bench) processStart(ctx context.Context) (float64, error) {
	args := append(b.opt.Program[1:len(b.opt.Program):len(b.opt.Program)], filepath.Join(b.opt.Dir, "no such file"))
	began := time.Now()
	err := exec.CommandContext(ctx, b.opt.Program[0], args...).Run()
	took := time.Since(began)
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return 0, fmt.Errorf("start of a node without configuration: %w", err)
	}
	return millis(took), nil
}

var loopback = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}

func (b *bench) udpTrips(ctx context.Context, n int) ([]float64, error) {
	far, err := net.ListenUDP("udp", loopback)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() { // ends with far
		buf := make([]byte, floorBytes)
		for {
			got, from, err := far.ReadFromUDP(buf)
			if err != nil {
				return
			}
			_, _ = far.WriteToUDP(buf[:got], from) // what is lost the near end misses
		}
	})
	defer wg.Wait()
	defer far.Close()
	near, err := net.DialUDP("udp", nil, far.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return nil, err
	}
	defer near.Close()
	buf := make([]byte, floorBytes)
	return timed(ctx, n, func() error {
		_ = near.SetDeadline(time.Now().Add(waitLimit)) // fails only when closed
		if _, err := near.Write(buf); err != nil {
			return err
		}
		_, err := near.Read(buf)
		return err
	})
}

// serial is what lies one after the other on the way of one statement, from the officer's request to the committed receipt.
type serial struct{ syncs, signs, verifies, trips int }

// The ways of one statement. Signing: tender and receipt. Verifying: the statement by either side, the tender by the receiver, the
// receipt by the sender. Round trips: the officer's, the one between the parties, and in groups one for each of the three commits.
//
// floorOfGroups counts four syncs, as the promise does: the statement, its reception, and leader and follower of the receipt. Raft's leader
// writes before it sends, so that six come after each other in fact; the ratio shows the price.
//
// The round trip counts as two goroutines of one busy process make it. Nodes are processes that sleep until something comes: what a
// round trip costs them is measured beside it (restingTrip), and addLoad sets the same way with those beside the promise.
var (
	floorOfGroups  = serial{syncs: 4, signs: 2, verifies: 4, trips: 5}
	floorOfSingles = serial{syncs: 3, signs: 2, verifies: 4, trips: 2}
)

// signatures is the processor time of a statement's signatures, in microseconds.
func (b *bench) signatures(s serial) float64 {
	return float64(s.signs)*b.floor["Ed25519 sign"] + float64(s.verifies)*b.floor["Ed25519 verify"]
}

// serially is the way of a statement with this kind of round trip.
func (b *bench) serially(s serial, trip string) (on string, us float64) {
	return fmt.Sprintf("%d syncs, %d signatures made, %d verified, %d times %s", s.syncs, s.signs, s.verifies, s.trips, trip),
		float64(s.syncs)*b.floor["append and fdatasync"] + b.signatures(s) + float64(s.trips)*b.floor[trip]
}
