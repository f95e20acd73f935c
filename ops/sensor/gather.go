package sensor

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"example.org/hotline/hotline"
)

const (
	// maxPending bounds the packets that wait for further lines of their own. Suricata writes the alerts of one packet
	// together; several threads can put other lines between them.
	maxPending = 4096
	// maxDistinct bounds the addresses and ports that all hits of one reading together tell apart, and so the memory: about
	// 64 bytes each.
	maxDistinct = 1 << 20
)

// packetID names one packet: "same flow, same time" where the sensor numbers flows, and the packet's ends where it does not.
type packetID struct {
	sensor           string
	flow             uint64
	at               int64
	from, to         netip.Addr
	fromPort, toPort uint16
}

func (o *observation) packet() packetID {
	id := packetID{sensor: o.sensor, flow: o.flow, at: o.at.UnixNano()}
	if o.flow == 0 {
		id.from, id.to, id.fromPort, id.toPort = o.sender, o.addressee, o.fromPort, o.destPort
	}
	return id
}

// event is one packet with every rule that matched it, one report, or one flow record.
type event struct {
	observation
	lines      int
	signatures []string
	lists      []string
}

// groupID is what the events of one attack have in common. Of reflectors the victim stands here and not the source: each of them
// sent one answer.
type groupID struct {
	sensor, family, protocol string
	from, dest               netip.Addr
	port                     uint16
	direction                hotline.HitDirection
	evidence                 hotline.HitEvidence
	nature                   hotline.HitNature
	measure                  measure
	// named separates roles that the sensor gave from those that it left open; known separates destinations whose network can
	// be looked up from the others, so that one private address does not cloud a clear sweep.
	named, known bool
}

// aggregate is a hit that still grows.
type aggregate struct {
	id      groupID
	hit     hotline.Hit
	anchor  time.Time
	lines   int
	from    map[netip.Addr]struct{}
	to      map[netip.Addr]struct{}
	ports   map[uint16]struct{}
	hints   map[netip.Addr]string // countries as the feed says
	remarks remark

	// What follows is for a feed that is followed.
	base    [3]uint   // totals of from, to and ports before a restart: lower bounds
	dirty   bool      // has grown since it was last told
	told    bool      // was told before
	toldAt  time.Time // when
	touched time.Time // when it last grew, by the reader's clock
}

// gatherer turns observations into hits in two steps: lines of one packet into an event, events of one attack into a hit.
type gatherer struct {
	source    string
	territory *Prefixes
	opt       *Options
	pending   map[packetID]*event
	queue     []packetID
	open      map[opening]*aggregate
	all       []*aggregate
	spare     int
	refused   int
	follow    bool      // the feed goes on; makeRoom ends hits rather than leave out new ones
	now       time.Time // of the reader, in a feed that is followed
	evicted   []*aggregate
}

func newGatherer(source string, territory *Prefixes, opt *Options) *gatherer {
	return &gatherer{
		source: source, territory: territory, opt: opt, spare: maxDistinct,
		pending: make(map[packetID]*event), open: make(map[opening]*aggregate),
	}
}

// observe takes one observation. If its packet is waiting, it joins it. Only Suricata writes several lines for one packet.
func (g *gatherer) observe(o *observation) {
	if g.source != SourceSuricata {
		e := &event{observation: *o}
		e.take(o)
		g.count(e)
		return
	}
	id := o.packet()
	e, waiting := g.pending[id]
	if !waiting {
		if len(g.queue) == maxPending {
			g.settle(g.queue[0])
			g.queue = g.queue[1:]
		}
		e = &event{observation: *o}
		g.pending[id] = e
		g.queue = append(g.queue, id)
	} else {
		e.join(o)
	}
	e.take(o)
}

func (e *event) take(o *observation) {
	e.lines++
	if o.listed {
		e.lists = appendNew(e.lists, o.signature, hotline.MaxHitSignatures)
	} else {
		e.signatures = appendNew(e.signatures, o.signature, hotline.MaxHitSignatures)
	}
}

