//go:build !linux

package testnet

import (
	"errors"
	"os"
	"time"
)

var errNoCounts = errors.New("the bench reads what processes use from /proc, which only Linux has")

type usage struct {
	processor                      time.Duration
	resident, peak, wrote, dirtied int64
}

func usageOf(int) (usage, error)    { return usage{}, errNoCounts }
func loopbackBytes() (int64, error) { return 0, errNoCounts }
func forgetPeak() error             { return errNoCounts }
func loadAverage() float64          { return -1 }
func syncData(f *os.File) error     { return f.Sync() }
