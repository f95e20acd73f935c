package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Promise: keys and IDs survive JSON, in one form each; a zero key is refused.
func TestText(t *testing.T) {
	type document struct {
		ID      ID
		Sign    Public
		Sealing SealingPublic
	}
	p := mustKey(t, ES256, 1).Public()
	in := document{p.ID(), p, mustSealing(t).Public()}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out document
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("round trip: %v", err)
	}
	if err := json.Unmarshal([]byte(strings.ToUpper(string(text))), &out); !errors.Is(err, ErrKey) {
		t.Errorf("upper case: %v", err)
	}
	if _, err := json.Marshal(document{}); !errors.Is(err, ErrKey) {
		t.Errorf("zero key: %v", err)
	}
	for _, bad := range []string{"", "0", "zz", in.ID.String()[2:]} {
		if new(ID).UnmarshalText([]byte(bad)) == nil || new(Public).UnmarshalText([]byte(bad)) == nil ||
			new(SealingPublic).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// Promise: a log line shows which key, never a seed and not the whole key.
func TestLogShowsID(t *testing.T) {
	k, s := mustKey(t, MLDSA44, 1), mustSealing(t)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "sign", k.Public(), "sealing", s.Public())
	line := out.String()
	if !strings.Contains(line, k.Public().ID().String()) || !strings.Contains(line, s.Public().ID().String()) || len(line) > 400 {
		t.Errorf("log line %s", line)
	}
}

// Promise: no way of printing a private key shows its seed.
func TestPrivateIsNotPrinted(t *testing.T) {
	k, s := mustKey(t, Ed25519, 1), mustSealing(t)
	for _, v := range []any{k, *k, s, *s, Key{Signing: k, Sealing: s}, []any{k, s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			line := fmt.Sprintf(verb, v)
			if !strings.Contains(line, "private key of") {
				t.Errorf("%s of %T: %s", verb, v, line)
			}
			for _, seed := range [][SeedSize]byte{k.seed, s.seed} {
				for _, form := range []string{"%v", "%d", "%x", "%#v", "%s"} {
					if text := strings.Trim(fmt.Sprintf(form, seed), "[]"); strings.Contains(line, text) {
						t.Errorf("%s of %T shows the seed", verb, v)
					}
				}
			}
		}
	}
}
