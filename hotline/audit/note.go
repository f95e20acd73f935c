package audit

import "strings"

// splitNote returns the signature lines of a signed note (C2SP signed-note).
func splitNote(b []byte) []string {
	_, signatures, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		return nil
	}
	return strings.Split(strings.TrimSuffix(signatures, "\n"), "\n")
}
