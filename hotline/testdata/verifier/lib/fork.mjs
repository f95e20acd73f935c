// Proofs that a party forked its log (SPEC §7.11).
import { decode, equal, refuse, Refusal } from './cbor.mjs'
import { parseConvention, parseDirectory } from './document.mjs'
import { hex } from './keys.mjs'
import { claimed, parseCheckpoint } from './note.mjs'
import { parseReceipt, signedRoot } from './receipt.mjs'
import { parse } from './statement.mjs'
import { consistencyRoots, inclusionRoot } from './tree.mjs'

const MAX_FORK_PROOF = 4 << 20

// checkFork says what a fork proof proves. pin is the convention's id in hexadecimal, or undefined.
export function checkFork (spec, raw, pin) {
  if (raw.length > MAX_FORK_PROOF) refuse('too-large', `fork proof of ${raw.length} bytes`)
  const [, documents, one, two, path] = spec.check('fork-proof', decode(raw))
  const [older, newer] = [one, two].map(h => readHead(spec, h))
  if (older.party !== newer.party || older.generation !== newer.generation) refuse('proof', 'the heads are of two logs')
  const { convention, directories } = readDocuments(spec, documents, older.party, pin)
  const used = new Set([older, newer].map(h => signer(h, convention, directories)))
  if (used.size !== directories.length) refuse('document', 'a directory proves the key of no head')
  const held = contradiction(older, newer, path)
  return { convention: hex(convention.id), party: older.party, generation: Number(older.generation), older: shown(older), newer: shown(newer), held: hex(held) }
}

const shown = h => ({ size: h.size, root: hex(h.root), directory: h.directory })

function readHead (spec, head) {
  const note = head.get(1)
  if (note) return readNote(note)
  const r = parseReceipt(spec, head.get(2))
  const root = inclusionRoot(r.proof[0], r.index, head.get(3), r.proof[2])
  return { party: r.party, generation: BigInt(r.generation), size: r.proof[0], root, signedBy: (id, key) => signedRoot(r, root, id, key) }
}

// readNote: the note has one line, and is of a log of a party with entries.
function readNote (note) {
  const { origin, size, root, lines } = claimed(note, 'malformed')
  const m = /^hotline\/([A-Z][A-Z0-9]{1,7})\/([1-9]\d{0,19})$/.exec(origin)
  if (!m || BigInt(m[2]) >= 1n << 64n || size === 0 || lines.length !== 1) refuse('malformed', 'no checkpoint of a party\'s log with its signature alone')
  return { party: m[1], generation: BigInt(m[2]), size, root, signedBy: (id, key) => holds(() => parseCheckpoint(note, origin, key)) }
}

function holds (check) {
  try {
    check()
    return true
  } catch (e) {
    if (!(e instanceof Refusal)) throw e
    return false
  }
}

function readDocuments (spec, list, party, pin) {
  let convention
  const directories = []
  list.forEach((raw, i) => {
    if (i === 0 || parse(spec, raw).kind.name === 'convention') {
      if (i === list.length - 1) refuse('document', 'the last document is no directory')
      convention = parseConvention(spec, raw, convention)
      if (pin && hex(convention.id) !== pin) refuse('convention', `of convention ${hex(convention.id)}`)
      return
    }
    const d = parseDirectory(spec, raw, convention)
    if (d.party !== party) refuse('document', `a directory of ${d.party}`)
    directories.push(d)
  })
  return { convention, directories }
}

// signer is the first directory by whose log key the head is signed.
function signer (head, convention, directories) {
  const d = directories.find(d => head.signedBy(convention.id, d.log))
  if (!d) refuse('bad-signature', `the head of size ${head.size} is signed with no log key of ${head.party}`)
  head.directory = d.number
  return d
}

// contradiction: no append-only log has had both heads. It returns what the newer one truly holds in the older one's place.
function contradiction (older, newer, path) {
  if (older.size > newer.size) refuse('proof', 'the older head is the larger one')
  if (older.size === newer.size) {
    if (path.length > 0) refuse('proof', 'a path where there is none')
    if (hex(older.root) >= hex(newer.root)) refuse('proof', 'the same head, or not in order')
    return newer.root
  }
  const [held, root] = consistencyRoots(older.size, newer.size, path)
  if (!equal(root, newer.root)) refuse('proof', 'the path leads to another root')
  if (equal(held, older.root)) refuse('proof', 'the newer head extends the older one')
  return held
}
