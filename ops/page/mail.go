package page

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"example.org/hotline/ops/config"
)

// mailer sends a page as a mail to every address of the channel (RFC 5321). A page is delivered when the server has taken
// responsibility for all of them.
type mailer struct {
	server   string
	from     string
	to       []string
	options  []mail.Option
	host     string
	domain   string
	security *tls.Config // nil: none
	direct   bool        // TLS from the first byte (RFC 8314), not STARTTLS
}

// mailAuth are the ways to authenticate, the best first. The last two show the password to the server, which the library does
// over TLS alone.
var mailAuth = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin}

func newMail(c *config.Page, trust *x509.CertPool) (Channel, error) {
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	m := &mailer{server: c.Server, from: c.From, to: c.To, host: host, direct: c.TLS == "tls"}
	_, m.domain, _ = strings.Cut(c.From, "@")
	m.options = []mail.Option{mail.WithPort(number), mail.WithTimeout(c.AttemptTimeout()), mail.WithHELO(m.domain), mail.WithoutNoop()}
	switch c.TLS {
	case "starttls":
		m.security = tlsConfig(trust, host)
		m.options = append(m.options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTLSConfig(m.security))
	case "tls":
		m.security = tlsConfig(trust, host)
		m.options = append(m.options, mail.WithSSL(), mail.WithTLSConfig(m.security))
	default:
		m.options = append(m.options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if c.User != "" {
		password, err := secret(c.Password)
		if err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
		m.options = append(m.options, mail.WithUsername(c.User), mail.WithPassword(password), mail.WithOpportunisticSMTPAuth(mailAuth...))
	}
	// A client that cannot be made is found at the start of the node.
	_, err = mail.NewClient(host, m.options...)
	return m, err
}

func (m *mailer) Lasting() (bool, time.Duration) { return false, 0 }

func (m *mailer) Send(ctx context.Context, n *Notice) error {
	msg, err := m.message(n, m.to...)
	if err != nil {
		return err
	}
	conn, done, err := dial(ctx, m.server)
	if err != nil {
		return err
	}
	defer done()
	client, err := mail.NewClient(m.host, append(m.options[:len(m.options):len(m.options)], mail.WithDialContextFunc(
		func(ctx context.Context, _, _ string) (net.Conn, error) { return m.secure(ctx, conn) }))...)
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	// Once the server has taken the mail, how the conversation ends changes nothing.
	if err := client.Send(msg); err != nil && !msg.IsDelivered() {
		return errors.Join(err, m.sendToEach(client, n, err))
	}
	_ = client.Close()
	return nil
}

// sendToEach sends the mail once more, to one address after the other, if the server refused one of several: the library then sends
// to none, and whoever can be reached is to be woken although the attempt has failed. The error says why there is nothing to send.
func (m *mailer) sendToEach(client *mail.Client, n *Notice, why error) error {
	var at *mail.SendError
	if len(m.to) < 2 || !errors.As(why, &at) || at.Reason != mail.ErrSMTPRcptTo {
		return nil
	}
	for _, to := range m.to {
		msg, err := m.message(n, to)
		if err != nil {
			return err
		}
		_ = client.Send(msg) // what came of it changes nothing: one address at least has failed
	}
	_ = client.Close()
	return nil
}

// secure is what the client takes for its connection: with TLS from the first byte it expects it done.
func (m *mailer) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if !m.direct {
		return conn, nil
	}
	c := tls.Client(conn, m.security)
	return c, c.HandshakeContext(ctx)
}

// message is plain ASCII text: a server need not know 8BITMIME to take it, which the library would demand of a message that is not
// declared so. The same message sent again has the same Message-ID, and everything under one key stands in one thread.
func (m *mailer) message(n *Notice, to ...string) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithCharset(mail.CharsetASCII), mail.WithEncoding(mail.EncodingUSASCII))
	if err := msg.From(m.from); err != nil {
		return nil, err
	}
	if err := msg.To(to...); err != nil {
		return nil, err
	}
	msg.Subject(n.Line())
	msg.SetDateWithValue(n.At)
	msg.SetMessageIDWithValue(n.ID() + "@" + m.domain)
	if n.ID() != n.Key {
		msg.SetGenHeader(mail.HeaderReferences, "<"+n.Key+"@"+m.domain+">")
	}
	// RFC 3834: nothing answers this by itself. RFC 2076: clients show it as urgent.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if n.Event == Due {
		msg.SetGenHeader("Importance", "high")
	}
	var body strings.Builder
	for _, f := range n.fields() {
		fmt.Fprintf(&body, "%s: %s\r\n", f.name, f.value)
	}
	msg.SetBodyString(mail.TypeTextPlain, body.String(), mail.WithPartEncoding(mail.NoEncoding))
	return msg, nil
}
