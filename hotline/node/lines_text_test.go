package node

import (
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/link"
)

// Promise: whatever letters a peer refuses a hello with, the officers' machines can
// read the status: a text that is cut is cut between two letters.
func TestReasonOfADeadPathCanBeRead(t *testing.T) {
	t.Parallel()
	n := &Node{lines: newLineBook(func() hotline.Time { return 1 })}
	for before := range 3 {
		why := strings.Repeat("x", before) + strings.Repeat("€", maxLinkError)
		list := n.nodeViews(link.PeerStatus{Party: "XB", Nodes: []link.NodeStatus{{Node: "XB-1", State: link.StateDown, LastError: why}}})
		raw := hotline.MustMarshal(&list[0])
		if err := hotline.Unmarshal(raw, new(desk.NodeView), len(raw)); err != nil {
			t.Errorf("behind %d letters: %v", before, err)
		}
		if len(list[0].Error) > maxLinkError || !strings.Contains(list[0].Error, "€") {
			t.Errorf("behind %d letters: %q", before, list[0].Error)
		}
	}
}