// join merges a further line of the same packet. A rule that names the roles beats one that does not, whichever came first;
// a rule about behaviour beats a list; and one that sees an attack beats one that sees none.
func (e *event) join(o *observation) {
	e.remarks |= o.remarks &^ (remarkRoles | natureRemarks[o.nature])
	switch {
	case e.remarks&remarkOpposed != 0:
	case o.named && !e.named:
		e.from, e.to, e.port, e.named = o.from, o.to, o.port, true
		e.remarks &^= remarkRoles
	case o.named && (o.from != e.from || o.to != e.to):
		e.from, e.to, e.port, e.named = e.sender, e.addressee, e.destPort, false
		e.remarks |= remarkOpposed | remarkRoles
	}
	if e.listed && !o.listed {
		e.family, e.listed = o.family, false
		e.become(o.nature)
	} else if o.listed == e.listed && o.nature == hotline.HitAttack {
		e.become(o.nature)
	}
}

func (e *event) become(n hotline.HitNature) {
	e.remarks = e.remarks&^natureRemarks[e.nature] | natureRemarks[n]
	e.nature = n
}

// settle closes the packet id and counts it.
func (g *gatherer) settle(id packetID) {
	e := g.pending[id]
	delete(g.pending, id)
	g.count(e)
}

// count adds an event to the hit that it belongs to.
func (g *gatherer) count(e *event) {
	group := g.classify(e)
	a := g.find(group, e.at)
	if a == nil {
		if len(g.all) >= g.opt.MaxHits && !g.makeRoom() {
			g.refused += e.lines
			return
		}
		a = g.newAggregate(group, e)
		g.enter(a)
	}
	g.add(a, e)
}

// opening is where a hit is found by the time of its first event. Of one group no two lie in one window's length: the second event
// would have joined the first one's hit.
type opening struct {
	groupID
	window int64 // lengths of a window since 1970
}

func (g *gatherer) opening(id groupID, at time.Time) opening {
	return opening{id, at.UnixMilli() / g.opt.Window.Milliseconds()}
}

// find returns the hit of a group to which an event of that time belongs; nil if there is none yet. There may be several hits of one
// group: whoever reports what happened on two days may do so by turns.
func (g *gatherer) find(id groupID, at time.Time) *aggregate {
	o := g.opening(id, at)
	for _, window := range []int64{o.window, o.window - 1, o.window + 1} {
		o.window = window
		if a := g.open[o]; a != nil && within(a.anchor, at, g.opt.Window) {
			return a
		}
	}
	return nil
}

func (g *gatherer) enter(a *aggregate) {
	g.open[g.opening(a.id, a.anchor)] = a
	g.all = append(g.all, a)
}

// within reports whether at belongs to a hit whose first line was at anchor. Lines may be a little out of order, so the window
// reaches both ways. It is counted from the first event and does not slide: an attack that lasts a day rings each hour.
func within(anchor, at time.Time, window time.Duration) bool {
	return at.Sub(anchor).Abs() <= window
}

// classify says what kind of event e is and notes what limits that.
func (g *gatherer) classify(e *event) groupID {
	id := groupID{
		sensor: e.sensor, protocol: e.protocol, from: e.from, named: e.named, evidence: hotline.HitObserved,
		nature: e.nature, measure: e.measure,
	}
	if e.nature == hotline.HitReflector {
		id.from, id.dest = netip.Addr{}, e.to
	}
	for _, key := range g.opt.Merge {
		switch key {
		case MergeFamily:
			id.family = e.family
		case MergePort:
			id.port = e.port
		case MergeDestination:
			id.dest = e.to
		}
	}
	switch {
	case e.listed:
		id.evidence = hotline.HitListed
		if id.family != "" {
			id.family = "listed"
		}
		e.remarks |= remarkListed
	case len(e.lists) > 0:
		e.remarks |= remarkAlsoListed
	}
	g.locate(e, &id)
	return id
}

