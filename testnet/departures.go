package testnet

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
)

// Departure is one way in which a party departs from the protocol, with its officers and its node of one mind, and what the auditor
// observes of it. XB departs; XA and XC keep to the protocol.
type Departure struct {
	Name string
	Did  string // what XB did
	// Proof says whose signatures prove it.
	Proof string
	// Others are codes that the exports of XA and XC show by themselves, without anything that XB shows: there need not be any.
	Others []audit.Code
	// Shown are codes that they show together with what XB itself shows.
	Shown []audit.Code
}

// Departures are all of them. Each name is what departureVariable holds.
var Departures = []Departure{
	{Name: "rewrite", Did: "dates an old entry of its log anew and makes the whole tree again before it shows its log",
		Proof: "XB's log key, under the receipts and tenders in the other logs: each is for the tree as it was",
		Shown: []audit.Code{audit.Fork}},
	{Name: "two-logs", Did: "keeps two logs that differ in one entry, one for XA and one for XC",
		Proof:  "XB's log key, twice over one size: under the tender in XA's log and under that in XC's",
		Others: []audit.Code{audit.Fork}, Shown: []audit.Code{audit.Fork}},
	{Name: "backdate", Did: "logs an alert with a time an hour before it was sent",
		Proof:  "XB's log key: the alert's tender bears an earlier time than receipts and tenders for places before it",
		Others: []audit.Code{audit.TimeContradiction}, Shown: []audit.Code{audit.DecisionDiffers}},
	{Name: "unlogged", Did: "receipts a statement of XA and leaves it out of its log",
		Proof: "XB's log key, under the receipt in XA's log",
		Shown: []audit.Code{audit.ReceiptNotInLog, audit.Fork}},
	{Name: "silent", Did: "leaves out that its duty to acknowledge was overdue, and every rung behind that",
		Proof: "XB's log key, under its own checkpoint: the convention's terms make the entries, and they are not there",
		Shown: []audit.Code{audit.DeadlineOmitted}},
	{Name: "undetected", Did: "leaves its detection out of its log, and answers XA's inquiry about the case",
		Proof: "XB's log key, under the receipt in XA's log for an inquiry in a case that XB's log never opens",
		Shown: []audit.Code{audit.OpeningNotInLog, audit.DecisionDiffers}},
	{Name: "forge", Did: "presents an acknowledgement in the name of XB-L1, who never signed it",
		Proof: "XB's log key, under its own checkpoint, beside XB-L1's key in its directory, under which the signature does not verify",
		Shown: []audit.Code{audit.SignatureInvalid}},
	{Name: "revoked", Did: "sends a statement that XB-L2 signed with a key that its own directory has revoked",
		Proof:  "XB's log key, under the tender in XA's log, and XB's root key, under the directory that the tendered entry names",
		Others: []audit.Code{audit.KeyNotInForce}, Shown: []audit.Code{audit.KeyNotInForce, audit.DecisionDiffers}},
}

// Control is the same day with the same program, in which nobody departs from anything.
var Control = Departure{Name: "control", Did: "keeps to the protocol, as XA and XC do", Proof: "nothing: no rule and no proof is broken"}

// DepartureRun is one run of a departure.
type DepartureRun struct {
	Dir     string               // everything of the network; must be empty or not exist
	Program string               // of BuildDeparting
	Tell    func(string, ...any) // a line of what was observed; must not be nil
}

// BuildDeparting builds the daemon that can depart from the protocol, one for all departures, into dir. It needs the go command and
// the sources of this module, and changes nothing in them.
func BuildDeparting(ctx context.Context, dir string) (string, error) { return buildModified(ctx, dir) }

// departing is the party that departs.
const departing hotline.Party = "XB"

// ackTerm is how long the addressee of a FLASH statement has to acknowledge it on such a day.
const ackTerm = 2 * time.Second

// departureTerms let one clock run out.
func departureTerms() hotline.Terms {
	t := faultTerms()
	t.Profile, t.LineTest = "departures", (10 * time.Minute).Milliseconds()
	t.Acknowledge[0] = ackTerm.Milliseconds()
	return t
}

