package desk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"example.org/hotline/hotline"
)

// prefixSize is the length of a message's length.
const prefixSize = 4

// maxText bounds Reply.Text in bytes.
const maxText = 2000

// errEnd says that the sender ended the stream between two messages: nothing
// is missing.
var errEnd = errors.New("end of stream")

// errCut says that a stream was cut or timed out inside a message: there is
// nobody to answer, or nothing to answer to.
var errCut = errors.New("stream was cut inside a message")

// readMessage reads one message of at most hotline.MaxDeskMessage bytes.
func readMessage(r io.Reader) ([]byte, error) {
	var prefix [prefixSize]byte
	if n, err := io.ReadFull(r, prefix[:]); err != nil {
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return nil, errEnd
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, hotline.Refuse(hotline.CodeMalformed, "the message ends inside its length")
		}
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	n := binary.BigEndian.Uint32(prefix[:])
	if n > hotline.MaxDeskMessage {
		return nil, hotline.Refuse(hotline.CodeTooLarge, "message of %d bytes, at most %d", n, hotline.MaxDeskMessage)
	}
	// Not allocated at once: a length costs its sender nothing, bytes do.
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	if len(b) < int(n) {
		return nil, hotline.Refuse(hotline.CodeMalformed, "the message ends after %d of %d bytes", len(b), n)
	}
	return b, nil
}

// frame encodes a message with its length.
func frame(v any) ([]byte, error) {
	b, err := hotline.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(b) > hotline.MaxDeskMessage {
		return nil, hotline.Refuse(hotline.CodeTooLarge, "message of %d bytes, at most %d", len(b), hotline.MaxDeskMessage)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, prefixSize+len(b)), uint32(len(b))), b...), nil
}

// decodeRequest decodes a request strictly and holds it to its bounds.
func decodeRequest(b []byte) (*Request, *right, error) {
	if otherVersion(b) {
		return nil, nil, hotline.Refuse(hotline.CodeVersion, "this node speaks version %d", hotline.Protocol)
	}
	r := new(Request)
	if err := hotline.Unmarshal(b, r, hotline.MaxDeskMessage); err != nil {
		return nil, nil, err
	}
	if r.Version != hotline.Protocol {
		return nil, nil, hotline.Refuse(hotline.CodeVersion, "this node speaks version %d", hotline.Protocol)
	}
	right, err := rightOf(r)
	if err != nil {
		return nil, nil, err
	}
	return r, right, r.check()
}

// decodeReply decodes a reply strictly.
func decodeReply(b []byte) (*Reply, error) {
	if otherVersion(b) {
		return nil, hotline.Refuse(hotline.CodeVersion, "the node speaks another version than %d: bring one of the two up to date", hotline.Protocol)
	}
	r := new(Reply)
	if err := hotline.Unmarshal(b, r, hotline.MaxDeskMessage); err != nil {
		return nil, err
	}
	switch {
	case r.Version != hotline.Protocol:
		return nil, hotline.Refuse(hotline.CodeVersion, "the node speaks version %d", r.Version)
	case len(r.Code) > 32 || strings.Trim(string(r.Code), "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return nil, hotline.Refuse(hotline.CodeMalformed, "reply: code is not up to 32 of a-z, 0-9 and -")
	case len(r.Text) > maxText:
		return nil, hotline.Refuse(hotline.CodeTooLarge, "reply: text of %d bytes, at most %d", len(r.Text), maxText)
	}
	return r, nil
}

// check holds the bounds of a request that its types do not.
func (r *Request) check() error {
	switch {
	case r.Documents != nil:
		return r.Documents.check()
	case r.Publish != nil:
		return checkBytes("document", r.Publish.Document, hotline.MaxDocument)
	case r.Submit != nil:
		if r.Submit.Adopts != "" && !hexadecimal(r.Submit.Adopts, hotline.HitKeyLength, hotline.HitKeyLength) {
			return hotline.Refuse(hotline.CodeMalformed, "adopts is no key of a hit")
		}
		return checkBytes("statement", r.Submit.Statement, hotline.MaxStatement)
	case r.Draft != nil:
		return checkBytes("statement", r.Draft.Statement, hotline.MaxStatement)
	case r.Hits != nil:
		return r.Hits.check()
	case r.Dismiss != nil && !hexadecimal(r.Dismiss.Key, hotline.HitKeyLength, hotline.HitKeyLength):
		return hotline.Refuse(hotline.CodeMalformed, "a hit is named by %d lower-case hexadecimal digits", hotline.HitKeyLength)
	case r.Inbox != nil && (r.Inbox.Limit == 0 || r.Inbox.Limit > hotline.MaxDeskInbox):
		return hotline.Refuse(hotline.CodeMalformed, "a page has 1 to %d items, not %d", hotline.MaxDeskInbox, r.Inbox.Limit)
	case r.Show != nil && !hexadecimal(r.Show.ID, hotline.MinIDDigits, 2*len(hotline.ID{})),
		r.Proof != nil && !hexadecimal(r.Proof.ID, hotline.MinIDDigits, 2*len(hotline.ID{})):
		return hotline.Refuse(hotline.CodeMalformed, "a statement is named by %d to %d lower-case hexadecimal digits", hotline.MinIDDigits, 2*len(hotline.ID{}))
	}
	return nil
}

func (d *DocumentsRequest) check() error {
	if len(d.Have) > hotline.MaxParties {
		return hotline.Refuse(hotline.CodeTooLarge, "%d directories, at most %d", len(d.Have), hotline.MaxParties)
	}
	for i, h := range d.Have {
		if !h.Party.Valid() || (i > 0 && d.Have[i-1].Party >= h.Party) {
			return hotline.Refuse(hotline.CodeMalformed, "directories are not sorted by party without doubles")
		}
	}
	return nil
}

func (h *HitsRequest) check() error {
	if len(h.Hits) == 0 {
		return hotline.Refuse(hotline.CodeMalformed, "no hits")
	}
	if len(h.Hits) > hotline.MaxHitsAtOnce {
		return hotline.Refuse(hotline.CodeTooLarge, "%d hits at once, at most %d", len(h.Hits), hotline.MaxHitsAtOnce)
	}
	for i := range h.Hits {
		if err := h.Hits[i].Validate(); err != nil {
			return hotline.Refuse(hotline.CodeMalformed, "hit %d: %v", i+1, err)
		}
	}
	return nil
}

func checkBytes(what string, b []byte, most int) error {
	if len(b) == 0 {
		return hotline.Refuse(hotline.CodeMalformed, "the %s is empty", what)
	}
	if len(b) > most {
		return hotline.Refuse(hotline.CodeTooLarge, "%s of %d bytes, at most %d", what, len(b), most)
	}
	return nil
}

func hexadecimal(s string, low, high int) bool {
	return len(s) >= low && len(s) <= high && strings.Trim(s, "0123456789abcdef") == ""
}

// otherVersion reports whether b is a map whose first pair is key 1 with an
// unsigned integer other than hotline.Protocol: in the one encoding key 1
// stands first, and a version below 24 is one byte. So a later version is
// named as such even where its fields are not known here.
func otherVersion(b []byte) bool {
	const mapOf, mapEnd, uintEnd = 0xa0, 0xb8, 0x18
	return len(b) > 2 && b[0] >= mapOf && b[0] < mapEnd && b[1] == 1 && b[2] < uintEnd && b[2] != hotline.Protocol
}
