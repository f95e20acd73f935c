package hotline_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	. "example.org/hotline/hotline"
)

// proof is what a tree proves, in hexadecimal where it is a hash.
type proof struct {
	From  uint64   `json:"from"` // older size of a consistency proof, index of an inclusion proof
	Size  uint64   `json:"size"`
	First string   `json:"first"` // older root, or the leaf
	Root  string   `json:"root"`
	Path  []string `json:"path"`
}

// The classes of failure of SPEC §7.5 that no refusal on a line bears.
const (
	classCheckpoint  Code = "checkpoint"
	classCosignature Code = "cosignature"
	classProof       Code = "proof"
)

// classed gives an error a class.
func classed(class Code, err error) error {
	if err == nil {
		return nil
	}
	return Refuse(class, "%v", err)
}

// judgeLog judges checkpoints, cosignatures and proofs.
func judgeLog(t *testing.T, f *vectorFile, v *vector) error {
	t.Helper()
	switch f.Form {
	case "inclusion":
		p := v.Proof
		return classed(classProof, tlog.VerifyInclusion(p.Size, p.From, hash(p.First), hashes(p.Path), hash(p.Root)))
	case "consistency":
		p := v.Proof
		return classed(classProof, tlog.VerifyConsistency(p.From, p.Size, hash(p.First), hash(p.Root), hashes(p.Path)))
	}
	log := must(keys.ParsePublic(unhex(f.Context.Log)))
	if f.Form == "tlog-proof" {
		return judgeProof(f, v, log)
	}
	c, err := tlog.ParseCheckpoint(unhex(v.Bytes), f.Context.Origin, log)
	if err != nil || f.Form == "checkpoint" {
		return classed(classCheckpoint, err)
	}
	w := tlog.Cosigner{Name: f.Context.Name, Key: must(keys.ParsePublic(unhex(f.Context.Witness)))}
	found, _, err := tlog.VerifyCosignatures(unhex(v.Bytes), c, []tlog.Cosigner{w})
	if err == nil && len(found) == 0 {
		err = errors.New("the witness has not cosigned")
	}
	return classed(classCosignature, err)
}

func hash(s string) tlog.Hash { return tlog.Hash(unhex(s)) }

func hashes(list []string) []tlog.Hash {
	out := make([]tlog.Hash, len(list))
	for i, s := range list {
		out[i] = hash(s)
	}
	return out
}

// witness is a key that cosigns checkpoints, as C2SP tlog-cosignature has it:
// Ed25519 over the text, ML-DSA-44 over the binary form. It is written down
// here once more, so that it can cosign wrongly.
type witness struct {
	name   string
	origin tlog.Checkpoint
	public keys.Public
	signer *keys.Private
}

func (w *witness) hash() uint32 {
	typ := byte(0x04)
	if w.public.Algorithm() == keys.MLDSA44 {
		typ = 0x06
	}
	return noteHash(w.name, typ, w.public)
}

func noteHash(name string, typ byte, key keys.Public) uint32 {
	sum := sha256.Sum256(slices.Concat([]byte(name), []byte{'\n', typ}, key.Raw()))
	return binary.BigEndian.Uint32(sum[:4])
}

// message is what is signed at a time in seconds.
func (w *witness) message(text string, time uint64) []byte {
	if w.public.Algorithm() == keys.Ed25519 {
		return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", time, text)
	}
	b := append([]byte("subtree/v1\n\x00"), byte(len(w.name)))
	b = binary.BigEndian.AppendUint64(append(b, w.name...), time)
	b = append(append(b, byte(len(w.origin.Origin))), w.origin.Origin...)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 0), w.origin.Size)
	return append(b, w.origin.Root[:]...)
}

// line cosigns at a time.
func (w *witness) line(time uint64) string {
	sig := must(w.signer.Sign(w.message(w.origin.Text(), time)))
	return sigLine(w.name, w.hash(), append(binary.BigEndian.AppendUint64(nil, time), sig...))
}

func sigLine(name string, hash uint32, sig []byte) string {
	return "\u2014 " + name + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, hash), sig...)) + "\n"
}

