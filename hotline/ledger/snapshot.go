package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// A snapshot holds the open state, the size and the edge of the tree; never
// history (SPEC §7.4). It passes between nodes of one party only, which trust
// each other; its form is private to this version of the program and bounded
// by the bounds of what it holds.
type snapshot struct {
	Version     uint64
	Self        hotline.Party
	Generation  uint64
	Convention  hotline.ID
	Rules       uint64
	Tree        tlog.Frontier
	Time        hotline.Time
	Backed      hotline.Time
	Voters      []string
	Conventions [][]byte
	Directories [][]byte
	Ladder      *hotline.Ladder
	Pairs       []pairImage
	Cases       []caseImage
	Recent      []recent
	Asks        []*Ask
	Settling    []settling
	Pagings     []*paging
	Posts       []Post
	House       house
	Working     Working
	Witnessed   []Cosigned
	WitnessedAt hotline.Time
	Weighty     uint64
	Anchored    hotline.Time // absent in what an earlier program wrote: its logs hold no anchor
	Vacated     uint64       // likewise: what is for nobody ends with the next command
	Passed      hotline.Time // likewise
}

type pairImage struct {
	Pair
	Above []uint64
	Out   []*Sent
	Seen  []recent
	Done  []recent
}

type caseImage struct{ Case }

const snapshotVersion = 3

var (
	snapEncoder, _ = cbor.EncOptions{Sort: cbor.SortBytewiseLexical, NilContainers: cbor.NilContainerAsEmpty}.EncMode()
	snapDecoder, _ = cbor.DecOptions{MaxArrayElements: 1 << 24, MaxMapPairs: 1 << 24, MaxNestedLevels: 32,
		DupMapKey: cbor.DupMapKeyEnforcedAPF, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField}.DecMode()
	snapLenient, _ = cbor.DecOptions{MaxArrayElements: 1 << 24, MaxMapPairs: 1 << 24, MaxNestedLevels: 32,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive}.DecMode()
)

// Snapshot captures the state. The result shares nothing with it.
func (s *State) Snapshot() ([]byte, error) {
	im := snapshot{
		Version: snapshotVersion, Self: s.self, Generation: s.generation, Convention: s.convention, Rules: s.rules,
		Time: s.time, Backed: s.backed, Voters: s.voters, Ladder: s.ladder, Recent: s.recent.queue,
		Settling: s.settling, Posts: s.posts, House: s.house, Working: s.working,
		WitnessedAt: s.witnessedAt, Weighty: s.weighty, Anchored: s.anchored, Vacated: s.vacated, Passed: s.passed,
	}
	for _, p := range sortedKeys(s.witnessed) {
		im.Witnessed = append(im.Witnessed, s.witnessed[p])
	}
	if s.tree != nil {
		im.Tree = *s.tree
	}
	for _, c := range s.conventions {
		im.Conventions = append(im.Conventions, c.Raw)
	}
	for _, p := range sortedKeys(s.directories) {
		for _, d := range s.directories[p] {
			im.Directories = append(im.Directories, d.Raw)
		}
	}
	for _, p := range sortedKeys(s.pairs) {
		im.Pairs = append(im.Pairs, imageOf(s.pairs[p]))
	}
	for _, k := range sortedKeys(s.cases) {
		im.Cases = append(im.Cases, caseImage{*s.cases[k]})
	}
	for _, a := range s.asks {
		im.Asks = append(im.Asks, a)
	}
	slices.SortFunc(im.Asks, func(a, b *Ask) int {
		if a.Cause != b.Cause {
			return int(a.Cause) - int(b.Cause)
		}
		return int(a.Kind) - int(b.Kind)
	})
	for _, i := range sortedKeys(s.pagings) {
		im.Pagings = append(im.Pagings, s.pagings[i])
	}
	return snapEncoder.Marshal(im)
}

func imageOf(p *Pair) pairImage {
	im := pairImage{Pair: *p, Above: sortedKeys(p.In.Above), Seen: p.Seen.queue, Done: p.Done.queue}
	for _, o := range p.Sent {
		im.Out = append(im.Out, o)
	}
	slices.SortFunc(im.Out, func(a, b *Sent) int { return int(a.Sequence) - int(b.Sequence) })
	im.Pair.Sent, im.In.Above = nil, nil
	return im
}

