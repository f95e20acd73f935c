package ceremony

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// millis is a duration in milliseconds, written as 1h30m0s.
type millis int64

// missing is what a duration holds before a text is read: no rule accepts it, so a line that somebody deleted is noticed.
const missing millis = -1

// MarshalText writes what UnmarshalText reads.
func (m millis) MarshalText() ([]byte, error) {
	return []byte((time.Duration(m) * time.Millisecond).String()), nil
}

// UnmarshalText reads 15m or 1h30m, in whole milliseconds.
func (m *millis) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	*m = millis(v)
	return err
}

// ParseDuration reads 20s or 1h30m and returns milliseconds.
func ParseDuration(text string) (int64, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d%time.Millisecond != 0 {
		return 0, hotline.Refuse(hotline.CodeDocument, "%q is not a duration in whole milliseconds, like 20s or 1h30m", text)
	}
	return d.Milliseconds(), nil
}

// lanes are the four durations of one clock.
type lanes struct {
	Flash     millis `toml:"FLASH"`
	Immediate millis `toml:"IMMEDIATE"`
	Priority  millis `toml:"PRIORITY"`
	Routine   millis `toml:"ROUTINE"`
}

func lanesOf(d hotline.Durations) lanes {
	return lanes{millis(d[0]), millis(d[1]), millis(d[2]), millis(d[3])}
}

func (l lanes) durations() hotline.Durations {
	return hotline.Durations{int64(l.Flash), int64(l.Immediate), int64(l.Priority), int64(l.Routine)}
}

var noLanes = lanes{missing, missing, missing, missing}

// termsText is the text form of the terms.
type termsText struct {
	Profile      string  `toml:"profile" comment:"The shipped profile from which these terms were made; only a name."`
	Assess       millis  `toml:"assess" comment:"Detection to assessment."`
	Alert        lanes   `toml:"alert,inline" comment:"Assessment to alert, by precedence."`
	AlertCap     millis  `toml:"alert_cap" comment:"An alert is never later than this after detection."`
	FirstAttempt lanes   `toml:"first_attempt,inline" comment:"Committed to first attempt of delivery."`
	NextPath     lanes   `toml:"next_path,inline" comment:"No receipt: another path is tried."`
	NonDelivery  lanes   `toml:"non_delivery,inline" comment:"No receipt: non-delivery is recorded and the operator told to use the other channel."`
	Acknowledge  lanes   `toml:"acknowledge,inline" comment:"Received to acknowledged by a person."`
	Ratify       millis  `toml:"ratify" comment:"A FLASH released by one officer to its ratification."`
	LineTest     millis  `toml:"line_test" comment:"Interval of line tests for each pair; 0s: none."`
	LineReply    millis  `toml:"line_reply" comment:"Line test to reply."`
	OneOfficer   *bool   `toml:"one_officer_flash" comment:"One releaser alone may send an ACTUAL FLASH alert."`
	Automatic    *bool   `toml:"automatic_alert" comment:"The group sends, without an officer, what was signed NOTIFIABLE and nobody released in time."`
	Supplement   millis  `toml:"supplement" comment:"Alert to supplement; here and below 0s: no such clock."`
	Progress     lanes   `toml:"progress,inline" comment:"Alert or report to the next progress report, by precedence of the alert."`
	Final        millis  `toml:"final" comment:"Alert to final report."`
	Reply        lanes   `toml:"reply,inline" comment:"Inquiry, or interim reply, to reply."`
	Assist       lanes   `toml:"assist,inline" comment:"Assistance request, or PENDING, to response."`
	Consult      millis  `toml:"consult" comment:"Consult, or interim reply, to reply."`
	Threshold    *uint64 `toml:"threshold" comment:"So many answers of yes make a case notifiable; 0: the answers decide nothing."`
	LineAlarm    *uint64 `toml:"line_alarm" comment:"So many line tests in a row that fail wake the desk on either side; 0: none."`
	WatchTest    millis  `toml:"watch_test" comment:"Interval in which a person of each party answers a test by name; 0s: none."`
	Contacts     millis  `toml:"contacts" comment:"Contact data confirmed to confirmed again; 0s: no such clock."`
}

