package hotline_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	. "example.org/hotline/hotline"
)

const anchorSecond = uint64(at / 1000)

func anchorPoint(size uint64) tlog.Checkpoint {
	return tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: size, Root: treeOf(size).Root()}
}

// anchorLines are the cosignatures of XB and XC, one second apart.
func anchorLines(t testing.TB, w *world, size uint64) []string {
	t.Helper()
	return []string{
		string(must(tlog.Cosign(anchorPoint(size), tlog.WitnessName("XB"), anchorSecond, w.b.Witness))),
		string(must(tlog.Cosign(anchorPoint(size), tlog.WitnessName("XC"), anchorSecond+1, w.c.Witness))),
	}
}

func anchorOf(t testing.TB, w *world, size uint64, lines []string) []byte {
	t.Helper()
	return append(must(tlog.SignCheckpoint(anchorPoint(size), w.a.Log)), strings.Join(lines, "")...)
}

// badAnchor is one in which nothing but the named thing is wrong.
type badAnchor struct {
	name   string
	anchor []byte
}

func badAnchors(t testing.TB, w *world) []badAnchor {
	t.Helper()
	lines := anchorLines(t, w, 7)
	good := anchorOf(t, w, 7, lines)
	stamped := func(seconds uint64) []string {
		f := strings.Fields(lines[0])
		b := must(base64.StdEncoding.DecodeString(f[2]))
		binary.BigEndian.PutUint64(b[4:], seconds)
		return []string{f[0] + " " + f[1] + " " + base64.StdEncoding.EncodeToString(b) + "\n"}
	}
	named := func(name string) []string { return []string{strings.Replace(lines[0], "hotline/XB/witness", name, 1)} }
	post := string(must(tlog.Cosign(anchorPoint(7), tlog.WitnessName("XB"), anchorSecond, w.b.WitnessPQ)))
	four := []string{lines[0], lines[1], named("hotline/XD/witness")[0], named("hotline/XE/witness")[0]}
	empty := must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Root: treeOf(0).Root()}, w.a.Log))
	foreign := must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: "example.org/log", Size: 7, Root: treeOf(7).Root()}, w.a.Log))
	own := strings.SplitAfter(string(good), "\n")[4]
	return []badAnchor{
		{"of no bytes", []byte{}},
		{"no note", []byte("anchor")},
		{"no cosignature", anchorOf(t, w, 7, nil)},
		{"four cosignatures", anchorOf(t, w, 7, four)},
		{"witnesses out of order", anchorOf(t, w, 7, []string{lines[1], lines[0]})},
		{"a witness twice", anchorOf(t, w, 7, []string{lines[0], lines[0]})},
		{"the own party's witness", anchorOf(t, w, 7, named("hotline/XA/witness"))},
		{"under another name than a witness", anchorOf(t, w, 7, named("hotline/XB/1"))},
		{"a name of four parts", anchorOf(t, w, 7, named("hotline/XB/witness/1"))},
		{"time 0", anchorOf(t, w, 7, stamped(0))},
		{"time beyond 2^63 milliseconds", anchorOf(t, w, 7, stamped(1<<63/1000+1))},
		{"an ML-DSA-44 cosignature", anchorOf(t, w, 7, []string{post})},
		{"of size 0", slices.Concat(empty, []byte(lines[0]))},
		{"of no party's log", slices.Concat(foreign, []byte(lines[0]))},
		{"the log's line behind the witness's", bytes.Replace(good, []byte(own+lines[0]), []byte(lines[0]+own), 1)},
		{"the log's line left out", bytes.Replace(good, []byte(own), nil, 1)},
		{"base64 in another spelling", anchorOf(t, w, 7, []string{respeltLine(lines[0])})},
	}
}

// respeltLine sets a bit of the base64 that decodes to nothing.
func respeltLine(line string) string {
	body, padding := strings.CutSuffix(line, "==\n")
	if !padding {
		panic("vectors: a cosignature of 76 bytes ends otherwise")
	}
	return body[:len(body)-1] + string(body[len(body)-1]+1) + "==\n"
}

// Promise: an anchor has one form, and each other one is refused as malformed (SPEC §7.13).
func TestAnchorHasOneForm(t *testing.T) {
	w := newWorld()
	a, err := ParseAnchor(anchorOf(t, w, 7, anchorLines(t, w, 7)))
	if err != nil || a.Party != "XA" || a.Generation != 1 || a.Checkpoint != anchorPoint(7) || a.Time != Time(anchorSecond+1)*1000 ||
		!slices.Equal(a.Witnesses, []Party{"XB", "XC"}) {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, c := range badAnchors(t, w) {
		_, err := ParseAnchor(c.anchor)
		wantCode(t, c.name, err, CodeMalformed)
	}
}

// Promise: the log's own line and every line of a known witness must verify; the line of an unknown key counts for nothing.
func TestAnchorIsVerified(t *testing.T) {
	w := newWorld()
	known := func(p Party) []*SignedDirectory {
		if p == "XB" {
			return []*SignedDirectory{w.b.Directory(1), w.b.Directory(1)}
		}
		return nil
	}
	lines := anchorLines(t, w, 7)
	a := must(ParseAnchor(anchorOf(t, w, 7, lines)))
	if err := a.Signed(w.a.Log.Public()); err != nil {
		t.Error(err)
	}
	wantCode(t, "another log key", a.Signed(w.b.Log.Public()), CodeBadSignature)
	found, err := a.Cosigned(known)
	if err != nil || len(found) != 1 || found[0].Seconds != anchorSecond {
		t.Errorf("%+v, %v", found, err)
	}
	a = must(ParseAnchor(anchorOf(t, w, 7, anchorLines(t, w, 6))))
	_, err = a.Cosigned(known)
	wantCode(t, "a line for another checkpoint", err, CodeBadSignature)
}
