package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Exit codes of the program.
const (
	exitOK          = 0
	exitRefused     = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell tells of one that an interrupt ended
)

// failure is an error as people and scripts see it: one line `hotline: code: text; next`, or with --json one object.
type failure struct {
	exit int
	Code string `json:"code"`
	Text string `json:"text"`
	Next string `json:"next,omitempty"`
}

func (f *failure) Error() string {
	line := f.Code + ": " + f.Text
	if f.Next != "" {
		line += "; " + f.Next
	}
	return line
}

// write tells the failure in one line, whatever the text of a foreign error holds.
func (f *failure) write(w io.Writer, asJSON bool) {
	if asJSON {
		line, err := json.Marshal(map[string]*failure{"error": f})
		if err == nil {
			fmt.Fprintf(w, "%s\n", line)
			return
		}
	}
	fmt.Fprintf(w, "hotline: %s\n", strings.Join(strings.Fields(f.Error()), " "))
}

// usage is the failure of a command line that cannot be understood.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &failure{exit: exitUsage, Code: "usage", Text: fmt.Sprintf(format, args...), Next: "see " + cmd.CommandPath() + " --help"}
}

// refused is the failure of a request that was understood.
func refused(code hotline.Code, next, format string, args ...any) error {
	return &failure{exit: exitRefused, Code: string(code), Text: fmt.Sprintf(format, args...), Next: next}
}

// Codes of failures that only this program has; all others are those of SPEC §10.
const (
	codeExists     hotline.Code = "exists"
	codePassphrase hotline.Code = "passphrase"
	codeKey        hotline.Code = "key"
	codeFile       hotline.Code = "file"
)

// nextMoves says, by code, what whoever sees the refusal should do. A code that is not here is explained by its text.
var nextMoves = map[hotline.Code]string{
	hotline.CodeMalformed:     "get the file again from whoever made it",
	hotline.CodeTooLarge:      "send less",
	hotline.CodeBadSignature:  "get the file again from whoever signed it, and compare the fingerprints of the root keys",
	hotline.CodeMissingAuthor: "have everyone sign whom the document names, then try again",
	hotline.CodeExtraAuthor:   "draft it anew with the right signers",
	hotline.CodeSameOfficer:   "name each signer once",
	hotline.CodeConvention:    "use the documents of one convention only",
	hotline.CodeObserver:      "leave the observer out",
	hotline.CodeWrongSender:   "draft it anew with the right signers",
	hotline.CodeDocument:      "correct the document as the text says",
	hotline.CodeOldNumber:     "draft it anew with the next number",
	hotline.CodeNeed:          "put the documents before it beside it, then try again",
	hotline.CodeHeader:        "correct the field that the text names",
}

// explain makes a failure of any error.
func explain(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	f = &failure{exit: exitRefused, Text: err.Error()}
	var r *hotline.Refusal
	switch {
	case errors.As(err, &r):
		f.Code, f.Next = string(r.Code), nextMoves[r.Code]
		f.Text = strings.TrimSuffix(strings.Replace(f.Text, r.Error(), r.Text, 1), "; "+f.Next) // some texts say it themselves
	case errors.Is(err, keys.ErrDecrypt):
		f.Code, f.Next = string(codePassphrase), "try again with the passphrase of this key"
	case errors.Is(err, keys.ErrPassphraseSource):
		f.Code, f.Next = string(codePassphrase), "see --passphrase"
	case errors.Is(err, fs.ErrExist):
		f.Code, f.Next = string(codeExists), "nothing is ever overwritten: choose another place, or move the old file away"
	case errors.Is(err, keys.ErrPurpose), errors.Is(err, keys.ErrFile), errors.Is(err, keys.ErrKey), errors.Is(err, keys.ErrCost):
		f.Code, f.Next = string(codeKey), "name the right key file"
	case errors.Is(err, fs.ErrNotExist):
		f.Code, f.Next = string(codeFile), "check the name"
	case errors.Is(err, fs.ErrPermission):
		f.Code, f.Next = string(codeFile), "check who may use it"
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra has no value of its own for it
		f.exit, f.Code, f.Next = exitUsage, "usage", "see hotline --help"
	case strings.HasPrefix(err.Error(), "required flag"):
		f.exit, f.Code, f.Next = exitUsage, "usage", "see --help of this verb"
	default:
		f.Code, f.Next = string(codeFile), "mend what the text says, then try again"
	}
	return f
}
