// Statements: form, header, id, signatures (SPEC §3).
import { decodeProtected, encode, equal, refuse, untag } from './cbor.mjs'
import { ED25519, ES256, hex, sha256, verified } from './keys.mjs'
import { checkBody } from './body.mjs'

export const MAX_STATEMENT = 40960
const MAX_ASSESSMENT = 39936
const HEADER = -70001

// Header fields by name (§3.2).
const fields = {
  kind: 1, status: 2, precedence: 3, tlp: 4, from: 5, to: 6, authors: 7, convention: 8, version: 9, directory: 10,
  case: 11, re: 12, supersedes: 13, cause: 14, issued: 15, detected: 16, assessed: 17, peer: 18, commitment: 19,
  verdict: 20, notify: 21, reason: 22, disposition: 23, answers: 24, always: 25
}

const ACTUAL = 1
const TEST = 3
const FLASH = 1
const IMMEDIATE = 2

// What §4 says of single kinds, beside its table.
const alwaysActual = ['ladder', 'handover', 'directory', 'convention']
const alwaysTest = ['watch-test']
const dispositions = { reply: [1, 2], 'assistance-response': [3, 4, 5], suspension: [6, 7] }
const reasons = {
  retract: ['unfounded', 'mistaken', 'not-concerned', 'twice', 'other'],
  'late-reason': ['facts-unclear', 'staff', 'technical', 'legal', 'overload', 'oversight', 'other']
}

export const zero = id => id.every(x => x === 0)
export const sorted = list => list.every((x, i) => i === 0 || list[i - 1] < x)

// parse reads a statement or a draft, in the order of §3.5, steps 1 to 10. It
// verifies no signature.
export function parse (spec, raw) {
  if (raw.length > MAX_STATEMENT) refuse('too-large', `statement of ${raw.length} bytes`)
  const message = untag(raw, 98)
  if (!Array.isArray(message) || message.length !== 4) refuse('malformed', 'not COSE_Sign')
  const [protectedHeader, unprotected, payload, signatures] = message
  if (!(protectedHeader instanceof Uint8Array) || !(payload instanceof Uint8Array)) refuse('malformed', 'header or payload is no byte string')
  if (!(unprotected instanceof Map) || unprotected.size > 0) refuse('malformed', 'an unprotected header that is not empty')
  if (!Array.isArray(signatures) || signatures.length === 0) refuse('malformed', 'no signatures')
  const st = { raw, protected: protectedHeader, payload, signatures: signatures.map(parseSignature) }
  st.header = parseProtected(protectedHeader)
  st.id = sha256(encode(['hotline/statement', protectedHeader, payload]))
  st.kind = spec.kinds.get(st.header.get(1))
  if (!st.kind) refuse('unknown-kind', `kind ${st.header.get(1)}`)
  for (const [name, key] of Object.entries(fields)) st[name === 'kind' ? 'number' : name] = st.header.get(key)
  checkHeader(spec, st)
  if (st.kind.name === 'watch-test' && st.precedence !== IMMEDIATE) refuse('header', 'a watch-test is IMMEDIATE')
  if (st.kind.name === 'assessment' && raw.length > MAX_ASSESSMENT) refuse('too-large', 'assessment')
  if (st.signatures.length > st.authors.length) refuse('extra-author', `${st.signatures.length} signatures`)
  if (!st.kind.sealed) st.body = checkBody(spec, st.kind.name, payload, st)
  return st
}

function parseSignature (s) {
  if (!Array.isArray(s) || s.length !== 3) refuse('malformed', 'a signature is no array of three')
  const [header, unprotected, signature] = s
  if (!(header instanceof Uint8Array) || !(signature instanceof Uint8Array) || signature.length !== 64) refuse('malformed', 'signature')
  if (!(unprotected instanceof Map) || unprotected.size > 0) refuse('malformed', 'an unprotected header that is not empty')
  const alg = [ED25519, ES256].find(a => equal(header, encode(new Map([[1, a]]))))
  if (!alg) refuse('malformed', 'a signature header that is not {1: alg}')
  return { header, alg, signature }
}

function parseProtected (bytes) {
  const map = decodeProtected(bytes)
  if (!(map instanceof Map) || map.size !== 2) refuse('malformed', 'the protected header holds crit and the header')
  const crit = map.get(2)
  if (!Array.isArray(crit) || crit.length !== 1 || crit[0] !== HEADER) refuse('malformed', 'crit')
  const header = map.get(HEADER)
  if (!(header instanceof Map)) refuse('malformed', 'no header')
  const kind = header.get(1)
  if (typeof kind !== 'number' || kind < 0) refuse('malformed', 'kind')
  return header
}

