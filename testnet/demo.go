package testnet

import (
	"time"

	"example.org/hotline/hotline"
)

// DemoProfile is the name of the terms that the story is told under.
const DemoProfile = "demo"

// DemoTerms are terms of seconds instead of hours, so that a person can watch every clock run out. Each duration is written out and
// none is below 2 s. What the story lets lapse is short: the acknowledgement of a FLASH alert and the release of an IMMEDIATE one.
// Everything that must not lapse has many times what it takes on a slow machine.
func DemoTerms() hotline.Terms {
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	four := func(flash, immediate, priority, routine time.Duration) hotline.Durations {
		return hotline.Durations{ms(flash), ms(immediate), ms(priority), ms(routine)}
	}
	const s, m = time.Second, time.Minute
	return hotline.Terms{
		Profile:      DemoProfile,
		Assess:       ms(2 * m),
		Alert:        four(8*s, 8*s, 2*m, 2*m),
		AlertCap:     ms(10 * m),
		FirstAttempt: four(2*s, 2*s, 5*s, 5*s),
		NextPath:     four(2*s, 2*s, 3*s, 3*s),
		NonDelivery:  four(m, m, 2*m, 2*m),
		Acknowledge:  four(12*s, m, 2*m, 2*m),
		Ratify:       ms(10 * m),
		LineTest:     ms(10 * s),
		LineReply:    ms(30 * s),
		OneOfficer:   true,
		Automatic:    true,
	}
}

// DemoQuestions are the decision questions of the convention that the story is told under.
func DemoQuestions() []string {
	return []string{
		"Does it leave our territory?",
		"Does it harm, or could it harm, a protected service?",
		"Can it spread further?",
		"Would the other side act on it?",
	}
}

// SampleTerritory is the first party's territory in the sample feed, FeedTerritory the one in the feed of recorded traffic with which
// sensors are tested. A network has both unless it is told otherwise, so that either feed can be read without another flag. The
// second is an assumption for tests and says nothing about who holds these addresses.
var (
	SampleTerritory = []string{"198.51.100.0/24", "2001:db8:a::/48"}
	FeedTerritory   = []string{"8.42.77.0/24", "92.63.194.0/24", "54.235.163.0/24"}
)
