package sensor

import (
	"fmt"
	"strings"
	"testing"
)

// TestTimeBeyondAllClocksIsBroken: a time that only its offset puts beyond the year 9999 is no time either. As one it could not be
// written down: no place in the file would be saved as long as its hit grows.
func TestTimeBeyondAllClocksIsBroken(t *testing.T) {
	s := newRotation(t)
	s.write(1)
	s.append(s.path, alertLine("9999-12-31T23:59:59.9-0100", 2, "198.51.100.7", "203.0.113.5", 22, "ET SCAN x", ""))
	if _, _, err := s.feed.Poll(s.now); err != nil {
		t.Fatal(err)
	}
	s.tick(saveAfter)
	if err := s.feed.Commit(s.now); err != nil {
		t.Error(err)
	}
	if n := s.feed.Stats().Broken; n != 1 {
		t.Errorf("%d lines are broken, want 1", n)
	}
}

// TestLinesOfTwoTimesInTurnAreTwoHits: a feed that tells of what happened on two days, by turns, as reports and sensors with two clocks
// do, rings once for each, and not again with each line.
func TestLinesOfTwoTimesInTurnAreTwoHits(t *testing.T) {
	s := newRotation(t)
	for i := range 6 {
		s.append(s.path, alertLine(fmt.Sprintf("2026-11-%dT10:00:0%d.1Z", 18+i%2, i), i+1, "198.51.100.7", "203.0.113.5", 22, "ET SCAN x", ""))
	}
	s.settle()
	if len(s.queue) != 2 {
		t.Errorf("two attacks are %d hits", len(s.queue))
	}
	for key, h := range s.queue {
		if h.Count != 3 {
			t.Errorf("%.12s counts %d of 3 events", key, h.Count)
		}
	}
}

// TestThresholdIsReachedByTurns: events of an attack count towards its threshold although others of another day stand between them.
func TestThresholdIsReachedByTurns(t *testing.T) {
	var text strings.Builder
	for i := range 6 {
		text.WriteString(alertLine(fmt.Sprintf("2026-11-%dT10:00:0%d.1Z", 18+i%2, i), i+1, "198.51.100.7", "203.0.113.5", 22, "ET SCAN x", ""))
	}
	r, err := ReadSuricata(strings.NewReader(text.String()), territoryXA(t), Options{Threshold: 3})
	if err != nil || len(r.Hits) != 2 || r.Below != 0 {
		t.Errorf("%d hits, %d events below the threshold, %v", len(r.Hits), r.Below, err)
	}
}
