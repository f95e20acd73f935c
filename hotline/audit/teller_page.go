package audit

import (
	"fmt"
	"strings"

	"example.org/hotline/hotline"
)

// page tells how people were woken. It is what the log's own party says of its
// own channels: no other party can confirm it.
func (t *teller) page(e *Event, x *hotline.Page) {
	e.Type = "page"
	alarm := fmt.Sprintf("the rung of entry %d", x.Due)
	if x.Repeat > 0 {
		alarm += fmt.Sprintf(", repeat %d", x.Repeat)
	}
	if x.Intent() {
		var ways []string
		for i := range x.Routes {
			ways = append(ways, fmt.Sprintf("%s by %s", strings.Join(x.Routes[i].Targets, ", "), strings.Join(x.Routes[i].Channels, ", then ")))
		}
		e.Text = fmt.Sprintf("%s intends to page for %s: %s", t.self, alarm, strings.Join(ways, "; "))
		return
	}
	e.Text = fmt.Sprintf("%s: the page for %s was %s by %s", t.self, alarm, x.End, x.Node)
	for _, a := range x.Attempts {
		e.Text += fmt.Sprintf("; %s %s at %s", a.Channel, a.Result, stamp(a.Last))
		if a.Tries > 1 {
			e.Text += fmt.Sprintf(", the last of %d tries", a.Tries)
		}
	}
}