// logVectors are the files about heads and proofs of a log.
func logVectors(t *testing.T, x *exchange) map[string]*vectorFile {
	t.Helper()
	var tree tlog.Frontier
	for i := range 7 {
		tree.Append(tlog.LeafHash([]byte{byte(i)}))
	}
	c := tlog.Checkpoint{Origin: "hotline/XA/1", Size: tree.Size, Root: tree.Root()}
	log := hex.EncodeToString(x.a.Log.Public().Bytes())
	at := vectorContext{Log: log, Origin: c.Origin}
	cosigned := func(key *keys.Private, algorithm string) *vectorFile {
		w := &witness{name: "hotline/XB/witness", origin: c, public: key.Public(), signer: key}
		context := at
		context.Name, context.Witness = w.name, hex.EncodeToString(key.Public().Bytes())
		return &vectorFile{About: "Cosignatures of XB with " + algorithm + ", under a checkpoint of XA (SPEC §7.5).", Form: "cosignature", Context: context,
			Vectors: cosignatureVectors(t, x, w)}
	}
	return map[string]*vectorFile{
		"tlog-proofs": {About: "Proofs that context.entry stands at index 3 of XA's log (SPEC §7.9).", Form: "tlog-proof",
			Context: vectorContext{Log: log, Origin: c.Origin, Entry: hex.EncodeToString([]byte{3})}, Vectors: tlogProofVectors(x, c)},
		"checkpoints":           {About: "Checkpoints of XA (SPEC §7.5).", Form: "checkpoint", Context: at, Vectors: checkpointVectors(t, x, c)},
		"cosignatures-ed25519":  cosigned(x.b.Witness, "Ed25519"),
		"cosignatures-ml-dsa44": cosigned(x.b.WitnessPQ, "ML-DSA-44"),
		"inclusion":             {About: "Inclusion proofs: proof.first is the leaf at index proof.from (SPEC §7.1).", Form: "inclusion", Vectors: inclusionVectors()},
		"consistency":           {About: "Consistency proofs from size proof.from and root proof.first (SPEC §7.1).", Form: "consistency", Vectors: consistencyVectors()},
	}
}

// checkpointVectors: whatever the text is, the log key truly signed it, so that
// nothing but the named thing is wrong.
func checkpointVectors(t *testing.T, x *exchange, c tlog.Checkpoint) []vector {
	t.Helper()
	key := x.a.Log
	hash := noteHash(c.Origin, 1, key.Public())
	line := func(text string) string { return sigLine(c.Origin, hash, must(key.Sign([]byte(text)))) }
	signed := func(text string) []byte { return []byte(text + "\n" + line(text)) }
	text, sig := c.Text(), line(c.Text())
	root := base64.StdEncoding.EncodeToString(c.Root[:])
	empty := tlog.Checkpoint{Origin: c.Origin, Root: sha256.Sum256(nil)}
	other := sigLine("hotline/XB/1", hash, make([]byte, 64))
	raw := must(base64.StdEncoding.DecodeString(strings.Fields(sig)[2]))
	changed := func(change func([]byte) []byte) []byte {
		return []byte(text + "\n\u2014 " + c.Origin + " " + base64.StdEncoding.EncodeToString(change(slices.Clone(raw))) + "\n")
	}
	bad := func(name string, b []byte) vector { v := bad(name, b, classCheckpoint); v.Of = "one"; return v }
	return []vector{
		good("one", must(tlog.SignCheckpoint(c, key))),
		good("of the empty log", must(tlog.SignCheckpoint(empty, key))),
		good("with a signature of an unknown key", []byte(text+"\n"+other+sig)),
		bad("nothing at all", nil),
		bad("no signature", []byte(text+"\n")),
		bad("no empty line", []byte(text+sig)),
		bad("no newline at the end", signed(text)[:len(text)+len(sig)]),
		bad("a signature of an unknown key alone", []byte(text+"\n"+other)),
		bad("of another log", signed(strings.Replace(text, "XA", "XC", 1))),
		bad("of another generation", signed(strings.Replace(text, "XA/1", "XA/2", 1))),
		bad("no size", signed(c.Origin+"\n"+root+"\n")),
		bad("size with a zero in front", signed(strings.Replace(text, "\n7\n", "\n07\n", 1))),
		bad("size with a sign", signed(strings.Replace(text, "\n7\n", "\n+7\n", 1))),
		bad("size below zero", signed(strings.Replace(text, "\n7\n", "\n-7\n", 1))),
		bad("size in words", signed(strings.Replace(text, "\n7\n", "\nseven\n", 1))),
		bad("size 2^50", signed(strings.Replace(text, "\n7\n", "\n1125899906842624\n", 1))),
		bad("size 0 with another root than the empty tree", signed(strings.Replace(text, "\n7\n", "\n0\n", 1))),
		bad("root of 31 bytes", signed(strings.Replace(text, root, base64.StdEncoding.EncodeToString(c.Root[:31]), 1))),
		bad("root without padding", signed(strings.Replace(text, "=", "", 1))),
		bad("root in another spelling", signed(strings.Replace(text, root, respelt(root), 1))),
		bad("an extension line", signed(text+"more\n")),
		bad("carriage returns", signed(strings.ReplaceAll(text, "\n", "\r\n"))),
		bad("a control character", signed(strings.Replace(text, "XA", "XA\x01", 1))),
		bad("a bit of the key's hash", changed(func(b []byte) []byte { b[0] ^= 1; return b })),
		bad("a bit of the signature", changed(func(b []byte) []byte { b[len(b)-1] ^= 1; return b })),
		bad("signature of 63 bytes", changed(func(b []byte) []byte { return b[:len(b)-1] })),
		bad("signature with a byte after it", changed(func(b []byte) []byte { return append(b, 0) })),
		bad("signature of another key", []byte(text+"\n"+sigLine(c.Origin, hash, must(x.b.Log.Sign([]byte(text)))))),
		bad("signature under another name", []byte(text+"\n"+strings.Replace(sig, "XA", "XC", 1))),
		bad("a hyphen in place of the dash", []byte(text+"\n"+strings.Replace(sig, "\u2014", "-", 1))),
		bad("a space too many", []byte(text+"\n"+strings.Replace(sig, c.Origin, " "+c.Origin, 1))),
		bad("signature in another alphabet", []byte(text+"\n"+strings.NewReplacer("+", "-", "/", "_").Replace(sig))),
		bad("101 signatures", []byte(text+"\n"+sig+strings.Repeat(other, 100))),
		bad("root changed after it was signed", []byte(strings.Replace(text, root, base64.StdEncoding.EncodeToString(make([]byte, 32)), 1)+"\n"+sig)),
		bad("size changed after it was signed", []byte(strings.Replace(text, "\n7\n", "\n8\n", 1)+"\n"+sig)),
	}
}

