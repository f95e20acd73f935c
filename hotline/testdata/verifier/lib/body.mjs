// Bodies: what the text of SPEC §4 and §5 adds to the structures.
import { decode, equal, refuse } from './cbor.mjs'
import { hex, keyId, MLDSA44, sha256, validKem, validKey } from './keys.mjs'
import { complete, parse, sorted, zero } from './statement.mjs'

// What is out of bounds has its own code in documents and ladders.
const codes = { ladder: ['ladder', 'ladder'], directory: ['document', 'document'], convention: ['document', 'too-large'] }

// checkBody decodes a body of a kind; st is the statement that holds it openly.
export function checkBody (spec, kind, bytes, st) {
  const [code, long] = codes[kind] ?? ['malformed', 'too-large']
  const body = decode(bytes)
  checkKeys(body)
  checkLists(kind, body)
  spec.check(`${kind}-body`, body, code, long)
  if (kind !== 'directory') checkTexts(body, kind === 'ladder' ? 'ladder' : 'malformed')
  rules[kind]?.(body, spec, st)
  return body
}

const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/ // eslint-disable-line no-control-regex

export function checkTexts (v, code) {
  if (typeof v === 'string' && control.test(v)) refuse(code, 'a control character')
  if (Array.isArray(v)) v.forEach(x => checkTexts(x, code))
  if (v instanceof Map) for (const x of v.values()) checkTexts(x, code)
}

// checkLists: sectors, indicators and networks have a code of their own where there are too many.
function checkLists (kind, body) {
  if (!(body instanceof Map)) return
  const lists = { inquiry: [[body, 3, 64], [body, 4, 64]], 'advance-notice': [[body, 4, 64]] }[kind] ?? []
  const f = body.get(1)
  if (f instanceof Map && kind !== 'directory' && kind !== 'convention') lists.push([f, 4, 13], [f, 7, 64], [f, 8, 64])
  for (const [map, key, most] of lists) {
    const list = map.get(key)
    if (Array.isArray(list) && list.length > most) refuse('too-large', `${list.length} elements, at most ${most}`)
  }
}

// checkKeys: whatever has the form of a key is one.
function checkKeys (v) {
  if (Array.isArray(v)) {
    if (v.length === 2 && v[0] === 25722 && v[1] instanceof Uint8Array && v[1].length === 1216 && !validKem(v[1])) refuse('malformed', 'no key of ML-KEM-768')
    if (v.length === 2 && [-7, -19].includes(v[0]) && v[1] instanceof Uint8Array && !validKey(v)) refuse('malformed', 'no point of its curve')
    v.forEach(checkKeys)
  }
  if (v instanceof Map) for (const x of v.values()) checkKeys(x)
}

function demand (ok, text, code = 'malformed') { if (!ok) refuse(code, text) }

const distinct = list => new Set(list).size === list.length

// checkWords: a language tag is at most 35 bytes.
const language = key => b => demand((b.get(key) ?? '').length <= 35, 'language tag', 'too-large')

function facts (f) {
  if (!f) return
  demand(sorted(f.get(4) ?? []), 'sectors are not sorted')
  networks(f.get(8))
}

function networks (list) { for (const n of list ?? []) demand(prefix(n), `${n} is not a network without host bits`) }

const withFacts = (...more) => b => {
  facts(b.get(1) instanceof Map ? b.get(1) : undefined)
  more.forEach(check => check(b))
}

const rules = {
  detection (b) {
    demand(b.size > 0, 'it says nothing')
    if (b.has(2)) hit(b.get(2))
  },
  assessment: withFacts(),
  alert: withFacts(language(2), b => demand((b.get(3) ?? '').split(/\s+/u).filter(Boolean).length <= 200, 'over 200 words', 'too-large')),
  ratification: language(1),
  text: language(1),
  acknowledgement: language(1),
  handover: language(1),
  supplement: withFacts(language(2)),
  progress: language(2),
  final: withFacts(language(2)),
  information: withFacts(language(2)),
  'advance-notice' (b) {
    demand(b.get(3) > b.get(2), 'the window ends before it begins')
    networks(b.get(4))
    language(5)(b)
  },
  inquiry (b) {
    networks(b.get(4))
    language(2)(b)
  },
  'third-party-report': withFacts(language(3), b => demand(sorted(b.get(2)), 'parties are not sorted')),
  'assistance-request' (b) {
    demand(sorted(b.get(1)), 'forms are not sorted')
    language(2)(b)
  },
  consult: language(1),
  'automatic-alert': automatic,
  ladder,
  directory,
  convention
}
for (const k of ['retract', 'reply', 'assistance-response', 'assistance-delivered', 'late-reason', 'dispute', 'suspension']) rules[k] = language(1)

