package desk

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

func framed(content []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...)
}

func mustFrame(t *testing.T, r *Request) []byte {
	t.Helper()
	b, err := frame(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hostile lists what is no request, with the code that it deserves.
func hostile(t *testing.T) map[string]struct {
	bytes []byte
	code  hotline.Code
} {
	t.Helper()
	type c = struct {
		bytes []byte
		code  hotline.Code
	}
	good := mustFrame(t, &Request{Version: 1, Status: &StatusRequest{}})
	random := make([]byte, 700)
	rng := rand.New(rand.NewPCG(7, 11))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	deep := append([]byte{0xa2, 0x01, 0x01, 0x02}, bytes.Repeat([]byte{0x81}, 4000)...)
	return map[string]c{
		"nothing":              {nil, hotline.CodeMalformed},
		"half a length":        {[]byte{0, 0}, hotline.CodeMalformed},
		"truncated":            {good[:len(good)-1], hotline.CodeMalformed},
		"bytes behind":         {append(bytes.Clone(good), 0), hotline.CodeMalformed},
		"two requests":         {append(bytes.Clone(good), good...), hotline.CodeMalformed},
		"random":               {framed(random), hotline.CodeMalformed},
		"random without frame": {append([]byte{0, 0, 1, 0}, random...), hotline.CodeMalformed},
		"length over bound":    {binary.BigEndian.AppendUint32(nil, hotline.MaxDeskMessage+1), hotline.CodeTooLarge},
		"oversized":            {framed(make([]byte, hotline.MaxDeskMessage+1)), hotline.CodeTooLarge},
		"deep nesting":         {framed(deep), hotline.CodeMalformed},
		"duplicate key":        {framed([]byte{0xa3, 1, 1, 2, 0xa0, 2, 0xa0}), hotline.CodeMalformed},
		"unsorted":             {framed([]byte{0xa2, 2, 0xa0, 1, 1}), hotline.CodeMalformed},
		"indefinite length":    {framed([]byte{0xbf, 1, 1, 2, 0xa0, 0xff}), hotline.CodeMalformed},
		"long integer":         {framed([]byte{0xa2, 1, 0x18, 1, 2, 0xa0}), hotline.CodeMalformed},
		"unknown field":        {framed([]byte{0xa3, 1, 1, 2, 0xa0, 0x18, 99, 0}), hotline.CodeMalformed},
		"tag":                  {framed([]byte{0xc1, 0xa2, 1, 1, 2, 0xa0}), hotline.CodeMalformed},
		"null pointer":         {framed([]byte{0xa2, 1, 1, 2, 0xf6}), hotline.CodeMalformed},
		"other version":        {framed([]byte{0xa2, 1, 2, 0x18, 99, 0xa0}), hotline.CodeVersion},
		"no version":           {framed([]byte{0xa1, 2, 0xa0}), hotline.CodeMalformed},
		"version alone":        {framed([]byte{0xa1, 1, 1}), hotline.CodeMalformed},
		"two questions":        {mustFrame(t, &Request{Version: 1, Status: &StatusRequest{}, Watch: &WatchRequest{}}), hotline.CodeMalformed},
		"empty statement":      {mustFrame(t, &Request{Version: 1, Submit: &SubmitRequest{}}), hotline.CodeMalformed},
		"great statement":      {mustFrame(t, &Request{Version: 1, Submit: &SubmitRequest{Statement: make([]byte, hotline.MaxStatement+1)}}), hotline.CodeTooLarge},
		"great page":           {mustFrame(t, &Request{Version: 1, Inbox: &InboxRequest{Limit: hotline.MaxDeskInbox + 1}}), hotline.CodeMalformed},
		"short id":             {mustFrame(t, &Request{Version: 1, Show: &ShowRequest{ID: "0123abc"}}), hotline.CodeMalformed},
		"id in capitals":       {mustFrame(t, &Request{Version: 1, Show: &ShowRequest{ID: "0123ABCD"}}), hotline.CodeMalformed},
		"bad hit":              {mustFrame(t, &Request{Version: 1, Hits: &HitsRequest{Hits: []hotline.Hit{{}}}}), hotline.CodeMalformed},
		"unsorted directories": {mustFrame(t, &Request{Version: 1, Documents: &DocumentsRequest{Have: []Directory{{Party: "XB"}, {Party: "XA"}}}}), hotline.CodeMalformed},
	}
}

// Promise: whatever arrives on a stream is refused there with a code, never
// reaches the host, and the next good request on the same connection works.
func TestHostileFramesAreRefusedAndTheNextRequestWorks(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	host := new(fakeHost)
	n := startNode(t, p, "XA-1", host)
	cert, err := p.Officer("O1").Certificate()
	if err != nil {
		t.Fatal(err)
	}
	cfg := keys.ClientTLS(cert, ALPN, func(keys.Public) error { return nil })
	conn, err := quic.DialAddr(t.Context(), n.Addr, cfg, QUICConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseWithError(CloseEnd, "") }()
	good := mustFrame(t, &Request{Version: 1, Status: &StatusRequest{}})
	count := 0
	for name, h := range hostile(t) {
		if r := raw(t, conn, h.bytes); r.Code != h.code {
			t.Errorf("%s: answered %q (%s), want %q", name, r.Code, r.Text, h.code)
		}
		if calls := host.calls(); len(calls) != count {
			t.Fatalf("%s reached the host: %v", name, calls)
		}
		if r := raw(t, conn, good); r.Code != "" || r.Text != "status" {
			t.Errorf("after %s a good request is answered %q (%s)", name, r.Code, r.Text)
		}
		count++
	}
}

// raw sends bytes on a new stream and reads the one reply.
func raw(t *testing.T, conn *quic.Conn, b []byte) *Reply {
	t.Helper()
	s, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(b); err == nil {
		_ = s.Close()
	}
	answer, err := readMessage(s)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(s); err != nil || len(rest) != 0 {
		t.Fatalf("%d bytes behind the reply, %v", len(rest), err)
	}
	r, err := decodeReply(answer)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Promise: a decoder never panics, and what it accepts is the one encoding.
func FuzzDecodeRequest(f *testing.F) {
	for _, r := range requests() {
		r.Version = hotline.Protocol
		f.Add(hotline.MustMarshal(r))
	}
	f.Add([]byte{0xa2, 1, 1, 2, 0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, right, err := decodeRequest(b)
		if err != nil {
			if code := hotline.CodeOf(err); code == hotline.CodeInternal {
				t.Fatalf("a refusal without code: %v", err)
			}
			return
		}
		if right == nil || !bytes.Equal(hotline.MustMarshal(r), b) {
			t.Fatalf("accepted %x, which is not its one encoding", b)
		}
	})
}

// Promise: as for requests.
func FuzzDecodeReply(f *testing.F) {
	head := &hotline.PeerHead{Origin: "hotline/XB/1", Size: 3}
	for _, r := range []*Reply{
		{Version: 1, Code: hotline.CodeBusy, Text: "later"},
		{Version: 1, Status: &StatusView{Party: "XA", Voters: []string{"XA-1"}, Peers: []PeerView{{Party: "XB", Link: LinkUp, Head: head}},
			Duties: []DutyView{{Class: 1, Case: &hotline.CaseID{Party: "XA"}, Next: &RungView{Due: 1, Targets: []string{"XA-O1"}}}}}},
		{Version: 1, Show: &ShowView{Item: InboxItem{To: []hotline.Party{"XB"}, Ack: &AckView{}}, Scope: hotline.Common(),
			Receipts: []hotline.Claims{{Party: "XB", Of: &hotline.Of{}}}}},
		{Version: 1, Inbox: &InboxView{Items: []InboxItem{{Addressees: []AddresseeView{{Party: "XB", Stage: StageReceived}}}}}},
		{Version: 1, Event: &Event{Type: EventPage, Targets: []string{"XA-L1"}}},
		{Version: 1, Export: &ExportChunk{Entries: [][]byte{{1}}, Checkpoint: []byte("x")}},
		{Version: 1, Triage: &TriageView{Hits: []hotline.Hit{sampleHit("00")}}},
	} {
		f.Add(hotline.MustMarshal(r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReply(b)
		if err != nil {
			return
		}
		if !bytes.Equal(hotline.MustMarshal(r), b) {
			t.Fatalf("accepted %x, which is not its one encoding", b)
		}
	})
}

// Promise: every view survives the strict decoder, at its greatest nesting.
func TestViewsSurviveTheStrictDecoder(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*Reply{
		"status": {Version: 1, Status: &StatusView{Voters: []string{}, Peers: []PeerView{{Head: &hotline.PeerHead{}}},
			Duties: []DutyView{{Case: &hotline.CaseID{}, Next: &RungView{Targets: []string{"XA-O1"}}}}}},
		"show": {Version: 1, Show: &ShowView{Raw: []byte{1}, Tender: &hotline.Claims{}, Receipts: []hotline.Claims{{Of: &hotline.Of{}}},
			Scope: hotline.CaseScope(hotline.CaseID{Party: "XA"}, "XA", "XB")}},
		"ladder": {Version: 1, Ladder: &hotline.Ladder{Owing: []hotline.Rung{{Targets: []string{"XA-O1"}}}}},
		"submit": {Version: 1, Submit: &SubmitView{Sequences: []hotline.Sequence{{To: "XB", N: 1}}}},
		"triage": {Version: 1, Triage: &TriageView{Hits: []hotline.Hit{sampleHit("00")}}},
	} {
		if _, err := decodeReply(hotline.MustMarshal(r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
