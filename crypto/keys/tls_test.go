package keys

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

func mustCertificate(t *testing.T, k *Private) tls.Certificate {
	t.Helper()
	cert, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// handshake runs both sides over a loopback connection until both have finished
// and returns what each side says.
func handshake(t *testing.T, server, client *tls.Config) (ss, cs tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		tc := tls.Server(conn, server)
		err = tc.Handshake()
		if err == nil {
			_, err = tc.Write([]byte{1})
		}
		ss = tc.ConnectionState()
		done <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tc := tls.Client(conn, client)
	if clientErr = tc.Handshake(); clientErr == nil {
		_, clientErr = tc.Read(make([]byte, 1)) // a refusal by the server arrives here
	}
	cs = tc.ConnectionState()
	conn.Close()
	return ss, cs, <-done, clientErr
}

func only(want Public) func(Public) error {
	return func(got Public) error {
		if got != want {
			return ErrPeer
		}
		return nil
	}
}

func onlyConn(want Public) func(tls.ConnectionState, Public) error {
	return func(_ tls.ConnectionState, got Public) error { return only(want)(got) }
}

// Promise: two sides that expect each other's key meet over TLS 1.3 with the
// hybrid key exchange, and each knows the other's key.
func TestTLSPinned(t *testing.T) {
	for _, alg := range []Algorithm{Ed25519, ES256} {
		a, b := mustKey(t, alg, 1), mustKey(t, Ed25519, 2)
		server := ServerTLS(mustCertificate(t, a), []string{"x/1", "y/1"}, onlyConn(b.Public()))
		client := ClientTLS(mustCertificate(t, b), "y/1", only(a.Public()))
		ss, cs, serverErr, clientErr := handshake(t, server, client)
		if serverErr != nil || clientErr != nil {
			t.Fatalf("%s: server %v, client %v", alg, serverErr, clientErr)
		}
		if cs.Version != tls.VersionTLS13 || cs.NegotiatedProtocol != "y/1" || cs.CurveID != tls.X25519MLKEM768 {
			t.Errorf("%s: version %x, protocol %q, group %s", alg, cs.Version, cs.NegotiatedProtocol, cs.CurveID)
		}
		if got, err := PeerKey(ss); err != nil || got != b.Public() {
			t.Errorf("%s: server sees %v, %v", alg, got, err)
		}
		if got, err := PeerKey(cs); err != nil || got != a.Public() {
			t.Errorf("%s: client sees %v, %v", alg, got, err)
		}
	}
}

// Promise: a wrong key, no key, a stolen certificate, another protocol or an
// older TLS ends the handshake.
func TestTLSRefused(t *testing.T) {
	a, b, c := mustKey(t, Ed25519, 1), mustKey(t, Ed25519, 2), mustKey(t, ES256, 3)
	newServer := func() *tls.Config {
		return ServerTLS(mustCertificate(t, a), []string{"x/1"}, onlyConn(b.Public()))
	}
	newClient := func() *tls.Config { return ClientTLS(mustCertificate(t, b), "x/1", only(a.Public())) }
	stolen := mustCertificate(t, b)
	stolen.PrivateKey = mustKey(t, Ed25519, 9).signer
	twoCerts := mustCertificate(t, b)
	twoCerts.Certificate = append(twoCerts.Certificate, mustCertificate(t, c).Certificate...)
	for name, change := range map[string]func(server, client *tls.Config){
		"client key":      func(_, cl *tls.Config) { cl.Certificates[0] = mustCertificate(t, c) },
		"no client key":   func(_, cl *tls.Config) { cl.Certificates = nil },
		"stolen":          func(_, cl *tls.Config) { cl.Certificates[0] = stolen },
		"two":             func(_, cl *tls.Config) { cl.Certificates[0] = twoCerts },
		"server key":      func(s, _ *tls.Config) { s.Certificates[0] = mustCertificate(t, c) },
		"protocol":        func(_, cl *tls.Config) { cl.NextProtos = []string{"y/1"} },
		"client has none": func(_, cl *tls.Config) { cl.NextProtos = nil },
		"server has none": func(s, _ *tls.Config) { s.NextProtos = nil },
		"tls 1.2":         func(_, cl *tls.Config) { cl.MinVersion, cl.MaxVersion = 0, tls.VersionTLS12 },
		"server refuses": func(s, _ *tls.Config) {
			s.VerifyConnection = ServerTLS(s.Certificates[0], []string{"x/1"}, onlyConn(c.Public())).VerifyConnection
		},
	} {
		server, client := newServer(), newClient()
		change(server, client)
		if _, _, serverErr, clientErr := handshake(t, server, client); clientErr == nil || serverErr == nil {
			t.Errorf("%s: server %v, client %v", name, serverErr, clientErr)
		}
	}
	if _, _, serverErr, clientErr := handshake(t, newServer(), newClient()); serverErr != nil || clientErr != nil {
		t.Errorf("unchanged: server %v, client %v", serverErr, clientErr)
	}
}

// Promise: a client that offers a protocol is not satisfied with another one.
func TestTLSClientChecksProtocol(t *testing.T) {
	a, b := mustKey(t, Ed25519, 1), mustKey(t, Ed25519, 2)
	client := ClientTLS(mustCertificate(t, b), "x/1", only(a.Public()))
	server := ServerTLS(mustCertificate(t, a), []string{"y/1"}, onlyConn(b.Public()))
	client.NextProtos = []string{"x/1", "y/1"}
	_, _, _, clientErr := handshake(t, server, client)
	if !errors.Is(clientErr, ErrPeer) {
		t.Errorf("client: %v", clientErr)
	}
}

// Promise: a server is not satisfied with a client that names no protocol.
func TestTLSServerChecksProtocol(t *testing.T) {
	a, b := mustKey(t, Ed25519, 1), mustKey(t, Ed25519, 2)
	server := ServerTLS(mustCertificate(t, a), []string{"x/1"}, onlyConn(b.Public()))
	client := ClientTLS(mustCertificate(t, b), "x/1", only(a.Public()))
	client.NextProtos, client.VerifyConnection = nil, nil
	if _, _, serverErr, _ := handshake(t, server, client); !errors.Is(serverErr, ErrPeer) {
		t.Errorf("server: %v", serverErr)
	}
}

// Promise: no session is ever resumed, even by a client that would like to.
func TestTLSNoResumption(t *testing.T) {
	a, b := mustKey(t, Ed25519, 1), mustKey(t, Ed25519, 2)
	server := ServerTLS(mustCertificate(t, a), []string{"x/1"}, onlyConn(b.Public()))
	client := ClientTLS(mustCertificate(t, b), "x/1", only(a.Public()))
	client.SessionTicketsDisabled = false
	client.ServerName = "peer" // the name under which the cache keeps sessions
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		_, cs, serverErr, clientErr := handshake(t, server, client)
		if serverErr != nil || clientErr != nil || cs.DidResume {
			t.Errorf("server %v, client %v, resumed %t", serverErr, clientErr, cs.DidResume)
		}
	}
}

