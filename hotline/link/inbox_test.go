package link

import (
	"testing"

	"pgregory.net/rapid"

	"example.org/hotline/hotline"
)

// Promise: the bucket lets through the burst, then the rate, keeps a part for
// FLASH, and a clock that steps back gives nothing away.
func TestInboxBucket(t *testing.T) {
	b := NewInbox(200, 1000)
	now := hotline.Time(50_000)
	spend := func(flash bool) (n int) {
		for b.Arrive(); b.Charge(flash, now); b.Arrive() {
			n++
		}
		return n
	}
	if n := spend(false); n != 875 {
		t.Fatalf("burst of %d", n)
	}
	if b.Pause(now) != 2 {
		t.Fatalf("pause of %d ms at 200 a second", b.Pause(now))
	}
	if n := spend(true); n != 125 {
		t.Fatalf("%d for FLASH", n)
	}
	b.Arrive() // one that is read slowly keeps the next one waiting as if charged
	if b.Pause(now) != 2 {
		t.Fatalf("pause of %d ms", b.Pause(now))
	}
	b.Charge(false, now)
	now += 4
	if n := spend(true); n != 0 {
		t.Fatalf("%d after 4 ms", n)
	}
	now++
	if n := spend(true); n != 1 {
		t.Fatalf("%d after 5 ms", n)
	}
	now -= 3_600_000
	if n := spend(true); n != 0 {
		t.Fatalf("%d from a clock that went back", n)
	}
	now += 5
	if n := spend(true); n != 1 {
		t.Fatalf("%d within 5 ms after the clock went back", n)
	}
	now += 1 << 50
	if n := spend(false); n != 875 {
		t.Fatalf("%d after a very long rest", n)
	}
	if b.Pause(now+5) != 0 {
		t.Fatal("pause with a token left")
	}
}

// Promise: over any second, no more than burst + rate pass.
func TestInboxNeverExceedsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(1, 300).Draw(t, "rate"), rapid.IntRange(1, 50).Draw(t, "burst")
		b := NewInbox(rate, burst)
		clock, passed := hotline.Time(0), 0
		for clock < 2000 {
			for range rapid.IntRange(0, 40).Draw(t, "streams") {
				b.Arrive()
				if b.Charge(rapid.Bool().Draw(t, "flash"), clock) {
					passed++
				}
			}
			clock += hotline.Time(rapid.IntRange(1, 200).Draw(t, "ms"))
			if limit := burst + rate*int(clock)/1000 + 1; passed > limit {
				t.Fatalf("%d passed in %d ms, at most %d", passed, clock, limit)
			}
		}
	})
}

// Promise: deliveries at work are bounded, FLASH apart.
func TestInboxPlaces(t *testing.T) {
	b := NewInbox(1, 1)
	for i := range hotline.LinkInFlight + 1 {
		if got := b.Enter(false); got != (i < hotline.LinkInFlight) {
			t.Fatalf("ordinary place %d: %v", i+1, got)
		}
	}
	for i := range hotline.FlashInFlight + 1 {
		if got := b.Enter(true); got != (i < hotline.FlashInFlight) {
			t.Fatalf("FLASH place %d: %v", i+1, got)
		}
	}
	b.Leave(false)
	if !b.Enter(false) || b.Enter(false) {
		t.Fatal("one place was given back")
	}
}
