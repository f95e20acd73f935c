// The vectors: what to accept, what to refuse, and with which class.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, Refusal, refuse } from './cbor.mjs'
import { checkBody, disclosed } from './body.mjs'
import { parseConvention, parseDirectory } from './document.mjs'
import { parseEntry } from './entry.mjs'
import { checkFork } from './fork.mjs'
import { hex, unhex } from './keys.mjs'
import { checkCosignature, parseCheckpoint } from './note.mjs'
import { checkProof } from './proof.mjs'
import { parseReceipt, parseSender, verifyReceipt, verifyTender } from './receipt.mjs'
import { openBody } from './sealed.mjs'
import { complete, parse, verify } from './statement.mjs'
import { checkConsistency, checkInclusion } from './tree.mjs'

const publicKey = text => decode(unhex(text))

const forms = {
  statement (spec, file, v, raw) {
    const st = verify(parse(spec, raw), id => file.keys[id] && publicKey(file.keys[id]))
    if (!complete(st)) refuse('missing-author', `${st.signatures.length} of ${st.authors.length} have signed`)
    if (v.id && hex(st.id) !== v.id) refuse('wrong-id', `id ${hex(st.id)}, want ${v.id}`)
    if (!v.body) return
    const { blind, body } = openBody(spec, st, unhex(file.context.sealing))
    if (hex(blind) !== v.blind || hex(body) !== v.body) refuse('wrong-body', 'another body or blind')
    disclosed(spec, st, blind, body)
  },
  body (spec, file, v, raw) {
    const kind = spec.kinds.get(v.kind)
    if (!kind) refuse('unknown-kind', `kind ${v.kind}`)
    checkBody(spec, kind.name, raw)
  },
  entry: (spec, file, v, raw) => parseEntry(spec, raw),
  convention: (spec, file, v, raw) => parseConvention(spec, raw, conventionBefore(spec, file)),
  directory: (spec, file, v, raw) => parseDirectory(spec, raw, conventionBefore(spec, file)),
  tender (spec, { context: c }, v, raw) {
    const t = parseReceipt(spec, raw)
    verifyTender(t, parse(spec, unhex(c.statement)), parseSender(spec, unhex(c.sender)), unhex(c.convention), publicKey(c.log))
  },
  receipt (spec, { context: c }, v, raw) {
    const r = parseReceipt(spec, raw)
    const own = { generation: 1, index: c.index }
    verifyReceipt(spec, r, 'XB', parse(spec, unhex(c.statement)), own, unhex(c.sender), unhex(c.tender), unhex(c.convention), publicKey(c.log))
  },
  checkpoint: (spec, { context: c }, v, raw) => parseCheckpoint(raw, c.origin, publicKey(c.log)),
  cosignature (spec, { context: c }, v, raw) {
    parseCheckpoint(raw, c.origin, publicKey(c.log))
    checkCosignature(raw, c.origin, c.name, publicKey(c.witness))
  },
  'tlog-proof': (spec, { context: c }, v, raw) => checkProof(raw, unhex(c.entry), c.origin, publicKey(c.log)),
  'fork-proof': (spec, { context: c }, v, raw) => checkFork(spec, raw, c.convention),
  inclusion: (spec, file, { proof: p }) => checkInclusion(p.size, p.from, unhex(p.first), p.path.map(unhex), unhex(p.root)),
  consistency: (spec, file, { proof: p }) => checkConsistency(p.from, p.size, unhex(p.first), unhex(p.root), p.path.map(unhex))
}

function conventionBefore (spec, file) {
  return file.context.before ? parseConvention(spec, unhex(file.context.before)) : undefined
}

// classOf says how a vector is judged: "" for a good one.
export function classOf (spec, file, v) {
  try {
    forms[file.form](spec, file, v, unhex(v.bytes))
    return ['', '']
  } catch (e) {
    if (!(e instanceof Refusal)) throw e
    return [e.code, e.message]
  }
}

// checkVectors judges every file of a directory and returns what came of it.
export function checkVectors (spec, dir) {
  const result = { files: [], good: 0, bad: 0, faults: [] }
  for (const name of readdirSync(dir).filter(n => n.endsWith('.json')).sort()) {
    const file = JSON.parse(readFileSync(join(dir, name), 'utf8'))
    if (!forms[file.form]) throw new Error(`${name}: form ${file.form} is not known`)
    for (const v of file.vectors) {
      const [code, text] = classOf(spec, file, v)
      v.code ? result.bad++ : result.good++
      if (code !== v.code) result.faults.push(`${name}: ${v.name}: want ${v.code || 'good'}, got ${text || 'good'}`)
    }
    result.files.push(`${name}: ${file.vectors.length}`)
  }
  return result
}