// locate judges on which sides the two ends lie.
func (g *gatherer) locate(e *event, id *groupID) {
	from, to := g.side(e.from), g.side(e.to)
	id.known = e.to.IsValid() && (isPublic(e.to) || to == sideInside)
	id.direction = direction(from, to)
	switch {
	case e.nature == hotline.HitExposure && from == sideInside:
		id.direction = hotline.HitInternal // nothing went anywhere
	case !e.to.IsValid() && from == sideOutside:
		id.direction = hotline.HitForeign
	}
	if g.territory.Len() == 0 {
		e.remarks |= remarkNoTerritory
	}
	if from == sideUnknown && !isPublic(e.from) {
		e.remarks |= remarkPrivateFrom
	}
	switch {
	case !e.to.IsValid():
		e.remarks |= remarkNobody
	case to == sideUnknown && !isPublic(e.to):
		e.remarks |= remarkPrivateTo
	}
}

// side is where an address lies as far as the party can tell.
type side int

const (
	sideUnknown side = iota
	sideInside
	sideOutside
)

// side judges one address: by the prefixes first; a private address outside them by the declared place of the sensor.
func (g *gatherer) side(addr netip.Addr) side {
	switch {
	case !addr.IsValid():
		return sideUnknown
	case g.territory.Contains(addr):
		return sideInside
	case isPublic(addr) && g.territory.Len() == 0:
		return sideUnknown
	case isPublic(addr) || g.opt.Place == PlaceOutside:
		return sideOutside
	case g.opt.Place == PlaceInside:
		return sideInside
	}
	return sideUnknown
}

// direction combines two sides. What comes from inside and cannot be shown to stay there counts as outbound: a warning that
// an officer judges needless costs less than one that is never considered.
func direction(from, to side) hotline.HitDirection {
	switch {
	case from == sideInside && to == sideInside:
		return hotline.HitInternal
	case from == sideInside:
		return hotline.HitOutbound
	case from == sideOutside && to == sideInside:
		return hotline.HitInbound
	case from == sideOutside && to == sideOutside:
		return hotline.HitForeign
	}
	return hotline.HitUnconfirmed
}

func (g *gatherer) newAggregate(id groupID, e *event) *aggregate {
	at := e.at.UnixMilli()
	return &aggregate{
		id: id, anchor: e.at,
		from: make(map[netip.Addr]struct{}), to: make(map[netip.Addr]struct{}), ports: make(map[uint16]struct{}),
		hit: hotline.Hit{
			Key: id.key(g.source, at), Source: g.source, Sensor: id.sensor, First: at, Last: at, Nature: id.nature,
			Direction: id.direction, RolesConfirmed: id.named, Protocol: id.protocol, Evidence: id.evidence, DestinationKnown: id.known,
			Territory: g.territory.Digest(), To: []string{},
		},
	}
}

