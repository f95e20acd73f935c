package hotline

import (
	"errors"
	"fmt"
)

// Code is a stable reason that crosses the wire or stands in an entry. The
// set is append-only: a code, once published, never changes its meaning
// (SPEC §10).
type Code string

// Codes of refusal. The comment says what the other side should do next.
const (
	CodeMalformed      Code = "malformed"       // not strict CBOR or not the one encoding: fix the encoder
	CodeTooLarge       Code = "too-large"       // over a limit of SPEC §11: send less
	CodeUnknownKind    Code = "unknown-kind"    // kind outside the closed set: update one of the two sides
	CodeVersion        Code = "version"         // protocol version not spoken here
	CodeBadSignature   Code = "bad-signature"   // a signature does not verify: never resend the same bytes
	CodeMissingAuthor  Code = "missing-author"  // a signature that the kind demands is absent: have the officer sign
	CodeExtraAuthor    Code = "extra-author"    // more signatures than authors, or more authors than the kind allows
	CodeSameOfficer    Code = "same-officer"    // one officer signed twice where two are demanded
	CodeUnknownKey     Code = "unknown-key"     // author's key stands in no directory of the sender
	CodeRole           Code = "role"            // officer lacks the role that the kind demands
	CodeExpired        Code = "expired"         // officer's key is outside its validity
	CodeRevoked        Code = "revoked"         // officer's key was revoked before the statement was logged
	CodeWrongAddressee Code = "wrong-addressee" // not addressed to the party that got it
	CodeObserver       Code = "observer"        // the sender or an addressee only observes: leave it out
	CodeWrongSender    Code = "wrong-sender"    // from another party than the line it came by
	CodeConvention     Code = "convention"      // names another convention
	CodeStatus         Code = "status"          // ACTUAL, EXERCISE and TEST do not mix
	CodeHeader         Code = "header"          // a header field is missing, superfluous or out of range for its kind
	CodeCase           Code = "case"            // unknown case, or a party outside it
	CodeReference      Code = "reference"       // refers to a statement that is not there, or not of a fitting kind
	CodeAnswers        Code = "answers"         // an assessment's answers do not fit the convention's questions, or its verdict them
	CodeNotOwed        Code = "not-owed"        // nothing is open that this would discharge
	CodeStale          Code = "stale"           // issued before the window in which ids are remembered
	CodeDuplicate      Code = "duplicate"       // same sequence with another id, or the same act done already
	CodeTender         Code = "tender"          // tender does not prove the statement in the sender's log
	CodeReceipt        Code = "receipt"         // receipt does not prove the statement in the receiver's log
	CodeNeed           Code = "need"            // receiver lacks a directory or convention version: send it, then the same again
	CodeBusy           Code = "busy"            // bound reached: same again later
	CodeNotLeader      Code = "not-leader"      // ask again: the group has no leader at present
	CodeUnknown        Code = "unknown-outcome" // outcome not known: ask again with the same id
	CodeDenied         Code = "denied"          // this key may not ask for this
	CodeNotFound       Code = "not-found"       // nothing under that id
	CodeDocument       Code = "document"        // a convention or directory breaks a rule: the text says which
	CodeOldNumber      Code = "old-number"      // document number goes back or is not the next
	CodeLadder         Code = "ladder"          // ladder with a rung nobody stands on, or out of order
	CodeReserved       Code = "reserved"        // switched off by a party's reservation in the convention
	CodeUnreadable     Code = "unreadable"      // the sealed body cannot be opened by its addressee
	CodeNoReceipt      Code = "no-receipt"      // no receipt arrived in time
	CodeBehind         Code = "behind"          // the log here is older than one that the party has signed: have a technician look
	CodeConflict       Code = "conflict"        // the witness has cosigned another size: prove from the one that it names
	CodeInconsistent   Code = "inconsistent"    // the checkpoint does not extend the one that the witness has cosigned
	CodeInternal       Code = "internal"        // fault of this node: see its log
)

// wellFormed reports whether c has the form of a code: 1 to 32 of a-z, 0-9 and
// hyphen. A peer may speak a later version and name a code that is not listed
// here, but never one that could rewrite a terminal.
func (c Code) wellFormed() bool {
	for _, b := range []byte(c) {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' {
			return false
		}
	}
	return len(c) >= 1 && len(c) <= 32
}

// Refusal is an error of the first class: this one request fails, everything
// else goes on. It always carries a stable code.
type Refusal struct {
	Code Code
	Text string
}

func (r *Refusal) Error() string {
	if r.Text == "" {
		return string(r.Code)
	}
	return string(r.Code) + ": " + r.Text
}

// Refuse makes a Refusal.
func Refuse(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code that err carries, or CodeInternal if it carries
// none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return CodeInternal
}