func termsTextOf(t hotline.Terms) termsText {
	return termsText{
		Profile: t.Profile, Assess: millis(t.Assess), Alert: lanesOf(t.Alert), AlertCap: millis(t.AlertCap),
		FirstAttempt: lanesOf(t.FirstAttempt), NextPath: lanesOf(t.NextPath), NonDelivery: lanesOf(t.NonDelivery),
		Acknowledge: lanesOf(t.Acknowledge), Ratify: millis(t.Ratify), LineTest: millis(t.LineTest), LineReply: millis(t.LineReply),
		OneOfficer: &t.OneOfficer, Automatic: &t.Automatic,
		Supplement: millis(t.Supplement), Progress: lanesOf(t.Progress), Final: millis(t.Final), Reply: lanesOf(t.Reply),
		Assist: lanesOf(t.Assist), Consult: millis(t.Consult), Threshold: &t.Threshold,
		LineAlarm: &t.LineAlarm, WatchTest: millis(t.WatchTest), Contacts: millis(t.Contacts),
	}
}

// noTerms is what a text is read over.
func noTerms() termsText {
	return termsText{Assess: missing, Alert: noLanes, AlertCap: missing, FirstAttempt: noLanes, NextPath: noLanes,
		NonDelivery: noLanes, Acknowledge: noLanes, Ratify: missing, LineTest: missing, LineReply: missing,
		Supplement: missing, Progress: noLanes, Final: missing, Reply: noLanes, Assist: noLanes, Consult: missing,
		WatchTest: missing, Contacts: missing}
}

func (t termsText) terms() (hotline.Terms, error) {
	if t.OneOfficer == nil || t.Automatic == nil {
		return hotline.Terms{}, hotline.Refuse(hotline.CodeDocument, "terms: one_officer_flash and automatic_alert must both be there")
	}
	if t.Threshold == nil || t.LineAlarm == nil {
		return hotline.Terms{}, hotline.Refuse(hotline.CodeDocument, "terms: threshold and line_alarm must both be there, 0 for none")
	}
	return hotline.Terms{
		Profile: t.Profile, Assess: int64(t.Assess), Alert: t.Alert.durations(), AlertCap: int64(t.AlertCap),
		FirstAttempt: t.FirstAttempt.durations(), NextPath: t.NextPath.durations(), NonDelivery: t.NonDelivery.durations(),
		Acknowledge: t.Acknowledge.durations(), Ratify: int64(t.Ratify), LineTest: int64(t.LineTest), LineReply: int64(t.LineReply),
		OneOfficer: *t.OneOfficer, Automatic: *t.Automatic,
		Supplement: int64(t.Supplement), Progress: t.Progress.durations(), Final: int64(t.Final), Reply: t.Reply.durations(),
		Assist: t.Assist.durations(), Consult: int64(t.Consult), Threshold: *t.Threshold,
		LineAlarm: *t.LineAlarm, WatchTest: int64(t.WatchTest), Contacts: int64(t.Contacts),
	}, nil
}

// clock is one name under which Set and ScaleTerms find durations.
type clock struct {
	name  string
	lanes []*int64 // four by precedence, or one
}

func clocks(t *hotline.Terms) []clock {
	four := func(name string, d *hotline.Durations) clock {
		return clock{name, []*int64{&d[0], &d[1], &d[2], &d[3]}}
	}
	one := func(name string, d *int64) clock { return clock{name, []*int64{d}} }
	return []clock{
		one("assess", &t.Assess), four("alert", &t.Alert), one("alert_cap", &t.AlertCap), four("first_attempt", &t.FirstAttempt),
		four("next_path", &t.NextPath), four("non_delivery", &t.NonDelivery), four("acknowledge", &t.Acknowledge),
		one("ratify", &t.Ratify), one("line_test", &t.LineTest), one("line_reply", &t.LineReply),
		one("supplement", &t.Supplement), four("progress", &t.Progress), one("final", &t.Final), four("reply", &t.Reply),
		four("assist", &t.Assist), one("consult", &t.Consult),
		one("watch_test", &t.WatchTest), one("contacts", &t.Contacts),
	}
}

