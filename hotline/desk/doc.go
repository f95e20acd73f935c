// Package desk is the conversation between an officer's machine and the nodes
// of the officer's own group (SPEC §12): ALPN hotline-desk/1 over QUIC, mutual
// TLS with the officer's own key on one side and the node's key, pinned from
// the directory, on the other.
//
// One stream carries one request and, depending on what was asked, one reply
// or a sequence of replies. A message is four bytes of length, big endian, and
// that many bytes of the one CBOR encoding of a Request or Reply.
//
// The package decides who may ask what (rights.go) and keeps garbage away from
// the node; what is answered is the Host's. An officer's private key never
// crosses this line: statements arrive signed.
package desk
