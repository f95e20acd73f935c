// Entries of a log (SPEC §7.2).
import { parseAnchor } from './anchor.mjs'
import { decode, refuse } from './cbor.mjs'
import { checkTexts } from './body.mjs'
import { claimed } from './note.mjs'
import { checkScope, parseReceipt, parseSender } from './receipt.mjs'

const MAX_ENTRY = 61440
// parseEntry reads a leaf: its head, its content, and the form of what travels in it.
export function parseEntry (spec, raw) {
  if (raw.length > MAX_ENTRY) refuse('too-large', `entry of ${raw.length} bytes`)
  const e = decode(raw)
  if (!Array.isArray(e) || e.length !== 6) refuse('malformed', 'an entry is an array of six')
  const type = spec.checkEntry(e)
  const [, time, salt, scope, cause, content] = e
  checkScope(scope)
  checkTexts(content, 'malformed')
  contents[type]?.(spec, content)
  return { raw, type, time, salt, scope, cause, content }
}

const sortedNames = list => list.every((x, i) => i === 0 || list[i - 1] < x)

const contents = {
  sent (spec, c) {
    if (!sortedNames((c.get(1) ?? []).map(q => q[0]))) refuse('malformed', 'sequences are not sorted')
    if (c.has(7)) parseAnchor(c.get(7))
  },
  received (spec, c) {
    parseSender(spec, c.get(2))
    parseReceipt(spec, c.get(3))
  },
  receipted (spec, c) {
    if (c.get(1).every(x => x === 0)) refuse('malformed', 'no statement')
    parseReceipt(spec, c.get(3))
    parseReceipt(spec, c.get(4))
  },
  genesis (spec, c) {
    if (c.get(3).every(x => x === 0)) refuse('malformed', 'no convention')
  },
  clock (spec, c) {
    if (new Set(c.get(1).map(r => r[0])).size !== c.get(1).length) refuse('malformed', 'a node twice')
  },
  members (spec, c) {
    if (!sortedNames(c.get(1))) refuse('malformed', 'voters are not sorted')
  },
  witnessed (spec, c) {
    if (!sortedNames(c.get(1).map(h => h[0]))) refuse('malformed', 'parties are not sorted')
    for (const [party, note] of c.get(1)) {
      const { origin, size } = claimed(note, 'malformed')
      const m = /^hotline\/([A-Z][A-Z0-9]{1,7})\/([1-9]\d{0,19})$/.exec(origin)
      if (m?.[1] !== party || BigInt(m[2]) >= 1n << 64n || size === 0) refuse('malformed', `no checkpoint of a log of ${party}`)
    }
  },
  page (spec, c) {
    if (c.get(2).every(x => x === 0)) refuse('malformed', 'no key')
  }
}
