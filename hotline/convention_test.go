package hotline_test

import (
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// parties is a list of parties to sign with.
type parties = []*hotlinetest.Party

// TestConventionNeedsEveryParty: version 1 is signed by every party and by
// nobody else; what is missing or superfluous is named.
func TestConventionNeedsEveryParty(t *testing.T) {
	w := newWorld()
	d := hotlinetest.NewParty("XD", "1")
	c := hotlinetest.Draft(hotlinetest.Terms("crisis"), w.a, w.b, w.c)
	for name, v := range map[string]struct {
		signers parties
		code    Code
		says    string
	}{
		"all":            {parties{w.a, w.b, w.c}, "", ""},
		"in other order": {parties{w.c, w.a, w.b}, "", ""},
		"one missing":    {parties{w.a, w.b}, CodeMissingAuthor, "XC"},
		"one extra":      {parties{w.a, w.b, w.c, d}, CodeExtraAuthor, "author 4"},
	} {
		_, err := ParseConvention(hotlinetest.SignConvention(nil, c, v.signers...), nil)
		wantCode(t, name, err, v.code)
		if v.says != "" && !strings.Contains(err.Error(), v.says) {
			t.Errorf("%s: %v does not name %s", name, err, v.says)
		}
	}
	h := ConventionHeader(c, ID{}, []keys.Public{w.a.Root.Public(), w.b.Root.Public(), w.c.Root.Public()}, "XA", at)
	half, err := Sign(h, MustMarshal(c), w.a.Root, w.b.Root)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ParseConvention(half, nil)
	wantCode(t, "named, but not signed", err, CodeMissingAuthor)
	h.From = "XB"
	raw, err := Sign(h, MustMarshal(c), w.a.Root, w.b.Root, w.c.Root)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ParseConvention(raw, nil)
	wantCode(t, "from another than the first author", err, CodeWrongSender)
	_, err = ParseConvention(w.a.SignDirectory(w.a.Page(1)), nil)
	wantCode(t, "a directory", err, CodeDocument)
}

// TestConventionIDIsItsContent: two conventions that differ in one term have
// different ids, and a later version keeps the id.
func TestConventionIDIsItsContent(t *testing.T) {
	w := newWorld()
	other := hotlinetest.Terms("crisis")
	other.Assess++
	if hotlinetest.Convention(other, w.a, w.b, w.c).ID == w.conv.ID {
		t.Error("another term, the same id")
	}
	second := hotlinetest.Amend(w.conv, fullConvention(w), w.a, w.b, w.c)
	if second.ID != w.conv.ID || second.Hash == w.conv.Hash || second.Hash == second.ID {
		t.Error("an amendment keeps the id and has a hash of its own")
	}
}

// TestAmendmentRules: share of the parties, whoever is added, whoever's root
// key changes, and the chain of versions (SPEC §5.1).
func TestAmendmentRules(t *testing.T) {
	w := newWorld()
	d := hotlinetest.NewParty("XD", "1")
	newB := hotlinetest.NewParty("XB", "second root")
	draft := func(members ...*hotlinetest.Party) *Convention {
		c := hotlinetest.Draft(hotlinetest.Terms("standard"), members...)
		c.Version, c.Previous, c.ValidFrom = 2, w.conv.Hash, w.conv.ValidFrom+1
		return c
	}
	three := parties{w.a, w.b, w.c}
	change := func(f func(*Convention)) *Convention { c := draft(three...); f(c); return c }
	for name, v := range map[string]struct {
		c       *Convention
		signers parties
		code    Code
	}{
		"all":                           {draft(three...), three, ""},
		"two of three":                  {draft(three...), parties{w.b, w.c}, ""},
		"one of three":                  {draft(three...), parties{w.b}, CodeMissingAuthor},
		"added party signs":             {draft(w.a, w.b, w.c, d), parties{w.a, w.b, d}, ""},
		"added party is silent":         {draft(w.a, w.b, w.c, d), three, CodeMissingAuthor},
		"added party does not count":    {draft(w.a, w.b, w.c, d), parties{w.a, d}, CodeMissingAuthor},
		"a stranger signs too":          {draft(three...), parties{w.a, w.b, d}, CodeExtraAuthor},
		"a party leaves":                {draft(w.a, w.b), parties{w.a, w.b}, ""},
		"who leaves may sign":           {draft(w.a, w.b), parties{w.a, w.c}, ""},
		"new root key signs":            {draft(w.a, newB, w.c), parties{w.a, w.c, newB}, ""},
		"new root key is silent":        {draft(w.a, newB, w.c), parties{w.a, w.c}, CodeMissingAuthor},
		"old root key for the new":      {draft(w.a, newB, w.c), three, CodeMissingAuthor},
		"new root key does not count":   {draft(w.a, newB, w.c), parties{w.a, newB}, CodeMissingAuthor},
		"old and new root key":          {draft(w.a, newB, w.c), parties{w.a, w.b, newB}, ""},
		"version left out":              {change(func(c *Convention) { c.Version = 3 }), three, CodeNeed},
		"wrong previous":                {change(func(c *Convention) { c.Previous = someID("x") }), three, CodeDocument},
		"valid before the one before":   {change(func(c *Convention) { c.ValidFrom = w.conv.ValidFrom - 1 }), three, CodeDocument},
		"valid from the same time":      {change(func(c *Convention) { c.ValidFrom = w.conv.ValidFrom }), three, ""},
		"suite that nobody knows":       {change(func(c *Convention) { c.Suite = 2 }), three, CodeDocument},
		"version 0 that follows":        {change(func(c *Convention) { c.Version = 0 }), three, CodeHeader},
		"previous zero in version 2":    {change(func(c *Convention) { c.Previous = ID{} }), three, CodeDocument},
		"questions that nobody can ask": {change(func(c *Convention) { c.Questions = []string{""} }), three, CodeDocument},
	} {
		_, err := ParseConvention(unchecked(w.conv.ID, v.c, v.signers...), w.conv)
		wantCode(t, name, err, v.code)
	}
	second := hotlinetest.Amend(w.conv, draft(three...), three...)
	for name, v := range map[string]struct {
		raw    []byte
		before *SignedConvention
		code   Code
	}{
		"old number":                  {second.Raw, second, CodeOldNumber},
		"version 2 without version 1": {second.Raw, nil, CodeNeed},
		"version 1 again":             {w.conv.Raw, second, CodeOldNumber},
		"of another convention":       {unchecked(someID("other"), draft(three...), three...), w.conv, CodeConvention},
	} {
		_, err := ParseConvention(v.raw, v.before)
		wantCode(t, name, err, v.code)
	}
}

// unchecked signs a convention whatever it says, as Sign would not.
func unchecked(id ID, c *Convention, signers ...*hotlinetest.Party) []byte {
	var roots []keys.Public
	for _, p := range signers {
		roots = append(roots, p.Root.Public())
	}
	h := ConventionHeader(c, id, roots, signers[0].Code, at)
	raw, err := Sign(h, MustMarshal(c), rootsOf(signers)...)
	if err == nil {
		return raw
	}
	return message(MustMarshal(h), MustMarshal(c), len(signers))
}

func rootsOf(list parties) (signers []keys.Signer) {
	for _, p := range list {
		signers = append(signers, p.Root)
	}
	return signers
}

// TestAmendmentShareRoundsUp: no fewer sign than the share says.
func TestAmendmentShareRoundsUp(t *testing.T) {
	for _, v := range []struct {
		share Share
		n     int
		want  int
	}{{Share{Num: 2, Den: 3}, 3, 2}, {Share{Num: 2, Den: 3}, 4, 3}, {Share{Num: 1, Den: 2}, 3, 2}, {Share{Num: 1, Den: 1}, 5, 5},
		{Share{Num: 1, Den: 200}, 2, 1}, {Share{Num: 3, Den: 4}, 193, 145}} {
		if got := v.share.Of(v.n); got != v.want {
			t.Errorf("%d/%d of %d is %d, want %d", v.share.Num, v.share.Den, v.n, got, v.want)
		}
	}
}

// TestConventionBounds: every rule about one version by itself.
func TestConventionBounds(t *testing.T) {
	w := newWorld()
	mldsa := w.a.WitnessPQ.Public()
	for name, v := range map[string]struct {
		change func(*Convention)
		code   Code
	}{
		"good":                     {func(*Convention) {}, ""},
		"version 0":                {func(c *Convention) { c.Version = 0 }, CodeDocument},
		"version 1 with previous":  {func(c *Convention) { c.Previous = someID("x") }, CodeDocument},
		"no valid-from":            {func(c *Convention) { c.ValidFrom = 0 }, CodeDocument},
		"negative overlap":         {func(c *Convention) { c.Overlap = -1 }, CodeDocument},
		"overlap of years":         {func(c *Convention) { c.Overlap = 91 * 24 * 3600 * 1000 }, CodeDocument},
		"one party":                {func(c *Convention) { c.Parties = c.Parties[:1] }, CodeDocument},
		"unsorted parties":         {func(c *Convention) { slices.Reverse(c.Parties) }, CodeDocument},
		"a party twice":            {func(c *Convention) { c.Parties[1].Party = c.Parties[0].Party }, CodeDocument},
		"one root key for two":     {func(c *Convention) { c.Parties[1].Root = c.Parties[0].Root }, CodeDocument},
		"a root key of no suite":   {func(c *Convention) { c.Parties[1].Root = mldsa }, CodeDocument},
		"no party code":            {func(c *Convention) { c.Parties[0].Party = "x" }, CodeDocument},
		"unknown reservation":      {func(c *Convention) { c.Parties[0].Reservations = []string{"everything"} }, CodeDocument},
		"reservation twice":        {func(c *Convention) { c.Parties[0].Reservations = []string{"line-test", "line-test"} }, CodeDocument},
		"share of nothing":         {func(c *Convention) { c.Amend = Share{Num: 0, Den: 3} }, CodeDocument},
		"share above all":          {func(c *Convention) { c.Amend = Share{Num: 4, Den: 3} }, CodeDocument},
		"too many witnesses":       {func(c *Convention) { c.Witnesses = 17 }, CodeDocument},
		"too many questions":       {func(c *Convention) { c.Questions = make([]string, 17) }, CodeDocument},
		"control character in it":  {func(c *Convention) { c.Name = "\x07" }, CodeMalformed},
		"hidden text in an item":   {func(c *Convention) { c.Always = []string{"\u202e"} }, CodeMalformed},
		"question of any length":   {func(c *Convention) { c.Questions = []string{strings.Repeat("a", 501)} }, CodeTooLarge},
		"deadline of no time":      {func(c *Convention) { c.Terms.Assess = 0 }, CodeDocument},
		"deadline below a second":  {func(c *Convention) { c.Terms.Acknowledge[3] = 999 }, CodeDocument},
		"deadline of years":        {func(c *Convention) { c.Terms.NonDelivery[0] = 91 * 24 * 3600 * 1000 }, CodeDocument},
		"negative deadline":        {func(c *Convention) { c.Terms.LineTest = -1 }, CodeDocument},
		"no line test":             {func(c *Convention) { c.Terms.LineTest = 0 }, ""},
		"line reply of no time":    {func(c *Convention) { c.Terms.LineReply = 0 }, CodeDocument},
		"profile of control codes": {func(c *Convention) { c.Terms.Profile = "\x1b" }, CodeMalformed},
	} {
		c := hotlinetest.Draft(hotlinetest.Terms("crisis"), w.a, w.b, w.c)
		v.change(c)
		wantCode(t, name, c.Validate(), v.code)
	}
}

// TestReservationsAreFoundByParty: what one party reserved binds nobody else.
func TestReservationsAreFoundByParty(t *testing.T) {
	w := newWorld()
	c := hotlinetest.Draft(hotlinetest.Terms("crisis"), w.a, w.b)
	c.Parties[1].Reservations = []string{ReserveLineTest}
	if c.Reserves("XA", ReserveLineTest) || !c.Reserves("XB", ReserveLineTest) || c.Reserves("XB", ReserveAutomaticAlert) || c.Reserves("XC", ReserveLineTest) {
		t.Error("reservations are mixed up")
	}
	if _, ok := Profile("none"); ok {
		t.Error("a profile that is not shipped is found")
	}
}
