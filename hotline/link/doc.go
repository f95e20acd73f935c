// Package link carries bytes between nodes of different parties: statements
// with their tenders one way, receipts the other, and documents where one side
// lacks them (SPEC §9).
//
// It verifies no statement and decides nothing about one: what it moves is
// opaque and bounded. Who may connect is settled by the node, from the
// committed directories; what a statement is worth, by the ledger.
//
// The package has three layers. Frames (frame.go) are one question or one
// answer in one encoding and one size. The sender's Outbox and the receiver's
// Inbox (session.go, inbox.go) are pure: what to send when and by which path,
// and how much to take. The Line (line.go, peer.go, quic.go) keeps the
// connections of all peers open and runs exchanges on them.
package link
