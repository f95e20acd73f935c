package testnet_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const verifierDir = "../hotline/testdata/verifier"

// otherVerifier has the exports of a run judged by the verifier that shares no code with this program: every tree, checkpoint,
// signature, tender and receipt holds, and it sees the same lapses as the auditor and nothing else. It skips that where the verifier
// cannot run, unless HOTLINE_VERIFIER_REQUIRED is set.
func otherVerifier(t *testing.T, r *report) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(verifierDir, "node_modules", "cbor2"))
	}
	switch {
	case err != nil && os.Getenv("HOTLINE_VERIFIER_REQUIRED") != "":
		t.Fatalf("%v: install node and run npm ci in hotline/testdata/verifier", err)
	case err != nil:
		t.Logf("the exports were not judged by the other verifier: %v", err)
		return
	}
	for _, p := range r.Parties {
		lapses := map[uint64]string{}
		for _, o := range r.Observations {
			if o.Party == p.Party {
				lapses[o.Entry] = o.Code
			}
		}
		judgeExport(t, exec.CommandContext(t.Context(), node, filepath.Join(verifierDir, "verify.mjs"), "export", p.Export, "--json"), p.Root, lapses)
	}
}

func judgeExport(t *testing.T, cmd *exec.Cmd, root string, lapses map[uint64]string) {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var seen struct {
		Root         string            `json:"root"`
		Checked      map[string]uint64 `json:"checked"`
		Observations []struct {
			Code  string `json:"code"`
			Entry uint64 `json:"entry"`
			Text  string `json:"text"`
		} `json:"observations"`
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if seen.Root != root || seen.Checked["receipts"] == 0 || seen.Checked["tenders"] == 0 {
		t.Errorf("root %s, want %s; checked %v", seen.Root, root, seen.Checked)
	}
	if len(seen.Observations) != len(lapses) {
		t.Errorf("observed %v, the auditor %v", seen.Observations, lapses)
	}
	for _, o := range seen.Observations {
		if lapses[o.Entry] != o.Code {
			t.Errorf("observed %s in entry %d (%s), the auditor %q", o.Code, o.Entry, o.Text, lapses[o.Entry])
		}
	}
	if want := min(len(lapses), 1); cmd.ProcessState.ExitCode() != want {
		t.Errorf("exit code %d, want %d", cmd.ProcessState.ExitCode(), want)
	}
}
