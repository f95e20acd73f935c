// Package drill holds scripted exercises: it reads the script that the parties
// agreed on, and judges from what stands in a ledger whether what was expected
// happened. It signs nothing and sends nothing.
package drill

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/strict"
)

// Bounds of a script.
const (
	MaxFile     = 64 << 10 // bytes
	maxSteps    = 100
	maxExpected = 200
	maxLength   = Millis(30 * 24 * 3600_000) // from the first step to the end of the window
	maxScenario = 4 << 10                    // bytes: it stands in the announcement
)

// Millis is a duration in milliseconds.
type Millis int64

func (m Millis) String() string { return (time.Duration(m) * time.Millisecond).String() }

// Action is what an officer does at a step.
type Action string

// The actions. Each but silence is one statement.
const (
	Detect      Action = "detect"
	Assess      Action = "assess"
	Alert       Action = "alert"
	Supplement  Action = "supplement"
	Progress    Action = "progress"
	Final       Action = "final"
	Inquiry     Action = "inquiry"
	Reply       Action = "reply"
	Text        Action = "text"
	Acknowledge Action = "acknowledge"
	Silence     Action = "silence" // nobody answers: the ladder is to climb
)

// actions says of each action which kind of statement it is, what it may refer
// to, and whether it is the leading party's alone.
var actions = map[Action]struct {
	kind  hotline.Kind
	of    []Action // nil: any statement that was sent to the party
	leads bool
	words bool // it must say something
}{
	Detect:      {hotline.KindDetection, []Action{}, true, true},
	Assess:      {hotline.KindAssessment, []Action{Detect}, true, false},
	Alert:       {hotline.KindAlert, []Action{Assess}, true, true},
	Supplement:  {hotline.KindSupplement, []Action{Alert, Supplement, Progress}, true, true},
	Progress:    {hotline.KindProgress, []Action{Alert, Supplement, Progress}, true, true},
	Final:       {hotline.KindFinal, []Action{Alert, Supplement, Progress}, true, true},
	Inquiry:     {hotline.KindInquiry, nil, false, true},
	Reply:       {hotline.KindReply, []Action{Inquiry}, false, true},
	Text:        {hotline.KindText, nil, false, true},
	Acknowledge: {hotline.KindAcknowledgement, nil, false, false},
	Silence:     {0, nil, false, false},
}

// Kind is the kind of the action's statement; 0 for silence.
func (a Action) Kind() hotline.Kind { return actions[a].kind }

// opensAck reports whether somebody must acknowledge the action's statement.
func (a Action) opensAck() bool {
	r := a.Kind().Rules()
	return r != nil && r.OpensAck
}

// Step is one line of the timeline: what an officer of one party does, and when.
type Step struct {
	ID         string             `json:"id"`
	At         Millis             `json:"at_ms"` // after T0, the detection of the first step
	Party      hotline.Party      `json:"party"`
	Do         Action             `json:"do"`
	Of         string             `json:"of,omitempty"` // the step whose statement it refers to
	Text       string             `json:"text,omitempty"`
	Precedence hotline.Precedence `json:"precedence"`
}

// Event is what an expectation waits for.
type Event string

// The events, each with the time from which it is measured.
const (
	Tendered     Event = "tendered"     // from T0
	Received     Event = "received"     // from tendered
	Acknowledged Event = "acknowledged" // from received, both in the ledger of whoever acknowledges
	Replied      Event = "replied"      // from received: a final reply
	Escalated    Event = "escalated"    // from received: the party's group says that nobody acknowledges
)

var events = []Event{Tendered, Received, Acknowledged, Replied, Escalated}

// Expectation is one thing that should happen in time.
type Expectation struct {
	Of         string             `json:"of"` // step
	From       hotline.Party      `json:"from"`
	Is         Event              `json:"is"`
	Within     Millis             `json:"within_ms,omitempty"`  // 0: what the convention's terms allow
	Precedence hotline.Precedence `json:"precedence,omitempty"` // that the statement must bear; 0: any
}

// Pass says what suffices.
type Pass struct {
	OnTime  int `json:"on_time"` // percent of the expectations
	Missing int `json:"missing"` // at most so many that never happened
}

// Script is an exercise that several parties agreed on.
type Script struct {
	Name     string
	Language string
	Scenario string
	Lead     hotline.Party   // announces the exercise and opens its case
	With     []hotline.Party // everybody else, sorted
	Lasts    Millis          // the window that is announced
	Grace    Millis          // how long after the last deadline something late still counts as late
	Facts    hotline.Facts
	Steps    []Step // by time
	Expect   []Expectation
	Pass     Pass
	Digest   [32]byte // SHA-256 of the file: what the other parties consent to
}

