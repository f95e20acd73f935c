package testnet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/desk"
)

// Report is what the story leaves behind: one JSON object. Everything but Nodes, Hits and Steps is read from the exported logs. Times are
// Unix milliseconds; 0, or absent, means that the logs do not show it. Ids are 64 hexadecimal digits.
type Report struct {
	// Dir holds keys, documents, logs and exports of the network; it is gone after a run with --once and without --keep.
	Dir string `json:"dir"`
	// Convention is the id of the convention that all parties signed, Terms the name of its terms.
	Convention string      `json:"convention"`
	Terms      string      `json:"terms"`
	Parties    []PartyLine `json:"parties"`
	Nodes      []NodeLine  `json:"nodes"`
	// Hits are the sensor hits that left the first party's territory, the strongest evidence first. A hit is a machine's remark.
	Hits []HitLine `json:"hits"`
	// Steps are the lines of the story as they were told.
	Steps []Step `json:"steps"`
	// Statements has one line for each statement and addressee, and one for each that stays in its own ledger, in order of tendering.
	Statements []StatementLine `json:"statements"`
	// Rungs are the rungs of ladders that were climbed, each with somebody to wake, in order of their due times.
	Rungs []RungLine `json:"rungs"`
	// Observations are the auditor's, over all logs together.
	Observations []ObservationLine `json:"observations"`
	// NotJudged says what the exports do not show.
	NotJudged []string `json:"not_judged"`
	// Exit is the exit code that hotline-audit gives for these exports: 0 nothing to observe, 1 lapses only, 3 a rule or proof broken.
	Exit int `json:"audit_exit"`
	// Elapsed is how long all of it took, in milliseconds.
	Elapsed int64 `json:"elapsed"`
}

// PartyLine is one party and its log as it was exported.
type PartyLine struct {
	Party    hotline.Party `json:"party"`
	Officers []string      `json:"officers"` // role names
	Size     uint64        `json:"size"`     // entries
	Root     string        `json:"root"`     // of the tree of that size
	Export   string        `json:"export"`   // directory
}

// NodeLine is one node and its process.
type NodeLine struct {
	Node    string        `json:"node"`
	Party   hotline.Party `json:"party"`
	Address string        `json:"address"` // IP:port, UDP
	PID     int           `json:"pid"`
	Log     string        `json:"log"` // file
}

// HitLine is a hit with what it lets one say.
type HitLine struct {
	hotline.Hit
	Conclusion string `json:"conclusion"` // for people
}

// Step is one line of the story.
type Step struct {
	At     int64         `json:"at"` // milliseconds since the beginning
	Party  hotline.Party `json:"party,omitempty"`
	Did    string        `json:"did"`
	Fact   string        `json:"fact"`   // the durable fact that exists now
	Proves string        `json:"proves"` // what it proves
}

// StatementLine is how far one statement came with one addressee.
type StatementLine struct {
	ID           string        `json:"id"`
	Kind         string        `json:"kind"`
	From         hotline.Party `json:"from"`
	To           hotline.Party `json:"to,omitempty"`           // absent: it stays in the ledger of From
	Tendered     hotline.Time  `json:"tendered"`               // logged by From
	Received     hotline.Time  `json:"received,omitempty"`     // logged by To
	Acknowledged hotline.Time  `json:"acknowledged,omitempty"` // a person of To signed that they have it, logged by To
	Entry        uint64        `json:"entry"`                  // in the log of From
	Precedence   string        `json:"precedence"`
	Case         string        `json:"case,omitempty"`
}

// RungLine is one rung of one duty's ladder that was reached.
type RungLine struct {
	Party     hotline.Party `json:"party"` // whose ladder
	Duty      string        `json:"duty"`
	Office    string        `json:"office"`
	Permille  uint64        `json:"permille"`          // of the term; 1000 is the deadline
	Overdue   bool          `json:"overdue,omitempty"` // this rung is the deadline of the duty
	Targets   []string      `json:"targets"`           // officers who are woken
	Statement string        `json:"statement"`         // that opened the duty
	Due       hotline.Time  `json:"due"`
	Entry     uint64        `json:"entry"` // in the log of Party
}

// ObservationLine is one observation of the auditor.
type ObservationLine struct {
	Class audit.Class   `json:"class"` // protocol or terms
	Code  audit.Code    `json:"code"`
	Party hotline.Party `json:"party"`           // in whose log it stands
	Other hotline.Party `json:"other,omitempty"` // one of the two is meant
	Entry uint64        `json:"entry"`
	Text  string        `json:"text"`
}

// Export writes a full export of the party's log to dir, which must not exist yet, as seen by the node that serves the party's auditor,
// and returns its entries.
func (p *Party) Export(ctx context.Context, dir string) ([][]byte, error) {
	return p.exportBy(ctx, p.Officer("U1"), dir)
}

