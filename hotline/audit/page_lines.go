package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"example.org/hotline/hotline"
)

// Bounds and measures of the drawing of line tests.
const (
	maxMapRows    = 60
	maxMapColumns = 96
	maxMapMisses  = 400 // rows of its table
	cellWidth     = 16
	cellHeight    = 22
	mapLeft       = 110
	mapTop        = 40
	labelEvery    = 6 // columns
)

const hour = hotline.Time(60 * 60_000)

// lineMap is line tests by direction and hour, day, or some days.
type lineMap struct {
	Width, Height int
	Step          hotline.Time
	Unit          string
	Rows          []mapRow
	Labels        []mapLabel
	Misses        []mapMiss
	MissesMore    int
	More          uint64 // tests of directions beyond the bound
}

type mapRow struct {
	Y     int
	Name  string
	Cells []mapCell

	key lineKey
}

// mapCell is what came of the tests of one direction in one span of time. Class is
// none, good, some or bad.
type mapCell struct {
	X, Y                       int
	From                       hotline.Time
	Class                      string
	Answered, Missed, Unjudged uint64
}

type mapLabel struct {
	X    int
	Text string
}

// mapMiss is a cell with misses, as a row of the table.
type mapMiss struct {
	Name string
	mapCell
}

type lineKey struct{ from, to hotline.Party }

// fillLines draws the line tests.
func (p *sheet) fillLines() error {
	var first, last hotline.Time
	for t, err := range p.LineTests() {
		if err != nil {
			return err
		}
		if first == 0 || t.Sent < first {
			first = t.Sent
		}
		last = max(last, t.Sent)
	}
	if first == 0 {
		return nil
	}
	m := &lineMap{}
	columns := m.scale(&first, last)
	at := map[lineKey]int{}
	for t, err := range p.LineTests() {
		if err != nil {
			return err
		}
		key := lineKey{t.From, t.To}
		i, ok := at[key]
		if !ok {
			if len(m.Rows) >= maxMapRows {
				m.More++
				continue
			}
			i = len(m.Rows)
			at[key] = i
			m.Rows = append(m.Rows, mapRow{Name: fmt.Sprintf("%s to %s", t.From, t.To), Cells: make([]mapCell, columns), key: key})
		}
		m.Rows[i].Cells[(t.Sent-first)/m.Step].count(&t)
	}
	m.lay(first, columns)
	p.Map = m
	return nil
}

// scale chooses the span of a column: an hour, a day, or as many days as it needs.
func (m *lineMap) scale(first *hotline.Time, last hotline.Time) (columns int) {
	m.Step, m.Unit = hour, "an hour"
	if last-*first >= maxMapColumns*hour {
		days := (last-*first)/(maxMapColumns*24*hour) + 1
		m.Step, m.Unit = days*24*hour, "a day"
		if days > 1 {
			m.Unit = fmt.Sprintf("%d days", days)
		}
	}
	*first -= *first % min(m.Step, 24*hour)
	return min(int((last-*first)/m.Step)+1, maxMapColumns+1)
}

func (c *mapCell) count(t *LineTest) {
	switch {
	case t.Answered != 0:
		c.Answered++
	case t.Missed:
		c.Missed++
	default:
		c.Unjudged++
	}
}

// lay gives each cell its place, and lists those with misses.
func (m *lineMap) lay(first hotline.Time, columns int) {
	slices.SortFunc(m.Rows, func(a, b mapRow) int {
		return cmp.Or(cmp.Compare(a.key.from, b.key.from), cmp.Compare(a.key.to, b.key.to))
	})
	for i := range m.Rows {
		w := &m.Rows[i]
		w.Y = mapTop + i*cellHeight
		for j := range w.Cells {
			c := &w.Cells[j]
			c.X, c.Y, c.From, c.Class = mapLeft+j*cellWidth, w.Y, first+hotline.Time(j)*m.Step, "none"
			switch {
			case c.Missed > 0 && c.Answered == 0:
				c.Class = "bad"
			case c.Missed > 0:
				c.Class = "some"
			case c.Answered > 0:
				c.Class = "good"
			}
			if c.Missed > 0 && len(m.Misses) < maxMapMisses {
				m.Misses = append(m.Misses, mapMiss{w.Name, *c})
			} else if c.Missed > 0 {
				m.MissesMore++
			}
		}
	}
	form := "01-02 15h"
	if m.Step > hour {
		form = "01-02"
	}
	for j := 0; j < columns; j += labelEvery {
		at := time.UnixMilli(int64(first + hotline.Time(j)*m.Step)).UTC()
		m.Labels = append(m.Labels, mapLabel{mapLeft + j*cellWidth, at.Format(form)})
	}
	m.Width, m.Height = mapLeft+columns*cellWidth+60, mapTop+len(m.Rows)*cellHeight+8
}
