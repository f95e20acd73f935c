package tlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"example.org/hotline/crypto/keys"
)

const (
	// MaxProof is the longest tlog-proof that ParseProof reads, in bytes: a
	// checkpoint with its cosignatures, all extra data, and a path.
	MaxProof = MaxCheckpoint + maxExtra/3*4 + 4<<10

	// maxExtra bounds the extra data of a tlog-proof, in bytes: an entry would fit.
	maxExtra = 48 << 10

	// proofHeader is the first line of a tlog-proof.
	proofHeader = "c2sp.org/tlog-proof@v1"
)

// Proof shows, without any network, that an entry stands in a log, and which
// witnesses have seen the log with it (C2SP tlog-proof,
// https://c2sp.org/tlog-proof).
type Proof struct {
	Extra      []byte // nobody signs it; nil: none
	Index      uint64
	Path       []Hash // from the sibling of the leaf up to a child of the root, RFC 6962 §2.1.1
	Checkpoint []byte // with its cosignatures, as the log handed it out
}

// Encode returns the file: the header, the extra data if there is any, the index
// in decimal, one hash a line, an empty line, and the checkpoint.
func (p *Proof) Encode() []byte {
	b := bytes.NewBufferString(proofHeader + "\n")
	if len(p.Extra) > 0 {
		b.WriteString("extra " + base64.StdEncoding.EncodeToString(p.Extra) + "\n")
	}
	b.WriteString("index " + strconv.FormatUint(p.Index, 10) + "\n")
	for _, h := range p.Path {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseProof reads a tlog-proof strictly: no two files mean the same. Of the
// checkpoint it says nothing yet, nor whether the path leads to it: see Verify.
// Every error wraps ErrProof.
func ParseProof(b []byte) (*Proof, error) {
	if len(b) > MaxProof {
		return nil, fmt.Errorf("%w: a file of %d bytes, at most %d are read", ErrProof, len(b), MaxProof)
	}
	head, note, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		return nil, fmt.Errorf("%w: no empty line before a checkpoint", ErrProof)
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHeader {
		return nil, fmt.Errorf("%w: the first line is not %s", ErrProof, proofHeader)
	}
	p, lines := &Proof{Checkpoint: note}, lines[1:]
	if err := p.parseExtra(&lines); err != nil {
		return nil, err
	}
	if len(lines) == 0 || len(lines)-1 > MaxPath {
		return nil, fmt.Errorf("%w: not an index and up to %d hashes", ErrProof, MaxPath)
	}
	index, is := strings.CutPrefix(lines[0], "index ")
	var err error
	if p.Index, err = strconv.ParseUint(index, 10, 64); err != nil || !is || p.Index >= MaxSize {
		return nil, fmt.Errorf("%w: the index is not a decimal number below %d", ErrProof, uint64(MaxSize))
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != sha256.Size {
			return nil, fmt.Errorf("%w: a hash of the path is not 32 bytes in base64", ErrProof)
		}
		p.Path = append(p.Path, Hash(h))
	}
	if !bytes.Equal(p.Encode(), b) {
		return nil, fmt.Errorf("%w: extra data, index or path not in canonical form", ErrProof)
	}
	return p, nil
}

// parseExtra takes the line with extra data off, if there is one.
func (p *Proof) parseExtra(lines *[]string) (err error) {
	if len(*lines) == 0 {
		return nil
	}
	text, is := strings.CutPrefix((*lines)[0], "extra ")
	if !is {
		return nil
	}
	*lines = (*lines)[1:]
	if p.Extra, err = base64.StdEncoding.DecodeString(text); err != nil || len(p.Extra) > maxExtra {
		return fmt.Errorf("%w: the extra data are not up to %d bytes in base64", ErrProof, maxExtra)
	}
	return nil
}

// Verify checks that the checkpoint is one of the log of the given origin and
// Ed25519 key, and that the entry with this leaf hash stands at Index in its
// tree. It returns the checkpoint; who has cosigned it VerifyCosignatures says.
// Its errors wrap ErrCheckpoint or ErrProof.
func (p *Proof) Verify(leaf Hash, origin string, key keys.Public) (Checkpoint, error) {
	c, err := ParseCheckpoint(p.Checkpoint, origin, key)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, VerifyInclusion(c.Size, p.Index, leaf, p.Path, c.Root)
}
