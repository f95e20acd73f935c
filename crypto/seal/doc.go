// Package seal makes and checks the three protected forms of Hotline: messages
// signed by one or more keys (COSE_Sign), receipts by which a log proves that it
// holds an entry (COSE Receipt), and bodies that only their addressees can read.
//
// Each form has exactly one encoding. What is received is parsed strictly, and
// the received bytes themselves are verified; nothing is encoded again and
// verified in place of what arrived.
//
// The package does not know what a header means: it is given protected headers
// as encoded deterministic maps and checks their form alone. Which keys must
// have signed, and which labels may stand in a header, is for the caller.
//
// Every error of this package means that this one input or request is refused.
// None of them is a reason to stop the process.
package seal
