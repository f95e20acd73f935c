// The one encoding of a value (SPEC §2): decode, walk, encode again, compare.
import { decode as strict, encode as plain } from 'cbor2'
import { sortCoreDeterministic } from 'cbor2/sorts'

// A Refusal carries the class of a failure: a code of SPEC §10.1, or
// checkpoint, cosignature or proof (§7.5).
export class Refusal extends Error {
  constructor (code, text) {
    super(`${code}: ${text}`)
    this.code = code
  }
}

export function refuse (code, text) { throw new Refusal(code, text) }

export const MAX_NESTING = 8
export const MAX_ITEMS = 1024
export const MAX_PAIRS = 64

const bits63 = 1n << 63n
const bits64 = 1n << 64n

export function equal (a, b) {
  return a.length === b.length && a.every((x, i) => x === b[i])
}

export const encode = value => plain(value, { sortKeys: sortCoreDeterministic, collapseBigInts: true, rejectUndefined: true })

// decode reads one item in the core deterministic encoding. Maps become Map,
// integers number, or bigint beyond 2^53.
export function decode (bytes, bound = bits64) {
  let value
  try {
    value = strict(bytes, {
      preferMap: true,
      rejectDuplicateKeys: true,
      rejectFloats: true,
      rejectStreaming: true,
      rejectUndefined: true,
      rejectSimple: true,
      requirePreferred: true,
      sortKeys: sortCoreDeterministic,
      tags: new Map()
    })
  } catch (e) {
    refuse('malformed', e.message)
  }
  walk(value, 0, bound)
  // Floats that are whole numbers, lost bytes of a text, keys out of order:
  // whatever the decoder forgives is another encoding than this one.
  if (!equal(encode(value), bytes)) refuse('malformed', 'not the one encoding of its value')
  return value
}

// decodeProtected reads a protected header, where integers are below 2^63.
export const decodeProtected = bytes => decode(bytes, bits63)

function walk (value, depth, bound) {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) refuse('malformed', 'a floating-point number')
  } else if (typeof value === 'bigint') {
    if (value >= bound || value < -bits63) refuse('malformed', 'an integer out of bounds')
  } else if (Array.isArray(value)) {
    if (depth === MAX_NESTING || value.length > MAX_ITEMS) refuse('malformed', 'too deep, or an array too long')
    value.forEach(v => walk(v, depth + 1, bound))
  } else if (value instanceof Map) {
    if (depth === MAX_NESTING || value.size > MAX_PAIRS) refuse('malformed', 'too deep, or a map too large')
    for (const [k, v] of value) {
      walk(k, depth + 1, bound)
      walk(v, depth + 1, bound)
    }
  } else if (typeof value !== 'string' && typeof value !== 'boolean' && value !== null && !(value instanceof Uint8Array)) {
    refuse('malformed', 'a value of another type')
  }
}

// untag takes off the one COSE tag that opens a message.
export function untag (bytes, tag) {
  const head = tag < 24 ? [0xc0 + tag] : [0xd8, tag]
  if (!head.every((x, i) => bytes[i] === x)) refuse('malformed', `not tag ${tag}`)
  return decode(bytes.subarray(head.length))
}
