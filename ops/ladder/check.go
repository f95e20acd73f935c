package ladder

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	_ "time/tzdata" // the same rules of time zones on every machine that has none

	"example.org/hotline/hotline"
)

// channelTypes are the ways out that a daemon has.
var channelTypes = []string{"smtp", "webhook", "alertmanager", "syslog", "command"}

var (
	plainName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)
	partyName = regexp.MustCompile(`^[A-Z][A-Z0-9]{1,7}$`)
	roleName  = regexp.MustCompile(`^[A-Z0-9-]{3,32}$`)
	wallTime  = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`)
)

// weekdays as a shift names them.
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// check finds what is wrong with the parts, before they are put together.
func (r *reader) check() {
	if !partyName.MatchString(r.Party) {
		r.Fault("party", "party %q is no party's code: write your own, as XA", r.Party)
		return
	}
	r.checkChannels()
	r.checkOfficers()
	r.checkSpan()
	for i := range r.Rotas {
		r.checkRota(i)
	}
	r.checkUse()
}

func (r *reader) checkChannels() {
	used := map[string]bool{}
	for _, o := range r.Officers {
		for _, c := range o.Channels {
			used[c] = true
		}
	}
	for name, c := range r.Channels {
		path := "channels." + name
		switch {
		case !plainName.MatchString(name):
			r.Fault(path, "channel %q: a name is 2 to 32 of a-z, 0-9 and hyphen, a letter first", name)
		case c.Type == "":
			r.Fault(path, "channel %s has no type: write one of %s", name, strings.Join(channelTypes, ", "))
		case !slices.Contains(channelTypes, c.Type):
			r.Fault(path+".type", "channel %s: %q is none of %s", name, c.Type, strings.Join(channelTypes, ", "))
		case !used[name]:
			r.Fault(path, "channel %s reaches nobody: give it to an officer or remove it", name)
		}
	}
}

func (r *reader) checkOfficers() {
	for i, o := range r.Officers {
		path := fmt.Sprintf("officer[%d]", i)
		if !r.isOwn(path+".name", o.Name) {
			continue
		}
		if j := slices.IndexFunc(r.Officers[:i], func(x officerFile) bool { return x.Name == o.Name }); j >= 0 {
			r.Fault(path+".name", "%s stands on line %d already", o.Name, r.Line(fmt.Sprintf("officer[%d].name", j)))
		}
		if len(o.Channels) == 0 || len(o.Channels) > hotline.MaxChannels {
			r.Fault(path+".channels", "%s has %d channels: give 1 to %d, the first one first, or nobody can wake them", o.Name, len(o.Channels), hotline.MaxChannels)
		}
		for j, c := range o.Channels {
			if _, ok := r.Channels[c]; !ok {
				r.Fault(path+".channels", "%s: there is no [channels.%s]", o.Name, c)
			} else if slices.Contains(o.Channels[:j], c) {
				r.Fault(path+".channels", "%s: channel %s stands there twice", o.Name, c)
			}
		}
	}
}

// isOwn reports whether the name is that of an officer of this party.
func (r *reader) isOwn(path, name string) bool {
	switch {
	case !roleName.MatchString(name):
		r.Fault(path, "%q is no officer's role name, as %s-L1", name, r.Party)
	case !strings.HasPrefix(name, r.Party+"-"):
		r.Fault(path, "%s is no officer of %s", name, r.Party)
	default:
		return true
	}
	return false
}

// reachable demands an own officer who has channels.
func (r *reader) reachable(path, name string) {
	if r.isOwn(path, name) && !slices.ContainsFunc(r.Officers, func(o officerFile) bool { return o.Name == name }) {
		r.Fault(path, "%s has no channel: add an [[officer]]", name)
	}
}

func (r *reader) checkSpan() {
	if r.Days == 0 && !r.Has("days") {
		r.Days = DefaultDays
	}
	most := int64(hotline.MaxRotaSpan / (24 * time.Hour))
	switch {
	case len(r.Rotas) == 0 && (r.Has("days") || r.Has("from")):
		path := "days"
		if r.Has("from") {
			path = "from"
		}
		r.Fault(path, "there is no rota to write out: remove from and days, or add a [[rota]]")
	case r.Days < 1 || r.Days > most:
		r.Fault("days", "days is %d, 1 to %d", r.Days, most)
	case r.From.Location() == time.Local: // so the reader of TOML marks a time that names no zone
		r.Fault("from", "from names no zone, and would be another moment on another machine: write it with Z, as 2026-11-30T00:00:00Z")
	case r.From.Second() != 0 || r.From.Nanosecond() != 0:
		r.Fault("from", "from is not a whole minute")
	}
	if len(r.Rotas) > hotline.MaxRotas {
		r.Fault("rota[0]", "%d rotas, at most %d", len(r.Rotas), hotline.MaxRotas)
	}
}

func (r *reader) checkRota(i int) {
	x, path := &r.Rotas[i], fmt.Sprintf("rota[%d]", i)
	if x.Weeks == 0 && !r.Has(path+".weeks") {
		x.Weeks = 1
	}
	if !plainName.MatchString(x.Name) {
		r.Fault(path+".name", "rota %q: a name is 2 to 32 of a-z, 0-9 and hyphen, a letter first", x.Name)
	} else if j := slices.IndexFunc(r.Rotas[:i], func(y rotaFile) bool { return y.Name == x.Name }); j >= 0 {
		r.Fault(path+".name", "rota %s stands on line %d already", x.Name, r.Line(fmt.Sprintf("rota[%d]", j)))
	}
	if zone, err := time.LoadLocation(x.Zone); err != nil || x.Zone == "" || x.Zone == "Local" || len(x.Zone) > hotline.MaxZoneName {
		r.Fault(path+".zone", "rota %s: zone %q is no time zone: write an IANA name, as Europe/Zurich or Etc/UTC", x.Name, x.Zone)
	} else if x.Weeks > 1 {
		first := x.Begins.AsTime(zone)
		if x.Begins.Year == 0 || first.Weekday() != time.Monday {
			r.Fault(path+".begins", "rota %s: begins is to be the Monday on which week 1 of %d began", x.Name, x.Weeks)
		}
	}
	if x.Weeks < 1 || x.Weeks > MaxWeeks {
		r.Fault(path+".weeks", "rota %s: weeks is %d, 1 to %d", x.Name, x.Weeks, MaxWeeks)
	}
	if len(x.Shifts) == 0 {
		r.Fault(path, "rota %s has no shift: nobody would be on call", x.Name)
	}
	shortest := 24 * time.Hour
	for j := range x.Shifts {
		if length := r.checkShift(x, fmt.Sprintf("%s.shift[%d]", path, j), &x.Shifts[j]); length > 0 {
			shortest = min(shortest, length)
		}
	}
	if d, err := duration(x.Overlap); err != nil || d%time.Minute != 0 {
		r.Fault(path+".overlap", "rota %s: overlap %q is to be whole minutes, as 15m", x.Name, x.Overlap)
	} else if d > shortest {
		r.Fault(path+".overlap", "rota %s: the overlap of %s is longer than a shift of %s", x.Name, span(d), span(shortest))
	}
	for j := range x.Covers {
		r.checkCover(x, fmt.Sprintf("%s.cover[%d]", path, j), &x.Covers[j])
	}
	if n := len(x.people()); n > hotline.MaxTargets {
		r.Fault(path, "rota %s has %d people, at most %d", x.Name, n, hotline.MaxTargets)
	}
}

// checkShift returns the length of the shift, 0 if it has none.
func (r *reader) checkShift(x *rotaFile, path string, s *shiftFile) (length time.Duration) {
	if s.Week < 0 || s.Week > x.Weeks {
		r.Fault(path+".week", "week is %d, but rota %s has %d", s.Week, x.Name, x.Weeks)
	}
	if len(s.Days) == 0 {
		r.Fault(path+".days", "the shift has no days: write those on which it begins, as [\"mon\", \"tue\"]")
	}
	for i, d := range s.Days {
		if !slices.Contains(weekdays, d) {
			r.Fault(path+".days", "%q is none of %s", d, strings.Join(weekdays, ", "))
		} else if slices.Contains(s.Days[:i], d) {
			r.Fault(path+".days", "%s stands there twice", d)
		}
	}
	good := true
	for _, t := range []struct{ key, text string }{{"from", s.From}, {"until", s.Until}} {
		if !wallTime.MatchString(t.text) || t.key == "from" && t.text == "24:00" {
			r.Fault(path+"."+t.key, "%s is %q: write hours and minutes, as 06:30", t.key, t.text)
			good = false
		}
	}
	if len(s.Officers) == 0 {
		r.Fault(path+".officers", "nobody stands in the shift: give officers by role name")
	}
	for i, name := range s.Officers {
		r.reachable(path+".officers", name)
		if slices.Contains(s.Officers[:i], name) {
			r.Fault(path+".officers", "%s stands there twice", name)
		}
	}
	if !good {
		return 0
	}
	from, until := s.minutes()
	return time.Duration(until-from) * time.Minute
}

// minutes are those of the day on which the shift begins; until is more than 24
// hours where it ends on the next.
func (s *shiftFile) minutes() (from, until int) {
	of := func(t string) int {
		var h, m int
		_, _ = fmt.Sscanf(t, "%d:%d", &h, &m) // of the form that checkShift demands
		return h*60 + m
	}
	if from, until = of(s.From), of(s.Until); until <= from {
		until += 24 * 60
	}
	return from, until
}

func (r *reader) checkCover(x *rotaFile, path string, c *coverFile) {
	r.reachable(path+".by", c.By)
	switch {
	case !slices.ContainsFunc(x.Shifts, func(s shiftFile) bool { return slices.Contains(s.Officers, c.Absent) }):
		r.Fault(path+".absent", "%q has no shift in rota %s", c.Absent, x.Name)
	case c.Absent == c.By:
		r.Fault(path+".by", "%s cannot stand in for themselves", c.By)
	case !c.From.AsTime(time.UTC).Before(c.Until.AsTime(time.UTC)):
		r.Fault(path+".until", "the cover does not end after it begins")
	case c.From.Second != 0 || c.Until.Second != 0 || c.From.Nanosecond != 0 || c.Until.Nanosecond != 0:
		r.Fault(path, "the cover is not of whole minutes")
	}
}

// people are those of the shifts and covers, in the order in which they are named.
func (x *rotaFile) people() []string {
	var list []string
	add := func(name string) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, s := range x.Shifts {
		for _, name := range s.Officers {
			add(name)
		}
	}
	for _, c := range x.Covers {
		add(c.By)
	}
	return list
}

// checkUse finds rotas and officers that stand on no rung.
func (r *reader) checkUse() {
	used := map[string]bool{}
	for _, rung := range slices.Concat(r.Owing, r.Receiving) {
		for _, t := range rung.Targets {
			used[t] = true
		}
	}
	for i := range r.Rotas {
		x := &r.Rotas[i]
		if !used[x.Name] {
			r.Fault(fmt.Sprintf("rota[%d].name", i), "rota %s stands on no rung: name it in targets or remove it", x.Name)
		}
		for _, name := range x.people() {
			used[name] = true
		}
	}
	for i, o := range r.Officers {
		if !used[o.Name] {
			r.Fault(fmt.Sprintf("officer[%d].name", i), "%s stands on no rung and in no rota: nobody would wake them", o.Name)
		}
	}
}

// duration reads a length of time, as 90s or 1h30m; nothing is 0.
func duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d%time.Millisecond != 0 {
		return 0, fmt.Errorf("%q is no length of time", s)
	}
	return d, nil
}

// span is a length of time without the zeros that time.Duration writes.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
