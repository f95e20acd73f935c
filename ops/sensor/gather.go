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

// event is one packet with every rule that matched it.
type event struct {
	observation
	lines      int
	signatures []string
	lists      []string
}

// groupID is what the events of one attack have in common.
type groupID struct {
	sensor, family, protocol string
	from                     netip.Addr
	direction                hotline.HitDirection
	evidence                 hotline.HitEvidence
	// named separates roles that the sensor gave from those that it left open; known separates destinations whose network can
	// be looked up from the others, so that one private address does not cloud a clear sweep.
	named, known bool
}

// aggregate is a hit that still grows.
type aggregate struct {
	hit     hotline.Hit
	anchor  time.Time
	to      map[netip.Addr]struct{}
	ports   map[uint16]struct{}
	remarks remark
}

// gatherer turns observations into hits in two steps: lines of one packet into an event, events of one attack into a hit.
type gatherer struct {
	territory *Prefixes
	opt       *Options
	pending   map[packetID]*event
	queue     []packetID
	open      map[groupID]*aggregate
	all       []*aggregate
	spare     int
	refused   int
}

func newGatherer(territory *Prefixes, opt *Options) *gatherer {
	return &gatherer{
		territory: territory, opt: opt, spare: maxDistinct,
		pending: make(map[packetID]*event), open: make(map[groupID]*aggregate),
	}
}

// observe takes one alert line. If its packet is waiting, the line joins it.
func (g *gatherer) observe(o *observation) {
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
	e.lines++
	if o.listed {
		e.lists = appendNew(e.lists, o.signature, hotline.MaxHitSignatures)
	} else {
		e.signatures = appendNew(e.signatures, o.signature, hotline.MaxHitSignatures)
	}
}

// join merges a further line of the same packet. A rule that names the roles beats one that does not, whichever came first;
// a rule about behaviour beats a list.
func (e *event) join(o *observation) {
	e.remarks |= o.remarks &^ remarkRoles
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
	}
}

// settle closes the packet id and adds it to the hit that it belongs to.
func (g *gatherer) settle(id packetID) {
	e := g.pending[id]
	delete(g.pending, id)
	group := g.classify(e)
	a := g.open[group]
	if a == nil || !within(a.anchor, e.at, g.opt.Window) {
		if len(g.all) == g.opt.MaxHits {
			g.refused += e.lines
			return
		}
		a = newAggregate(group, e)
		g.open[group] = a
		g.all = append(g.all, a)
	}
	g.add(a, e)
}

// within reports whether at belongs to a hit whose first line was at anchor. Lines may be a little out of order, so the window
// reaches both ways. It is counted from the first event and does not slide: an attack that lasts a day rings each hour.
func within(anchor, at time.Time, window time.Duration) bool {
	return at.Sub(anchor).Abs() <= window
}

// classify says what kind of event e is and notes what limits that.
func (g *gatherer) classify(e *event) groupID {
	id := groupID{
		sensor: e.sensor, family: e.family, protocol: e.protocol, from: e.from,
		named: e.named, evidence: hotline.HitObserved,
	}
	switch {
	case e.listed:
		id.evidence, id.family = hotline.HitListed, "listed"
		e.remarks |= remarkListed
	case len(e.lists) > 0:
		e.remarks |= remarkAlsoListed
	}
	from, to := g.side(e.from), g.side(e.to)
	id.known = isPublic(e.to) || to == sideInside
	id.direction = direction(from, to)
	if g.territory.Len() == 0 {
		e.remarks |= remarkNoTerritory
	}
	if from == sideUnknown && !isPublic(e.from) {
		e.remarks |= remarkPrivateFrom
	}
	if to == sideUnknown && !isPublic(e.to) {
		e.remarks |= remarkPrivateTo
	}
	return id
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

func newAggregate(id groupID, e *event) *aggregate {
	at := e.at.UnixMilli()
	return &aggregate{
		anchor: e.at,
		to:     make(map[netip.Addr]struct{}),
		ports:  make(map[uint16]struct{}),
		hit: hotline.Hit{
			Key: id.key(at), Source: SourceSuricata, Sensor: id.sensor, First: at, Last: at,
			Direction: id.direction, RolesConfirmed: id.named, From: []string{id.from.String()}, FromTotal: 1,
			Protocol: id.protocol, Evidence: id.evidence, DestinationKnown: id.known,
		},
	}
}

// key is the SHA-256 of the group and the time of its first event, each part led by its length.
func (id groupID) key(first int64) string {
	h := sha256.New()
	for _, part := range []string{"hotline/hit/1", SourceSuricata, id.sensor, id.family, id.protocol, id.from.String()} {
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
	for _, number := range []uint64{uint64(id.direction), uint64(id.evidence), flags, uint64(first)} {
		h.Write(binary.BigEndian.AppendUint64(nil, number))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// add counts e in a.
func (g *gatherer) add(a *aggregate, e *event) {
	h, at := &a.hit, e.at.UnixMilli()
	h.First, h.Last = min(h.First, at), max(h.Last, at)
	h.Count++
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
	h.To = appendNew(h.To, e.to.String(), hotline.MaxHitAddresses)
	a.remarks |= e.remarks
	if !distinguish(a.to, e.to, &g.spare) {
		a.remarks |= remarkInexact
	}
	if e.port != 0 && !distinguish(a.ports, e.port, &g.spare) {
		a.remarks |= remarkInexact
	}
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

// finish settles what still waits and returns the hits by the time of their first event.
func (g *gatherer) finish() []hotline.Hit {
	for _, id := range g.queue {
		g.settle(id)
	}
	g.queue = nil
	hits := make([]hotline.Hit, 0, len(g.all))
	for _, a := range g.all {
		hits = append(hits, a.close())
	}
	slices.SortStableFunc(hits, func(a, b hotline.Hit) int { return cmp.Compare(a.First, b.First) })
	return hits
}

// close writes totals and notes.
func (a *aggregate) close() hotline.Hit {
	h := a.hit
	h.ToTotal = max(uint(len(a.to)), uint(len(h.To)))
	h.PortTotal = uint(len(a.ports))
	if len(a.ports) == 1 && a.remarks&remarkInexact == 0 {
		for port := range a.ports {
			h.Port = port
		}
	}
	for _, r := range remarkTexts {
		if a.remarks&r.flag != 0 {
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
