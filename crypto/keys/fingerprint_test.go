package keys

import (
	"regexp"
	"strings"
	"testing"
)

func symbolsOf(line string) []byte {
	var out []byte
	for _, c := range strings.ReplaceAll(line, " ", "") {
		out = append(out, byte(strings.IndexRune(crockford, c)))
	}
	return out
}

func lineFits(symbols []byte, line int) bool {
	return checkSymbol(symbols[:fingerprintData], line) == symbols[fingerprintData]
}

// Promise: a fingerprint is two lines of four groups of five unmistakable
// characters, made of the first 190 bits of the ID.
func TestFingerprintForm(t *testing.T) {
	form := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{5} ){3}[0-9A-HJKMNP-TV-Z]{5}\n([0-9A-HJKMNP-TV-Z]{5} ){3}[0-9A-HJKMNP-TV-Z]{5}$`)
	seen := map[string]bool{}
	for i := range 50 {
		p := mustKey(t, Ed25519, byte(i)).Public()
		f := p.Fingerprint()
		if !form.MatchString(f) {
			t.Fatalf("fingerprint %q", f)
		}
		seen[f] = true
		id, bits := p.ID(), 0
		for _, line := range strings.Split(f, "\n") {
			for _, s := range symbolsOf(line)[:fingerprintData] {
				for b := 4; b >= 0; b-- {
					if s>>b&1 != id[bits/8]>>(7-bits%8)&1 {
						t.Fatalf("bit %d of the ID is not in %q", bits, f)
					}
					bits++
				}
			}
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d different fingerprints of 50 keys", len(seen))
	}
}

// Promise: a key has the same fingerprint for ever; people have written it down.
func TestFingerprintIsFixed(t *testing.T) {
	const want = "3ZKKP E2G57 5JWQ6 JYKE7\nRNVDQ TNW7B K1BK0 KZXG0"
	if got := mustKey(t, Ed25519, 9).Public().Fingerprint(); got != want {
		t.Errorf("fingerprint %q", got)
	}
}

// Promise: the check character shows each wrong character, each two exchanged
// ones, and the lines in the wrong order.
func TestFingerprintCheckCharacter(t *testing.T) {
	lines := strings.Split(mustKey(t, ES256, 7).Public().Fingerprint(), "\n")
	for n, text := range lines {
		line := symbolsOf(text)
		if !lineFits(line, n) || lineFits(line, 1-n) {
			t.Errorf("line %d does not fit its place only", n)
		}
		for i := range line {
			for change := byte(1); change < 32; change++ {
				line[i] ^= change
				if lineFits(line, n) {
					t.Errorf("line %d: wrong character %d unnoticed", n, i)
				}
				line[i] ^= change
			}
			for j := range i {
				line[i], line[j] = line[j], line[i]
				if line[i] != line[j] && lineFits(line, n) {
					t.Errorf("line %d: characters %d and %d exchanged unnoticed", n, j, i)
				}
				line[i], line[j] = line[j], line[i]
			}
		}
	}
}