// respelt changes bits of base64 that no byte holds.
func respelt(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := len(s) - 2 // the last before one "="
	return s[:i] + string(alphabet[strings.IndexByte(alphabet, s[i])^1]) + s[i+1:]
}

func cosignatureVectors(t *testing.T, x *exchange, w *witness) []vector {
	t.Helper()
	const second = 1_767_225_601
	base := string(must(tlog.SignCheckpoint(w.origin, x.a.Log)))
	line := w.line(second)
	with := func(line string) []byte { return []byte(base + line) }
	raw := must(base64.StdEncoding.DecodeString(strings.Fields(line)[2]))
	changed := func(change func([]byte) []byte) []byte {
		b := change(slices.Clone(raw))
		return with(sigLine(w.name, binary.BigEndian.Uint32(b), b[4:]))
	}
	other := *w
	other.name = "hotline/XC/witness"
	larger := *w
	larger.origin.Size++
	bad := func(name string, b []byte) vector { v := bad(name, b, classCosignature); v.Of = "one"; return v }
	fork := bad("under a checkpoint that the log did not sign", []byte(strings.Replace(string(with(line)), "\n7\n", "\n8\n", 1)))
	fork.Code = classCheckpoint
	return []vector{
		good("one", with(line)),
		good("a second later", with(w.line(second+1))),
		bad("none", []byte(base)),
		bad("a bit of the time", changed(func(b []byte) []byte { b[11] ^= 1; return b })),
		bad("time in milliseconds that was signed in seconds", changed(func(b []byte) []byte { binary.BigEndian.PutUint64(b[4:], second*1000); return b })),
		bad("time 0", with(w.line(0))),
		bad("a bit of the signature", changed(func(b []byte) []byte { b[len(b)-1] ^= 1; return b })),
		bad("signature cut short", changed(func(b []byte) []byte { return b[:len(b)-1] })),
		bad("signature with a byte after it", changed(func(b []byte) []byte { return append(b, 0) })),
		bad("no time", changed(func(b []byte) []byte { return append(b[:4], b[12:]...) })),
		bad("a bit of the key's hash", changed(func(b []byte) []byte { b[0] ^= 1; return b })),
		bad("key's hash as that of a log key", changed(func(b []byte) []byte { binary.BigEndian.PutUint32(b, noteHash(w.name, 1, w.public)); return b })),
		bad("under another name", with(strings.Replace(line, "XB", "XC", 1))),
		bad("signed under another name, shown under this one", with(sigLine(w.name, other.hash(), make([]byte, len(raw)-4)))),
		bad("of another size of the log", with(larger.line(second))),
		fork,
	}
}