function checkHeader (spec, st) {
  if (Array.isArray(st.authors)) {
    if (st.authors.length === 0) refuse('missing-author', 'no authors')
    if (st.authors.length > 96) refuse('extra-author', 'too many authors')
  }
  spec.check('header', st.header, 'header')
  const authors = st.authors.map(hex)
  if (new Set(authors).size !== authors.length) refuse('same-officer', 'an author twice')
  for (const list of [st.to ?? [], st.notify ?? []]) if (!sorted(list)) refuse('header', 'a list of parties is not sorted')
  for (const id of [st.re, st.supersedes, st.case?.[1]]) if (id && zero(id)) refuse('header', 'a reference to no statement')
  if (st.peer && BigInt(st.peer[0].split('/')[2]) >= 1n << 64n) refuse('header', 'generation of the peer')
  if ([...st.to ?? [], ...st.notify ?? []].includes(st.from)) refuse('wrong-addressee', 'the sender addresses itself')
  checkPresence(st)
  if (alwaysActual.includes(st.kind.name) && st.status !== ACTUAL) refuse('status', `${st.kind.name} is always ACTUAL`)
  if (alwaysTest.includes(st.kind.name) && st.status !== TEST) refuse('status', `${st.kind.name} is always TEST`)
  checkKind(st)
  checkAuthors(st)
}

function checkPresence (st) {
  const k = st.kind
  const convention = k.name === 'convention'
  const must = new Set([...k.must, ...(k.delivered ? ['to'] : []), ...(k.sealed ? ['commitment'] : [])])
  const may = new Set(['supersedes'].filter(() => k.word === 'officers').concat(k.may))
  for (const name of ['case', 're', 'supersedes', 'cause', 'detected', 'assessed', 'commitment', 'verdict', 'notify', 'reason', 'disposition', 'answers', 'always', 'to']) {
    if (st[name] === undefined && must.has(name)) refuse('header', `${k.name} needs ${name}`)
    if (st[name] !== undefined && !must.has(name) && !may.has(name)) refuse('header', `${k.name} bears no ${name}`)
  }
  if (zero(st.convention) !== (convention && st.version === 1)) refuse('header', 'convention')
  if ((st.directory === 0) !== convention) refuse('header', 'directory')
  if (k.delivered && !k.opens && !st.case && st.to.length !== 1) refuse('header', 'without a case to exactly one party')
  if (st.disposition !== undefined && !dispositions[k.name].includes(st.disposition)) refuse('header', 'disposition')
}

function checkKind (st) {
  const known = reasons[st.kind.name]
  if (known && !known.includes(st.reason)) refuse('header', `reason ${st.reason}`)
  if (st.kind.name === 'assessment' && (st.verdict === 1) !== (st.notify !== undefined)) refuse('header', 'NOTIFIABLE names whom to notify, BELOW-THRESHOLD nobody')
}

function checkAuthors (st) {
  const [least, most] = st.kind.authors
  const n = st.authors.length
  if (st.kind.word === 'roots') return
  if (n > most) refuse('extra-author', `${n} authors of ${st.kind.name}`)
  const one = st.status !== ACTUAL || (st.kind.name === 'alert' && st.precedence === FLASH)
  if (n < least || (n < most && !one)) refuse('missing-author', `${n} authors of ${st.kind.name}`)
}

export const complete = st => st.signatures.length === st.authors.length

// verify checks every signature that is there. keys finds an author's key by its id in
// hexadecimal.
export function verify (st, keys) {
  const aad = encode(['hotline/statement', 1, st.convention, st.status])
  const found = st.authors.slice(0, st.signatures.length).map((id, i) => {
    const key = keys(hex(id))
    if (!key) refuse('unknown-key', `author ${i + 1}: ${hex(id)}`)
    return key
  })
  st.signatures.forEach((s, i) => {
    const message = encode(['Signature', st.protected, s.header, aad, st.payload])
    if (s.alg !== found[i][0] || !verified(found[i], message, s.signature)) refuse('bad-signature', `signature ${i + 1}`)
  })
  return st
}

// caseOf is the case that a statement stands in or opens (§3.2).
export function caseOf (st) {
  return st.case ?? (st.kind.opens ? [st.from, st.id] : undefined)
}
