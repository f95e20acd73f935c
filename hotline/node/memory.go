package node

import (
	"os"
	"runtime/debug"
)

// collectAt lets the heap grow to five times what is alive before it is
// collected: a node keeps little alive and makes much garbage while the line is
// busy, and would otherwise collect many times a second.
const collectAt = 400

// TuneMemory sets the garbage collector for a process that is a node. GOGC in
// the environment goes before it.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