// ScaleTerms multiplies every duration by num/den, and makes it one second where it would be shorter; a clock that is off
// stays off. It is for drills and demonstrations. num and den are 1 to 1,000,000.
func ScaleTerms(t *hotline.Terms, num, den int64) error {
	const most = 1_000_000
	if num < 1 || den < 1 || num > most || den > most {
		return hotline.Refuse(hotline.CodeDocument, "scale %d/%d: both numbers are 1 to %d", num, den, most)
	}
	for _, c := range clocks(t) {
		for _, d := range c.lanes {
			if *d != 0 {
				*d = max(*d*num/den, 1000)
			}
		}
	}
	return t.Validate()
}

// SetTerm changes one term by its name in the draft: "acknowledge.FLASH=20s", "acknowledge=1h" for all four precedences,
// "line_test=0s", "automatic_alert=false". Bounds are those of Terms.Validate, which DraftConvention calls.
func SetTerm(t *hotline.Terms, setting string) error {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return hotline.Refuse(hotline.CodeDocument, "setting %q has no value: write NAME=VALUE, like acknowledge.FLASH=20s", setting)
	}
	for flag, target := range map[string]*bool{"one_officer_flash": &t.OneOfficer, "automatic_alert": &t.Automatic} {
		if name == flag {
			v, err := strconv.ParseBool(value)
			if err != nil {
				return hotline.Refuse(hotline.CodeDocument, "%s is true or false, not %q", name, value)
			}
			*target = v
			return nil
		}
	}
	for count, target := range map[string]*uint64{"threshold": &t.Threshold, "line_alarm": &t.LineAlarm} {
		if name == count {
			v, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return hotline.Refuse(hotline.CodeDocument, "%s is a number, not %q", name, value)
			}
			*target = v
			return nil
		}
	}
	name, precedence, single := strings.Cut(name, ".")
	all := clocks(t)
	i := slices.IndexFunc(all, func(c clock) bool { return c.name == name })
	if i < 0 || single && len(all[i].lanes) == 1 {
		return hotline.Refuse(hotline.CodeDocument, "there is no term %q; known are %s, one_officer_flash, automatic_alert, threshold, line_alarm", setting, clockNames(all))
	}
	v, err := ParseDuration(value)
	if err != nil {
		return err
	}
	for lane, d := range all[i].lanes {
		if !single || hotline.Precedence(lane+1).String() == precedence {
			*d, ok = v, false
		}
	}
	if ok { // no lane was set
		return hotline.Refuse(hotline.CodeDocument, "%q is no precedence: FLASH, IMMEDIATE, PRIORITY or ROUTINE", precedence)
	}
	return nil
}

func clockNames(all []clock) string {
	var names []string
	for _, c := range all {
		name := c.name
		if len(c.lanes) > 1 {
			name += "[.PRECEDENCE]"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// ParseFraction reads "2/3" or "1/60".
func ParseFraction(text string) (num, den uint64, err error) {
	a, b, ok := strings.Cut(text, "/")
	num, err1 := strconv.ParseUint(a, 10, 32)
	den, err2 := strconv.ParseUint(b, 10, 32)
	if !ok || err1 != nil || err2 != nil || den == 0 {
		return 0, 0, hotline.Refuse(hotline.CodeDocument, "%q is no fraction: write it like 2/3", text)
	}
	return num, den, nil
}

// momentOf shows a time in UTC; zero stays zero.
func momentOf(t hotline.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// timeOf is the inverse: what is finer than a millisecond is cut off.
func timeOf(t time.Time) hotline.Time {
	if t.IsZero() {
		return 0
	}
	return hotline.Time(t.UnixMilli())
}

// readUTC turns the times of a text that bear no offset (2026-01-01, or 2026-01-01T08:00:00) into UTC: the TOML reader takes them
// for the local time of this machine, and two machines would then sign two contents.
func readUTC(times ...*time.Time) {
	for _, t := range times {
		if t.Location() == time.Local {
			*t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		}
	}
}

// ParseTime reads "2026-03-01T12:00:00Z", or "2026-03-01" for midnight UTC.
func ParseTime(text string) (hotline.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return timeOf(t), nil
		}
	}
	return 0, hotline.Refuse(hotline.CodeDocument, "%q is no time: write 2026-03-01T12:00:00Z, or 2026-03-01 for midnight UTC", text)
}
