package audit

import (
	"fmt"
	"slices"
	"sort"

	"example.org/hotline/hotline"
)

// Measures of a drawing, in its own units.
const (
	rowHeight  = 26
	gapHeight  = 16
	drawTop    = 54
	firstLane  = 150
	laneWidth  = 104
	barSlots   = 8 // beside one lane; beyond them bars lie over one another
	barStep    = 7
	arrowHead  = 7
	labelWidth = 232
)

// shownGap is from when on the time between two rows is said between them.
const shownGap = hotline.Time(10 * 60_000)

// drawing is a case drawn: one lane for each party, time runs downwards, row by row.
type drawing struct {
	ID            string
	Mark          pageMark
	Case          string
	Width, Height int
	Lanes         []drawnLane
	Rows          []drawnRow
	Gaps          []drawnGap
	Bars          []drawnBar
	Arrows        []drawnArrow
	More          int // rows of the case that are not drawn
	LanesMore     int
}

type drawnLane struct {
	X, Y1, Y2 int
	Name      hotline.Party
}

type drawnRow struct {
	Y, X, Label int
	Number      int
	Time        hotline.Time
	Text        string
	Shape       string // circle: an entry of this log; ring: known from the other side's log; triangle: OVERDUE or waited in vain; square: a rung
}

type drawnGap struct {
	Y    int
	Text string
}

// drawnBar is a provable interval beside the claimed point at Y.
type drawnBar struct {
	X, Lane, Y, Y1, Y2    int
	OpenStart, OpenFinish bool
}

type drawnArrow struct {
	X1, Y1, X2, Y2 int
	Class          string // statement, acknowledgement, rejected, lost
	Head           string // points of the head
}

// drawnTypes are the types of event that are drawn, and their shape.
var drawnTypes = map[string]string{"sent": "circle", "received": "circle", "rejected": "circle", "rung": "square", "overdue": "triangle",
	"waiting": "triangle", "undelivered": "triangle"}

// draw lays a case out.
func draw(c *pageCase, number int) *drawing {
	d := &drawing{ID: section(number), Mark: markOf(c.Status), Case: c.Name}
	lanes := d.lay(c)
	var drawn []*caseRow
	y := drawTop
	for i := range c.Rows {
		w := &c.Rows[i]
		lane, ok := lanes[w.Party]
		shape := drawnTypes[w.Type]
		if shape == "" {
			continue
		}
		if !ok || len(drawn) >= maxCaseDrawn {
			d.More++
			continue
		}
		if n := len(drawn); n > 0 && w.Time-drawn[n-1].Time >= shownGap {
			d.Gaps = append(d.Gaps, drawnGap{y, length(w.Time-drawn[n-1].Time) + " later"})
			y += gapHeight
		}
		if w.Claimed {
			shape = "ring"
		}
		drawn = append(drawn, w)
		d.Rows = append(d.Rows, drawnRow{Y: y, X: lane, Number: w.Number, Time: w.Time, Text: label(w), Shape: shape})
		y += rowHeight
	}
	d.Height = y
	for i := range d.Lanes {
		d.Lanes[i].Y1, d.Lanes[i].Y2 = drawTop-rowHeight/2, y-rowHeight/2
	}
	for i := range d.Rows {
		d.Rows[i].Label = d.Width - labelWidth
	}
	d.drawBars(drawn)
	d.drawArrows(c, drawn, lanes)
	return d
}

// lay gives each party its lane.
func (d *drawing) lay(c *pageCase) map[hotline.Party]int {
	var parties []hotline.Party
	for i := range c.Rows {
		if w := &c.Rows[i]; drawnTypes[w.Type] != "" && !slices.Contains(parties, w.Party) {
			parties = append(parties, w.Party)
		}
	}
	slices.Sort(parties)
	lanes := map[hotline.Party]int{}
	for i, p := range parties {
		if i == maxLanes {
			d.LanesMore = len(parties) - maxLanes
			break
		}
		x := firstLane + i*laneWidth
		lanes[p] = x
		d.Lanes = append(d.Lanes, drawnLane{X: x, Name: hotline.Party(clip(string(p), 10))})
	}
	d.Width = firstLane + len(lanes)*laneWidth + labelWidth - laneWidth/3
	return lanes
}

// label says in few words what a row is; its table says it in full.
func label(w *caseRow) string {
	what := w.Kind
	if what == "" {
		what = w.Type
	}
	switch w.Type {
	case "received", "rejected":
		what += " " + w.Type
	case "overdue":
		what = "OVERDUE: " + what
	case "waiting":
		what = "in vain: " + what
	case "undelivered":
		what = "NO RECEIPT in time"
	case "rung":
		what = "rung: " + what
	}
	return clip(what, 30)
}

