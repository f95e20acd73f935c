package ladder

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"example.org/hotline/hotline"
)

// The calendar works in minutes since 1970 in UTC.

// slot is one shift on one day, or a part of it.
type slot struct {
	from, until int64
	people      uint64 // bit i: person i of the rota
	shift       int
}

// calendar is one rota over the time for which it is written out.
type calendar struct {
	r           *reader
	x           *rotaFile
	path        string
	zone        *time.Location
	people      []string
	from, until int64
}

// rota writes one rota out.
func (r *reader) rota(i int, from, until int64) hotline.Rota {
	x := &r.Rotas[i]
	zone, _ := time.LoadLocation(x.Zone) // check has loaded it
	c := &calendar{r: r, x: x, path: fmt.Sprintf("rota[%d]", i), zone: zone, people: x.people(), from: from, until: until}
	slots := c.slots()
	if !c.fills(slots) {
		return hotline.Rota{}
	}
	for j := range x.Covers {
		slots = c.cover(j, slots)
	}
	out := hotline.Rota{Name: x.Name, Zone: x.Zone, People: c.people, Watches: c.watches(slots)}
	if n := len(out.Watches); n > hotline.MaxWatches {
		r.Fault("days", "rota %s changes %d times, at most %d can be signed: take fewer days", x.Name, n, hotline.MaxWatches)
	}
	return out
}

