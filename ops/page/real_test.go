package page

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// Promise: what was closed leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for another program: far beyond what any step takes.
const patience = 30 * time.Second

// need finds a program of the machine. Where it is missing the test is skipped, but not where HOTLINE_PAGES_REQUIRED is set.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program)
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("HOTLINE_PAGES_REQUIRED") != "" {
		t.Fatalf("%s is missing: install it as step_tools of .ci/run does", what)
	}
	t.Skipf("%s is missing", what)
}

// server is another program under test conditions; it ends with the test.
type server struct {
	out    *bufio.Reader
	errors bytes.Buffer
}

func serve(t *testing.T, program string, args ...string) *server {
	t.Helper()
	s := &server{}
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &s.errors
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	s.out = bufio.NewReader(r)
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() {
		_ = in.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		kill.Stop()
		_ = r.Close()
		if t.Failed() && s.errors.Len() > 0 {
			t.Logf("%s: %s", program, s.errors.String())
		}
	})
	return s
}

// line is the next line that the program writes.
func (s *server) line(t *testing.T) string {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the program says no more: %v", err)
	}
	return line[:len(line)-1]
}

// identity is a certificate for 127.0.0.1 that is its own authority.
type identity struct{ cert, key string }

func newIdentity(t *testing.T) identity {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "page test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return identity{write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
		write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
}

// write puts a file that only its owner may read into a directory of its own.
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// freeAddr finds a free TCP port on loopback for a program that cannot choose one itself.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// openOne makes a pager of one channel as a node does.
func openOne(t *testing.T, c config.Page) *Pager {
	t.Helper()
	c.Name = "one"
	p, err := Open([]config.Page{c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// try makes one attempt and wants its result.
func try(t *testing.T, p *Pager, n Notice, want hotline.PageResult) Attempt {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a := p.Try(ctx, n, "one")
	if a.Result != want {
		t.Fatalf("the attempt is %s (%v), want %s", a.Result, a.Err, want)
	}
	return a
}

// alarm is a full notice: a FLASH that nobody has acknowledged.
func alarm() Notice {
	return Notice{Key: "00112233445566778899aabbccddeeff", Event: Due, Party: "XB", Node: "XB-1", Status: hotline.Actual, Precedence: hotline.Flash,
		Duty: "acknowledge", Peer: "XA", Case: "XA/1234", Statement: "abcd", Office: "director", Targets: []string{"XB-A1", "XB-A2"},
		Due: time.Now().Add(-time.Minute), Overdue: true}
}

// hanging is a server that takes connections and never says a word; it ends with the test.
func hanging(t *testing.T) string {
	return listening(t, func(c net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, c) }()
	})
}

// listening hands the connections that come at an address to serve, one after the other, and closes what is open at the end of the test.
func listening(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// silent is a server whose connections are taken by the kernel and by nobody else; it ends with the test.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
