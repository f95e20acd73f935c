package hotline

// deep is about what decoding and verifying one statement takes of a stack, in
// bytes.
const deep = 24 << 10

// Deep gives the goroutine that calls it a stack on which a statement can be
// decoded and verified. A goroutine starts with a small one, which the runtime
// doubles, and copies, each time that it runs out: for a goroutine that lives for
// one statement that cost 3 % of all processor time of a busy node. Called first,
// it grows once, with nothing on it to copy.
//
//go:noinline
func Deep() {
	var room [deep]byte
	touch(&room)
}

//go:noinline
func touch(room *[deep]byte) { room[0] = 1 } // so that room is not left out