// Try lives one day of three parties, one of which departs from the protocol, and has the auditor judge the exports. It fails if what is
// observed is otherwise than the departure says, or accuses a party that kept to the protocol.
func (d *Departure) Try(ctx context.Context, r DepartureRun) (err error) {
	w, err := New(Options{Dir: r.Dir, Parties: 3, Nodes: 1, Terms: departureTerms(), Age: 2 * time.Hour})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s", d.Name, err, w.Tails())
		}
		err = errors.Join(err, w.Close())
	}()
	for _, n := range w.Party(departing).Nodes {
		n.program = []string{r.Program, "run", "--config"}
		if d.Name != Control.Name {
			n.env = []string{departureVariable + "=" + d.Name}
		}
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	if err := w.Ready(ctx); err != nil {
		return err
	}
	if err := w.whileUp(ctx, func(ctx context.Context) error { return w.live(ctx, d.Name) }); err != nil {
		return err
	}
	return d.judge(ctx, w, r.Tell)
}

// judge has the auditor look at what the others hold, and then at all of it.
func (d *Departure) judge(ctx context.Context, w *Network, tell func(string, ...any)) error {
	var others, shown []string
	for _, p := range w.Parties {
		dir := filepath.Join(w.Dir, "exports", string(p.Code))
		if _, err := p.Export(ctx, dir); err != nil {
			return err
		}
		if p.Code != departing {
			others = append(others, dir)
		}
		shown = append(shown, dir)
	}
	if d.Name == "two-logs" { // what XB shows to whoever believes XC's
		dir := filepath.Join(w.Dir, "exports", "XB-second")
		if _, err := w.Party(departing).exportBy(ctx, w.Party(departing).Officer("A1"), dir); err != nil {
			return err
		}
		shown = append(shown, dir)
	}
	return errors.Join(
		d.hold(ctx, w, tell, "the exports of XA and XC alone", others, d.Others),
		d.hold(ctx, w, tell, "with what XB shows", shown, d.Shown))
}

// hold audits exports, and holds what breaks a rule or a proof against the codes that must be among it.
func (d *Departure) hold(ctx context.Context, w *Network, tell func(string, ...any), what string, dirs []string, want []audit.Code) error {
	convention, proofs := w.Documents.Convention().ID, filepath.Join(w.Dir, "proofs")
	found, err := audit.Replay(ctx, dirs, audit.Options{Convention: convention, TempDir: w.Dir, Proofs: proofs})
	if err != nil {
		return fmt.Errorf("%s: audit: %w", what, err)
	}
	defer found.Close()
	var errs []error
	var codes []audit.Code
	for _, o := range found.Observations {
		if o.Class != audit.Protocol {
			continue
		}
		codes = append(codes, o.Code)
		tell("%s: %s in entry %d of %s: %s", what, o.Code, o.Entry, o.Party, o.Text)
		if o.Code == audit.Fork {
			p, err := audit.ReadForkProof(filepath.Join(proofs, o.Proof), convention)
			if err != nil || p.Party != o.Party {
				errs = append(errs, fmt.Errorf("%s: the proof of %s to anybody else: %+v, %w", what, o.Code, p, err))
				continue
			}
			tell("    proven to anybody by %s: %s signed heads of size %d and %d that are not of one log", o.Proof, p.Party, p.Older.Size, p.Newer.Size)
		}
		if o.Party != departing && o.Other != departing {
			errs = append(errs, fmt.Errorf("%s: %s is observed of %s, which kept to the protocol: %s", what, o.Code, o.Party, o.Text))
		}
	}
	for _, code := range want {
		if !slices.Contains(codes, code) {
			errs = append(errs, fmt.Errorf("%s: %s is not observed, but %v", what, code, codes))
		}
	}
	if d.Name == Control.Name && len(codes) > 0 {
		errs = append(errs, fmt.Errorf("%s: %v is observed, though nobody departs", what, codes))
	}
	if len(codes) == 0 {
		tell("%s: no rule and no proof is seen to be broken", what)
	}
	return errors.Join(errs...)
}
