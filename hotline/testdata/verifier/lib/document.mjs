// Documents: conventions and directories, signed by root keys (SPEC §5).
import { encode, equal, refuse } from './cbor.mjs'
import { hex, keyId, sha256, verified } from './keys.mjs'
import { keysOf } from './body.mjs'
import { parse, verify } from './statement.mjs'

const members = c => c.body.get(7).map(m => ({ party: m.get(1), root: m.get(2), id: keyId(m.get(2)), observer: m.get(3) === true }))

// parseConvention verifies a version against the one before, undefined for version 1.
export function parseConvention (spec, raw, before) {
  const st = parse(spec, raw)
  if (st.kind.name !== 'convention') refuse('document', `a ${st.kind.name}`)
  const c = { body: st.body, version: st.body.get(1), hash: sha256(st.payload) }
  c.id = before ? before.id : c.hash
  c.members = members(c)
  follows(c, st, before)
  signers(c, st, before)
  return c
}

function follows (c, st, before) {
  if (st.version !== c.version) refuse('document', 'header and convention name two versions')
  if (!before) {
    if (c.version !== 1) refuse('need', 'the versions before')
    return
  }
  if (c.version <= before.version) refuse('old-number', `version ${c.version}`)
  if (!equal(st.convention, before.id)) refuse('convention', 'signed under another id')
  if (c.version !== before.version + 1) refuse('need', `version ${c.version - 1}`)
  if (!equal(c.body.get(3), before.hash)) refuse('document', 'another version before')
  if (c.body.get(4) < before.body.get(4)) refuse('document', 'valid before the version before')
}

function signers (c, st, before) {
  const voters = (before?.members ?? []).filter(m => !m.observer)
  const demanded = c.members.filter(m => !before?.members.some(b => b.party === m.party && b.id === m.id && b.observer === m.observer))
  const known = new Map([...demanded, ...voters].map(m => [m.id, m]))
  const authors = st.authors.map(hex)
  authors.forEach((id, i) => {
    if (!known.has(id)) refuse('extra-author', `author ${i + 1} has no part in this version`)
    if (i >= st.signatures.length) refuse('missing-author', `signature of ${known.get(id).party}`)
  })
  verify(st, id => known.get(id)?.root)
  if (known.get(authors[0]).party !== st.from) refuse('wrong-sender', 'from is not the first author')
  for (const m of demanded) {
    if (!authors.includes(m.id)) refuse('missing-author', m.party)
  }
  if (!before) return
  const [num, den] = before.body.get(8)
  const count = voters.filter(m => authors.includes(m.id)).length
  if (count < Math.ceil(voters.length * num / den)) refuse('missing-author', `${count} of ${voters.length} parties`)
}

// parseDirectory verifies a directory under the root key in the convention.
export function parseDirectory (spec, raw, convention) {
  const st = parse(spec, raw)
  if (st.kind.name !== 'directory') refuse('document', `a ${st.kind.name}`)
  const d = st.body
  const member = convention.members.find(m => m.party === d.get(1))
  if (!equal(st.convention, convention.id)) refuse('convention', 'another convention')
  if (!member) refuse('document', `${d.get(1)} is no party`)
  if (st.from !== d.get(1)) refuse('wrong-sender', `from ${st.from}`)
  if (st.authors.length !== 1 || hex(st.authors[0]) !== member.id) refuse('missing-author', 'not the root key alone')
  if (st.directory !== d.get(2)) refuse('document', 'header and directory name two numbers')
  if (member.observer && d.get(11).some(o => o.get(3).some(r => r !== 'auditor' && r !== 'technician'))) refuse('document', 'an officer of an observer speaks')
  verify(st, () => member.root)
  const used = keysOf(d).map(keyId)
  if (convention.members.some(m => used.includes(m.id))) refuse('document', 'a root key stands in a directory')
  keysOf(d).forEach((key, i) => {
    if (!verified(key, encode(['hotline/key', 1, d.get(1), key]), d.get(16)[i])) refuse('bad-signature', `key ${i + 1} does not prove that ${d.get(1)} holds it`)
  })
  return { party: d.get(1), number: d.get(2), log: d.get(6), service: d.get(7), witness: d.get(8), witnessPQ: d.get(9), body: d }
}

// proveDirectory is parseDirectory under the newest of these versions that names the party:
// one that is to leave is a party until then (§5.3).
export function proveDirectory (spec, raw, versions) {
  const { from } = parse(spec, raw)
  return parseDirectory(spec, raw, versions.findLast(v => v.members.some(m => m.party === from)) ?? versions.at(-1))
}
