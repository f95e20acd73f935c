package audit

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"example.org/hotline/hotline"
)

// What a dossier says in words. All of it follows from the exports and bodies in
// it, so that a check can make it again (SPEC §7.12).

// ProvableEvent is a line of the chronology with its provable interval.
type ProvableEvent struct {
	Event
	Provable *Interval `json:"provable,omitempty"` // absent where two histories of the log were given
}

// told yields the events of the case: everything but what is common to all cases.
func (d *dossier) told() iter.Seq2[ProvableEvent, error] {
	said := map[string]bool{}
	for _, st := range d.statements {
		said[st.ID.String()] = true
	}
	return func(yield func(ProvableEvent, error) bool) {
		for e, err := range d.report.Chronology() {
			if err == nil && e.Case != d.sum.Case && !said[e.Statement] {
				continue
			}
			p := ProvableEvent{Event: e}
			if err == nil {
				p.Provable, err = d.report.provable(e.Party, e.Generation, e.Entry)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func (d *dossier) texts() error {
	ofCase := func(v *Verdict) bool { return v.Case == d.sum.Case }
	for _, t := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"chronology.txt", d.writeChronology},
		{"chronology.json", func(w io.Writer) error {
			b := bufio.NewWriter(w)
			fmt.Fprintf(b, "{%q:%q", "case", d.sum.Case)
			if err := writeArray(b, "chronology", d.told()); err != nil {
				return err
			}
			fmt.Fprintln(b, "}")
			return b.Flush()
		}},
		{"verdicts.txt", func(w io.Writer) error { return d.report.WriteVerdicts(w, Text{All: true}, ofCase) }},
		{"verdicts.json", d.writeVerdicts},
		{"observations.txt", d.writeObservations},
		{"bodies.txt", d.writeBodies},
	} {
		var b bytes.Buffer
		if err := t.write(&b); err != nil {
			return err
		}
		// Where it lay while it was made is not part of it.
		text := strings.ReplaceAll(b.String(), d.dir+"/", "")
		if err := writeFile(d.dir, t.name, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (d *dossier) writeChronology(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, disclaimer)
	fmt.Fprintf(b, "\nCase %s (times are UTC, by the log that is named; what is provable rests on signatures of other parties in these exports, SPEC §7.10)\n", d.sum.Case)
	for e, err := range d.told() {
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "  %s  %-8s %6d  %s%s\n", stamp(e.Time), e.Party, e.Entry, Text{}.mark(e.Status), e.Text)
		fmt.Fprintf(b, "      provable: %s\n", e.Provable.Words())
	}
	return b.Flush()
}

func (d *dossier) writeVerdicts(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "{%q:%q", "case", d.sum.Case)
	ofCase := filtered(d.report.Verdicts(), func(v *Verdict) bool { return v.Case == d.sum.Case })
	if err := writeArray(b, "verdicts", ofCase); err != nil {
		return err
	}
	fmt.Fprintln(b, "}")
	return b.Flush()
}

func (d *dossier) writeObservations(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, disclaimer)
	d.report.writeLogs(b)
	d.report.writeObservations(b, Text{})
	d.report.writeViews(b)
	d.report.writeNotJudged(b)
	return b.Flush()
}

func (d *dossier) writeBodies(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "Statements of case %s, and whether their bodies are shown\n", d.sum.Case)
	for _, st := range d.statements {
		name := path.Join(dirBodies, st.ID.String())
		what := "open: " + name + ".txt"
		switch {
		case d.disclosed[st.ID] != nil:
			what = "disclosed: " + name + ".json, and in words " + name + ".txt"
		case st.Header.Kind.Rules().Sealed:
			what = "sealed, not disclosed"
		}
		fmt.Fprintf(b, "  %s  %-20s of %-8s %s\n", st.ID, st.Header.Kind, st.Header.From, what)
	}
	if len(d.statements) == 0 {
		fmt.Fprintln(b, "  none")
	}
	return b.Flush()
}

