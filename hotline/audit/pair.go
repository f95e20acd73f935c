package audit

import (
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// WritePair writes to outDir, which must not exist yet, the pair export of the
// full export in fullDir that shows what concerns its party and with (SPEC
// §7.6): all common entries; the entries of the pair; and of every case in
// which with appears in a scope, the entries whose scope names with or nobody
// but the own party. Every other leaf is shown as its hash. It reads the full
// export twice and holds the names of those cases in memory.
func WritePair(fullDir, outDir string, with hotline.Party) error {
	x, err := openExport(fullDir)
	if err != nil {
		return err
	}
	defer x.close()
	h := x.head
	if h.Kind != Full || !with.Valid() || with == h.Party {
		return fmt.Errorf("export: a pair export is made of a full export of %s and another party", h.Party)
	}
	cases := caseSet{}
	err = x.proven(func(e *hotline.Entry) {
		if e.Scope.Case != nil && slices.Contains(e.Scope.Parties, with) {
			cases[e.Scope.Case.Key()] = true
		}
	})
	if err != nil {
		return err
	}
	h.Kind, h.With = Pair, with
	return writePart(x, outDir, h, func(e *hotline.Entry, _ any) bool { return cases.shows(&e.Scope, h.Party, with) })
}

// caseSet holds cases by their name.
type caseSet map[string]bool

// shows is the filter of SPEC §7.6 rule 6.
func (c caseSet) shows(s *hotline.Scope, self, with hotline.Party) bool {
	switch s.Class {
	case hotline.ScopeCommon:
		return true
	case hotline.ScopePair:
		return slices.Contains(s.Parties, self) && slices.Contains(s.Parties, with)
	}
	alone := len(s.Parties) == 1 && s.Parties[0] == self
	return slices.Contains(s.Parties, with) || (alone && c[s.Case.Key()])
}
