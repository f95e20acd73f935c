package audit

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
)

// once is what a report tells, each as one line, sorted: statements, entries, rungs and line tests.
func once(t testing.TB, r *Report) (list []string) {
	for _, s := range all(t, r.Statements()) {
		list = append(list, fmt.Sprintf("%+v", s))
	}
	for _, e := range all(t, r.Chronology()) {
		list = append(list, fmt.Sprintf("entry %d of %s/%d at %d", e.Entry, e.Party, e.Generation, e.Time))
	}
	for _, w := range all(t, r.Ladders()) {
		list = append(list, fmt.Sprintf("rung %d of %s/%d: %s, %s", w.Entry, w.Party, w.Generation, w.Whom, w.Page))
	}
	for _, x := range all(t, r.LineTests()) {
		list = append(list, fmt.Sprintf("test %+v", x))
	}
	slices.Sort(list)
	return list
}

// Promise: of several exports of one log each entry is told once, and of each statement to each addressee what any of them shows: figures are not multiplied, and
// nobody seems not to have received what another part of the same log shows as receipted.
func TestSeveralExportsOfOneLogTellOnce(t *testing.T) {
	t.Parallel()
	sweep(t)
	for name, w := range map[string]*world{"three parties": three(t), "the line": line(t)} {
		a, b := w.at("XA"), w.at("XB")
		want := once(t, audited(t, a.export(), b.export()))
		if got := once(t, audited(t, a.export(), a.pair("XB"), b.export(), b.pair("XA"), a.exportOf(a.entries))); !slices.Equal(got, want) {
			t.Errorf("%s: %d lines, want %d", name, len(got), len(want))
		}
		if name == "the line" {
			continue
		}
		key := func(s Statement) string { return s.ID + string(s.To) }
		full := all(t, audited(t, a.export()).Statements())
		parts := all(t, audited(t, a.pair("XB"), a.pair("XC")).Statements())
		for _, list := range [][]Statement{full, parts} {
			slices.SortFunc(list, func(x, y Statement) int { return cmp.Compare(key(x), key(y)) })
		}
		if full = slices.DeleteFunc(full, func(s Statement) bool { return s.To == "" }); !slices.Equal(parts, full) {
			t.Errorf("%d statements by the two parts of the log, %d by the whole", len(parts), len(full))
			for i := range min(len(parts), len(full)) {
				if parts[i] != full[i] {
					t.Fatalf("%+v\n%+v", parts[i], full[i])
				}
			}
		}
	}
}