function automatic (b, spec, st) {
  const inner = parse(spec, b.get(1))
  demand(inner.kind.name === 'assessment' && inner.verdict === 1 && complete(inner), 'no signed NOTIFIABLE assessment')
  if (!st) return
  const same = equal(st.re, inner.id) && inner.from === st.from && equal(inner.convention, st.convention) &&
    inner.status === st.status && inner.case[0] === st.case[0] && equal(inner.case[1], st.case[1])
  demand(same, 'another assessment than the header names', 'reference')
  demand(st.to.every(p => inner.notify.includes(p)), 'an addressee whom the officer did not name', 'wrong-addressee')
}

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u

function hit (h) {
  for (const v of h.values()) for (const t of [v].flat()) demand(typeof t !== 'string' || printable.test(t), 'unprintable')
  demand(h.get(5) >= h.get(4), 'last before first')
  for (const [list, total] of [[9, 10], [11, 12]]) {
    const n = h.get(list).length
    demand(h.get(total) >= n && (n > 0 || h.get(total) === 0), 'a total does not cover its list')
    demand(h.get(list).every(a => address(a)) && distinct(h.get(list)), 'addresses')
  }
  demand(h.get(14) === undefined || h.get(15) === 1, 'a port beside another total than 1')
  if (!h.has(23)) return
  demand(printable.test(h.get(23).get(1)), 'unprintable')
  for (const c of h.get(23).get(3)) demand(/^[^=]*=[A-Z]{2}$/.test(c) && address(c.slice(0, -3)), 'not ADDRESS=CC')
}

// ---- addresses -----------------------------------------------------------

function ip4 (s) {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(s)
  const b = m?.slice(1).map(Number)
  return b && b.every(x => x < 256) && b.join('.') === s ? b : undefined
}

function ip6 (s) {
  const tail = s.slice(s.lastIndexOf(':') + 1)
  if (tail.includes('.')) {
    const b = ip4(tail)
    if (!b) return undefined
    s = s.slice(0, -tail.length) + (b[0] * 256 + b[1]).toString(16) + ':' + (b[2] * 256 + b[3]).toString(16)
  }
  const halves = s.split('::')
  if (halves.length > 2) return undefined
  const words = halves.map(h => (h === '' ? [] : h.split(':')))
  const missing = 8 - words.flat().length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const all = halves.length === 1 ? words[0] : [...words[0], ...Array(missing).fill('0'), ...words[1]]
  if (!all.every(w => /^[0-9a-fA-F]{1,4}$/.test(w))) return undefined
  return all.flatMap(w => [parseInt(w, 16) >> 8, parseInt(w, 16) & 255])
}

// written is the one written form of an address (RFC 5952).
function written (b) {
  if (b.length === 4) return b.join('.')
  if (b.slice(0, 10).every(x => x === 0) && b[10] === 255 && b[11] === 255) return '::ffff:' + b.slice(12).join('.')
  const w = Array.from({ length: 8 }, (_, i) => (b[2 * i] * 256 + b[2 * i + 1]).toString(16))
  let best = [0, 0]
  for (let i = 0; i < 8; i++) {
    let n = 0
    while (w[i + n] === '0') n++
    if (n > best[1]) best = [i, n]
  }
  if (best[1] < 2) return w.join(':')
  return w.slice(0, best[0]).join(':') + '::' + w.slice(best[0] + best[1]).join(':')
}

function parsed (s) {
  const b = ip4(s) ?? ip6(s)
  return b && written(b) === s ? b : undefined
}

// address: of hits, where an IPv4 address is written as one.
const address = s => parsed(s) !== undefined && !s.startsWith('::ffff:')

function prefix (s) {
  const m = /^(.*)\/(0|[1-9]\d{0,2})$/.exec(s)
  const b = m && parsed(m[1])
  if (!b || m[2] > b.length * 8) return false
  return b.every((x, i) => (x & (0xff >> Math.min(8, Math.max(0, m[2] - 8 * i)))) === 0)
}

function endpoint (s) {
  const m = /^(?:\[(.*)\]|([^[\]:]*)):([1-9]\d{0,4})$/.exec(s)
  if (!m || m[3] > 65535) return false
  return parsed(m[1] ?? m[2])?.length === (m[1] === undefined ? 4 : 16)
}

// ---- ladder --------------------------------------------------------------

const minute = 60000

