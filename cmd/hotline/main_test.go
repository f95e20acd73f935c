package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hotline": main})
}

// TestCeremony runs the scripts in testdata: what people type offline, what they are told, and the exit codes.
func TestCeremony(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOTLINE_HOME", env.WorkDir)
			env.Setenv("P", "--passphrase=file:"+env.WorkDir+"/secret")
			return os.WriteFile(env.WorkDir+"/secret", []byte("a passphrase\n"), 0o600)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "forge": forge},
	})
}

// exits CODE COMMAND... runs a command whose exit code must be CODE, with one line on standard error unless it is 0.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if line := ts.ReadFile("stderr"); got != 0 && (strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "hotline: ")) {
		ts.Fatalf("want one line of refusal, got %q", line)
	}
}

// forge HOW IN OUT makes a bad copy of a signed document: without its last signature (strip), or with its first one twice (double).
func forge(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: forge HOW IN OUT")
	}
	var tag cbor.RawTag
	ts.Check(cbor.Unmarshal([]byte(ts.ReadFile(args[1])), &tag))
	var message, signatures []cbor.RawMessage
	ts.Check(cbor.Unmarshal(tag.Content, &message))
	ts.Check(cbor.Unmarshal(message[3], &signatures))
	switch args[0] {
	case "strip":
		signatures = signatures[:len(signatures)-1]
	case "double":
		signatures = append(signatures, signatures[0])
	default:
		ts.Fatalf("there is no forgery %q", args[0])
	}
	var err error
	message[3], err = cbor.Marshal(signatures)
	ts.Check(err)
	tag.Content, err = cbor.Marshal(message)
	ts.Check(err)
	raw, err := cbor.Marshal(tag)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), raw, 0o644))
}

// TestEveryVerbIsDescribed: a man page and a completion are only as good as the words in them.
func TestEveryVerbIsDescribed(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.RunE == nil && cmd.Run == nil && !cmd.HasSubCommands() {
			t.Errorf("%s has no description or does nothing", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(newRoot())
}

// TestFailureIsOneLine: whatever the text of an error holds, people and scripts get one line, with the code first and what to do
// next last.
func TestFailureIsOneLine(t *testing.T) {
	err := errors.Join(errors.New("first\nsecond"), fmt.Errorf("a.cbor: %w", hotline.Refuse(hotline.CodeNeed, "version 2 is\tmissing")))
	var b strings.Builder
	f := explain(err)
	f.write(&b, false)
	if want := "hotline: need: first second a.cbor: version 2 is missing; put the documents before it beside it, then try again\n"; b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
	b.Reset()
	f.write(&b, true)
	if !strings.HasPrefix(b.String(), `{"error":{"code":"need","text":"first\nsecond`) || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("as JSON: %q", b.String())
	}
}

// TestNewPassphraseIsTypedTwice: a slip of the finger would lock a root key for ever.
func TestNewPassphraseIsTypedTwice(t *testing.T) {
	typed := []string{"one", "two", "same", "same"}
	var asked []string
	a := &app{out: io.Discard, passphrase: "prompt", secret: func(label string) ([]byte, error) {
		asked = append(asked, label)
		return []byte(typed[len(asked)-1]), nil
	}}
	if _, err := a.newPassphrase("prompt", "passphrase of the root key"); err == nil || explain(err).Code != string(codePassphrase) {
		t.Errorf("two that differ are answered with %v", err)
	}
	pass, err := a.newPassphrase("prompt", "passphrase")
	if err != nil || string(pass) != "same" {
		t.Errorf("got %q, %v", pass, err)
	}
	if want := "new passphrase of the root key|the same again|new passphrase|the same again"; strings.Join(asked, "|") != want {
		t.Errorf("asked %q", asked)
	}
}
