package hotline_test

import (
	"encoding/base64"
	"errors"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
)

// judgeProof judges a tlog-proof (SPEC §7.9).
func judgeProof(f *vectorFile, v *vector, log keys.Public) error {
	p, err := tlog.ParseProof(unhex(v.Bytes))
	if err != nil {
		return classed(classProof, err)
	}
	_, err = p.Verify(tlog.LeafHash(unhex(f.Context.Entry)), f.Context.Origin, log)
	if errors.Is(err, tlog.ErrCheckpoint) {
		return classed(classCheckpoint, err)
	}
	return classed(classProof, err)
}

// tlogProofVectors are proofs of leaf 3 of the tree that c is the head of.
func tlogProofVectors(x *exchange, c tlog.Checkpoint) []vector {
	note := must(tlog.SignCheckpoint(c, x.a.Log))
	w := &witness{name: "hotline/XB/witness", origin: c, public: x.b.Witness.Public(), signer: x.b.Witness}
	one := &tlog.Proof{Index: 3, Path: inclusionPath(3, 0, c.Size), Checkpoint: []byte(string(note) + w.line(1_767_225_601))}
	text := string(one.Encode())
	hashes := strings.Split(text, "\n")[2:5]
	larger := c
	larger.Size = 8
	bad := func(name, b string) vector { v := bad(name, []byte(b), classProof); v.Of = "one"; return v }
	swap := func(name, old, replacement string) vector {
		return bad(name, strings.Replace(text, old, replacement, 1))
	}
	unsigned := swap("a checkpoint that the log did not sign", "\n7\n", "\n8\n")
	unsigned.Code = classCheckpoint
	foreign := bad("a checkpoint of another log", string((&tlog.Proof{Index: 3, Path: one.Path,
		Checkpoint: must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: "hotline/XC/1", Size: c.Size, Root: c.Root}, x.a.Log))}).Encode()))
	foreign.Code = classCheckpoint
	none := bad("no checkpoint behind the empty line", text[:strings.Index(text, "\n\n")+2])
	none.Code = classCheckpoint
	return []vector{
		good("one", []byte(text)),
		good("without cosignatures", (&tlog.Proof{Index: 3, Path: one.Path, Checkpoint: note}).Encode()),
		good("with extra data", (&tlog.Proof{Extra: []byte("XA"), Index: 3, Path: one.Path, Checkpoint: note}).Encode()),
		unsigned, foreign, none,
		bad("nothing at all", ""),
		swap("another version", "@v1", "@v2"),
		swap("another first line", "c2sp.org", "C2SP.org"),
		bad("no empty line", text[:strings.Index(text, "\n\n")+1]),
		bad("carriage returns", strings.ReplaceAll(text, "\n", "\r\n")),
		swap("no index", "index 3\n", ""),
		swap("index with a zero in front", "index 3", "index 03"),
		swap("index with a sign", "index 3", "index +3"),
		swap("index 2^50", "index 3", "index 1125899906842624"),
		swap("two spaces before the index", "index 3", "index  3"),
		swap("empty extra data", "index 3", "extra \nindex 3"),
		swap("extra data without padding", "index 3", "extra WEE\nindex 3"),
		swap("extra data in another spelling", "index 3", "extra WEF=\nindex 3"),
		swap("extra data twice", "index 3", "extra WEE=\nextra WEE=\nindex 3"),
		swap("extra data behind the index", "index 3", "index 3\nextra WEE="),
		swap("a hash in another spelling", hashes[1], respelt(hashes[1])),
		swap("a hash of 31 bytes", hashes[0], base64.StdEncoding.EncodeToString(make([]byte, 31))),
		swap("another hash in the path", hashes[1], base64.StdEncoding.EncodeToString(make([]byte, 32))),
		swap("a hash too few", hashes[2]+"\n", ""),
		swap("a hash too many", hashes[2], hashes[2]+"\n"+hashes[2]),
		swap("60 hashes", hashes[2], strings.Repeat(hashes[2]+"\n", 57)+hashes[2]),
		swap("path turned round", strings.Join(hashes, "\n"), hashes[2]+"\n"+hashes[1]+"\n"+hashes[0]),
		swap("the place of another entry", "index 3", "index 2"),
		swap("a place beyond the tree", "index 3", "index 7"),
		bad("a signed checkpoint of another size", string((&tlog.Proof{Index: 3, Path: one.Path,
			Checkpoint: must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: c.Origin, Size: 3, Root: treeOf(3).Root()}, x.a.Log))}).Encode())),
	}
}