// Parties lists everybody who takes part.
func (s *Script) Parties() []hotline.Party { return append([]hotline.Party{s.Lead}, s.With...) }

// Step finds a step by its id.
func (s *Script) Step(id string) *Step {
	i := slices.IndexFunc(s.Steps, func(x Step) bool { return x.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Steps[i]
}

// To lists the addressees of a step's statement.
func (s *Script) To(x *Step) []hotline.Party {
	switch of := s.Step(x.Of); {
	case of == nil || x.Do == Assess || x.Do == Silence:
		return nil
	case x.Do == Acknowledge || x.Do == Reply:
		return []hotline.Party{of.Party}
	case x.Party == s.Lead:
		return s.With
	}
	return []hotline.Party{s.Lead}
}

// file is a script as people write it.
type file struct {
	Name       string            `toml:"name"`
	Language   string            `toml:"language"`
	Scenario   string            `toml:"scenario"`
	Lead       string            `toml:"lead"`
	With       []string          `toml:"with"`
	Lasts      string            `toml:"lasts"`
	Grace      string            `toml:"grace"`
	Precedence string            `toml:"precedence"`
	Facts      factsFile         `toml:"facts"`
	Steps      []stepFile        `toml:"step"`
	Expect     []expectationFile `toml:"expect"`
	Pass       passFile          `toml:"pass"`
}

type factsFile struct {
	Nature   string   `toml:"nature"`
	Category string   `toml:"category"`
	Relation string   `toml:"relation"`
	Actor    string   `toml:"actor"`
	State    string   `toml:"state"`
	Sectors  []string `toml:"sectors"`
	Networks []string `toml:"networks"`
}

type stepFile struct {
	ID         string `toml:"id"`
	At         string `toml:"at"`
	Party      string `toml:"party"`
	Do         string `toml:"do"`
	Of         string `toml:"of"`
	Text       string `toml:"text"`
	Precedence string `toml:"precedence"`
}

type expectationFile struct {
	Of         string `toml:"of"`
	From       string `toml:"from"`
	Is         string `toml:"is"`
	Within     string `toml:"within"`
	Precedence string `toml:"precedence"`
}

type passFile struct {
	OnTime  int `toml:"on_time"`
	Missing int `toml:"missing"`
}

var (
	plainName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	stepName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
)

// Read reads a script. Unknown keys are refused; the error is strict.Faults,
// each with its line.
func Read(text []byte) (*Script, error) {
	r := &reader{out: new(Script)}
	var err error
	if r.File, err = strict.Read(text, MaxFile, &r.in); err != nil {
		return nil, err
	}
	r.head()
	r.facts()
	r.steps()
	r.expectations()
	r.out.Pass = Pass(r.in.Pass)
	if p := &r.out.Pass; !r.Has("pass.on_time") {
		p.OnTime = 100
	} else if p.OnTime < 0 || p.OnTime > 100 {
		r.Fault("pass.on_time", "on_time is 0 to 100 percent")
	}
	if r.out.Pass.Missing < 0 {
		r.Fault("pass.missing", "missing is not negative")
	}
	r.out.Digest = sha256.Sum256(text)
	return r.out, r.Err()
}

// marker ends the words of every statement of an exercise: the script, and the step.
var marker = regexp.MustCompile(`\[drill ([0-9a-f]{12})/([a-z][a-z0-9-]{0,15})\]$`)

// Mark adds to the words of a statement which step of which script it is.
func (s *Script) Mark(text, step string) string {
	return strings.TrimSpace(text + " [drill " + s.Short() + "/" + step + "]")
}

// Short is the beginning of the digest, as it stands in the statements.
func (s *Script) Short() string { return hex.EncodeToString(s.Digest[:6]) }

// ReadMark finds script and step in words that Mark ended; ok is false where there are none.
func ReadMark(text string) (script, step string, ok bool) {
	m := marker.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// announced names the script in the words of its announcement.
const announced = "Script, SHA-256: "

// Announce returns the words of the announcement.
func (s *Script) Announce() string {
	return "Exercise " + s.Name + ", led by " + string(s.Lead) + ". Every statement of it bears the status EXERCISE.\n\n" +
		strings.TrimSpace(s.Scenario) + "\n\n" + announced + hex.EncodeToString(s.Digest[:])
}

// Announces reports whether the words of an announcement are of this script.
func (s *Script) Announces(text string) bool {
	return strings.HasSuffix(text, "\n"+announced+hex.EncodeToString(s.Digest[:]))
}
