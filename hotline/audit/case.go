package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.org/hotline/hotline"
)

// WriteCase writes to outDir, which must not exist yet, the case export of the
// export in dir that shows the case id (SPEC §7.6): all common entries, all of
// the case, and the rejects of its statements that stand outside of it. What the
// export in dir hides stays hidden; one of another case is refused. It reads that
// export twice and holds the ids of the case's statements in memory.
func WriteCase(dir, outDir string, id hotline.CaseID) error { return writeCase(dir, outDir, id, true) }

// writeCase is WriteCase; unless it must show something of the case, what is
// common will do.
func writeCase(dir, outDir string, id hotline.CaseID, must bool) error {
	x, err := openExport(dir)
	if err != nil {
		return err
	}
	defer x.close()
	found := false
	err = x.proven(func(e *hotline.Entry) { found = found || e.Scope.Case != nil && *e.Scope.Case == id })
	switch {
	case err != nil:
		return err
	case must && !found || x.head.Case != "" && x.head.Case != id.Key():
		return fmt.Errorf("export: %s shows nothing of case %s: name a case that stands in it", dir, id)
	}
	h := x.head
	h.Kind, h.Case = Case, id.Key()
	return writePart(x, outDir, h, ofCase(id))
}

// ofCase is the filter of SPEC §7.6 rule 8.
func ofCase(id hotline.CaseID) filter {
	said := map[hotline.ID]bool{} // the statements of the case
	return func(e *hotline.Entry, content any) bool {
		switch s := &e.Scope; {
		case s.Class == hotline.ScopeCommon:
			return true
		case s.Case != nil && *s.Case == id:
			if st := statementOf(content); st != nil {
				said[st.ID] = true
			}
			return true
		}
		st := statementOf(content)
		return st != nil && st.Header.Kind == hotline.KindReject && said[*st.Header.Re]
	}
}

// statementOf is the statement in a sent or received entry; nil: there is none.
func statementOf(content any) *hotline.Statement {
	var raw []byte
	switch x := content.(type) {
	case *hotline.Sent:
		raw = x.Statement
	case *hotline.Received:
		raw = x.Statement
	default:
		return nil
	}
	st, err := hotline.Parse(raw)
	if err != nil {
		return nil
	}
	return st
}

// parseCase reads the whole name of a case: PARTY/ID, the id in 64 lower-case
// hexadecimal digits.
func parseCase(s string) (id hotline.CaseID, err error) {
	party, digits, ok := strings.Cut(s, "/")
	id.Party = hotline.Party(party)
	if id.ID, err = ParseID(digits); err != nil || !ok || !id.Party.Valid() || id.ID.IsZero() {
		return id, errors.New("a case is PARTY/ID with 64 lower-case hexadecimal digits")
	}
	return id, nil
}

// FindCase finds the one case in the exports in dirs whose name begins so: the
// id of the statement that opened it, or PARTY/ID, with at least
// hotline.MinIDDigits digits of the id. It reads each export once.
func FindCase(dirs []string, name string) (hotline.CaseID, error) {
	party, digits, ok := strings.Cut(name, "/")
	if !ok {
		party, digits = "", name
	}
	if len(digits) < hotline.MinIDDigits || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return hotline.CaseID{}, fmt.Errorf("%q is no case: write PARTY/ID, or the id, with at least %d lower-case hexadecimal digits of it", name, hotline.MinIDDigits)
	}
	var found []hotline.CaseID
	for _, dir := range dirs {
		x, err := openExport(dir)
		if err != nil {
			return hotline.CaseID{}, err
		}
		err = x.proven(func(e *hotline.Entry) {
			if c := e.Scope.Case; c != nil && strings.HasPrefix(c.ID.String(), digits) && (party == "" || string(c.Party) == party) &&
				len(found) < 2 && !slices.Contains(found, *c) {
				found = append(found, *c)
			}
		})
		x.close()
		if err != nil {
			return hotline.CaseID{}, err
		}
	}
	switch len(found) {
	case 0:
		return hotline.CaseID{}, fmt.Errorf("no case in these exports is called %s: see the chronology of hotline-audit replay", name)
	case 1:
		return found[0], nil
	}
	return hotline.CaseID{}, fmt.Errorf("several cases begin with %s: give more digits", name)
}

// caseKey is the whole name of a case; "" of none.
func caseKey(id *hotline.CaseID) string {
	if id == nil {
		return ""
	}
	return id.Key()
}

// shortCase is the name of a case for people; CaseID.String of a whole one.
func shortCase(key string) string {
	if id, err := parseCase(key); err == nil {
		return id.String()
	}
	return key
}
