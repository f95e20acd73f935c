// Command hotline is what people use: parties and officers make their keys and sign their documents with it, offline, and officers
// work at the desk of their own group with it.
//
// Every verb has --json. Exit codes: 0 done, 1 refused (the line on standard error says by which rule and what to do next),
// 2 usage, 3 no node reached, 4 outcome unknown, 130 broken off at a question.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline/codebook"
)

// app is what every verb needs from its surroundings. Tests replace its fields; verbs read no clock and no terminal otherwise.
type app struct {
	in         io.Reader
	lines      *bufio.Reader // of in, from the first question on
	out        io.Writer
	err        io.Writer
	now        func() time.Time
	secret     func(label string) ([]byte, error) // asks for a passphrase without showing it
	json       bool                               // --json
	home       string                             // --home
	lang       string                             // --lang
	passphrase string                             // --passphrase
}

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program: its result is the exit code.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	asJSON, flagErr := cmd.Flags().GetBool("json")
	f := explain(err)
	f.write(os.Stderr, asJSON && flagErr == nil)
	return f.exit
}

// newRoot makes the command tree over the standard streams.
func newRoot() *cobra.Command {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now, secret: askTerminal}
	root := &cobra.Command{
		Use:   "hotline",
		Short: "Warn another party, be warned, and keep a record that both can prove",
		Long: "hotline makes keys and documents (party, officer, node, convention, directory, key) without any network, and lets\n" +
			"officers work at the desk of their own group (all other verbs; see profile.toml below).\n\n" +
			"An error is one line, hotline: CODE: text; next move, or with --json one object. Exit codes:\n\n" +
			"  0  done\n" +
			"  1  refused: the code says by which rule, and nothing was done\n" +
			"  2  the command line cannot be understood\n" +
			"  3  no node of the group was reached, and nothing was done\n" +
			"  4  the outcome is unknown: hotline retry asks again with the same id\n" +
			"130  broken off at a question: what it asked about was not done\n\n" +
			"A statement is named by its id, or by at least 8 of its first digits where no other id begins so.\n\n" +
			"The home directory holds profile.toml. Of it party, officer, key and convention must be there; paths are taken from home:\n\n" +
			"  party = \"XA\"\n" +
			"  officer = \"XA-O1\"\n" +
			"  key = \"XA-O1.key\"\n" +
			"  passphrase = \"prompt\"              # or file:PATH or credential:NAME\n" +
			"  documents = \"documents\"            # directory of signed documents\n" +
			"  convention = \"64 hexadecimal digits\" # id of the convention: the one thing that is trusted\n" +
			"  node = [\"XA-1=192.0.2.1:4870\"]     # only where a node is not where the directory says\n" +
			"  prefixes = [\"198.51.100.0/24\"]     # the party's own networks, for detect\n\n" +
			"It shows whether agreed procedure was followed. It does not attribute, and it makes no legal determination.",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print one JSON value instead of text")
	flags.StringVar(&a.home, "home", defaultHome(), "directory of this officer's settings and documents")
	flags.Lookup("home").DefValue = "$HOTLINE_HOME, or hotline in the user's configuration directory" // one help text on every machine
	flags.StringVar(&a.lang, "lang", cmp.Or(os.Getenv(languageVariable), string(codebook.English)), "language in which codes are shown: "+languageList())
	flags.Lookup("lang").DefValue = "$" + languageVariable + ", or en" // one help text on every machine
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkLanguage() }
	flags.StringVar(&a.passphrase, "passphrase", "prompt", "where the passphrase comes from: prompt, file:PATH or credential:NAME")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%v", err) })
	root.AddCommand(ceremonyVerbs(a)...)
	root.AddCommand(deskVerbs(a)...)
	root.AddCommand(newCodebookCmd(a), newManCmd(a))
	checkArguments(root)
	return root
}

// checkArguments turns the errors of argument checks into usage errors, and an unknown verb below a group of verbs too.
func checkArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage(cmd, "%v", err)
			}
			return nil
		}
	}
	for _, child := range cmd.Commands() {
		checkArguments(child)
	}
}

// newGroupCmd makes a verb that only holds other verbs.
func newGroupCmd(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// defaultHome is $HOTLINE_HOME, or hotline in the user's configuration directory, or .hotline here where there is neither.
func defaultHome() string {
	if dir := os.Getenv("HOTLINE_HOME"); dir != "" {
		return dir
	}
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "hotline")
	}
	return ".hotline"
}

// show prints v as JSON, or what text writes.
func (a *app) show(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// oldPassphrase returns the passphrase of keys that exist.
func (a *app) oldPassphrase() ([]byte, error) { return keys.Passphrase(a.passphrase, a.secret) }

// newPassphrase returns a passphrase for keys that are made. At a terminal it is asked for twice, under label.
func (a *app) newPassphrase(source, label string) ([]byte, error) {
	return keys.Passphrase(source, func(string) ([]byte, error) {
		first, err := a.secret("new " + label)
		if err != nil {
			return nil, err
		}
		again, err := a.secret("the same again")
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(first, again) {
			return nil, errors.New("the two differ")
		}
		return first, nil
	})
}
