package node_test

import (
	"sync/atomic"
	"testing"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

// Promise: every node of a group, leader or not, proves a statement of its log by a cosigned checkpoint once there is one that
// covers it, and says before that there is none yet; status names the witnesses of the same log.
func TestEveryNodeProvesAStatement(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	d := a.Detection(now())
	at := a.submit(t, 0, d)
	for i := range a.nodes {
		var v *desk.ProofView
		for end := time.Now().Add(deadline); v == nil || len(v.Proof) == 0; <-time.After(50 * time.Millisecond) {
			re, err := a.ask(t, i, &desk.Request{Proof: &desk.ProofRequest{ID: d.ID.String()[:12]}})
			if err != nil || time.Now().After(end) {
				t.Fatalf("node %d: %+v, %v", i, v, err)
			}
			if v = re.Proof; len(v.Proof) == 0 && v.Cosigned > at.Index {
				t.Fatalf("node %d: no proof although %d entries are cosigned", i, v.Cosigned)
			}
		}
		p, err := tlog.ParseProof(v.Proof)
		if err != nil || p.Index != at.Index || v.Index != at.Index {
			t.Fatalf("node %d: %+v, %v", i, v, err)
		}
		c, err := p.Verify(tlog.LeafHash(v.Entry), tlog.Origin("XA", 1), a.Log.Public())
		if err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		if found, others, err := tlog.VerifyCosignatures(p.Checkpoint, c, w.cosigners("XB")); err != nil || len(found) != 2 || others != 0 {
			t.Errorf("node %d: cosignatures %v, %d others, %v", i, found, others, err)
		}
		if _, st, err := hotline.StatementIn(v.Entry); err != nil || st.ID != d.ID {
			t.Errorf("node %d: the entry is another: %v", i, err)
		}
		re, err := a.ask(t, i, &desk.Request{Status: &desk.StatusRequest{}})
		if err != nil || re.Status.Parties != 2 || re.Status.Cosigned == nil || re.Status.Cosigned.Size < c.Size || len(re.Status.Cosigned.By) != 1 ||
			re.Status.Cosigned.By[0].Party != "XB" || re.Status.Cosigned.By[0].At == 0 {
			t.Errorf("node %d: status says %+v, %v", i, re.Status.Cosigned, err)
		}
	}
	if _, err := a.ask(t, 0, &desk.Request{Proof: &desk.ProofRequest{ID: "0123456789ab"}}); hotline.CodeOf(err) != hotline.CodeNotFound {
		t.Errorf("a statement that is not there: %v", err)
	}
}

// Promise: a log that nobody has cosigned for long although it holds what should be raises an alarm, not before, and not once
// it is cosigned.
func TestLogWithoutWitnessRaisesAlarm(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	a.nodes = append(a.nodes, w.startAt(a.cfgs[0], clock))
	d := a.Detection(now())
	a.submit(t, 0, d)
	const words = "no witness has cosigned entry"
	if a.alarmed(t, words) {
		t.Error("the alarm rings at once")
	}
	re, err := a.ask(t, 0, &desk.Request{Proof: &desk.ProofRequest{ID: d.ID.String()}})
	if err != nil || re.Proof.Proof != nil || re.Proof.Cosigned != 0 || len(re.Proof.Entry) == 0 {
		t.Errorf("a proof without any witness: %+v, %v", re.Proof, err)
	}
	ahead.Store(int64(2 * time.Hour))
	if !a.alarmed(t, words) {
		t.Error("nothing says that the log is not witnessed")
	}
	ahead.Store(0)
	w.startAll(b)
	w.ready()
	w.untilCosigned("XA", 0, 1, 2, "XB")
	ahead.Store(int64(2 * time.Hour))
	for end := time.Now().Add(deadline); a.alarmed(t, words); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the alarm goes on although the log is cosigned")
		}
	}
}
