package tlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	tileHeight = 8               // C2SP tlog-tiles
	tileWidth  = 1 << tileHeight // hashes in a full tile, entries in a full bundle
	tileBytes  = tileWidth * sha256.Size
	maxLevels  = 7 // tile levels of a tree smaller than MaxSize: 50 bits, 8 each
)

// ErrCorrupt is wrapped by every error that says that a file of a log does not
// hold what it must. The text names the file, and the entry where there is one.
// The process must not go on with this log: restore the directory or take the
// history from another node.
var ErrCorrupt = errors.New("log file is corrupt")

func corrupt(path, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrCorrupt, path, fmt.Sprintf(format, args...))
}

// edge is the right border of the tiles of a tree: for each level the hashes of
// its partial tile. It determines size and root. Hashes already in a tile are
// never changed, and a full tile is replaced by a fresh slice, so a copy of an
// edge stays valid for readers while the original grows.
type edge struct {
	size  uint64
	tiles [maxLevels][]Hash
}

// add appends a leaf and calls full for each tile that it completes, lowest
// level first. The hashes given to full must not be changed.
func (e *edge) add(leaf Hash, full func(level int, n uint64, hashes []Hash) error) error {
	h := leaf
	e.size++
	for level := range e.tiles {
		if e.tiles[level] == nil {
			e.tiles[level] = make([]Hash, 0, tileWidth)
		}
		e.tiles[level] = append(e.tiles[level], h)
		if len(e.tiles[level]) < tileWidth {
			return nil
		}
		tile := e.tiles[level]
		e.tiles[level] = nil
		if err := full(level, tilesAt(e.size, level)-1, tile); err != nil {
			return err
		}
		h = subtreeRoot(tile)
	}
	return nil
}

// root is the Merkle tree hash of the tree that e is the edge of.
func (e *edge) root() Hash {
	var acc Hash
	have := false
	for level := range e.tiles {
		tile := e.tiles[level]
		for len(tile) > 0 {
			// The last perfect subtree of the tile has as many hashes as the
			// lowest bit set in the width.
			k := 1 << bits.TrailingZeros(uint(len(tile)))
			h := subtreeRoot(tile[len(tile)-k:])
			if have {
				h = nodeHash(h, acc)
			}
			acc, have = h, true
			tile = tile[:len(tile)-k]
		}
	}
	if !have {
		return emptyRoot()
	}
	return acc
}

// subtreeRoot is the root of the perfect subtree over hashes, whose number is a
// power of two, at most tileWidth.
func subtreeRoot(hashes []Hash) Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	var buf [tileWidth / 2]Hash
	n := len(hashes) / 2
	for i := range n {
		buf[i] = nodeHash(hashes[2*i], hashes[2*i+1])
	}
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			buf[i] = nodeHash(buf[2*i], buf[2*i+1])
		}
	}
	return buf[0]
}

// tilesAt is the number of full tiles at a level of a tree of the given size.
func tilesAt(size uint64, level int) uint64 { return size >> (tileHeight * (level + 1)) }

// widthAt is the width of the partial tile at a level: floor(size/256^level) mod 256.
func widthAt(size uint64, level int) int {
	return int(size >> (tileHeight * level) % tileWidth)
}

// The mark file edge/mark says up to where the log has been made durable. It is
// replaced as a whole by Sync and Truncate:
//
//	magic     "hotline log mark 1\n"
//	size      uint64, big-endian
//	hashes    for each level 0..6 the hashes of its partial tile at that size
//	checksum  SHA-256 of all bytes before it
//
// Everything below its size must be intact. What lies above it was never
// promised and is cut back where a crash has damaged it.
const markMagic = "hotline log mark 1\n"

const maxMark = len(markMagic) + 8 + maxLevels*tileBytes + sha256.Size

func encodeMark(e *edge) []byte {
	b := append(make([]byte, 0, 4096), markMagic...)
	b = binary.BigEndian.AppendUint64(b, e.size)
	for level := range e.tiles {
		b = appendHashes(b, e.tiles[level])
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func parseMark(b []byte) (*edge, error) {
	head := len(markMagic) + 8
	if len(b) < head+sha256.Size || len(b) > maxMark || !bytes.HasPrefix(b, []byte(markMagic)) {
		return nil, corrupt(markPath, "not a mark file")
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, corrupt(markPath, "wrong checksum")
	}
	e := &edge{size: binary.BigEndian.Uint64(body[len(markMagic):])}
	if e.size >= MaxSize {
		return nil, corrupt(markPath, "size %d is not below %d", e.size, uint64(MaxSize))
	}
	rest := body[head:]
	for level := range e.tiles {
		n := widthAt(e.size, level) * sha256.Size
		if len(rest) < n {
			return nil, corrupt(markPath, "too short for size %d", e.size)
		}
		if n > 0 {
			e.tiles[level] = append(make([]Hash, 0, tileWidth), parseHashes(rest[:n])...)
		}
		rest = rest[n:]
	}
	if len(rest) != 0 {
		return nil, corrupt(markPath, "%d bytes too long for size %d", len(rest), e.size)
	}
	return e, nil
}

func appendHashes(b []byte, hashes []Hash) []byte {
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

// parseHashes splits b, whose length is a multiple of the hash size.
func parseHashes(b []byte) []Hash {
	hashes := make([]Hash, 0, tileWidth)
	for ; len(b) > 0; b = b[sha256.Size:] {
		hashes = append(hashes, Hash(b[:sha256.Size]))
	}
	return hashes
}

// The file edge/<N> (N decimal) holds the entries of bundle N while it grows, at
// most 256 records, each:
//
//	length  uint16, big-endian
//	entry   length bytes
//	leaf    the leaf hash of the entry, 32 bytes
//
// The leaf hash is what tells a whole record from a torn one.
func appendRecord(b, entry []byte, leaf Hash) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(entry)))
	b = append(b, entry...)
	return append(b, leaf[:]...)
}
