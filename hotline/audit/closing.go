package audit

import (
	"fmt"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// maxClosings bounds the generations of which one log holds the closing head.
const maxClosings = 1 << 12

// closing is the head at which the root key of a party closed a generation of its log,
// by a directory of the next one (SPEC §7.5).
type closing struct {
	size      uint64
	root      tlog.Hash
	directory uint64 // its number
	holder    hotline.Party
}

// close notes what a directory says of the generation before: the first such of it in
// this log, and the first that says otherwise.
func (c *chain) close(d *hotline.SignedDirectory) {
	if d.Closed == nil {
		return
	}
	log := logKey{d.Party, d.Generation - 1}
	list, x := c.closings[log], closing{d.Closed.Size, tlog.Hash(d.Closed.Root), d.Number, c.self}
	switch {
	case len(list) == 0 && len(c.closings) >= maxClosings:
		c.moreClosings++
	case len(list) == 0, len(list) == 1 && !list[0].same(&x):
		c.closings[log] = append(list, x)
	}
}

func (x *closing) same(y *closing) bool { return x.size == y.size && x.root == y.root }

// words say where it stands.
func (x *closing) words() string {
	return fmt.Sprintf("directory %d, in the log of %s", x.directory, x.holder)
}

// closed is what the material shows of a generation that was closed.
type closed struct {
	closing
	shown bool   // something of the log reaches this head
	at    uint64 // lowest place that contradicts it
	text  string // how; "": nothing does
	count uint64
}

// closings gathers what the directories in all logs close, and holds them against each other.
func (c *crossing) closings() {
	for _, j := range c.logs {
		for log, list := range j.chain.closings {
			for i := range list {
				x := &list[i]
				if f := c.closed[log]; f == nil {
					c.closed[log] = &closed{closing: *x}
				} else if !f.same(x) {
					f.contradict(x.size-1, fmt.Sprintf("%s names another head of size %d", x.words(), x.size))
				}
			}
		}
		if n := j.chain.moreClosings; n > 0 {
			j.note("%d directories in the log of %s that close a generation: they are too many", n, j.x.head.Party)
		}
	}
}

func (f *closed) contradict(at uint64, text string) {
	if f.count++; f.text == "" || at < f.at {
		f.at, f.text = at, text
	}
}

// closedBy holds a signature of a log against the head at which that was closed.
func (c *crossing) closedBy(holder int, p *proof) {
	f := c.closed[logKey{p.Party, p.Generation}]
	if f == nil || p.Kind == headProof || p.Index+1 < f.size {
		return
	}
	f.shown = true
	if at := p.Index + 1; at > f.size || p.Root != f.root {
		f.contradict(p.Index, fmt.Sprintf("it signed another head of size %d (%s)", at, c.signature(&unseenPlace{uint64(holder), *p})))
	}
}

// tellClosings holds the closing heads against the exports too, and tells what contradicts them.
func (c *crossing) tellClosings() error {
	for _, j := range c.logs {
		f := c.closed[logKey{j.x.head.Party, j.x.head.Generation}]
		if f == nil || j.marks.size < f.size {
			continue
		}
		f.shown = true
		k, err := j.marks.at(f.size - 1)
		switch {
		case err != nil:
			return err
		case k.root != f.root:
			f.contradict(f.size-1, "the log that it shows has another root there")
		case j.marks.size > f.size:
			f.contradict(f.size, fmt.Sprintf("the log that it shows goes on to size %d", j.marks.size))
		}
	}
	for log, f := range c.closed {
		if f.count > 0 {
			c.observe(observe(ClosedOtherwise, log.party, f.at, fmt.Sprintf("the root key of %s closed generation %d of its log at size %d (%s), but %s (%d such in all)",
				log.party, log.generation, f.size, f.words(), f.text, f.count)))
		} else if !f.shown {
			c.report.NotJudged = append(c.report.NotJudged, fmt.Sprintf("the last head of the log of %s (generation %d), which its root key closed at size %d: it lies beyond the end of everything that was given of that log",
				log.party, log.generation, f.size))
		}
	}
	return nil
}
