package replica

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkPropose commits 1 KiB commands in groups of 1 and 3 on one machine.
func BenchmarkPropose(b *testing.B) {
	for _, size := range []int{1, 3} {
		for _, clients := range []int{1, 128} {
			b.Run(fmt.Sprintf("members=%d/clients=%d", size, clients), func(b *testing.B) {
				g := startGroup(b, size)
				ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
				defer cancel()
				l := g.leader(ctx)
				command := make([]byte, 1024)
				b.SetParallelism((clients + 1) / 2)
				b.ResetTimer()
				if clients == 1 {
					for b.Loop() {
						if _, err := l.Propose(ctx, command); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := l.Propose(ctx, command); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
