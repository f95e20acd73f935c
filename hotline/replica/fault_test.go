package replica

import (
	"errors"
	"sync"

	"github.com/hashicorp/raft"
)

var errDisk = errors.New("the disk says no")

// faultyLog is a log store with a disk that can stall, fail, and lie.
type faultyLog struct {
	diskLog
	mu      sync.Mutex
	stall   chan struct{} // when set, StoreLogs waits for it
	stalled chan struct{} // gets a value when StoreLogs waits
	flip    uint64        // entry read with one bit wrong
	stable  error         // of Set
	store   error         // of StoreLogs
}

func newFaultyLog() *faultyLog { return &faultyLog{stalled: make(chan struct{}, 1)} }

// into makes a node use the faulty log.
func (f *faultyLog) into(n *node) {
	n.cfg.openLog = func(dir string, cfg *Config) (d diskLog, err error) {
		f.diskLog, err = openDiskLog(dir, cfg)
		return f, err
	}
}

func (f *faultyLog) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *faultyLog) StoreLogs(logs []*raft.Log) error {
	f.mu.Lock()
	stall, err := f.stall, f.store
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if stall != nil {
		select {
		case f.stalled <- struct{}{}:
		default:
		}
		<-stall
	}
	return f.diskLog.StoreLogs(logs)
}

func (f *faultyLog) GetLog(index uint64, l *raft.Log) error {
	err := f.diskLog.GetLog(index, l)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && index == f.flip && len(l.Data) > 0 {
		l.Data[0] ^= 1
	}
	return err
}

func (f *faultyLog) Set(key, val []byte) error {
	f.mu.Lock()
	err := f.stable
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.diskLog.Set(key, val)
}
