// Checkpoints and cosignatures: C2SP signed-note, tlog-checkpoint and
// tlog-cosignature (SPEC §7.5).
import { equal, refuse } from './cbor.mjs'
import { ED25519, MLDSA44, hex, sha256, utf8, verified } from './keys.mjs'
import { emptyRoot } from './tree.mjs'

const MAX_NOTE = 128 << 10
const MAX_SIGNATURES = 100
const types = { log: 0x01, [ED25519]: 0x04, [MLDSA44]: 0x06 }

export const originOf = (party, generation) => `hotline/${party}/${generation}`
export const witnessOf = party => `hotline/${party}/witness`

// base64 accepts the one spelling of bytes.
export function base64 (text) {
  const b = new Uint8Array(Buffer.from(text, 'base64'))
  return Buffer.from(b).toString('base64') === text ? b : undefined
}

const keyHash = (name, type, raw) => sha256(utf8(`${name}\n`), Uint8Array.of(type), raw).subarray(0, 4)

// split takes a note apart; what is no note at all is refused with code.
function split (bytes, code) {
  if (bytes.length > MAX_NOTE) refuse(code, 'too long')
  let text
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    refuse(code, 'not UTF-8')
  }
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) refuse(code, 'a control character') // eslint-disable-line no-control-regex
  const cut = text.lastIndexOf('\n\n')
  if (cut < 0 || !text.endsWith('\n')) refuse(code, 'no signed note')
  const lines = text.slice(cut + 2, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) refuse(code, 'too many signatures')
  return { text: text.slice(0, cut + 1), lines: lines.map(line => signatureLine(line, code)) }
}

function signatureLine (line, code) {
  const m = /^— (\S+) ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/u.exec(line)
  const bytes = m && new Uint8Array(Buffer.from(m[2], 'base64'))
  if (!m || m[1].includes('+') || bytes.length < 5) refuse(code, 'a signature line of another form')
  return { name: m[1], hash: bytes.subarray(0, 4), signature: bytes.subarray(4), strict: base64(m[2]) !== undefined }
}

// claimed reads what a checkpoint says, without believing it.
export function claimed (bytes, code = 'checkpoint') {
  const note = split(bytes, code)
  const lines = note.text.split('\n')
  const root = base64(lines[2] ?? '')
  if (lines.length !== 4 || !/^(0|[1-9]\d{0,15})$/.test(lines[1]) || root?.length !== 32) refuse(code, 'not origin, size and root')
  const size = Number(lines[1])
  if (!/^[!-*,-~]{1,255}$/.test(lines[0]) || size >= 2 ** 50) refuse(code, 'origin or size')
  if (size === 0 && !equal(root, emptyRoot())) refuse(code, 'the root of size 0')
  return { ...note, origin: lines[0], size, root }
}

function find (note, name, hash, code) {
  const mine = note.lines.filter(l => l.name === name && equal(l.hash, hash))
  if (mine.length === 0) refuse(code, `no signature of ${name} with this key`)
  if (!mine[0].strict) refuse(code, 'a signature in another spelling')
  return mine[0].signature
}

// parseCheckpoint reads a checkpoint of the origin, signed by the log key.
export function parseCheckpoint (bytes, origin, key) {
  const note = claimed(bytes)
  const signature = find(note, origin, keyHash(origin, types.log, key[1]), 'checkpoint')
  if (note.origin !== origin) refuse('checkpoint', `origin ${note.origin}`)
  if (!verified(key, utf8(note.text), signature)) refuse('checkpoint', 'the signature of the log')
  return note
}

const u64 = n => {
  const b = new Uint8Array(8)
  new DataView(b.buffer).setBigUint64(0, BigInt(n))
  return b
}
const short = text => Uint8Array.of(text.length, ...utf8(text))

// checkCosignature checks the cosignature of one witness key under a checkpoint
// of the origin, and returns its time in seconds.
export function checkCosignature (bytes, origin, name, key) {
  const code = 'cosignature'
  const note = claimed(bytes, code)
  if (note.origin !== origin) refuse(code, `origin ${note.origin}`)
  const signature = find(note, name, keyHash(name, types[key[0]], key[1]), code)
  if (signature.length < 8) refuse(code, 'no time')
  const time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)
  if (time === 0n) refuse(code, 'the time is zero')
  const message = key[0] === ED25519
    ? utf8(`cosignature/v1\ntime ${time}\n${note.text}`)
    : Buffer.concat([utf8('subtree/v1\n\0'), short(name), u64(time), short(note.origin), u64(0), u64(note.size), note.root])
  if (!verified(key, new Uint8Array(message), signature.subarray(8))) refuse(code, 'the signature of the witness')
  return time
}

// lineOf is how a line names this key: by its name and four bytes of a hash, which other keys may share.
export function lineOf (note, name, key) {
  return `${name} ${hex(keyHash(name, name === note.origin ? types.log : types[key[0]], key[1]))}`
}

// bears tells whether a line of this key under this name stands below the note.
export function bears (note, name, key) {
  return note.lines.some(l => `${l.name} ${hex(l.hash)}` === lineOf(note, name, key))
}
