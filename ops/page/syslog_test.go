package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// logged is one message as rsyslog parsed it.
type logged struct{ App, Host, ID, Facility, Severity, Stamp, Text string }

// syslogServer runs Debian's rsyslogd on loopback with a configuration of its own, which writes what it parses into a pipe.
func syslogServer(t *testing.T, id identity, security string) (addr string, lines *bufio.Reader) {
	t.Helper()
	dir := t.TempDir()
	program := copied(t, need(t, "/usr/sbin/rsyslogd"), dir)
	pipe, port := filepath.Join(dir, "pipe"), filepath.Join(dir, "port")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(pipe, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	global, driver := fmt.Sprintf("workDirectory=%q", dir), ""
	if security == "tls" {
		if found, err := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); err != nil || len(found) == 0 {
			missing(t, "rsyslog-gnutls")
		}
		global += fmt.Sprintf(" defaultNetstreamDriverCAFile=%q defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q", id.cert, id.cert, id.key)
		driver = `streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon"`
	}
	conf := write(t, "rsyslog.conf", fmt.Appendf(nil, `global(%s)
module(load="imtcp" %s)
module(load="builtin:ompipe")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName=%q)
template(name="parsed" type="list" option.jsonf="on") {
  property(outname="App" name="app-name" format="jsonf")
  property(outname="Host" name="hostname" format="jsonf")
  property(outname="ID" name="msgid" format="jsonf")
  property(outname="Facility" name="syslogfacility" format="jsonf")
  property(outname="Severity" name="syslogseverity" format="jsonf")
  property(outname="Stamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="Text" name="msg" format="jsonf")
}
action(type="ompipe" pipe=%q template="parsed")
`, global, driver, port, pipe))
	serve(t, program, "-n", "-i", "NONE", "-f", conf)
	return "127.0.0.1:" + portFrom(t, port), bufio.NewReader(f)
}

// copied runs a program from another place: the machine's AppArmor profile confines rsyslogd by its path to the machine's own
// log directories.
func copied(t *testing.T, program, dir string) string {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(program))
	if err := os.WriteFile(path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// portFrom waits until rsyslog has written its port.
func portFrom(t *testing.T, path string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b))
		}
	}
	t.Fatal("rsyslogd does not come up")
	return ""
}

// Promise: a real receiver parses our message as RFC 5424 and sees every fact, over TCP and over TLS; an attempt counts as
// delivered only after it has read the stream to its end.
func TestSyslogReachesARealReceiver(t *testing.T) {
	id := newIdentity(t)
	for _, security := range []string{"none", "tls"} {
		t.Run(security, func(t *testing.T) {
			addr, lines := syslogServer(t, id, security)
			c := config.Page{Kind: "syslog", Server: addr, TLS: security, Timeout: config.Duration{Duration: 10 * time.Second}}
			if security == "tls" {
				c.CA = id.cert
			}
			p := openOne(t, c)
			n := alarm()
			n.Office = `a "b" \ c` + "\n" + "ü"
			test := alarm()
			test.Event = Test
			for _, x := range []Notice{n, test} {
				try(t, p, x, hotline.PageTaken)
			}
			var got [2]logged
			for i := range got {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal([]byte(line), &got[i]); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
			}
			g := got[0]
			if g.App != "hotlined" || g.Host != "XB-1" || g.ID != "page" || g.Facility != "13" || g.Severity != "1" {
				t.Errorf("the receiver saw %+v", g)
			}
			if at, err := time.Parse(time.RFC3339, g.Stamp); err != nil || time.Since(at) > patience {
				t.Errorf("stamp %q, %v", g.Stamp, err)
			}
			for _, fact := range []string{`status="ACTUAL"`, `precedence="FLASH"`, `peer="XA"`, `targets="XB-A1 XB-A2"`, `key="` + n.Key + `"`,
				`office="a \"b\" \\ c??"`} {
				if !strings.Contains(g.Text, fact) {
					t.Errorf("%s is not in %q", fact, g.Text)
				}
			}
			if got[1].ID != "channel-test" || got[1].Severity != "6" {
				t.Errorf("the test is %+v", got[1])
			}
		})
	}
}

// Promise: a receiver that is not there, that we do not believe, or that swallows without reading has not got it.
func TestSyslogThatIsNotReadHasFailed(t *testing.T) {
	id := newIdentity(t)
	addr, _ := syslogServer(t, id, "tls")
	try(t, openOne(t, config.Page{Kind: "syslog", Server: addr, TLS: "tls", CA: newIdentity(t).cert}), alarm(), hotline.PageRefused)
	try(t, openOne(t, config.Page{Kind: "syslog", Server: freeAddr(t), TLS: "none"}), alarm(), hotline.PageRefused)
	for _, security := range []string{"none", "tls"} {
		c := config.Page{Kind: "syslog", Server: silent(t), TLS: security, Timeout: config.Duration{Duration: time.Second}}
		try(t, openOne(t, c), alarm(), hotline.PageTimedOut)
	}
}
