package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal makes a pair of a terminal and who types on it.
func terminal(t *testing.T) (typist, tty *os.File) {
	t.Helper()
	typist, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err) // every Linux has them
	}
	n, err := unix.IoctlGetInt(int(typist.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(typist.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(tty.Close(), typist.Close()) })
	return typist, tty
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// Promise: who breaks off at the question for a passphrase has a terminal that shows what is typed, and nothing was made.
func TestInterruptAtAPromptPutsTheTerminalBack(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "hotline") // by this name the test program is the command
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	typist, tty := terminal(t)
	cmd := exec.CommandContext(t.Context(), program, "party", "init", "XA", "--dir", filepath.Join(dir, "XA"), "--kdf", "testnet")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown []byte
	for b := make([]byte, 1024); !bytes.Contains(shown, []byte(": ")); {
		n, err := typist.Read(b)
		if err != nil {
			t.Fatalf("after %q: %v", shown, err)
		}
		shown = append(shown, b[:n]...)
	}
	for limit := time.Now().Add(30 * time.Second); echoes(t, tty) && time.Now().Before(limit); {
		<-time.After(time.Millisecond)
	}
	if _, err := typist.Write([]byte("half a passphrase\x03")); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d, %v; it showed %q", code, err, shown)
	}
	if !echoes(t, tty) {
		t.Error("the terminal shows nothing of what is typed any more")
	}
	if list, err := filepath.Glob(filepath.Join(dir, "XA", "*")); len(list) != 0 || err != nil {
		t.Errorf("made all the same: %v, %v", list, err)
	}
}