// key is the SHA-256 of the group and the time of its first event, each part led by its length.
func (id groupID) key(source string, first int64) string {
	h := sha256.New()
	for _, part := range []string{"hotline/hit/1", source, id.sensor, id.family, id.protocol, id.from.String(), id.dest.String()} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	var flags uint64
	if id.named {
		flags |= 1
	}
	if id.known {
		flags |= 2
	}
	for _, number := range []uint64{uint64(id.direction), uint64(id.evidence), uint64(id.nature), uint64(id.measure), uint64(id.port), flags, uint64(first)} {
		h.Write(binary.BigEndian.AppendUint64(nil, number))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// add counts e in a.
func (g *gatherer) add(a *aggregate, e *event) {
	h, at := &a.hit, e.at.UnixMilli()
	h.First, h.Last = min(h.First, at), max(h.Last, at)
	h.Count++
	a.lines += e.lines
	a.dirty, a.touched = true, g.now
	signatures := e.signatures
	if e.listed {
		signatures = e.lists
	}
	for _, text := range signatures {
		h.Signatures = appendNew(h.Signatures, text, hotline.MaxHitSignatures)
	}
	if e.flow != 0 {
		h.Flows = appendNew(h.Flows, e.flow, hotline.MaxHitFlows)
	}
	a.remarks |= e.remarks
	h.From = g.show(a, h.From, a.from, e.from, e.hint[0])
	if e.to.IsValid() {
		h.To = g.show(a, h.To, a.to, e.to, e.hint[1])
	}
	if e.port != 0 && !distinguish(a.ports, e.port, &g.spare) {
		a.remarks |= remarkInexact
	}
}

// show counts an address at one end of a hit, and shows it if there is room.
func (g *gatherer) show(a *aggregate, list []string, set map[netip.Addr]struct{}, addr netip.Addr, hint string) []string {
	if _, known := set[addr]; known {
		return list
	}
	if !distinguish(set, addr, &g.spare) {
		a.remarks |= remarkInexact
	}
	if len(list) >= hotline.MaxHitAddresses {
		return list
	}
	if hint != "" {
		if a.hints == nil {
			a.hints = make(map[netip.Addr]string)
		}
		a.hints[addr] = hint
	}
	return appendNew(list, addr.String(), hotline.MaxHitAddresses)
}

// distinguish adds value to set, and reports false if a bound forbids it to tell one more value apart.
func distinguish[T comparable](set map[T]struct{}, value T, spare *int) bool {
	if _, known := set[value]; known {
		return true
	}
	if len(set) == hotline.MaxHitTotal || (*spare <= 0 && len(set) > 0) {
		return false
	}
	set[value] = struct{}{}
	*spare--
	return true
}

// flush settles every packet that still waits for lines of its own.
func (g *gatherer) flush() {
	for _, id := range g.queue {
		g.settle(id)
	}
	g.queue = g.queue[:0]
}

// finish settles what still waits and returns the hits by the time of their first event, and how many lines came to none.
func (g *gatherer) finish() (hits []hotline.Hit, below int) {
	g.flush()
	hits = make([]hotline.Hit, 0, len(g.all))
	for _, a := range g.all {
		if !a.reached(g.opt) {
			below += a.lines
			continue
		}
		hits = append(hits, g.close(a))
	}
	slices.SortStableFunc(hits, func(a, b hotline.Hit) int { return cmp.Compare(a.First, b.First) })
	return hits, below
}

// reached reports whether there are enough events for a hit.
func (a *aggregate) reached(opt *Options) bool {
	switch a.id.measure {
	case measureTargets:
		return a.total(1) >= uint(opt.Sweep)
	case measureSources:
		return a.total(0) >= uint(opt.Reflectors)
	}
	return a.hit.Count >= uint64(opt.Threshold)
}

// total is the number of sources (0), targets (1) or ports (2), as far as it is known.
func (a *aggregate) total(i int) uint {
	return max(a.base[i], []uint{uint(len(a.from)), uint(len(a.to)), uint(len(a.ports))}[i])
}

// close writes totals, hints and notes.
func (g *gatherer) close(a *aggregate) hotline.Hit {
	h := a.hit
	h.From, h.To, h.Signatures, h.Flows = slices.Clone(h.From), slices.Clone(h.To), slices.Clone(h.Signatures), slices.Clone(h.Flows)
	h.FromTotal, h.ToTotal, h.PortTotal = max(a.total(0), uint(len(h.From))), max(a.total(1), uint(len(h.To))), a.total(2)
	if h.Port = 0; h.PortTotal == 1 && len(a.ports) == 1 && a.remarks&remarkInexact == 0 {
		for port := range a.ports {
			h.Port = port
		}
	}
	h.Hint = g.opt.Countries.hint(&h, a.hints)
	for _, r := range remarkTexts {
		if a.remarks&r.flag != 0 && len(h.Notes) < hotline.MaxHitNotes {
			h.Notes = append(h.Notes, r.text)
		}
	}
	return h
}

// appendNew appends value if it is new and the list is below its bound.
func appendNew[T comparable](list []T, value T, bound int) []T {
	if len(list) >= bound || slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}