// slots are the shifts that touch the time, in order, with one day before it:
// whoever goes may still stand beside whoever comes.
func (c *calendar) slots() []slot {
	var list []slot
	first := time.Unix(c.from*60, 0).In(c.zone)
	day := time.Date(first.Year(), first.Month(), first.Day()-2, 0, 0, 0, 0, time.UTC)
	told := map[string]bool{}
	for ; day.Unix()/60 < c.until+2*24*60; day = day.AddDate(0, 0, 1) {
		for j := range c.x.Shifts {
			s := &c.x.Shifts[j]
			if !slices.Contains(s.Days, weekdays[(int(day.Weekday())+6)%7]) || s.Week != 0 && s.Week != c.week(day) {
				continue
			}
			from, until := s.minutes()
			path := fmt.Sprintf("%s.shift[%d]", c.path, j)
			x := slot{c.at(path+".from", day, from, told), c.at(path+".until", day, until, told), c.bits(s.Officers), j}
			if x.until > c.from-24*60 && x.from < c.until {
				list = append(list, x)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b slot) int { return cmp.Compare(a.from, b.from) })
	return list
}

// week is the number of a day's week in the rota, from 1.
func (c *calendar) week(day time.Time) int64 {
	if c.x.Weeks == 1 {
		return 1
	}
	days := int64(day.Sub(c.x.Begins.AsTime(time.UTC)) / (24 * time.Hour))
	weeks := days / 7
	if days < 0 && days%7 != 0 {
		weeks--
	}
	return (weeks%c.x.Weeks+c.x.Weeks)%c.x.Weeks + 1
}

func (c *calendar) bits(names []string) (bits uint64) {
	for _, name := range names {
		bits |= 1 << slices.Index(c.people, name)
	}
	return bits
}

// at is the minute at which the clocks of the zone show a time of a day.
// A time that they do not show on that day, or show twice, is refused within
// the time that is written out: two people would disagree when the watch
// changes.
func (c *calendar) at(path string, day time.Time, minute int, told map[string]bool) int64 {
	wall := day.Add(time.Duration(minute) * time.Minute)
	var found []int64
	for _, near := range []time.Duration{-26 * time.Hour, 26 * time.Hour} { // the offset before a change, and after it
		_, offset := wall.Add(near).In(c.zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, is := t.In(c.zone).Zone(); is == offset && !slices.Contains(found, t.Unix()/60) {
			found = append(found, t.Unix()/60)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	_, offset := wall.Add(-26 * time.Hour).In(c.zone).Zone()
	t := wall.Add(-time.Duration(offset)*time.Second).Unix() / 60
	if t >= c.from && t <= c.until && !told[path] {
		told[path] = true
		what := "does not exist"
		if len(found) > 1 {
			what = "comes twice"
		}
		c.r.Fault(path, "%s %s in %s, where the clocks are changed: let the watch change at another hour", wall.Format("2006-01-02 15:04"), what, c.x.Zone)
	}
	return t
}

// fills reports whether somebody, and only one shift, is on call at each minute.
func (c *calendar) fills(slots []slot) bool {
	covered, before := c.from, -1
	for i, s := range slots {
		if s.until <= c.from {
			continue
		}
		path := fmt.Sprintf("%s.shift[%d]", c.path, s.shift)
		switch {
		case s.from > covered:
			c.hole(before, slots, covered, s.from)
			return false
		case before >= 0 && s.from < covered:
			c.r.Fault(path, "rota %s: overlaps the shift on line %d, from %s to %s: put both people into one shift, or use overlap", c.x.Name,
				c.r.Line(fmt.Sprintf("%s.shift[%d]", c.path, slots[before].shift)), c.show(s.from), c.show(min(covered, s.until)))
			return false
		}
		covered, before = s.until, i
	}
	if covered < c.until {
		c.hole(before, slots, covered, c.until)
		return false
	}
	return true
}

func (c *calendar) hole(before int, slots []slot, from, until int64) {
	path := c.path
	if before >= 0 {
		path = fmt.Sprintf("%s.shift[%d]", c.path, slots[before].shift)
	}
	c.r.Fault(path, "rota %s: nobody is on call from %s to %s", c.x.Name, c.show(from), c.show(until))
}

func (c *calendar) show(minute int64) string {
	return time.Unix(minute*60, 0).In(c.zone).Format("Mon 2006-01-02 15:04")
}

// cover puts one person in the place of another.
func (c *calendar) cover(j int, slots []slot) []slot {
	x, path := &c.x.Covers[j], fmt.Sprintf("%s.cover[%d]", c.path, j)
	told := map[string]bool{}
	moment := func(key string, d time.Time) int64 {
		day := d.Truncate(24 * time.Hour)
		return c.at(path+"."+key, day, int(d.Sub(day)/time.Minute), told)
	}
	from, until := moment("from", x.From.AsTime(time.UTC)), moment("until", x.Until.AsTime(time.UTC))
	absent, by := c.bits([]string{x.Absent}), c.bits([]string{x.By})
	var out []slot
	hit := false
	for _, s := range slots {
		if s.people&absent == 0 || s.until <= from || s.from >= until {
			out = append(out, s)
			continue
		}
		hit = hit || s.until > c.from
		if s.people&by != 0 {
			c.r.Fault(path+".by", "%s already stands in the shift of %s that begins on %s", x.By, x.Absent, c.show(s.from))
			return slots
		}
		for _, part := range []slot{
			{s.from, min(s.until, from), s.people, s.shift},
			{max(s.from, from), min(s.until, until), s.people&^absent | by, s.shift},
			{max(s.from, until), s.until, s.people, s.shift},
		} {
			if part.from < part.until {
				out = append(out, part)
			}
		}
	}
	if !hit {
		c.r.Fault(path, "the cover changes nothing: %s has no watch then in the time that is written out", x.Absent)
	}
	return out
}

// watches are the times between changes. Whoever goes stays for the overlap.
func (c *calendar) watches(slots []slot) []hotline.Watch {
	overlap, _ := duration(c.x.Overlap) // check has read it
	stay := int64(overlap / time.Minute)
	changes := []int64{c.from, c.until}
	for _, s := range slots {
		for _, t := range []int64{s.from, s.until + stay} {
			if t > c.from && t < c.until {
				changes = append(changes, t)
			}
		}
	}
	slices.Sort(changes)
	changes = slices.Compact(changes)
	var out []hotline.Watch
	for i, t := range changes[:len(changes)-1] {
		var people uint64
		for _, s := range slots {
			if s.from <= t && t < s.until+stay {
				people |= s.people
			}
		}
		minutes := uint64(changes[i+1] - t)
		if n := len(out); n > 0 && out[n-1].People == people {
			out[n-1].Minutes += minutes
		} else {
			out = append(out, hotline.Watch{Minutes: minutes, People: people})
		}
	}
	return out
}
