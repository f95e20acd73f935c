// Tenders and receipts (SPEC §8), and the leaves that they prove (§7.2).
import { parseAnchor } from './anchor.mjs'
import { decode, decodeProtected, encode, equal, refuse, Refusal, untag } from './cbor.mjs'
import { ED25519, verified } from './keys.mjs'
import { caseOf } from './statement.mjs'
import { inclusionRoot, leafHash } from './tree.mjs'

export const MAX_RECEIPT = 4096
const CLAIMS = -70002

// parseReceipt reads a tender or a receipt. It verifies no signature.
export function parseReceipt (spec, raw) {
  if (raw.length > MAX_RECEIPT) refuse('too-large', `receipt of ${raw.length} bytes`)
  const message = untag(raw, 18)
  if (!Array.isArray(message) || message.length !== 4) refuse('malformed', 'not COSE_Sign1')
  const [protectedHeader, unprotected, payload, signature] = message
  if (!(protectedHeader instanceof Uint8Array) || payload !== null || !(signature instanceof Uint8Array) || signature.length !== 64) refuse('malformed', 'receipt')
  const map = decodeProtected(protectedHeader)
  if (!(map instanceof Map) || map.size !== 3 || map.get(1) !== ED25519 || map.get(395) !== 1) refuse('malformed', 'protected header')
  const claims = spec.check('claims', map.get(CLAIMS))
  const proof = parseProof(spec, unprotected)
  if (proof[1] !== claims.get(4) || BigInt(proof[0]) !== BigInt(proof[1]) + 1n) refuse('malformed', 'the proof is of another place than the claims')
  pathFits(proof)
  const of = claims.get(7)
  return {
    protected: protectedHeader,
    signature,
    proof,
    party: claims.get(1),
    generation: claims.get(2),
    statement: claims.get(3),
    index: claims.get(4),
    time: claims.get(5),
    voters: claims.get(6),
    of: of && { party: of.get(1), generation: of.get(2), index: of.get(3), sequence: of.get(4), salt: of.get(5), marks: of.get(6) }
  }
}

function parseProof (spec, unprotected) {
  const list = unprotected instanceof Map && unprotected.size === 1 && unprotected.get(396)
  const one = list instanceof Map && list.size === 1 && list.get(-1)
  if (!Array.isArray(one) || one.length !== 1 || !(one[0] instanceof Uint8Array)) refuse('malformed', 'unprotected header')
  return spec.check('inclusion-proof', decode(one[0]))
}

// pathFits: a path has one length for an index in a tree (RFC 9162 §2.1.3.1); for the newest
// leaf one hash for each bit set in its index.
function pathFits ([, index, path]) {
  const ones = BigInt(index).toString(2).replaceAll('0', '').length
  if (path.length !== ones) refuse('malformed', `a path of ${path.length} hashes for index ${index}`)
}

// verifyProof checks that the leaf stands where the claims say, under the log key. It returns the root that was signed.
function verifyProof (r, leaf, convention, key) {
  const root = inclusionRoot(r.proof[0], r.index, leaf, r.proof[2])
  if (!signedRoot(r, root, convention, key)) refuse('bad-signature', 'the log key did not sign this leaf')
  return root
}

// signedRoot tells whether the log key signed the claims over this root.
export function signedRoot (r, root, convention, key) {
  const aad = encode(['hotline/receipt', 1, convention])
  return verified(key, encode(['Signature1', r.protected, aad, root]), r.signature)
}

// parseSender reads the sender's entry without the statement (§8.2).
export function parseSender (spec, bytes) {
  if (bytes.length > MAX_RECEIPT) refuse('too-large', 'sender\'s entry')
  const [time, salt, scope, cause, sent] = spec.check('sender-entry', decode(bytes))
  checkScope(scope)
  const sequences = sent.get(1) ?? []
  if (!sequences.every((q, i) => i === 0 || sequences[i - 1][0] < q[0])) refuse('malformed', 'sequences are not sorted')
  const anchor = sent.has(7) ? parseAnchor(sent.get(7)) : undefined
  return { time, salt, scope, cause, sent, sequences, directory: sent.get(2), voters: sent.get(5), anchor }
}

// checkScope holds the parties of a scope to their order and its case to a statement.
export function checkScope ([, inCase, parties]) {
  if (!parties.every((p, i) => i === 0 || parties[i - 1] < p)) refuse('malformed', 'the scope is not sorted')
  if (inCase && inCase[1].every(x => x === 0)) refuse('malformed', 'the scope of no case')
}

const sameCase = (a, b) => a && b && a[0] === b[0] && equal(a[1], b[1])

function covers ([cls, inCase, parties], st) {
  const want = caseOf(st)
  if (want ? !sameCase(inCase, want) : cls !== 1) return false
  return [st.from, ...(st.to ?? [])].every(p => parties.includes(p))
}

// verifyTender: exactly these bytes stand in the sender's log (§8.2). It returns the root that was signed, as verifyReceipt does.
export function verifyTender (t, st, sender, convention, key) {
  const demand = (ok, text) => { if (!ok) refuse('tender', text) }
  demand(!t.of, 'a receipt where a tender belongs')
  demand(t.party === st.from, `tender of ${t.party}`)
  demand(equal(t.statement, st.id), 'for another statement')
  demand(t.time === sender.time && t.voters === sender.voters, 'time or voters')
  const to = st.to ?? []
  demand(to.length === sender.sequences.length && to.every((p, i) => sender.sequences[i][0] === p), 'sequences')
  demand(covers(sender.scope, st), 'the scope leaves somebody out')
  const content = new Map(sender.sent).set(6, st.raw)
  const entry = encode([2, sender.time, sender.salt, sender.scope, sender.cause, content])
  return as('tender', () => verifyProof(t, leafHash(entry), convention, key))
}

// verifyReceipt: what was sent stands in the receiver's log (§8.3). own is the sender's place.
export function verifyReceipt (spec, r, from, st, own, senderBytes, tender, convention, key) {
  const sender = parseSender(spec, senderBytes)
  const demand = (ok, text) => { if (!ok) refuse('receipt', text) }
  demand(r.of, 'a tender where a receipt belongs')
  demand(r.party === from, `receipt of ${r.party}`)
  demand(equal(r.statement, st.id), 'for another statement')
  const sequence = sender.sequences.find(q => q[0] === from)?.[1]
  demand(r.of.party === st.from && r.of.generation === own.generation && r.of.index === own.index && r.of.sequence === sequence, 'for another entry')
  const content = new Map([[1, st.raw], [2, senderBytes], [3, tender]])
  if (r.of.marks) content.set(5, r.of.marks)
  content.set(6, r.voters)
  const inCase = caseOf(st)
  const parties = [from, st.from].sort()
  const scope = inCase ? [2, inCase, parties] : [1, null, parties]
  const entry = encode([3, r.time, r.of.salt, scope, 0, content])
  return as('receipt', () => verifyProof(r, leafHash(entry), convention, key))
}

// as gives every refusal another code.
function as (code, check) {
  try {
    return check()
  } catch (e) {
    if (!(e instanceof Refusal)) throw e
    refuse(code, e.message)
  }
}
