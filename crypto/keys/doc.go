// Package keys holds every private key of a Hotline installation and every
// public key that it trusts: signing keys (Ed25519, ES256, ML-DSA-44), sealing
// keys (HPKE with X25519 and ML-KEM-768), the encrypted files they are kept in,
// and the TLS settings that pin a peer by its public key.
//
// A public key is a small comparable value with exactly one encoding, so keys
// can be compared with ==, used as map keys, and counted: nobody can present
// one key under two encodings. A signature, too, has one encoding: the package
// refuses the second form that ECDSA would allow.
//
// Every error of this package means that this one request fails. None of them
// is a reason to stop the process.
package keys
