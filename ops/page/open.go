package page

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/ops/config"
)

// Open makes the channels of a configuration and reads their secrets. It connects to nobody. An error names the channel; a
// node must not start on any of them.
func Open(list []config.Page) (*Pager, error) {
	var lanes []*lane
	var all []error
	for i := range list {
		c, err := open(&list[i])
		if err != nil {
			all = append(all, fmt.Errorf("page channel %s: %w", list[i].Name, err))
			continue
		}
		lanes = append(lanes, newLane(list[i].Name, c, list[i].AttemptTimeout()))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return newPager(lanes), nil
}

func open(c *config.Page) (Channel, error) {
	trust, err := authorities(c.CA)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case "smtp":
		return newMail(c, trust)
	case "webhook":
		return newWebhook(c, trust)
	case "alertmanager":
		return newAlertmanager(c, trust)
	case "syslog":
		return newSyslog(c, trust)
	case "command":
		return &command{argv: c.Argv}, nil
	}
	return nil, fmt.Errorf("kind %q is not known", c.Kind)
}

// secret reads a secret as the passphrase of key files is read.
func secret(source string) (string, error) {
	b, err := keys.Passphrase(source, nil)
	return string(b), err
}

// authorities reads the PEM file of those who are believed; nil for none, which means those of the machine.
func authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("ca: %s holds no certificate in PEM", path)
	}
	return pool, nil
}

// tlsConfig is TLS towards host; the certificate must be valid for that name.
func tlsConfig(trust *x509.CertPool, host string) *tls.Config {
	return &tls.Config{RootCAs: trust, ServerName: host, MinVersion: tls.VersionTLS12}
}

// maxAnswer bounds what the other side of one attempt may say, in bytes: a server that floods back costs no more memory than
// that.
const maxAnswer = 256 << 10

// errFlood ends the connection to a server that says more.
var errFlood = fmt.Errorf("the other side says more than %d bytes", maxAnswer)

// terse is a connection on which the other side may say so much and no more.
type terse struct {
	net.Conn // not *net.TCPConn, which has ways to be read beside Read
	left     int
}

// CloseWrite ends the own side of the stream.
func (t *terse) CloseWrite() error { return t.Conn.(*net.TCPConn).CloseWrite() }

func (t *terse) Read(b []byte) (int, error) {
	if t.left == 0 && len(b) > 0 {
		return 0, errFlood
	}
	n, err := t.Conn.Read(b[:min(len(b), t.left)])
	t.left -= n
	return n, err
}

// connect opens a connection. It has the form that package http wants.
func connect(ctx context.Context, network, server string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	return &terse{conn, maxAnswer}, nil
}

// dial opens a connection that ends with ctx, whatever is under way on it. done must be called.
func dial(ctx context.Context, server string) (conn net.Conn, done func(), err error) {
	if conn, err = connect(ctx, "tcp", server); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() { stop(); _ = conn.Close() }, nil
}
