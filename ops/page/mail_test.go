package page

import (
	"encoding/json"
	"net/mail"
	"os/exec"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// taken is one mail as the server tells of it.
type taken struct {
	From, User, Data string
	To               []string
	TLS              bool
}

func mailServer(t *testing.T, mode string, id identity, user, password string) (s *server, addr string) {
	t.Helper()
	python := need(t, "/usr/bin/python3")
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		missing(t, "python3-aiosmtpd")
	}
	s = serve(t, python, "testdata/mailserver.py", mode, id.cert, id.key, user, password)
	return s, "127.0.0.1:" + s.line(t)
}

// Promise: a mail server gets the page over TLS, from an authenticated sender, for every address, as plain text with every
// fact and nothing else, and the same page sent again is the same mail.
func TestMailReachesARealServer(t *testing.T) {
	id := newIdentity(t)
	for _, mode := range []string{"none", "starttls", "tls"} {
		t.Run(mode, func(t *testing.T) {
			user, password := "hotline", "a long word"
			if mode == "none" {
				user, password = "", ""
			}
			s, addr := mailServer(t, mode, id, user, password)
			c := config.Page{Kind: "smtp", Server: addr, TLS: mode, From: "hotline@xb.test", To: []string{"duty@xb.test", "second@xb.test"}}
			if mode != "none" {
				c.CA, c.User, c.Password = id.cert, user, "file:"+write(t, "password", []byte(password))
			}
			p := openOne(t, c)
			n := alarm()
			try(t, p, n, hotline.PageTaken)
			var got taken
			if err := json.Unmarshal([]byte(s.line(t)), &got); err != nil {
				t.Fatal(err)
			}
			if got.From != c.From || strings.Join(got.To, " ") != strings.Join(c.To, " ") || got.TLS != (mode != "none") || got.User != user {
				t.Errorf("the server took %+v", got)
			}
			checkMail(t, got.Data, &n)
		})
	}
}

func checkMail(t *testing.T, data string, n *Notice) {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Subject": "ACTUAL [!] FLASH hotline XB: acknowledge, peer XA, OVERDUE [director]",
		"Message-ID": "<" + n.Key + "@xb.test>", "Auto-Submitted": "auto-generated", "Importance": "high"}
	for key, value := range want {
		if got := msg.Header.Get(key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	if at, err := msg.Header.Date(); err != nil || time.Since(at) > patience {
		t.Errorf("date %v, %v", at, err)
	}
	_, body, _ := strings.Cut(data, "\r\n\r\n")
	for _, line := range []string{"status: ACTUAL", "precedence: FLASH", "duty: acknowledge", "peer: XA", "overdue: yes", "office: director",
		"targets: XB-A1 XB-A2", "case: XA/1234", "statement: abcd", "key: " + n.Key, "due: " + utc(n.Due)} {
		if !strings.Contains(body, line+"\r\n") {
			t.Errorf("the mail does not say %q:\n%s", line, body)
		}
	}
}

// Promise: a page counts as delivered only when the server has taken it for everybody, from a sender and over a connection
// that it and we believe.
func TestMailThatIsNotTakenHasFailed(t *testing.T) {
	id, other := newIdentity(t), newIdentity(t)
	s, addr := mailServer(t, "starttls", id, "hotline", "right")
	_, bare := mailServer(t, "none", id, "", "")
	good := config.Page{Kind: "smtp", Server: addr, TLS: "starttls", CA: id.cert, From: "hotline@xb.test", To: []string{"duty@xb.test"},
		User: "hotline", Password: "file:" + write(t, "password", []byte("right"))}
	cases := map[string]func(c *config.Page){
		"wrong password":         func(c *config.Page) { c.Password = "file:" + write(t, "password", []byte("wrong")) },
		"unknown authority":      func(c *config.Page) { c.CA = other.cert },
		"one address refused":    func(c *config.Page) { c.To = append(c.To, "nobody@xb.test") },
		"server without TLS":     func(c *config.Page) { c.Server, c.User, c.Password = bare, "", "" },
		"nobody listens":         func(c *config.Page) { c.Server = freeAddr(t) },
		"TLS from the beginning": func(c *config.Page) { c.TLS = "tls" },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			c := good
			c.To = append([]string(nil), good.To...)
			spoil(&c)
			try(t, openOne(t, c), alarm(), hotline.PageRefused)
		})
	}
	try(t, openOne(t, good), alarm(), hotline.PageTaken)
	var got taken
	if err := json.Unmarshal([]byte(s.line(t)), &got); err != nil || strings.Join(got.To, " ") != "duty@xb.test" {
		t.Errorf("the first mail that was taken is %+v, %v", got, err)
	}
}

// Promise: a mail server that never answers costs the time of one attempt, no more.
func TestMailServerThatHangsTimesOut(t *testing.T) {
	addr := hanging(t)
	for _, mode := range []string{"none", "tls"} {
		c := config.Page{Kind: "smtp", Server: addr, TLS: mode, From: "hotline@xb.test", To: []string{"duty@xb.test"},
			Timeout: config.Duration{Duration: time.Second}}
		try(t, openOne(t, c), alarm(), hotline.PageTimedOut)
	}
}
