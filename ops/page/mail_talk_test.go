package page

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// talk is a mail server of which a test says what it answers.
type talk struct {
	addr  string
	mails chan talked
}

// talked is one mail that it took.
type talked struct {
	to   []string
	data string
}

// newTalk starts one that offers the extensions. say may put an answer of its own in the place of the usual one; "-" is none, and
// the connection ends. It ends with the test.
func newTalk(t *testing.T, extensions string, say func(line string) string) *talk {
	t.Helper()
	s := &talk{mails: make(chan talked, 16)}
	s.addr = listening(t, func(c net.Conn) { s.serve(c, extensions, say) })
	return s
}

func (s *talk) serve(c net.Conn, extensions string, say func(string) string) {
	defer c.Close()
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220 mail.test\r\n")
	var got talked
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		answer := say(line)
		switch verb, _, _ := strings.Cut(line, " "); {
		case answer == "-":
			return
		case answer != "":
		case verb == "EHLO":
			answer = "250-mail.test\r\n250 " + extensions
		case verb == "RCPT":
			got.to = append(got.to, strings.Trim(strings.TrimPrefix(line, "RCPT TO:"), "<>"))
			answer = "250 ok"
		case verb == "RSET":
			got, answer = talked{}, "250 ok"
		case verb == "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			for line := ""; line != ".\r\n"; {
				got.data += line
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			s.mails <- got
			got, answer = talked{}, "250 taken"
		case verb == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			answer = "250 ok"
		}
		fmt.Fprint(c, answer+"\r\n")
	}
}

func (s *talk) page(to ...string) config.Page {
	return config.Page{Kind: "smtp", Server: s.addr, TLS: "none", From: "hotline@xb.test", To: to}
}

// took wants the mails that were taken, by their addresses, and returns the first.
func (s *talk) took(t *testing.T, want ...string) (first talked) {
	t.Helper()
	var all []string
	for i := 0; ; i++ {
		select {
		case m := <-s.mails:
			if i == 0 {
				first = m
			}
			all = append(all, m.to...)
			continue
		default:
		}
		break
	}
	if slices.Sort(all); !slices.Equal(all, want) {
		t.Fatalf("mail was taken for %q, want %q", all, want)
	}
	return first
}

func usual(string) string { return "" }

// Promise: a page is plain ASCII, and so goes to a mail server that knows no extension too.
func TestMailNeedsNoExtension(t *testing.T) {
	s := newTalk(t, "HELP", usual)
	n := alarm()
	try(t, openOne(t, s.page("duty@xb.test")), n, hotline.PageTaken)
	checkMail(t, s.took(t, "duty@xb.test").data, &n)
}

// Promise: one address that is refused keeps nobody else from the mail; and the attempt has failed all the same.
func TestMailGoesToWhoeverIsNotRefused(t *testing.T) {
	for _, code := range []string{"550 5.1.1 no such mailbox", "452 4.2.2 mailbox full"} {
		s := newTalk(t, "8BITMIME", func(line string) string {
			if strings.HasPrefix(line, "RCPT TO:<gone@") {
				return code
			}
			return ""
		})
		a := try(t, openOne(t, s.page("first@xb.test", "gone@xb.test", "last@xb.test")), alarm(), hotline.PageRefused)
		s.took(t, "first@xb.test", "last@xb.test")
		if !strings.Contains(a.Err.Error(), "gone@xb.test") {
			t.Errorf("the log does not tell who was refused: %v", a.Err)
		}
	}
}

// Promise: a mail that the server has taken counts as taken, however the conversation ends: else everybody is woken again and
// again, and the record says that nobody could be reached.
func TestMailThatWasTakenIsTakenHoweverTheTalkEnds(t *testing.T) {
	for name, say := range map[string]func(string) string{
		"the line drops after it":   func(line string) string { return map[string]string{"RSET": "-"}[line] },
		"nothing more is permitted": func(line string) string { return map[string]string{"RSET": "421 4.4.2 closing"}[line] },
		"the goodbye is refused":    func(line string) string { return map[string]string{"QUIT": "500 what"}[line] },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTalk(t, "8BITMIME", say)
			try(t, openOne(t, s.page("duty@xb.test")), alarm(), hotline.PageTaken)
			s.took(t, "duty@xb.test")
		})
	}
}

// Promise: nor does a server that never says goodbye make an attempt of it that ran out of time.
func TestMailServerThatNeverSaysGoodbye(t *testing.T) {
	hold := make(chan struct{})
	s := newTalk(t, "8BITMIME", func(line string) string {
		if line == "QUIT" || line == "RSET" {
			<-hold
		}
		return ""
	})
	t.Cleanup(func() { close(hold) }) // before the server is waited for
	c := s.page("duty@xb.test")
	c.Timeout.Duration = time.Second
	try(t, openOne(t, c), alarm(), hotline.PageTaken)
	s.took(t, "duty@xb.test")
}
