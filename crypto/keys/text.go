package keys

import (
	"encoding/hex"
	"fmt"
	"log/slog"
)

// The text form of a key or an ID, in JSON and configuration, is the lower-case
// hexadecimal of its bytes, with exactly one form for each. A zero key has none:
// give such fields the option omitzero. Logs show algorithm and ID instead.

// MarshalText returns the 64 hexadecimal digits of the ID.
func (id ID) MarshalText() ([]byte, error) { return hexText(id[:]), nil }

// UnmarshalText reads 64 lower-case hexadecimal digits.
func (id *ID) UnmarshalText(text []byte) error {
	b, err := parseHex(text)
	if err != nil || len(b) != len(id) {
		return fmt.Errorf("%w: a key id is 64 lower-case hexadecimal digits", ErrKey)
	}
	*id = ID(b)
	return nil
}

// MarshalText returns Bytes in hexadecimal. The zero value is refused.
func (p Public) MarshalText() ([]byte, error) {
	b, err := p.MarshalCBOR()
	return hexText(b), err
}

// UnmarshalText reads what MarshalText returns.
func (p *Public) UnmarshalText(text []byte) error {
	b, err := parseHex(text)
	if err != nil {
		return err
	}
	return p.UnmarshalCBOR(b)
}

// LogValue shows the key in logs as String does.
func (p Public) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText returns Bytes in hexadecimal. The zero value is refused.
func (p SealingPublic) MarshalText() ([]byte, error) {
	b, err := p.MarshalCBOR()
	return hexText(b), err
}

// UnmarshalText reads what MarshalText returns.
func (p *SealingPublic) UnmarshalText(text []byte) error {
	b, err := parseHex(text)
	if err != nil {
		return err
	}
	return p.UnmarshalCBOR(b)
}

// LogValue shows the key in logs as String does.
func (p SealingPublic) LogValue() slog.Value { return slog.StringValue(p.String()) }

func hexText(b []byte) []byte { return hex.AppendEncode(nil, b) }

func parseHex(text []byte) ([]byte, error) {
	b, err := hex.AppendDecode(nil, text)
	if err != nil || string(hexText(b)) != string(text) {
		return nil, fmt.Errorf("%w: not lower-case hexadecimal", ErrKey)
	}
	return b, nil
}
