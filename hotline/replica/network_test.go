package replica

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// testKeys is the directory of a test: which key belongs to which member.
type testKeys struct {
	mu   sync.Mutex
	pins map[string]string // public key → member
}

func (k *testKeys) memberOf(cs tls.ConnectionState) (string, error) {
	if len(cs.PeerCertificates) != 1 {
		return "", errors.New("want exactly one certificate")
	}
	key, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	k.mu.Lock()
	defer k.mu.Unlock()
	if name := k.pins[string(key)]; ok && name != "" {
		return name, nil
	}
	return "", errors.New("unknown key")
}

// testNetwork is a Network over real QUIC on loopback, with self-signed pinned
// Ed25519 certificates.
type testNetwork struct {
	name   string
	keys   *testKeys
	cert   tls.Certificate
	socket net.PacketConn
	quic   *quic.Transport
	listen *quic.Listener
}

func newTestNetwork(t testing.TB, keys *testKeys, name, addr string) *testNetwork {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	keys.mu.Lock()
	keys.pins[string(public)] = name
	keys.mu.Unlock()
	n := &testNetwork{name: name, keys: keys, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}}
	if n.socket, err = net.ListenPacket("udp", addr); err != nil {
		t.Fatal(err)
	}
	n.quic = &quic.Transport{Conn: n.socket, StatelessResetKey: &quic.StatelessResetKey{1}}
	if n.listen, err = n.quic.Listen(n.tls(), QUICConfig()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

func (n *testNetwork) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{ALPN}, Certificates: []tls.Certificate{n.cert},
		ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true, SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error { _, err := n.keys.memberOf(cs); return err },
	}
}

func (n *testNetwork) addr() string { return n.socket.LocalAddr().String() }

func (n *testNetwork) Dial(ctx context.Context, member, addr string) (*quic.Conn, error) {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := n.quic.Dial(ctx, to, n.tls(), QUICConfig())
	if err != nil {
		return nil, err
	}
	if got, err := n.keys.memberOf(conn.ConnectionState().TLS); err != nil || got != member {
		_ = conn.CloseWithError(1, "not who was dialled")
		return nil, errors.New("not who was dialled")
	}
	return conn, nil
}

func (n *testNetwork) Accept(ctx context.Context) (*quic.Conn, string, error) {
	conn, err := n.listen.Accept(ctx)
	if err != nil {
		return nil, "", err
	}
	from, err := n.keys.memberOf(conn.ConnectionState().TLS)
	return conn, from, err
}

func (n *testNetwork) close() {
	_ = n.listen.Close()
	_ = n.quic.Close()
	_ = n.socket.Close()
}

// cut makes the node vanish without a word, as a power failure does.
func (n *testNetwork) cut() { _ = n.socket.Close() }
