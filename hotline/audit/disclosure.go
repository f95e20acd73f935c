package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"example.org/hotline/hotline"
)

const (
	// MaxDisclosure bounds the file of a disclosed body, in bytes.
	MaxDisclosure = 256 << 10

	// disclosureFormat is the only version of the file.
	disclosureFormat = 1
)

// Disclosure is the file that shows one sealed body to a third person (SPEC
// §3.6): the statement as it was signed, and the blind and the body that its
// header commits to. It needs no key, and proves nothing but what this one
// statement says.
type Disclosure struct {
	Format    uint64 `json:"format"`
	Statement []byte `json:"statement"`
	Blind     []byte `json:"blind"` // 32 bytes
	Body      []byte `json:"body"`
}

// Disclose makes the disclosure of a statement. The caller has checked that blind
// and body are those of its commitment.
func Disclose(statement, blind, body []byte) *Disclosure {
	return &Disclosure{Format: disclosureFormat, Statement: statement, Blind: blind, Body: body}
}

// Encode returns the file.
func (d *Disclosure) Encode() []byte {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic("audit: " + err.Error()) // numbers and bytes always encode
	}
	return append(b, '\n')
}

// ParseDisclosure reads the file of a disclosed body, and what it says. The
// commitment is checked; the statement's signatures are not. Its errors carry
// the codes of SPEC §10.1.
func ParseDisclosure(b []byte) (d *Disclosure, st *hotline.Statement, says hotline.Body, err error) {
	d = &Disclosure{}
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(d); err != nil || d.Format != disclosureFormat || len(d.Blind) != len([32]byte{}) || len(b) > MaxDisclosure {
		return nil, nil, nil, hotline.Refuse(hotline.CodeMalformed, "no disclosed statement; get the file again from whoever made it")
	}
	if st, err = hotline.Parse(d.Statement); err != nil {
		return nil, nil, nil, err
	}
	says, err = st.Disclose([32]byte(d.Blind), d.Body)
	return d, st, says, err
}

// readDisclosure reads the file of a disclosed body that names a statement of a
// case.
func readDisclosure(name string) (*Disclosure, *hotline.Statement, hotline.Body, error) {
	info, err := os.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > MaxDisclosure) {
		err = fmt.Errorf("no regular file of at most %d bytes", MaxDisclosure)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, nil, nil, unusable(name, "", "%v", err)
	}
	d, st, says, err := ParseDisclosure(b)
	if err != nil {
		return nil, nil, nil, unusable(name, "", "%v", err)
	}
	return d, st, says, nil
}
