package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestExamplePagesWork defends the technician who takes the comment signs off: every channel that the example file shows is a
// proper one, and there is one of each kind.
func TestExamplePagesWork(t *testing.T) {
	example, err := Example()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(regexp.MustCompile(`(?m)^#   `).ReplaceAll(example, nil))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for i := range c.Pages {
		kinds = append(kinds, c.Pages[i].Kind)
		if c.Pages[i].AttemptTimeout() != DefaultPageTimeout {
			t.Errorf("channel %s shows another timeout than the default", c.Pages[i].Name)
		}
	}
	if got := strings.Join(kinds, " "); got != strings.Join(pageKinds, " ") {
		t.Errorf("the example shows channels of kinds %s", got)
	}
}

// TestPageRulesHaveTheirMessages defends against a channel that is found wanting only at night: each rule of a channel can be
// broken, and says which key, and what to write.
func TestPageRulesHaveTheirMessages(t *testing.T) {
	smtp := Page{Name: "mail", Kind: "smtp", Server: "mail.example.org:587", TLS: "starttls", From: "a@example.org", To: []string{"b@example.org"}}
	hook := Page{Name: "hook", Kind: "webhook", URL: "https://page.example.org/x", Secret: "credential:hook"}
	alerts := Page{Name: "alerts", Kind: "alertmanager", URL: "http://127.0.0.1:9093"}
	log := Page{Name: "log", Kind: "syslog", Server: "[::1]:514", TLS: "none"}
	command := Page{Name: "bell", Kind: "command", Argv: []string{"/usr/bin/bell", "-n", "3"}}
	cases := []struct {
		page  Page
		spoil func(*Page)
		want  string
	}{
		{smtp, func(p *Page) { p.Name = "Mail" }, `name: "Mail" is no name of a channel`},
		{smtp, func(p *Page) { p.Kind = "fax" }, `kind: "fax" is not known: write smtp, webhook`},
		{smtp, func(p *Page) { p.Timeout.Duration = time.Millisecond }, "timeout: 1ms is out of bounds: choose 1s to 1m0s"},
		{smtp, func(p *Page) { p.URL = "https://x" }, "url: has no meaning for smtp"},
		{smtp, func(p *Page) { p.Argv = []string{"/x"} }, "argv: has no meaning for smtp"},
		{smtp, func(p *Page) { p.Server = "mail.example.org" }, "server:"},
		{smtp, func(p *Page) { p.Server = "mail.example.org:0" }, "server:"},
		{smtp, func(p *Page) { p.TLS = "" }, `tls: "" is not known: write starttls, tls, none`},
		{smtp, func(p *Page) { p.TLS = "none" }, "tls: none is allowed towards a loopback address alone"},
		{smtp, func(p *Page) { p.To = nil }, "to: 0 addresses"},
		{smtp, func(p *Page) { p.To = []string{"Duty <b@example.org>"} }, "is no plain mail address"},
		{smtp, func(p *Page) { p.From = "a\r\nBcc: x@example.org" }, "is no plain mail address"},
		{smtp, func(p *Page) { p.User = "u" }, "user and password: go together"},
		{smtp, func(p *Page) { p.User, p.Password = "u", "secret" }, "password: is no source of a secret: write file:PATH"},
		{hook, func(p *Page) { p.Secret = "" }, "secret: missing"},
		{hook, func(p *Page) { p.Secret = "prompt" }, "secret: is no source of a secret"},
		{hook, func(p *Page) { p.URL = "http://page.example.org" }, "url: http is allowed towards a loopback address alone"},
		{hook, func(p *Page) { p.URL = "https://user:word@page.example.org" }, "url: is no address"},
		{hook, func(p *Page) { p.URL = "ftp://page.example.org" }, "url: is no address"},
		{alerts, func(p *Page) { p.URL = "" }, "url: is no address"},
		{alerts, func(p *Page) { p.URL = "https://alerts.example.org/?tenant=1" }, "url: of alertmanager ends with its path"},
		{alerts, func(p *Page) { p.To = []string{"x@example.org"} }, "to: has no meaning for alertmanager"},
		{log, func(p *Page) { p.TLS = "starttls" }, `tls: "starttls" is not known: write tls, none`},
		{command, func(p *Page) { p.Argv[0] = "bell" }, "argv: write the program as an absolute path"},
		{command, func(p *Page) { p.Argv[1] = "a\x00b" }, "argv: holds a zero byte"},
		{command, func(p *Page) { p.Argv = make([]string, MaxPageArgv+1); p.Argv[0] = "/x" }, "argv: write"},
	}
	for _, c := range cases {
		good := Config{Pages: []Page{c.page}}
		if text := checkPages(&good); text != "" {
			t.Fatalf("a good channel is refused: %s", text)
		}
		page := c.page
		page.Argv = append([]string(nil), page.Argv...)
		c.spoil(&page)
		if got := checkPages(&Config{Pages: []Page{page}}); !strings.Contains(got, c.want) {
			t.Errorf("want %q, got %q", c.want, got)
		}
	}
	if got := checkPages(&Config{Pages: []Page{smtp, smtp}}); !strings.Contains(got, "stands twice") {
		t.Errorf("two channels of one name: %q", got)
	}
}

// TestPagePathsStartAtTheFile defends a configuration directory that is moved as a whole.
func TestPagePathsStartAtTheFile(t *testing.T) {
	p := Page{CA: "ca.pem", Password: "file:secret", Secret: "credential:hook"}
	p.resolve("/etc/hotline")
	if p.CA != filepath.Join("/etc/hotline", "ca.pem") || p.Password != "file:/etc/hotline/secret" || p.Secret != "credential:hook" {
		t.Errorf("got %+v", p)
	}
}

// TestSecretInThePlaceOfItsSourceIsNotTold defends whoever writes the secret itself where its source belongs: what is said of a bad
// configuration goes into the log of the machine.
func TestSecretInThePlaceOfItsSourceIsNotTold(t *testing.T) {
	const word = "tr0ub4dor"
	smtp := Page{Name: "mail", Kind: "smtp", Server: "mail.example.org:587", TLS: "starttls", From: "a@example.org", To: []string{"b@example.org"}, User: "u"}
	hook := Page{Name: "hook", Kind: "webhook", URL: "https://page.example.org/x"}
	smtp.Password, hook.Secret = word, "whsec_"+word
	for key, c := range map[string]*Config{
		"keys.passphrase": {Keys: Keys{Passphrase: word}},
		"password":        {Pages: []Page{smtp}},
		"secret":          {Pages: []Page{hook}},
	} {
		if text := c.Validate().Error(); strings.Contains(text, word) || !strings.Contains(text, key+": ") {
			t.Errorf("%s: %s", key, text)
		}
	}
}