// drawBars draws the provable interval of each point beside it.
func (d *drawing) drawBars(drawn []*caseRow) {
	ends := map[int]*[barSlots]int{} // by lane: where the last bar of each slot ends
	for i, w := range drawn {
		if !w.bounded || w.interval.Bounded() && w.interval.After > w.interval.Before {
			continue // not known, or two clocks contradict each other: the table says so
		}
		b := drawnBar{Lane: d.Rows[i].X, Y: d.Rows[i].Y, Y1: drawTop - rowHeight/2, Y2: d.Height - rowHeight/2, OpenStart: true, OpenFinish: true}
		if t := w.interval.After; t != 0 {
			b.Y1, b.OpenStart = d.place(drawn, t)
		}
		if t := w.interval.Before; t != 0 {
			b.Y2, b.OpenFinish = d.place(drawn, t)
		}
		b.Y1, b.Y2 = min(b.Y1, b.Y), max(b.Y2, b.Y)
		if b.Y2-b.Y1 < 4 {
			b.Y1, b.Y2 = b.Y1-2, b.Y2+2 // to be seen
		}
		if ends[b.Lane] == nil {
			ends[b.Lane] = new([barSlots]int)
		}
		slot := 0
		for slot < barSlots-1 && ends[b.Lane][slot] >= b.Y1 {
			slot++
		}
		ends[b.Lane][slot] = max(ends[b.Lane][slot], b.Y2)
		b.X = b.Lane + 12 + slot*barStep
		d.Bars = append(d.Bars, b)
	}
}

// place is where a time lies between the rows; outside means beyond the first or the last.
func (d *drawing) place(drawn []*caseRow, t hotline.Time) (y int, outside bool) {
	i := sort.Search(len(drawn), func(i int) bool { return drawn[i].Time > t })
	switch {
	case i == 0:
		return drawTop - rowHeight/2, true
	case i == len(drawn):
		return d.Height - rowHeight/2, drawn[i-1].Time < t
	}
	from, to := drawn[i-1].Time, drawn[i].Time
	return d.Rows[i-1].Y + int(float64(d.Rows[i].Y-d.Rows[i-1].Y)*float64(t-from)/float64(to-from)), false
}

// drawArrows draws statements from the sender's lane to the addressee's.
func (d *drawing) drawArrows(c *pageCase, drawn []*caseRow, lanes map[hotline.Party]int) {
	type end struct {
		statement string
		party     hotline.Party
	}
	came := map[end]int{}
	for i, w := range drawn {
		if w.Type == "received" || w.Type == "rejected" {
			came[end{w.Statement, w.Party}] = i
		}
	}
	ends := make([]statementEnd, 0, len(c.statements))
	for key := range c.statements {
		ends = append(ends, key)
	}
	slices.SortFunc(ends, func(a, b statementEnd) int {
		return slices.Compare([]string{a.id, string(a.to)}, []string{b.id, string(b.to)})
	})
	for i, w := range drawn {
		if w.Type != "sent" {
			continue
		}
		for _, key := range ends {
			x, ok := lanes[key.to]
			if key.id != w.Statement || !ok && len(d.Lanes) == maxLanes {
				continue
			}
			s := c.statements[key]
			a := drawnArrow{X1: d.Rows[i].X, Y1: d.Rows[i].Y, Class: "statement"}
			j, arrived := came[end{w.Statement, key.to}]
			switch {
			case !arrived:
				a.Class, a.X2, a.Y2 = "lost", a.X1+laneWidth/3, a.Y1
				if ok && x < a.X1 {
					a.X2 = a.X1 - laneWidth/3
				}
			default:
				a.X2, a.Y2 = x, d.Rows[j].Y
				if drawn[j].Type == "rejected" {
					a.Class = "rejected"
				} else if s.Kind == hotline.KindAcknowledgement.String() {
					a.Class = "acknowledgement"
				}
			}
			d.Arrows = append(d.Arrows, a.pointed())
		}
	}
}

// pointed gives an arrow its head, before the point that it leads to.
func (a drawnArrow) pointed() drawnArrow {
	side := 1
	if a.X2 < a.X1 {
		side = -1
	}
	a.X2 -= side * arrowHead
	back := a.X2 - side*arrowHead
	a.Head = fmt.Sprintf("%d,%d %d,%d %d,%d", a.X2, a.Y2, back, a.Y2-4, back, a.Y2+4)
	return a
}
