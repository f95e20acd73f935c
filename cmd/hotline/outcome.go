package main

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// Exit codes that only verbs at the desk have.
const (
	exitUnreachable = 3 // no node was reached: nothing was done
	exitUnknown     = 4 // something may have been done: ask again with the same id
)

const (
	codeUnreachable hotline.Code = "unreachable"
	codeAnswer      hotline.Code = "bad-answer"
	codeStopped     hotline.Code = "stopped"
	codeUnanswered  hotline.Code = "unanswered"
)

// deskMoves says, by code, what an officer should do about a refusal of the own group.
var deskMoves = map[hotline.Code]string{
	hotline.CodeDenied:         "have the directory say so if you should be allowed to",
	hotline.CodeNotLeader:      "try again in a few seconds; hotline status shows the group",
	hotline.CodeBusy:           "try again later",
	hotline.CodeBehind:         "tell a technician at once: the node's log is older than what the party has signed",
	hotline.CodeStale:          "check this machine's clock and sign anew",
	hotline.CodeNotFound:       "see hotline inbox for what is there",
	hotline.CodeReference:      "check the id; give more digits if it is not unique",
	hotline.CodeNotOwed:        "see hotline status for what is owed",
	hotline.CodeMissingAuthor:  "name a second officer with --releaser",
	hotline.CodeRole:           "have an officer with that role sign",
	hotline.CodeExpired:        "have the directory renewed with your key in it",
	hotline.CodeRevoked:        "use the key that took its place",
	hotline.CodeUnknownKey:     "have the directory published that holds the key",
	hotline.CodeCase:           "check the case with hotline show",
	hotline.CodeWrongAddressee: "correct the addressees",
	hotline.CodeInternal:       "tell a technician: the node's log says more",
	hotline.CodeLadder:         "correct the ladder",
	hotline.CodeDuplicate:      "see hotline show: it is there already",
	hotline.CodeStatus:         "give the status of the case",
	hotline.CodeNeed:           "have the missing document published with hotline documents import",
}

// atDeskFailure makes a failure of what went wrong between this machine and the group.
func atDeskFailure(err error) error {
	var f *failure
	var r *hotline.Refusal
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.As(err, &r) && r.Code == hotline.CodeUnknown:
		return &failure{exit: exitUnknown, Code: string(r.Code), Text: printable(r.Text),
			Next: "look whether it was done; for a statement run hotline retry: it asks again with the same id"}
	case errors.Is(err, desk.ErrUnreachable):
		return &failure{exit: exitUnreachable, Code: string(codeUnreachable), Text: printable(err.Error()),
			Next: "nothing was done: check the network and hotline status, then try again"}
	case errors.Is(err, desk.ErrAnswer):
		return &failure{exit: exitUnreachable, Code: string(codeAnswer), Text: printable(err.Error()), Next: "tell a technician"}
	case errors.Is(err, context.Canceled):
		return &failure{exit: exitRefused, Code: string(codeStopped), Text: "stopped", Next: "see hotline inbox for what was done"}
	case errors.As(err, &r) && deskMoves[r.Code] != "":
		text := strings.Replace(err.Error(), r.Error(), r.Text, 1)
		return &failure{exit: exitRefused, Code: string(r.Code), Text: printable(text), Next: deskMoves[r.Code]}
	}
	return err
}

// printable takes out of a text from elsewhere what could rewrite a terminal or break a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
