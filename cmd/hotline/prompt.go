package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

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
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read from the terminal: %w", err)
	}
	fmt.Fprintf(tty, "%s: ", label)
	pass, err := atQuestion(func() { _ = term.Restore(int(tty.Fd()), before) }, func() ([]byte, error) { return term.ReadPassword(int(tty.Fd())) })
	fmt.Fprintln(tty)
	if err != nil {
		return nil, fmt.Errorf("read from the terminal: %w", err)
	}
	return pass, nil
}

// atQuestion is what a person types. Who breaks off with an interrupt instead ends the program, after tidy: nothing can end a read from
// a terminal, and the interrupt of a verb at the desk ends only what goes over the network.
func atQuestion(tidy func(), read func() ([]byte, error)) ([]byte, error) {
	broken, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(broken, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(broken)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer close(over)
	wait.Go(func() {
		select {
		case <-broken:
			tidy()
			os.Exit(exitInterrupted)
		case <-over:
		}
	})
	return read()
}
