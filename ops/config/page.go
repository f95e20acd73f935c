package config

import (
	"bytes"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of page channels.
const (
	MaxPages           = 8 // channels
	MaxPageTo          = 16
	MaxPageArgv        = 32
	MinPageTimeout     = time.Second
	MaxPageTimeout     = time.Minute
	DefaultPageTimeout = 10 * time.Second
)

var (
	pageKinds = []string{"smtp", "webhook", "alertmanager", "syslog", "command"}
	pageName  = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)
)

// checkPages holds every channel to the rules of its kind.
func checkPages(c *Config) string {
	if len(c.Pages) > MaxPages {
		return fmt.Sprintf("%d channels: configure at most %d", len(c.Pages), MaxPages)
	}
	seen := map[string]bool{}
	for i := range c.Pages {
		p := &c.Pages[i]
		text := p.check()
		if text == "" && seen[p.Name] {
			text = "name: stands twice: give each channel its own"
		}
		if text != "" {
			return fmt.Sprintf("channel %d (%q): %s", i+1, p.Name, text)
		}
		seen[p.Name] = true
	}
	return ""
}

func (p *Page) check() string {
	switch {
	case !pageName.MatchString(p.Name):
		return fmt.Sprintf("name: %q is no name of a channel: write 2 to 32 lower-case letters, digits and hyphens, beginning with a letter", p.Name)
	case !slices.Contains(pageKinds, p.Kind):
		return "kind: " + oneOf(p.Kind, pageKinds...)
	case p.Timeout.Duration != 0 && (p.Timeout.Duration < MinPageTimeout || p.Timeout.Duration > MaxPageTimeout):
		return fmt.Sprintf("timeout: %s", between(p.Timeout.Duration, MinPageTimeout, MaxPageTimeout))
	}
	if key := p.stray(); key != "" {
		return fmt.Sprintf("%s: has no meaning for %s: remove it", key, p.Kind)
	}
	for _, source := range []struct{ key, value string }{{"password", p.Password}, {"secret", p.Secret}} {
		if source.value != "" && !isSecretSource(source.value) {
			return source.key + ": is no source of a secret: write file:PATH or credential:NAME" // it may be the secret, and is not told
		}
	}
	if (p.User == "") != (p.Password == "") {
		return "user and password: go together: write both or neither"
	}
	switch p.Kind {
	case "smtp":
		return p.checkMail()
	case "syslog":
		return p.checkServer("tls", "none")
	case "webhook":
		if p.Secret == "" {
			return "secret: missing: a webhook is signed, name file:PATH or credential:NAME"
		}
		return p.checkURL()
	case "alertmanager":
		if strings.ContainsRune(p.URL, '?') {
			return "url: of alertmanager ends with its path: /api/v2/alerts is put behind it"
		}
		return p.checkURL()
	}
	return p.checkArgv()
}

// stray returns a key that is set though the kind does not have it.
func (p *Page) stray() string {
	v := reflect.ValueOf(*p)
	for i := range v.NumField() {
		kinds := v.Type().Field(i).Tag.Get("kinds")
		if kinds != "*" && !slices.Contains(strings.Fields(kinds), p.Kind) && !v.Field(i).IsZero() {
			return v.Type().Field(i).Tag.Get("toml")
		}
	}
	return ""
}

func isSecretSource(s string) bool {
	kind, rest, _ := strings.Cut(s, ":")
	return (kind == "file" && rest != "") || (kind == "credential" && rest != "" && !strings.ContainsAny(rest, `/\`) && rest != "." && rest != "..")
}

func (p *Page) checkMail() string {
	if len(p.To) == 0 || len(p.To) > MaxPageTo {
		return fmt.Sprintf("to: %d addresses: write 1 to %d", len(p.To), MaxPageTo)
	}
	for _, a := range append([]string{p.From}, p.To...) {
		if got, err := mail.ParseAddress(a); err != nil || got.Address != a {
			return fmt.Sprintf("from, to: %q is no plain mail address: write it like duty@example.org", a)
		}
	}
	return p.checkServer("starttls", "tls", "none")
}

func (p *Page) checkServer(ways ...string) string {
	host, port, err := net.SplitHostPort(p.Server)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
		return fmt.Sprintf("server: %q is no host with a port: write it like mail.example.org:587", p.Server)
	}
	if text := oneOf(p.TLS, ways...); text != "" {
		return "tls: " + text
	}
	if p.TLS == "none" && !isLoopback(host) {
		return fmt.Sprintf("tls: none is allowed towards a loopback address alone, and %s is none: write %s", host, ways[0])
	}
	return ""
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (p *Page) checkURL() string {
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "url: is no address of a server: write it like https://page.example.org/hotline, without user and fragment"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "url: http is allowed towards a loopback address alone: write https"
	}
	return ""
}

func (p *Page) checkArgv() string {
	if len(p.Argv) == 0 || len(p.Argv) > MaxPageArgv || !filepath.IsAbs(p.Argv[0]) {
		return fmt.Sprintf("argv: write the program as an absolute path, and at most %d arguments", MaxPageArgv-1)
	}
	if slices.ContainsFunc(p.Argv, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		return "argv: holds a zero byte"
	}
	return ""
}

// resolve makes the paths absolute and completes what has a default.
func (p *Page) resolve(base string) {
	for _, s := range []*string{&p.Password, &p.Secret} {
		if file, ok := strings.CutPrefix(*s, "file:"); ok {
			*s = "file:" + absolute(base, file)
		}
	}
	if p.CA != "" {
		p.CA = absolute(base, p.CA)
	}
}

// AttemptTimeout is how long one attempt may take.
func (p *Page) AttemptTimeout() time.Duration {
	if p.Timeout.Duration == 0 {
		return DefaultPageTimeout
	}
	return p.Timeout.Duration
}

// examplePages writes what each key of a channel means and one channel of each kind, all commented out: there is none by
// default.
func examplePages(out *bytes.Buffer, field reflect.StructField) {
	comment(out, field.Tag.Get("doc"))
	out.WriteString("#\n")
	row := field.Type.Elem()
	for i := range row.NumField() {
		key := row.Field(i)
		comment(out, key.Tag.Get("toml")+": "+key.Tag.Get("doc"))
	}
	for _, kind := range pageKinds {
		out.WriteString("#\n#   [[page]]\n")
		for i := range row.NumField() {
			key := row.Field(i)
			if kinds := key.Tag.Get("kinds"); kinds == "*" || slices.Contains(strings.Fields(kinds), kind) {
				fmt.Fprintf(out, "#   %s = %s\n", key.Tag.Get("toml"), exampleValue(kind, key))
			}
		}
	}
	out.WriteString("\n")
}

// exampleOf are values that differ from those of the field's tag.
var exampleOf = map[string]string{
	"webhook name": "hook", "alertmanager name": "alertmanager", "syslog name": "log", "command name": "bell",
	"alertmanager url": "https://alerts.example.org", "alertmanager password": "credential:page-alerts",
	"syslog server": "log.example.org:6514", "syslog tls": "tls",
}

func exampleValue(kind string, field reflect.StructField) string {
	key, value := field.Tag.Get("toml"), field.Tag.Get("show")
	if v, ok := exampleOf[kind+" "+key]; ok {
		value = v
	} else if key == "kind" {
		value = kind
	}
	if field.Type.Kind() == reflect.Slice {
		return fmt.Sprintf("[%q]", value)
	}
	return strconv.Quote(value)
}
