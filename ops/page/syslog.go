package page

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// syslog writes a page as one RFC 5424 message over TCP, with octet counting (RFC 6587 §3.4.1), or TLS (RFC 5425). Syslog has no
// answer: a page counts as delivered when the receiver has read to the end of the stream and closed it in turn, which an
// orderly receiver does and a dead one does not.
type syslog struct {
	server   string
	security *tls.Config // nil: none
}

func newSyslog(c *config.Page, trust *x509.CertPool) (Channel, error) {
	s := &syslog{server: c.Server}
	if c.TLS == "tls" {
		host, _, err := net.SplitHostPort(c.Server)
		if err != nil {
			return nil, err
		}
		s.security = tlsConfig(trust, host)
	}
	return s, nil
}

func (s *syslog) Lasting() (bool, time.Duration) { return false, 0 }

func (s *syslog) Send(ctx context.Context, n *Notice) error {
	conn, done, err := dial(ctx, s.server)
	if err != nil {
		return err
	}
	defer done()
	var stream interface {
		io.ReadWriter
		CloseWrite() error
	} = conn.(*terse)
	if s.security != nil {
		c := tls.Client(conn, s.security)
		if err := c.HandshakeContext(ctx); err != nil {
			return err
		}
		stream = c
	}
	msg := syslogMessage(n)
	if _, err := fmt.Fprintf(stream, "%d %s", len(msg), msg); err != nil {
		return err
	}
	if err := stream.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.Join(errors.New("the receiver did not close the stream as one that has read it"), err)
	}
	return nil
}

// Severities of RFC 5424 §6.2.1, under facility 13, log alert: what is to be done at once, and what is only to be known.
const (
	syslogFacility = 13
	syslogAlert    = 1
	syslogError    = 3
	syslogWarning  = 4
	syslogNotice   = 5
	syslogInfo     = 6
)

func severity(n *Notice) int {
	switch {
	case n.Event == Test:
		return syslogInfo
	case n.Event == Over:
		return syslogNotice
	case n.Event == Fault:
		return syslogError
	case n.Status != hotline.Actual:
		return syslogWarning
	}
	return syslogAlert
}

// syslogMessage is the message without its length. The facts stand in the free text as name="value": structured data of our
// own would need a private enterprise number. Values are printable ASCII; quotation marks and backslashes are escaped.
func syslogMessage(n *Notice) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<%d>1 %s %s hotlined - %s -", syslogFacility*8+severity(n), utc(n.At), ascii(n.Node), n.Event)
	for _, f := range n.fields() {
		fmt.Fprintf(&b, " %s=%q", f.name, f.value)
	}
	return b.String()
}
