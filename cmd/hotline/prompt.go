package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// askTerminal asks on the terminal that started the program, even when its input or output is a pipe, and shows nothing of what
// is typed.
func askTerminal(label string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("there is no terminal to ask on, use --passphrase file:PATH or credential:NAME")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "%s: ", label)
	pass, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return nil, fmt.Errorf("read from the terminal: %w", err)
	}
	return pass, nil
}
