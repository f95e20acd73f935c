// Package ceremony is what parties and officers do offline, before any node runs and whenever a document changes: they make keys,
// draft and sign the convention and directories, and verify what others signed. The command hotline is its face; networks for
// tests call it directly.
//
// Private keys are written encrypted, never overwritten, and each beside a public key file that is meant to be handed on. Drafts
// are text (TOML) that people read, compare and read to each other; signed documents are the CBOR of SPEC §5, one a file.
//
// Every error is of the first class: the request fails and nothing that existed was changed. What breaks a rule of documents
// carries a code of SPEC §10.
package ceremony
