#!/usr/bin/env node
// Checks vectors and exports of the Hotline protocol. See README.md.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { Refusal, refuse } from './lib/cbor.mjs'
import { Spec } from './lib/cddl.mjs'
import { checkFork } from './lib/fork.mjs'
import { checkVectors } from './lib/vectors.mjs'

const usage = `usage: node verify.mjs vectors DIR
       node verify.mjs export DIR [--convention ID]
       node verify.mjs proof FILE [--convention ID]

Options: --spec FILE (default: the SPEC.md that this stands beside), --json (one object for machines).
Exit codes: 0 nothing to observe, 1 only lapses, 3 a rule or a proof is broken, 2 it cannot be judged.
Of proof: 0 it proves a fork, 2 it proves nothing.`

const DEFAULT_SPEC = fileURLToPath(new URL('../../SPEC.md', import.meta.url))

async function main () {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { spec: { type: 'string', default: DEFAULT_SPEC }, convention: { type: 'string' }, json: { type: 'boolean', default: false } }
  })
  const [mode, dir] = positionals
  if (positionals.length !== 2 || !['vectors', 'export', 'proof'].includes(mode)) refuse('usage', usage)
  if (values.convention !== undefined && !/^[0-9a-f]{64}$/.test(values.convention)) refuse('usage', '--convention is 64 lower-case hexadecimal digits')
  const spec = new Spec(values.spec)
  if (mode === 'vectors') return vectors(spec, dir, values.json)
  if (mode === 'proof') return proven(spec, dir, values.convention, values.json)
  const { checkExport } = await import('./lib/export.mjs')
  return exported(await checkExport(spec, dir, values.convention), values.json)
}

function vectors (spec, dir, json) {
  const r = checkVectors(spec, dir)
  if (json) console.log(JSON.stringify(r))
  else {
    r.files.forEach(f => console.log(f))
    r.faults.forEach(f => console.log(`DIFFERS ${f}`))
    console.log(`${r.good} good and ${r.bad} bad vectors judged, ${r.faults.length} otherwise than they say`)
  }
  return r.faults.length > 0 || r.bad === 0 ? 3 : 0
}

function proven (spec, file, convention, json) {
  let r
  try {
    r = checkFork(spec, new Uint8Array(readFileSync(file)), convention)
  } catch (e) {
    if (!(e instanceof Refusal)) throw e
    refuse('unusable', e.message)
  }
  if (json) console.log(JSON.stringify(r))
  else {
    console.log(`convention ${r.convention}: ${r.party}, generation ${r.generation}, signed two heads that no append-only log has both had`)
    for (const h of [r.older, r.newer]) console.log(`  size ${h.size}, root ${h.root}, log key of directory ${h.directory}`)
    if (r.older.size !== r.newer.size) console.log(`  in the newer one the first ${r.older.size} leaves lead to ${r.held}`)
  }
  return 0
}

function exported (r, json) {
  if (json) console.log(JSON.stringify(r))
  else {
    console.log(`${r.kind} export of ${r.party}, generation ${r.generation}, ${r.size} entries`)
    for (const [what, n] of Object.entries(r.checked)) console.log(`  ${what}: ${n}`)
    for (const o of r.observations) console.log(`${o.code} (${o.class}) entry ${o.entry}: ${o.text}`)
    r.notJudged.forEach(n => console.log(`not judged: ${n}`))
    console.log(r.observations.length === 0 ? 'nothing to observe' : `first: ${r.observations[0].code}, entry ${r.observations[0].entry}`)
  }
  if (r.observations.some(o => o.class === 'protocol')) return 3
  return r.observations.length > 0 ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (e) {
  console.error(['unusable', 'usage', 'ERR_PARSE_ARGS_UNKNOWN_OPTION'].includes(e.code) ? e.message : e.stack ?? e)
  process.exitCode = 2
}