// treeOf is the tree of n leaves, each its number.
func treeOf(n uint64) (tree tlog.Frontier) {
	for i := range n {
		tree.Append(tlog.LeafHash([]byte{byte(i)}))
	}
	return tree
}

// rangeRoot is the hash of leaves from..to-1, RFC 6962 §2.1.
func rangeRoot(from, to uint64) tlog.Hash {
	if to-from == 1 {
		return tlog.LeafHash([]byte{byte(from)})
	}
	k := split(to - from)
	left, right := rangeRoot(from, from+k), rangeRoot(from+k, to)
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// split is the largest power of two below n.
func split(n uint64) uint64 {
	k := uint64(1)
	for k*2 < n {
		k *= 2
	}
	return k
}

// inclusionPath is PATH of RFC 9162 §2.1.3.1.
func inclusionPath(index, from, to uint64) []tlog.Hash {
	if to-from == 1 {
		return nil
	}
	k := split(to - from)
	if index < k {
		return append(inclusionPath(index, from, from+k), rangeRoot(from+k, to))
	}
	return append(inclusionPath(index-k, from+k, to), rangeRoot(from, from+k))
}

// consistencyPath is SUBPROOF of RFC 9162 §2.1.4.1.
func consistencyPath(m, from, to uint64, whole bool) []tlog.Hash {
	if m == to-from {
		if whole {
			return nil
		}
		return []tlog.Hash{rangeRoot(from, to)}
	}
	k := split(to - from)
	if m <= k {
		return append(consistencyPath(m, from, from+k, whole), rangeRoot(from+k, to))
	}
	return append(consistencyPath(m-k, from+k, to, false), rangeRoot(from, from+k))
}

func proofOf(from, size uint64, first, root tlog.Hash, path []tlog.Hash) *proof {
	p := &proof{From: from, Size: size, First: hex.EncodeToString(first[:]), Root: hex.EncodeToString(root[:]), Path: []string{}}
	for _, h := range path {
		p.Path = append(p.Path, hex.EncodeToString(h[:]))
	}
	return p
}

// changedProof changes a copy of a good proof.
func changedProof(of vector, name string, change func(*proof)) vector {
	p := *of.Proof
	p.Path = slices.Clone(p.Path)
	change(&p)
	return vector{Name: of.Name + ": " + name, Code: classProof, Of: of.Name, Proof: &p}
}

// flippedHash is a hash with one bit changed.
func flippedHash(s string) string {
	b := unhex(s)
	b[0] ^= 1
	return hex.EncodeToString(b)
}

// badProofs are wrong in any proof that has a path of two or more.
func badProofs(of vector) []vector {
	return []vector{
		changedProof(of, "another root", func(p *proof) { p.Root = flippedHash(p.Root) }),
		changedProof(of, "another leaf or older root", func(p *proof) { p.First = flippedHash(p.First) }),
		changedProof(of, "a bit of the path", func(p *proof) { p.Path[1] = flippedHash(p.Path[1]) }),
		changedProof(of, "path too short", func(p *proof) { p.Path = p.Path[:len(p.Path)-1] }),
		changedProof(of, "path too long", func(p *proof) { p.Path = append(p.Path, p.Root) }),
		changedProof(of, "path turned round", func(p *proof) { slices.Reverse(p.Path) }),
		changedProof(of, "no path", func(p *proof) { p.Path = []string{} }),
		changedProof(of, "size 0", func(p *proof) { p.Size = 0 }),
		changedProof(of, "size 2^50", func(p *proof) { p.Size = tlog.MaxSize }),
		changedProof(of, "the first beyond the size", func(p *proof) { p.From = p.Size + 1 }),
		changedProof(of, "the first one further", func(p *proof) { p.From++ }),
	}
}

func inclusionVectors() (list []vector) {
	for _, v := range [][2]uint64{{0, 1}, {0, 2}, {1, 2}, {2, 3}, {3, 7}, {6, 7}, {0, 8}, {7, 8}, {64, 100}, {99, 100}} {
		index, size := v[0], v[1]
		tree := treeOf(size)
		list = append(list, vector{Name: fmt.Sprintf("leaf %d of %d", index, size),
			Proof: proofOf(index, size, tlog.LeafHash([]byte{byte(index)}), tree.Root(), inclusionPath(index, 0, size))})
	}
	list = append(list, badProofs(list[4])...)
	list = append(list, badProofs(list[8])...)
	return append(list,
		changedProof(list[0], "index 1 of one leaf", func(p *proof) { p.From = 1 }),
		changedProof(list[0], "a path where there is none", func(p *proof) { p.Path = []string{p.Root} }),
		changedProof(list[5], "as of a tree of eight", func(p *proof) { p.Size = 8 }),
		changedProof(list[1], "the other leaf's place", func(p *proof) { p.From = 1 }),
	)
}

func consistencyVectors() (list []vector) {
	for _, v := range [][2]uint64{{0, 5}, {5, 5}, {1, 2}, {1, 7}, {3, 7}, {4, 7}, {4, 8}, {6, 8}, {7, 8}, {64, 100}, {77, 100}} {
		from, size := v[0], v[1]
		older, newer := treeOf(from), treeOf(size)
		var path []tlog.Hash
		if from > 0 {
			path = consistencyPath(from, 0, size, true)
		}
		list = append(list, vector{Name: fmt.Sprintf("%d to %d", from, size), Proof: proofOf(from, size, older.Root(), newer.Root(), path)})
	}
	list = append(list, badProofs(list[4])...)
	list = append(list, badProofs(list[10])...)
	return append(list,
		changedProof(list[0], "another root of the empty tree", func(p *proof) { p.First = p.Root }),
		changedProof(list[0], "a path where there is none", func(p *proof) { p.Path = []string{p.Root} }),
		changedProof(list[1], "two roots for one size", func(p *proof) { p.Root = flippedHash(p.Root) }),
		changedProof(list[1], "a path where there is none", func(p *proof) { p.Path = []string{p.Root} }),
		changedProof(list[6], "roots exchanged", func(p *proof) { p.First, p.Root = p.Root, p.First }),
		changedProof(list[6], "sizes exchanged", func(p *proof) { p.From, p.Size = p.Size, p.From }),
	)
}

// proofVectors are tenders or receipts that are wrong in form, or in what no
// signature covers; code is that of a proof that does not hold.
func proofVectors(of vector, code Code) []vector {
	raw := unhex(of.Bytes)
	with := func(change func(parts []any)) []byte {
		v, err := lenient(raw[1:])
		if err != nil {
			panic(err)
		}
		parts := v.([]any)
		change(parts)
		return append([]byte{0xd2}, MustMarshal(parts)...)
	}
	proofs := func(change func(list []any) []any) []byte {
		return with(func(parts []any) {
			m := parts[1].(map[any]any)[uint64(396)].(map[any]any)
			m[int64(-1)] = change(m[int64(-1)].([]any))
		})
	}
	inside := func(path []any, put any) []byte {
		return proofs(func(list []any) []any { return []any{mutated(list[0].([]byte), &mutation{path: path, put: put})} })
	}
	header := func(old, replacement string) []byte {
		return with(func(parts []any) {
			parts[0] = bytes.Replace(parts[0].([]byte), unhex(old), unhex(replacement), 1)
		})
	}
	list := derived(of.Name, []vector{
		bad("another hash in the path", inside(to(2, 0), make([]byte, 32)), code),
		bad("a hash of 31 bytes", inside(to(2, 0), make([]byte, 31)), CodeMalformed),
		bad("a hash too many", inside(to(2, add), make([]byte, 32)), CodeMalformed),
		bad("a hash too few", inside(to(2, 0), nil), CodeMalformed),
		bad("index of another entry", inside(to(1), 0), CodeMalformed),
		bad("size of a larger tree", inside(to(0), 100), CodeMalformed),
		bad("a fourth element of the proof", inside(to(add), 1), CodeMalformed),
		bad("two proofs", proofs(func(list []any) []any { return append(list, list[0]) }), CodeMalformed),
		bad("no proof", proofs(func([]any) []any { return []any{} }), CodeMalformed),
		bad("a payload that is there", with(func(parts []any) { parts[2] = []byte{} }), CodeMalformed),
		bad("signature of 63 bytes", with(func(parts []any) { parts[3] = make([]byte, 63) }), CodeMalformed),
		bad("signature of zeros", with(func(parts []any) { parts[3] = make([]byte, 64) }), code),
		bad("another verifiable data structure", header("19018b01", "19018b02"), CodeMalformed),
		bad("an unknown algorithm", header("a30132", "a30127"), CodeMalformed),
	})
	return append(append([]vector{of}, frames(of)...), list...)
}
