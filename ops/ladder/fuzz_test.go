package ladder_test

import (
	"os"
	"path/filepath"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ladder"
)

// FuzzCompile: whatever stands in a file, it is refused with a line, or it means a ladder that the protocol accepts and that
// wakes somebody at each of its rungs, before, within and after the time for which it is written out.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, "testdata/good.toml", "../deploy/ladder.example.toml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ladder.Compile(text, ladder.Setting{Now: now})
		if err != nil {
			faults, ok := err.(ladder.Faults)
			if !ok || len(faults) == 0 || faults[0].Line < 1 {
				t.Fatalf("refused without a line: %v", err)
			}
			return
		}
		l.Number = max(l.Number, 1)
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, side := range [][]hotline.Rung{l.Owing, l.Receiving} {
			for _, r := range side {
				for _, at := range []hotline.Time{l.From - 1, l.From, (l.From + l.Until) / 2, l.Until - 1, l.Until} {
					people := l.OnCall(r.Targets, at)
					if len(people) == 0 {
						t.Fatalf("rung %s wakes nobody at %d", r.Office, at)
					}
					for _, p := range people {
						if l.Channels(p) == nil {
							t.Fatalf("%s has no channel", p)
						}
					}
				}
			}
		}
	})
}
