package audit

import (
	"os"
	"regexp"
	"testing"
)

// The table of observations is that of the program: codes, classes, sections
// and order.
func TestSpecificationListsTheObservations(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (protocol|terms) \\| ([0-9.]+) \\| .+ \\|$").FindAllStringSubmatch(string(b), -1)
	if len(rows) != len(Codes) {
		t.Fatalf("the specification lists %d observations, the program %d", len(rows), len(Codes))
	}
	for i, row := range rows {
		if c := Codes[i]; row[1] != string(c.Code) || row[2] != string(c.Class) || row[3] != c.Section {
			t.Errorf("row %d is %v, the program says %+v", i+1, row[1:], c)
		}
	}
}
