package hotline

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
)

// Anchor is a checkpoint of the log in which it stands, as other parties have
// cosigned it just before (SPEC §7.13).
type Anchor struct {
	Party      Party // whose log it is
	Generation uint64
	Checkpoint tlog.Checkpoint
	Witnesses  []Party // sorted: each claims to have cosigned it once
	Time       Time    // of the latest line: the beginning of its second

	Raw []byte
}

// Sizes of what stands in the base64 of a line: key hash, time, signature.
const (
	lineHash  = 4
	lineStamp = 8
	lineSize  = 64
)

// ParseAnchor reads an anchor strictly: no two notes mean the same. It verifies
// no signature.
func ParseAnchor(raw []byte) (*Anchor, error) {
	if len(raw) > MaxAnchor {
		return nil, Refuse(CodeMalformed, "anchor of %d bytes, at most %d", len(raw), MaxAnchor)
	}
	text, lines, err := tlog.SplitNote(raw)
	if err != nil {
		return nil, Refuse(CodeMalformed, "anchor: %v", err)
	}
	a := &Anchor{Raw: raw}
	if a.Checkpoint, err = tlog.ClaimedCheckpoint(raw); err != nil {
		return nil, Refuse(CodeMalformed, "anchor: %v", err)
	}
	var ok bool
	if a.Party, a.Generation, ok = SplitOrigin(a.Checkpoint.Origin); !ok || a.Checkpoint.Size == 0 {
		return nil, Refuse(CodeMalformed, "anchor: no checkpoint of a party's log with entries")
	}
	if n := len(lines) - 1; n < 1 || n > MaxAnchorLines {
		return nil, Refuse(CodeMalformed, "anchor: %d cosignatures, 1 to %d are allowed", n, MaxAnchorLines)
	}
	again := []byte(text + "\n")
	for i, line := range lines {
		b, err := base64.StdEncoding.DecodeString(line.Base64)
		if err != nil {
			return nil, Refuse(CodeMalformed, "anchor: line %d is not in base64", i+1)
		}
		if err := a.line(i, line.Name, b); err != nil {
			return nil, err
		}
		again = append(again, "\u2014 "+line.Name+" "+base64.StdEncoding.EncodeToString(b)+"\n"...)
	}
	if !bytes.Equal(again, raw) {
		return nil, Refuse(CodeMalformed, "anchor: not the one spelling of its lines")
	}
	return a, nil
}

// line takes the next line: first that of the log, then one of each witness.
func (a *Anchor) line(i int, name string, b []byte) error {
	if i == 0 {
		if name != a.Checkpoint.Origin || len(b) != lineHash+lineSize {
			return Refuse(CodeMalformed, "anchor: the first line is not that of its log")
		}
		return nil
	}
	f := strings.Split(name, "/")
	if len(f) != 3 || len(b) != lineHash+lineStamp+lineSize {
		return Refuse(CodeMalformed, "anchor: line %d is no Ed25519 cosignature", i+1)
	}
	p, seconds := Party(f[1]), binary.BigEndian.Uint64(b[lineHash:])
	switch {
	case !p.Valid() || tlog.WitnessName(f[1]) != name || p == a.Party:
		return Refuse(CodeMalformed, "anchor: line %d is not of another party's witness", i+1)
	case seconds == 0 || seconds > math.MaxInt64/1000:
		return Refuse(CodeMalformed, "anchor: line %d bears no time", i+1)
	case len(a.Witnesses) > 0 && a.Witnesses[len(a.Witnesses)-1] >= p:
		return Refuse(CodeMalformed, "anchor: witnesses are not sorted without doubles at %s", p)
	}
	a.Witnesses = append(a.Witnesses, p)
	a.Time = max(a.Time, Time(seconds*1000))
	return nil
}

// Own returns the checkpoint with the line of its log alone.
func (a *Anchor) Own() []byte {
	lines := bytes.SplitAfterN(a.Raw, []byte("\n"), 6) // origin, size, root, an empty line, the line of the log
	return bytes.Join(lines[:5], nil)
}

// Signed checks that the log's own key signed the checkpoint.
func (a *Anchor) Signed(log keys.Public) error {
	if _, err := tlog.ParseCheckpoint(a.Raw, a.Checkpoint.Origin, log); err != nil {
		return Refuse(CodeBadSignature, "anchor: %v", err)
	}
	return nil
}

// Cosigned returns the lines that verify under keys of these directories. A line
// of another key counts for nothing; one of such a key that does not verify is
// an error.
func (a *Anchor) Cosigned(directories func(Party) []*SignedDirectory) ([]tlog.Cosignature, error) {
	found, _, err := tlog.VerifyCosignatures(a.Raw, a.Checkpoint, a.cosigners(directories))
	if err != nil {
		return nil, Refuse(CodeBadSignature, "anchor: %v", err)
	}
	return found, nil
}

// Borne is Cosigned for an anchor that came from another party: a line that does not verify
// counts for nothing, since its witness may have shown the sender another page of its directory.
func (a *Anchor) Borne(directories func(Party) []*SignedDirectory) (list []tlog.Cosignature) {
	for _, w := range a.cosigners(directories) {
		if found, _, err := tlog.VerifyCosignatures(a.Raw, a.Checkpoint, []tlog.Cosigner{w}); err == nil {
			list = append(list, found...)
		}
	}
	return list
}

// cosigners are the keys under which the lines may be good.
func (a *Anchor) cosigners(directories func(Party) []*SignedDirectory) (list []tlog.Cosigner) {
	for _, p := range a.Witnesses {
		for _, d := range directories(p) {
			w := tlog.Cosigner{Name: tlog.WitnessName(string(p)), Key: d.Witness}
			if !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	return list
}