func sortedKeys[K ~string | ~uint64, V any](m map[K]V) []K {
	list := make([]K, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// RestoreState rebuilds a state from a snapshot. Documents are parsed and
// verified again; an error means that the snapshot is damaged and the process
// must not go on with it.
func RestoreState(b []byte) (*State, error) {
	// The version first, by itself: what another version holds has other types.
	var head struct{ Version uint64 }
	if err := snapLenient.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if head.Version != snapshotVersion {
		return nil, fmt.Errorf("snapshot version %d, this program reads %d: use the version that wrote it", head.Version, snapshotVersion)
	}
	var im snapshot
	if err := snapDecoder.Unmarshal(b, &im); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if err := im.Tree.Validate(); err != nil {
		return nil, fmt.Errorf("snapshot: tree: %w", err)
	}
	s := New()
	s.self, s.generation, s.convention, s.rules = im.Self, im.Generation, im.Convention, im.Rules
	s.tree, s.size, s.time, s.backed = &im.Tree, im.Tree.Size, im.Time, im.Backed
	s.voters, s.ladder, s.settling, s.posts, s.house, s.working = im.Voters, im.Ladder, im.Settling, im.Posts, im.House, im.Working
	s.witnessedAt, s.weighty, s.anchored, s.vacated, s.passed = im.WitnessedAt, im.Weighty, im.Anchored, im.Vacated, im.Passed
	for _, c := range im.Witnessed {
		s.witnessed[c.Party] = c
	}
	for _, p := range im.Pagings {
		s.pagings[p.Page.Index] = p
	}
	for _, e := range im.Recent {
		s.recent.add(e.ID, e.Index, 0, e.Until)
	}
	if err := s.restoreDocuments(&im); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	for i := range im.Pairs {
		s.restorePair(&im.Pairs[i])
	}
	for i := range im.Cases {
		c := im.Cases[i].Case
		s.keepCase(&c)
		for _, d := range c.Duties {
			s.watch(d, c.owner().key)
		}
	}
	for _, d := range s.house.Duties {
		s.watch(d, s.house.owner().key)
	}
	slices.SortStableFunc(im.Asks, func(a, b *Ask) int { return cmp.Compare(a.Until, b.Until) })
	for _, a := range im.Asks {
		key := askKey{a.Cause, a.Kind}
		s.keepAsk(a)
		if a.Until != 0 {
			s.answered = append(s.answered, key)
		}
	}
	return s, nil
}

func (s *State) restorePair(im *pairImage) {
	p := im.Pair
	p.Sent, p.In.Above, p.Seen, p.Done = map[hotline.ID]*Sent{}, map[uint64]bool{}, newRecents(), newRecents()
	for _, n := range im.Above {
		p.In.Above[n] = true
	}
	for _, o := range im.Out {
		p.Sent[o.ID] = o
	}
	for _, e := range im.Seen {
		p.Seen.add(e.ID, e.Index, 0, e.Until)
	}
	for _, e := range im.Done {
		p.Done.add(e.ID, e.Index, 0, e.Until)
	}
	s.pairs[p.Peer] = &p
	for _, d := range p.Duties {
		s.watch(d, p.owner().key)
	}
}

func (s *State) restoreDocuments(im *snapshot) error {
	var before *hotline.SignedConvention
	for i, raw := range im.Conventions {
		c, err := hotline.ParseConvention(raw, before)
		if err != nil {
			return fmt.Errorf("convention version %d: %w", i+1, err)
		}
		s.conventions, before = append(s.conventions, c), c
		for _, m := range c.Parties {
			s.keyof[m.Root.ID()] = hotline.KeyUse{Party: m.Party, Place: "root key"}
		}
	}
	for _, raw := range im.Directories {
		var d *hotline.SignedDirectory
		var err error
		// A directory was verified under the convention of its time.
		for i := len(s.conventions) - 1; i >= 0; i-- {
			if d, err = hotline.RereadDirectory(raw, s.conventions[i]); err == nil {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		if d != nil {
			s.file(d)
		}
	}
	return nil
}