function ladder (b) {
  const bad = (ok, text) => demand(ok, text, 'ladder')
  const [from, until, rotas, contacts] = [b.get(4), b.get(5), b.get(6), b.get(7)]
  bad((from === undefined) === (rotas === undefined) && (until === undefined) === (rotas === undefined), 'rotas and their time')
  const people = new Map()
  if (rotas) {
    const span = until - from
    bad(span > 0 && from % minute === 0 && span % minute === 0 && span <= 8784 * 60 * minute, 'time of the rotas')
    bad(sorted(rotas.map(r => r[0])), 'rotas are not sorted')
    for (const [name, , who, watches] of rotas) {
      people.set(name, who)
      bad(distinct(who), 'an officer twice in a rota')
      bad(watches.every(w => BigInt(w[1]) < 1n << BigInt(who.length)), 'a watch of nobody')
      bad(watches.reduce((sum, w) => sum + w[0], 0) * minute === span, 'a hole in a rota')
    }
  }
  bad(sorted((contacts ?? []).map(c => c[0])), 'contacts are not sorted')
  for (const [, channels] of contacts ?? []) bad(distinct(channels), 'a channel twice')
  const reached = new Set((contacts ?? []).map(c => c[0]))
  for (const rungs of [b.get(2), b.get(3)]) {
    bad(sorted(rungs.map(r => r[0])) && rungs.some(r => r[0] === 1000), 'rungs')
    for (const [, , targets] of rungs) {
      bad(targets.every(t => people.has(t) || /^[A-Z0-9-]{3,32}$/.test(t)), 'no officer and no rota')
      const all = new Set(targets.flatMap(t => people.get(t) ?? [t]))
      bad(all.size <= 16, 'too many people on a rung')
      bad(!contacts || [...all].every(p => reached.has(p)), 'somebody without a channel')
    }
  }
}

// ---- documents -----------------------------------------------------------

const roles = ['operator', 'releaser', 'liaison', 'authority', 'auditor', 'technician', 'reporter']

function directory (d) {
  const bad = (ok, text) => demand(ok, text, 'document')
  const party = d.get(1)
  const [nodes, officers] = [d.get(5), d.get(11)]
  for (const list of [nodes, officers]) {
    bad(sorted(list.map(x => x.get(1))), 'a list is not sorted')
    bad(list.every(x => x.get(1).startsWith(party + '-')), 'a name does not begin with the party')
  }
  bad(nodes.every(n => endpoint(n.get(2))), 'an address is not IP:port')
  for (const o of officers) {
    const places = o.get(3).map(r => roles.indexOf(r))
    bad(places.every((p, i) => p >= 0 && (i === 0 || places[i - 1] < p)), 'roles out of order')
    bad(!o.get(3).includes('reporter') || places.length === 1, 'a reporter has no other role')
    bad(o.get(5) > o.get(4), 'until is not after from')
  }
  bad((d.get(4) === 1) === !d.has(15), 'the last head of the generation before')
  bad(!d.has(15) || d.get(15)[0] < 2 ** 50, 'the size of the log before')
  bad(distinct(keysOf(d).map(keyId)), 'a key stands twice')
  const proofs = d.get(16)
  bad(proofs.length === keysOf(d).length, 'not one proof of possession for each key')
  bad(keysOf(d).every(([alg], i) => proofs[i].length === (alg === MLDSA44 ? 2420 : 64)), 'a proof that is not as long as a signature of its key')
}

// keysOf lists the signing keys of a directory, in the order of their proofs of possession (§5.3 rule 10).
export const keysOf = d => [d.get(6), d.get(7), d.get(8), d.get(9), ...d.get(5).map(n => n.get(3)), ...d.get(11).map(o => o.get(2))]

function convention (c) {
  const bad = (ok, text) => demand(ok, text, 'document')
  bad((c.get(1) === 1) === zero(c.get(3)), 'previous')
  bad(sorted(c.get(7).map(m => m.get(1))), 'parties are not sorted')
  bad(distinct(c.get(7).map(m => keyId(m.get(2)))), 'a root key twice')
  for (const m of c.get(7)) bad(sorted(m.get(4) ?? []) && !(m.has(3) && m.has(4)), 'reservations are not sorted, or of an observer')
  bad(c.get(7).filter(m => !m.has(3)).length >= 2, 'fewer than two parties that do not only observe')
  bad(c.get(8)[0] <= c.get(8)[1], 'share above 1')
}

// disclosed holds an opened body to the commitment in the header (§3.6).
export function disclosed (spec, st, blind, bytes) {
  if (hex(sha256(blind, bytes)) !== hex(st.commitment)) refuse('bad-signature', 'not the body that was committed to')
  return checkBody(spec, st.kind.name, bytes)
}
