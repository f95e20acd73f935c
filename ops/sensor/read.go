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
//
// # Nature
//
// A third question is whether it is an attack at all (hotline.Hit.Nature). A name server that answers a forged query was abused, a
// host that calls a sinkhole attacks nobody there, and an open service has done nothing. Such hits are made and say what they
// are; unless the options say otherwise they ring nowhere.
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

// The sources of hits.
const (
	// SourceSuricata is EVE JSON (Suricata user guide, "EVE JSON Format"), one object a line.
	SourceSuricata = "suricata"
	// SourceIntelMQ is IntelMQ's data harmonisation, one event a line.
	SourceIntelMQ = "intelmq"
	// SourceNfdump is what nfdump -o json writes: flow records, in an array or one after the other.
	SourceNfdump = "nfdump"
)

// Sources lists the feeds that Read knows.
func Sources() []string { return []string{SourceSuricata, SourceIntelMQ, SourceNfdump} }

const (
	// MaxLine bounds one line or record in bytes. A longer one is skipped as broken: EVE lines grow with recorded payloads, and
	// what is needed here fits in one kilobyte.
	MaxLine = 1 << 20
	// MaxProblems bounds Report.Problems; the counts go on.
	MaxProblems = 64
)

// Problem is one line that could not be used.
type Problem struct {
	Line int
	Text string
}

// Report is the outcome of one reading. Lines = Events + Skipped + Broken, and Events = len(Hits) + Merged + Refused + Below.
type Report struct {
	// Hits are in the order of their first event.
	Hits []hotline.Hit
	// Lines counts all lines, or records.
	Lines int
	// Events counts usable lines that say something.
	Events int
	// Skipped counts lines that say nothing of interest: other event types, rules that do not count, ordinary flows, empty lines.
	Skipped int
	// Broken counts lines that could not be used.
	Broken int
	// Merged counts events that joined a hit which another one had begun.
	Merged int
	// Refused counts events left out because MaxHits was reached.
	Refused int
	// Below counts events of which there were too few for a hit.
	Below int
	// Problems tells of the first MaxProblems broken lines, and of refused events.
	Problems []Problem
}

// decoder makes an observation of one line or record. errNothing says that it is sound and of no interest; any other error makes
// it a broken one and concerns no other. The observation is valid until the next call.
type decoder interface {
	decode(raw []byte) (*observation, error)
}

var errNothing = errors.New("nothing of interest")

// newDecoder makes the decoder of a source, for settled options.
func newDecoder(source string, g *gatherer) (decoder, error) {
	switch source {
	case SourceSuricata:
		return newEVE(g.opt), nil
	case SourceIntelMQ:
		return newIntelMQ(g.opt), nil
	case SourceNfdump:
		return newFlows(g), nil
	}
	return nil, fmt.Errorf("sensor: no feed is called %q: known are %v", source, Sources())
}

// Read reads a feed of one of Sources until the end of r. Unusable lines are counted, reported and passed over. The error is that
// of r, of source or of opt; what was read before an error of r is in the Report. Memory is bounded by the constants of this
// package, whatever r holds. Reading the same lines again gives hits with the same keys.
func Read(source string, r io.Reader, territory *Prefixes, opt Options) (Report, error) {
	var report Report
	if err := opt.Settle(); err != nil {
		return report, err
	}
	g := newGatherer(source, territory, &opt)
	d, err := newDecoder(source, g)
	if err != nil {
		return report, err
	}
	in := bufio.NewReaderSize(r, MaxLine)
	next := nextLine
	if source == SourceNfdump {
		next = new(splitter).next
	}
	for {
		raw, long, err := next(in)
		if err != nil && !errors.Is(err, io.EOF) {
			report.close(g)
			return report, fmt.Errorf("sensor feed: line %d: %w", report.Lines+1, err)
		}
		if errors.Is(err, io.EOF) && len(raw) == 0 && !long {
			break
		}
		report.take(raw, long, d, g)
		if err != nil {
			break
		}
	}
	report.close(g)
	return report, nil
}

// ReadSuricata is Read of SourceSuricata.
func ReadSuricata(r io.Reader, territory *Prefixes, opt Options) (Report, error) {
	return Read(SourceSuricata, r, territory, opt)
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

// take counts one line and hands an observation on.
func (r *Report) take(raw []byte, long bool, d decoder, g *gatherer) {
	r.Lines++
	if long {
		r.broken(fmt.Sprintf("longer than %d bytes", MaxLine))
		return
	}
	if len(raw) == 0 {
		r.Skipped++
		return
	}
	o, err := d.decode(raw)
	switch {
	case err == nil:
		r.Events++
		g.observe(o)
	case errors.Is(err, errNothing):
		r.Skipped++
	default:
		r.broken(err.Error())
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
	r.Hits, r.Below = g.finish()
	r.Refused = g.refused
	r.Merged = r.Events - r.Refused - r.Below - len(r.Hits)
	if r.Refused > 0 {
		r.problem(r.Lines, fmt.Sprintf("%d events are left out: there are more than %d hits", r.Refused, g.opt.MaxHits))
	}
}

// timeLayouts are the forms that sensors have written, with and without an offset from UTC.
var timeLayouts = []struct {
	layout string
	offset bool
}{
	{"2006-01-02T15:04:05.999999999Z0700", true},
	{"2006-01-02T15:04:05.999999999Z07:00", true},
	{"2006-01-02T15:04:05.999999999", false},
	{"2006-01-02 15:04:05.999999999", false},
}

// parseTime reads a timestamp; the second result says whether it carried an offset.
func parseTime(text string) (time.Time, bool, error) {
	if len(text) > len("2006-01-02T15:04:05.999999999-07:00") {
		return time.Time{}, false, errors.New("timestamp is too long")
	}
	for _, form := range timeLayouts {
		at, err := time.Parse(form.layout, text)
		if err != nil {
			continue
		}
		if at = at.UTC(); at.UnixMilli() <= 0 || at.Year() > 9999 {
			return time.Time{}, false, fmt.Errorf("timestamp %q is out of range", text)
		}
		return at, form.offset, nil
	}
	return time.Time{}, false, fmt.Errorf("timestamp %q is in no form that is known", clean(text, hotline.MaxHitText))
}
