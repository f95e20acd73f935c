package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

// The independent decoder and encoder that the hand-written reader is compared
// with: a value is deterministic if decoding strictly and encoding again gives
// the same bytes.
var oracleEncode, oracleDecode = oracleModes()

func oracleModes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, NaNConvert: cbor.NaNConvertReject, InfConvert: cbor.InfConvertReject,
		BigIntConvert: cbor.BigIntConvertReject}.EncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, MaxNestedLevels: MaxNesting, MaxArrayElements: MaxElements, MaxMapPairs: MaxPairs,
		UTF8: cbor.UTF8RejectInvalid, IntDec: cbor.IntDecConvertSignedOrFail}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

func oracleAccepts(b []byte) bool {
	var v map[any]any
	if oracleDecode.Unmarshal(b, &v) != nil {
		return false
	}
	again, err := oracleEncode.Marshal(v)
	return err == nil && bytes.Equal(again, b)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise: a header that is not the one deterministic encoding of a map, or that
// holds more than integers, strings, arrays, maps and simple values, is refused.
func TestCheckMapRefuses(t *testing.T) {
	deep := strings.Repeat("a101", MaxNesting) + "a0"
	for name, h := range map[string]string{
		"empty":                  "",
		"empty map":              "a0",
		"array":                  "8101",
		"number":                 "01",
		"long map head":          "b8010101",
		"long key":               "a1180101",
		"long value":             "a101190001",
		"long string":            "a101580161",
		"long text":              "a101780161",
		"32-bit length":          "a1015a0000000161",
		"64-bit length":          "a1015b000000000000000161",
		"huge length":            "a1015bffffffffffffffff",
		"16 bits for 255":        "a1011900ff",
		"32 bits for 65535":      "a1011a0000ffff",
		"64 bits for 2^32-1":     "a1011b00000000ffffffff",
		"indefinite map":         "bf0101ff",
		"indefinite array":       "a1019fff",
		"indefinite bytes":       "a1015f4101ff",
		"indefinite text":        "a1017f6161ff",
		"unsorted":               "a2020101 01",
		"unsorted by length":     "a2617a01626161 01 00",
		"text before integer":    "a2616101 0101",
		"key twice":              "a201010102",
		"bytes as key":           "a1410101",
		"array as key":           "a1810101",
		"bool as key":            "a1f501",
		"tag":                    "a101c100",
		"bignum":                 "a101c24101",
		"half float":             "a101f93c00",
		"float":                  "a101fa3f800000",
		"double":                 "a101fb3ff0000000000000",
		"undefined":              "a101f7",
		"simple":                 "a101e0",
		"simple in two bytes":    "a101f8ff",
		"true in two bytes":      "a101f815",
		"break":                  "a101ff",
		"reserved head":          "a1011c",
		"not utf-8":              "a10161ff",
		"cut":                    "a101",
		"cut string":             "a1014201",
		"bytes after":            "a1010100",
		"beyond int64":           "a1011b8000000000000000",
		"below int64":            "a1013b8000000000000000",
		"too deep":               deep,
		"too many pairs claimed": "b8410101",
	} {
		if err := checkMap(unhex(t, h), "map"); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "empty map" && name != "bytes as key" && name != "bool as key" && !strings.Contains(name, "float") &&
			name != "double" && name != "simple" && name != "simple in two bytes" && name != "undefined" &&
			oracleAccepts(unhex(t, h)) {
			t.Errorf("%s: the oracle accepts it", name)
		}
	}
}

// Promise: the bounds are what they say: the largest map passes, one more fails.
func TestCheckMapBounds(t *testing.T) {
	nested := func(levels int) any {
		var v any = int64(0)
		for range levels {
			v = map[int64]any{1: v}
		}
		return v
	}
	pairs := func(n int) any {
		m := map[int64]any{}
		for i := range n {
			m[int64(i)] = true
		}
		return m
	}
	for name, c := range map[string]struct {
		v  any
		ok bool
	}{
		"depth":         {nested(MaxNesting), true},
		"depth+1":       {nested(MaxNesting + 1), false},
		"pairs":         {pairs(MaxPairs), true},
		"pairs+1":       {pairs(MaxPairs + 1), false},
		"elements":      {map[int]any{1: make([]bool, MaxElements)}, true},
		"elements+1":    {map[int]any{1: make([]bool, MaxElements+1)}, false},
		"largest":       {map[int]any{1: int64(math.MaxInt64), 2: int64(math.MinInt64), -1: nil, -2: "é"}, true},
		"shortest":      {map[int]any{1: 23, 2: 24, 3: 255, 4: 256, 5: 65535, 6: 65536, 7: 1<<32 - 1, 8: 1 << 32}, true},
		"keys in order": {map[any]any{10: 1, 24: 1, 100: 1, 256: 1, -1: 1, -25: 1, "a": 1, "aa": 1, "b": 1}, true},
	} {
		enc, err := oracleEncode.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkMap(enc, "map"); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise: whatever an independent deterministic encoder makes of a value is
// accepted; no caller has to know our reader.
func TestCheckMapAcceptsDeterministicValues(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{
			rapid.Int64().AsAny(), rapid.String().AsAny(), rapid.SliceOf(rapid.Byte()).AsAny(),
			rapid.Bool().AsAny(), rapid.Just[any](nil),
		}
		if depth > 0 {
			inner := rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) })
			kinds = append(kinds, rapid.SliceOfN(inner, 0, 5).AsAny(),
				rapid.MapOfN(rapid.Int64(), inner, 0, 5).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 5).AsAny())
		}
		return rapid.OneOf(kinds...)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOfN(rapid.Int64(), value(4), 1, 8).Draw(t, "map")
		enc, err := oracleEncode.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkMap(enc, "map"); err != nil {
			t.Fatalf("%x: %v", enc, err)
		}
	})
}

// Promise: what the reader accepts, a strict decoder accepts and encodes again to
// the same bytes.
func FuzzCheckMap(f *testing.F) {
	f.Add([]byte{0xa1, 1, 1})
	f.Add(testHeader)
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkMap(b, "map") == nil && !oracleAccepts(b) {
			t.Errorf("%x: the oracle refuses it", b)
		}
	})
}