// readme says what the folder is, and how to check it. The commands are run in it.
func (d *dossier) readme() error {
	var b strings.Builder
	fmt.Fprintf(&b, readmeHead, d.sum.Case, d.sum.Convention, hotline.Protocol)
	for i, x := range d.exports {
		h := &x.head
		fmt.Fprintf(&b, "  exports/%-16s log of %s, generation %d, first %d entries%s\n", d.names[i], h.Party, h.Generation, h.Size, partOf(h))
	}
	fmt.Fprintf(&b, readmeNot, d.sum.Statements, d.sum.Sealed+d.sum.Disclosed, d.sum.Sealed)
	all := "exports/" + strings.Join(d.names, " exports/")
	fmt.Fprintf(&b, readmeCheck, d.sum.Convention, all)
	for _, name := range d.names {
		fmt.Fprintf(&b, "    node $HOTLINE/hotline/testdata/verifier/verify.mjs export exports/%s --convention %s\n", name, d.sum.Convention)
	}
	b.WriteString(readmeEnd)
	return writeFile(d.dir, "README.txt", []byte(b.String()))
}

// partOf says what of the case an export shows, if not all.
func partOf(h *Head) string {
	if h.With == "" {
		return ""
	}
	return ", as shown to " + string(h.With)
}

// The parts of README.txt.
const (
	readmeHead = `One case, for whoever trusts none of the parties

This folder shows what the logs of some parties say of the case
  %s
under the convention
  %s
(Hotline protocol %d). It shows whether agreed procedure was followed. It attributes nothing, it says nothing about
who caused what the case is about, and it is no legal determination. An acknowledgement in it says that a person has
a statement; it is neither agreement nor admission.

What is in it

`
	readmeNot = `                           each a case export: the entries of this case and what is common to all; the rest as hashes
  bodies.txt, bodies/      what the statements say, as far as it was disclosed
  chronology.txt, .json    what happened, in the order of the times that the logs give, with what is provable of each
  verdicts.txt, .json      what was owed, by whom, when it was due, and what became of it
  observations.txt         rules or proofs that are broken, and lapses that the logs themselves record
  proofs/                  for each entry of the case: its bytes, and a C2SP tlog-proof that it stands in its log
  forks/                   only if a party signed two histories: a proof of each
  MANIFEST                 SHA-256 of every other file

What it does not show

  - What a party did not log, or what only the log of a party says whose export is not here.
  - That no entry of the case is hidden by a party from which nothing shown had to follow, unless the log of another
    party in this folder proves it. Other cases, and what was said without a case, are left out on purpose.
  - What sealed bodies say that nobody disclosed: of %d statements %d are sealed, and of %d of these the body is not here.
  - When something truly happened: a time is the word of the log that gives it. What is provable, signatures of other
    parties bound; the chronology says so beside each entry.
  - That the convention is the right one. Compare its id, above, with one that you know from elsewhere.
  - What stands behind the last entry of an export.

How to check it

Nothing here has to be believed because it is written here: all but the exports and the disclosed bodies follows from
them. Get the two programs from where you trust, not from whoever gave you this folder; HOTLINE names their sources:
    export HOTLINE=/path/to/sources
Run what follows in this folder.

1. Nothing was changed since the folder was made (this alone proves nothing: whoever changes a file can change MANIFEST):
`
	readmeCheck = `    sha256sum --quiet --check MANIFEST

2. Every text follows from the exports and bodies, every signature and tree holds, every decision is made again:
    hotline-audit dossier --check . --convention %[1]s

3. The same of the exports alone:
    hotline-audit replay --convention %[1]s %[2]s

4. Once more by a second program that shares no code with the first (JavaScript; node 20.19 or later):
    npm ci --ignore-scripts --prefix $HOTLINE/hotline/testdata/verifier
`
	readmeEnd = `
Exit codes of both: 0 nothing to observe, 1 only lapses that the logs record (terms), 3 a rule or a proof is broken
(protocol), 2 it cannot be judged: a file is missing, damaged, or not what was signed.
The forms of all files, and the rules that are applied, stand in hotline/SPEC.md of the sources (§7.6, §7.9, §7.10, §7.12).
`
)
