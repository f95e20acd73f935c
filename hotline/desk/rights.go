package desk

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Officer is who asks, as the group's directory in force knows the key that
// the machine showed.
type Officer struct {
	Name  string // role name, XA-L3
	Roles []hotline.Role
	Key   keys.ID
}

// Has reports whether the officer has one of the roles.
func (o *Officer) Has(roles ...hotline.Role) bool {
	return slices.ContainsFunc(o.Roles, func(r hotline.Role) bool { return slices.Contains(roles, r) })
}

// MayRead reports whether the officer may read the bodies of statements. An
// auditor judges whether procedure was followed and a technician keeps the
// machines; neither needs what was said (SPEC §12).
func (o *Officer) MayRead() bool {
	return o.Has(hotline.Operator, hotline.Releaser, hotline.Liaison, hotline.Authority)
}

// right is one line of the table of SPEC §12: one thing to ask, and who may.
type right struct {
	name   string
	asked  func(*Request) bool
	roles  []hotline.Role
	stream bool // more than one reply
}

// everybody leaves out reporters: they hand in hits and learn nothing.
var everybody = slices.DeleteFunc(slices.Clone(hotline.Roles), func(r hotline.Role) bool { return r == hotline.Reporter })

// drafting are those who may be one of two authors.
var drafting = []hotline.Role{hotline.Operator, hotline.Releaser, hotline.Liaison, hotline.Authority}

// rights is the whole table. What a statement may say and who may sign it is
// not decided here: that stands in the rules of its kind and in the ledger.
var rights = []right{
	{"status", func(r *Request) bool { return r.Status != nil }, everybody, false},
	{"documents", func(r *Request) bool { return r.Documents != nil }, everybody, true},
	{"publish", func(r *Request) bool { return r.Publish != nil }, []hotline.Role{hotline.Authority, hotline.Technician}, false},
	{"submit", func(r *Request) bool { return r.Submit != nil },
		[]hotline.Role{hotline.Operator, hotline.Releaser, hotline.Liaison, hotline.Authority, hotline.Technician}, false},
	{"draft", func(r *Request) bool { return r.Draft != nil }, drafting, false},
	{"drafts", func(r *Request) bool { return r.Drafts != nil }, drafting, true},
	{"hits", func(r *Request) bool { return r.Hits != nil }, []hotline.Role{hotline.Operator, hotline.Technician, hotline.Reporter}, false},
	{"triage", func(r *Request) bool { return r.Triage != nil }, []hotline.Role{hotline.Operator, hotline.Releaser, hotline.Authority}, true},
	{"dismiss", func(r *Request) bool { return r.Dismiss != nil }, []hotline.Role{hotline.Operator}, false},
	{"inbox", func(r *Request) bool { return r.Inbox != nil }, everybody, false},
	{"show", func(r *Request) bool { return r.Show != nil }, everybody, false},
	{"watch", func(r *Request) bool { return r.Watch != nil }, everybody, true},
	{"export", func(r *Request) bool { return r.Export != nil }, []hotline.Role{hotline.Authority, hotline.Auditor, hotline.Technician}, true},
	{"ladder", func(r *Request) bool { return r.Ladder != nil }, everybody, false},
	{"proof", func(r *Request) bool { return r.Proof != nil }, everybody, false},
	{"backup", func(r *Request) bool { return r.Backup != nil }, []hotline.Role{hotline.Authority, hotline.Technician}, true},
}

// rightOf finds what is asked. Exactly one thing must be.
func rightOf(r *Request) (*right, error) {
	var found *right
	for i := range rights {
		if !rights[i].asked(r) {
			continue
		}
		if found != nil {
			return nil, hotline.Refuse(hotline.CodeMalformed, "one request asks for %s and %s", found.name, rights[i].name)
		}
		found = &rights[i]
	}
	if found == nil {
		return nil, hotline.Refuse(hotline.CodeMalformed, "the request asks for nothing")
	}
	return found, nil
}

// allow judges who asks. The refusal carries CodeDenied.
func (r *right) allow(who *Officer) error {
	if who.Has(r.roles...) {
		return nil
	}
	return hotline.Refuse(hotline.CodeDenied, "%s is for %v; %s has %v", r.name, r.roles, who.Name, who.Roles)
}

// redact takes out of a reply what the officer may not read, whatever the Host
// put there.
func redact(who *Officer, r *Reply) *Reply {
	if who.MayRead() || (r.Show == nil && r.Draft == nil) {
		return r
	}
	out := *r
	if r.Show != nil {
		show := *r.Show
		show.Body, show.Blind = nil, nil
		show.Unreadable = "bodies are not for " + who.Name
		out.Show = &show
	}
	if r.Draft != nil {
		draft := *r.Draft
		draft.Body, draft.Blind = nil, nil
		out.Draft = &draft
	}
	return &out
}