// Promise: a certificate tells nothing but the key, and is the same every time.
func TestCertificateIsPlain(t *testing.T) {
	for _, alg := range []Algorithm{Ed25519, ES256} {
		k := mustKey(t, alg, 1)
		cert := mustCertificate(t, k)
		if !bytes.Equal(cert.Certificate[0], mustCertificate(t, k).Certificate[0]) {
			t.Errorf("%s: certificate differs from time to time", alg)
		}
		other := mustCertificate(t, mustKey(t, alg, 2))
		if cert.Leaf.Subject.String() != other.Leaf.Subject.String() || cert.Leaf.SerialNumber.Cmp(other.Leaf.SerialNumber) != 0 ||
			!cert.Leaf.NotBefore.Equal(other.Leaf.NotBefore) || len(cert.Leaf.DNSNames) != 0 {
			t.Errorf("%s: certificates of two keys differ in more than the key", alg)
		}
		if len(cert.Leaf.SubjectKeyId) != 0 {
			t.Errorf("%s: key id %x", alg, cert.Leaf.SubjectKeyId)
		}
	}
	if _, err := mustKey(t, MLDSA44, 1).Certificate(); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("ML-DSA-44: %v", err)
	}
	if _, err := PeerKey(tls.ConnectionState{}); !errors.Is(err, ErrPeer) {
		t.Errorf("no certificate: %v", err)
	}
}
