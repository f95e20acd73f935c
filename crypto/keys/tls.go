package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// ErrPeer says that a TLS peer is not one that this side talks to.
var ErrPeer = errors.New("peer is refused")

// Certificate returns a self-signed certificate that carries the key and nothing
// else: its names, serial number and dates are the same for everybody, so it
// says nothing about its owner. Peers pin the key and read no other field. An
// ML-DSA-44 key is refused with ErrAlgorithm.
func (k *Private) Certificate() (tls.Certificate, error) {
	switch k.signer.(type) {
	case ed25519.PrivateKey, *ecdsa.PrivateKey:
	default:
		return tls.Certificate{}, fmt.Errorf("%w: no TLS certificate for %s, use Ed25519 or ES256", ErrAlgorithm, k.public.alg)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "hotline"},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 section 4.1.2.5: no end
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(nil, template, template, k.signer.Public(), k.signer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k.signer, Leaf: leaf}, nil
}

// PeerKey returns the public key of the one certificate that the peer showed.
// That the peer holds the private key is certain only once the handshake is
// complete.
func PeerKey(cs tls.ConnectionState) (Public, error) {
	if len(cs.PeerCertificates) != 1 {
		return Public{}, fmt.Errorf("%w: it showed %d certificates, want 1", ErrPeer, len(cs.PeerCertificates))
	}
	return publicFromCertificate(cs.PeerCertificates[0])
}

// ServerTLS returns the settings of a listening side: TLS 1.3, the peer must
// show a certificate, allow decides on its key and the negotiated protocol
// (cs.NegotiatedProtocol is always one of alpn). No session is ever resumed and
// no early data accepted, so a key that is no longer allowed cannot come back.
//
// allow runs before the peer has proved that it holds the key: it may refuse,
// but must not record the peer as present. Use PeerKey after the handshake for
// that. It is called from many goroutines at once.
func ServerTLS(cert tls.Certificate, alpn []string, allow func(cs tls.ConnectionState, peer Public) error) *tls.Config {
	alpn = slices.Clone(alpn)
	cfg := baseTLS(cert, alpn)
	cfg.ClientAuth = tls.RequireAnyClientCert
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		if !slices.Contains(alpn, cs.NegotiatedProtocol) {
			return fmt.Errorf("%w: protocol %q is not offered here", ErrPeer, cs.NegotiatedProtocol)
		}
		return checkPeer(cs, func(peer Public) error { return allow(cs, peer) })
	}
	return cfg
}

// ClientTLS returns the settings of a calling side for one protocol: TLS 1.3,
// our certificate is shown, allow decides on the peer's key, and a server that
// negotiates another protocol than alpn, or none, is refused. No name is
// checked: the key is the name.
func ClientTLS(cert tls.Certificate, alpn string, allow func(peer Public) error) *tls.Config {
	cfg := baseTLS(cert, []string{alpn})
	// The chain and name checks of crypto/tls have no meaning for self-signed
	// certificates without names; VerifyConnection pins the key instead.
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		if alpn == "" || cs.NegotiatedProtocol != alpn {
			return fmt.Errorf("%w: it speaks protocol %q, want %q", ErrPeer, cs.NegotiatedProtocol, alpn)
		}
		return checkPeer(cs, allow)
	}
	return cfg
}

func baseTLS(cert tls.Certificate, alpn []string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		NextProtos:   alpn,
		MinVersion:   tls.VersionTLS13,
		MaxVersion:   tls.VersionTLS13,
		// The hybrid first, so that recorded traffic stays closed to a later
		// quantum computer.
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256},
		SessionTicketsDisabled: true,
	}
}

func checkPeer(cs tls.ConnectionState, allow func(Public) error) error {
	if cs.DidResume {
		return fmt.Errorf("%w: resumed session", ErrPeer)
	}
	peer, err := PeerKey(cs)
	if err != nil {
		return err
	}
	return allow(peer)
}