func (p *Party) exportBy(ctx context.Context, auditor *Officer, dir string) ([][]byte, error) {
	var entries [][]byte
	var checkpoint, cosigned []byte
	err := auditor.Stream(ctx, &desk.Request{Export: &desk.ExportRequest{}}, func(r *desk.Reply) error {
		if r.Export == nil || r.Export.From != uint64(len(entries)) {
			return fmt.Errorf("%w: an export that does not follow on", desk.ErrAnswer)
		}
		entries, checkpoint, cosigned = append(entries, r.Export.Entries...), r.Export.Checkpoint, r.Export.Cosigned
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("export of %s: %w", p.Code, err)
	}
	tmp, err := os.MkdirTemp(p.dir, "export-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	store, err := tlog.Open(filepath.Join(tmp, "log"))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if err := store.Append(entries...); err != nil {
		return nil, fmt.Errorf("export of %s: %w", p.Code, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	return entries, audit.WriteFull(dir, store, checkpoint, cosigned)
}

// examine exports every log, audits all of them together, and fills in the report.
func (w *Network) examine(ctx context.Context, r *Report) error {
	logs := map[hotline.Party][][]byte{}
	var dirs []string
	for _, p := range w.Parties {
		dir := filepath.Join(w.Dir, "exports", string(p.Code))
		entries, err := p.Export(ctx, dir)
		if err != nil {
			return err
		}
		logs[p.Code], dirs = entries, append(dirs, dir)
	}
	found, err := audit.Replay(ctx, dirs, audit.Options{Convention: w.Documents.Convention().ID, TempDir: w.Dir})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer found.Close()
	r.Exit, r.NotJudged, r.Observations = found.ExitCode(), found.NotJudged, []ObservationLine{}
	for _, o := range found.Observations {
		r.Observations = append(r.Observations, ObservationLine{o.Class, o.Code, o.Party, o.Other, o.Entry, o.Text})
	}
	for _, p := range w.Parties {
		line := PartyLine{Party: p.Code}
		for _, o := range p.Officers {
			line.Officers = append(line.Officers, o.Name)
		}
		for _, l := range found.Logs {
			if l.Party == p.Code {
				line.Size, line.Root, line.Export = l.Size, l.Root, l.Dir
			}
		}
		r.Parties = append(r.Parties, line)
		for _, n := range p.Nodes {
			r.Nodes = append(r.Nodes, NodeLine{n.Name, p.Code, n.Addr, n.PID(), n.Log})
		}
	}
	return r.read(logs)
}

// copyOf names a statement at one addressee.
type copyOf struct {
	id hotline.ID
	at hotline.Party
}

// reading collects from all logs what the lines of a report need.
type reading struct {
	received, acknowledged map[copyOf]hotline.Time
	report                 *Report
}

// read fills in statements and rungs from the entries of all logs.
func (r *Report) read(logs map[hotline.Party][][]byte) error {
	r.Statements, r.Rungs = []StatementLine{}, []RungLine{}
	x := &reading{received: map[copyOf]hotline.Time{}, acknowledged: map[copyOf]hotline.Time{}, report: r}
	for party, entries := range logs {
		for i, raw := range entries {
			if err := x.entry(party, uint64(i), raw); err != nil {
				return fmt.Errorf("entry %d of %s: %w", i, party, err)
			}
		}
	}
	for i := range r.Statements {
		s := &r.Statements[i]
		id, err := audit.ParseID(s.ID)
		if err != nil {
			return err
		}
		s.Received, s.Acknowledged = x.received[copyOf{id, s.To}], x.acknowledged[copyOf{id, s.To}]
	}
	slices.SortFunc(r.Statements, func(a, b StatementLine) int {
		return order(a.Tendered, b.Tendered, a.From, b.From, a.Entry, b.Entry)
	})
	slices.SortFunc(r.Rungs, func(a, b RungLine) int { return order(a.Due, b.Due, a.Party, b.Party, a.Entry, b.Entry) })
	return nil
}

func (x *reading) entry(party hotline.Party, index uint64, raw []byte) error {
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return err
	}
	switch c := content.(type) {
	case *hotline.Sent:
		st, err := hotline.Parse(c.Statement)
		if err != nil {
			return err
		}
		x.sent(party, index, e.Time, st)
	case *hotline.Received:
		st, err := hotline.Parse(c.Statement)
		if err != nil {
			return err
		}
		if c.Code == "" {
			x.received[copyOf{st.ID, party}] = e.Time
		}
	case *hotline.Due:
		if len(c.Targets) > 0 {
			x.report.Rungs = append(x.report.Rungs, RungLine{Party: party, Duty: c.Duty.String(), Office: c.Office, Permille: c.Permille,
				Overdue: c.Overdue, Targets: c.Targets, Statement: c.Subject.String(), Due: c.Due, Entry: index})
		}
	}
	return nil
}

func (x *reading) sent(party hotline.Party, index uint64, at hotline.Time, st *hotline.Statement) {
	h := &st.Header
	if h.Kind == hotline.KindAcknowledgement {
		x.acknowledged[copyOf{*h.Re, party}] = at
	}
	line := StatementLine{ID: st.ID.String(), Kind: h.Kind.String(), From: party, Tendered: at, Entry: index, Precedence: h.Precedence.String()}
	switch {
	case h.Case != nil:
		line.Case = h.Case.String()
	case h.Kind.Rules().Opens:
		line.Case = hotline.CaseID{Party: party, ID: st.ID}.String()
	}
	if len(h.To) == 0 {
		x.report.Statements = append(x.report.Statements, line)
	}
	for _, to := range h.To {
		line.To = to
		x.report.Statements = append(x.report.Statements, line)
	}
}

func order(at, bt hotline.Time, ap, bp hotline.Party, ai, bi uint64) int {
	switch {
	case at != bt:
		return int(at - bt)
	case ap != bp:
		if ap < bp {
			return -1
		}
		return 1
	}
	return int(ai) - int(bi)
}
