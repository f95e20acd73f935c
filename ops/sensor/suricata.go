// Package sensor turns what sensors write into hits for the triage queue. It decides nothing about duties: it says what was
// seen, from which side of the party's border, and what limits the worth of that.
//
// # Direction
//
// Two questions are kept apart. Which side of the border the two ends lie on is answered by the party's own prefixes
// (hotline.Hit.Direction). Who attacked whom is answered by the sensor alone (hotline.Hit.RolesConfirmed): in Suricata's EVE
// format src_ip is the sender of the packet that matched, who may be the victim answering; only a rule with the keyword
// "target" adds alert.source and alert.target. Without them a hit can be outbound by its prefixes and yet direction
// unconfirmed, which its first note says in these words.
package sensor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"example.org/hotline/hotline"
)

const (
	// SourceSuricata is the Source of hits read from Suricata.
	SourceSuricata = "suricata"
	// MaxLine bounds one line in bytes. A longer one is skipped as broken: EVE lines grow with recorded payloads, and what is
	// needed here fits in one kilobyte.
	MaxLine = 1 << 20
	// MaxProblems bounds Report.Problems; the counts go on.
	MaxProblems = 64
	// DefaultWindow is how far an event may be from the first one of its hit.
	DefaultWindow = time.Hour
	// MaxWindow bounds Options.Window.
	MaxWindow = 24 * time.Hour
	// DefaultMaxHits bounds the hits of one reading unless Options.MaxHits says otherwise.
	DefaultMaxHits = 10_000
)

// Place says whose the private addresses are that a sensor sees (RFC 1918, RFC 4193 and others of local meaning).
type Place int

const (
	// PlaceUndeclared leaves it open: a private address decides nothing.
	PlaceUndeclared Place = iota
	// PlaceInside declares them to be in the party's territory.
	PlaceInside
	// PlaceOutside declares them to be elsewhere, as with a sensor lent to another party.
	PlaceOutside
)

// DefaultLists are the beginnings of the signatures of the Emerging Threats rule sets that match on an address alone, because
// somebody listed it, whatever the packet holds: CI Army, Spamhaus DROP and DShield, compromised hosts, Tor nodes, 3CORESec,
// trackers of command servers, and the former Russian Business Network list.
func DefaultLists() []string {
	return []string{
		"ET CINS", "ET DROP", "ET COMPROMISED", "ET TOR", "ET 3CORESec", "ET CNC Shadowserver", "ET CNC Feodo", "ET RBN",
	}
}

// Options of one reading. The zero value is useful.
type Options struct {
	// Sensor is the sensor's name; if empty, the member "host" of each line is taken, where it exists.
	Sensor string
	// Window is how far an event may lie from the first one of the same attack to be counted with it; 0 means DefaultWindow.
	Window time.Duration
	// Lists are beginnings of signatures or categories, in whole words and any letter case, whose rules match an address
	// for standing on a list. Nil means DefaultLists; empty means none.
	Lists []string
	// Place says whose the private addresses are.
	Place Place
	// MaxHits bounds the hits, and so the memory; 0 means DefaultMaxHits.
	MaxHits int
}

// Problem is one line that could not be used.
type Problem struct {
	Line int
	Text string
}

// Report is the outcome of one reading. Lines = Events + Skipped + Broken, and Events = len(Hits) + Merged + Refused.
type Report struct {
	// Hits are in the order of their first event.
	Hits []hotline.Hit
	// Lines counts all lines.
	Lines int
	// Events counts usable alert lines.
	Events int
	// Skipped counts lines that are no alert: other event types and empty lines.
	Skipped int
	// Broken counts lines that could not be used.
	Broken int
	// Merged counts alert lines that joined a hit which another line had begun.
	Merged int
	// Refused counts alert lines left out because MaxHits was reached.
	Refused int
	// Problems tells of the first MaxProblems broken lines, and of refused ones.
	Problems []Problem
}

// ReadSuricata reads EVE JSON lines until the end of r. Unusable lines are counted, reported and passed over. The error is
// that of r or of opt; what was read before an error of r is in the Report. Memory is bounded by the constants of this
// package, whatever r holds. Reading the same lines again gives hits with the same keys.
func ReadSuricata(r io.Reader, territory *Prefixes, opt Options) (Report, error) {
	if err := opt.settle(); err != nil {
		return Report{}, err
	}
	var report Report
	g := newGatherer(territory, &opt)
	in := bufio.NewReaderSize(r, MaxLine)
	for {
		raw, long, err := nextLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			report.close(g)
			return report, fmt.Errorf("sensor feed: line %d: %w", report.Lines+1, err)
		}
		if errors.Is(err, io.EOF) && len(raw) == 0 && !long {
			break
		}
		report.take(raw, long, g, &opt)
		if err != nil {
			break
		}
	}
	report.close(g)
	return report, nil
}

// settle fills in defaults and checks bounds.
func (o *Options) settle() error {
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Window < 0 || o.Window > MaxWindow {
		return fmt.Errorf("sensor: window %v is out of bounds: choose up to %v", o.Window, MaxWindow)
	}
	if o.Lists == nil {
		o.Lists = DefaultLists()
	}
	if o.MaxHits == 0 {
		o.MaxHits = DefaultMaxHits
	}
	if o.MaxHits < 0 {
		return fmt.Errorf("sensor: at most %d hits makes no sense: choose 1 or more", o.MaxHits)
	}
	if clean(o.Sensor, hotline.MaxHitName) != o.Sensor {
		return fmt.Errorf("sensor: name %q is not printable text of up to %d bytes", o.Sensor, hotline.MaxHitName)
	}
	return nil
}

// nextLine returns the next line without its end, valid until the next call. Of a line longer than MaxLine it returns nothing
// but that it was long. With io.EOF it may still return a last, unfinished line.
func nextLine(in *bufio.Reader) (raw []byte, long bool, err error) {
	raw, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		raw, err = in.ReadSlice('\n')
	}
	if long {
		return nil, true, err
	}
	return bytes.TrimSpace(raw), false, err
}

// take counts one line and hands an alert on.
func (r *Report) take(raw []byte, long bool, g *gatherer, opt *Options) {
	r.Lines++
	if long {
		r.broken(fmt.Sprintf("longer than %d bytes", MaxLine))
		return
	}
	if len(raw) == 0 {
		r.Skipped++
		return
	}
	o, err := decodeEVE(raw, opt)
	switch {
	case errors.Is(err, errNotAlert):
		r.Skipped++
	case err != nil:
		r.broken(err.Error())
	default:
		r.Events++
		g.observe(o)
	}
}

func (r *Report) broken(text string) {
	r.Broken++
	r.problem(r.Lines, text)
}

func (r *Report) problem(line int, text string) {
	if len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, Problem{Line: line, Text: clean(text, hotline.MaxHitText)})
	}
}

// close settles hits and counts.
func (r *Report) close(g *gatherer) {
	r.Hits = g.finish()
	r.Refused = g.refused
	r.Merged = r.Events - r.Refused - len(r.Hits)
	if r.Refused > 0 {
		r.problem(r.Lines, fmt.Sprintf("%d alert lines are left out: there are more than %d hits", r.Refused, g.opt.MaxHits))
	}
}
