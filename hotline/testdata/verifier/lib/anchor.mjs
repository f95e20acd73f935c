// Anchors: the own log as others have cosigned it, within a sent entry (SPEC §7.13).
import { equal, refuse } from './cbor.mjs'
import { bears, checkCosignature, claimed, parseCheckpoint, witnessOf } from './note.mjs'

const MAX_ANCHOR = 1024
const MAX_LINES = 3
const LOG_LINE = 64
const WITNESS_LINE = 8 + 64
const MAX_SECONDS = (2n ** 63n - 1n) / 1000n

// parseAnchor reads an anchor. It verifies no signature.
export function parseAnchor (bytes) {
  const demand = (ok, text) => { if (!ok) refuse('malformed', `anchor: ${text}`) }
  demand(bytes.length <= MAX_ANCHOR, 'too long')
  const note = claimed(bytes, 'malformed')
  const m = /^hotline\/([A-Z][A-Z0-9]{1,7})\/([1-9]\d{0,19})$/.exec(note.origin)
  demand(m && BigInt(m[2]) < 1n << 64n && note.size > 0, 'no checkpoint of a log with entries')
  const [first, ...lines] = note.lines
  demand(first.name === note.origin && first.signature.length === LOG_LINE && first.strict, 'the first line')
  demand(lines.length >= 1 && lines.length <= MAX_LINES, `${lines.length} cosignatures`)
  const witnesses = lines.map(line => {
    const party = /^hotline\/([A-Z][A-Z0-9]{1,7})\/witness$/.exec(line.name)?.[1]
    demand(party && party !== m[1] && line.signature.length === WITNESS_LINE && line.strict, 'no cosignature of another party')
    const seconds = new DataView(line.signature.buffer, line.signature.byteOffset).getBigUint64(0)
    demand(seconds !== 0n && seconds <= MAX_SECONDS, 'no time')
    return party
  })
  demand(witnesses.every((p, i) => i === 0 || witnesses[i - 1] < p), 'witnesses are not sorted')
  return { bytes, note, party: m[1], generation: m[2], size: note.size, root: note.root, witnesses }
}

// checkAnchor holds an anchor to its place in the log of a party, to the log key, and to the
// witness keys of these directories. It returns how many cosignatures were verified.
export function checkAnchor (a, { party, generation, index, log, code, own }, directories) {
  if (a.party !== party || a.generation !== String(generation) || BigInt(a.size) > BigInt(index)) refuse(code.place, `an anchor of ${a.note.origin} at size ${a.size}`)
  try {
    parseCheckpoint(a.bytes, a.note.origin, log)
  } catch (fault) {
    refuse(code.signature, fault.message)
  }
  const seen = []
  const faults = new Map() // by line: several keys may have the name and hash that it bears
  for (const d of directories) {
    const name = witnessOf(d.party)
    if (!a.witnesses.includes(d.party) || !bears(a.note, name, d.witness) || seen.some(k => equal(k, d.witness[1]))) continue
    try {
      checkCosignature(a.bytes, a.note.origin, name, d.witness)
      seen.push(d.witness[1])
      faults.set(d.party, undefined)
    } catch (fault) {
      if (!faults.has(d.party)) faults.set(d.party, fault)
    }
  }
  if (own) for (const fault of faults.values()) if (fault) refuse(code.signature, fault.message) // of another party's it counts for nothing
  return seen.length
}
