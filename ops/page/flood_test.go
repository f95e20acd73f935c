package page

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// flooding is a server that waits for the first word, unless it has to begin itself, and then talks without end and without a
// line; it ends with the test.
func flooding(t *testing.T, begin string, first bool) string {
	return listening(t, func(c net.Conn) {
		var err error
		if !first {
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil {
			_, err = c.Write([]byte(begin))
		}
		for block := bytes.Repeat([]byte{'x'}, 1<<16); err == nil; {
			_, err = c.Write(block)
		}
		_ = c.Close()
	})
}

// Promise: a server that floods back is cut off at a bound of bytes, and that is a failure of this channel alone.
func TestServerThatFloodsIsCutOff(t *testing.T) {
	source := "file:" + write(t, "secret", []byte("whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 24))))
	cases := []struct {
		name, begin string
		channel     config.Page
	}{
		{"mail", "220 ", config.Page{Kind: "smtp", TLS: "none", From: "a@xb.test", To: []string{"b@xb.test"}}},
		{"syslog", "", config.Page{Kind: "syslog", TLS: "none"}},
		{"webhook", "HTTP/1.1 500 X\r\nX-Long: ", config.Page{Kind: "webhook", Secret: source}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			addr := flooding(t, c.begin, c.channel.Kind == "smtp")
			if c.channel.Kind == "webhook" {
				c.channel.URL = "http://" + addr
			} else {
				c.channel.Server = addr
			}
			if a := try(t, openOne(t, c.channel), alarm(), hotline.PageRefused); !errors.Is(a.Err, errFlood) {
				t.Errorf("it failed for another reason: %v", a.Err)
			}
		})
	}
}
