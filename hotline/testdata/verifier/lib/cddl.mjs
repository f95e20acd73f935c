// Structures are not written down here a second time: they are read from the
// blocks marked cddl, and the kinds from the table, of SPEC.md itself. This is
// the part of CDDL (RFC 8610) in which SPEC is written.
import { readFileSync } from 'node:fs'
import { decode, refuse, Refusal } from './cbor.mjs'

const token = /(?:\s|;[^\n]*(?:\n|$))*(?:(#6\.\d+)|(\.\.)|(\.[a-z]+)|("[^"]*")|(-?\d+)|([A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)|([={}[\](),:?*+/]))/y

// Spec is what SPEC.md says: its rules by name and its kinds by number.
export class Spec {
  constructor (file) {
    const text = readFileSync(file, 'utf8')
    const blocks = [...text.matchAll(/^```cddl\n(.*?)^```/gms)].map(m => m[1])
    this.rules = parse(blocks.join('\n'))
    this.kinds = parseKinds(text)
  }

  // check holds a value to a rule (§3.5). What is not of the form is malformed. A
  // value of the right form outside its bounds is refused with code; a text that
  // is too long with long.
  check (name, value, code = 'malformed', long = code) {
    new Check(this.rules, code, long).type({ t: 'name', v: name }, value, name)
    return value
  }

  // checkEntry holds an entry to the alternative of its type (§7.2), and returns
  // the name of its content.
  checkEntry (entry) {
    const alternative = isInt(entry[0]) && this.rules.entry.list.find(node => node.entries[0].type.v === BigInt(entry[0]))
    if (!alternative) refuse('malformed', `entry type ${entry[0]}`)
    new Check(this.rules, 'malformed', 'malformed').type(alternative, entry, 'entry')
    return alternative.entries.at(-1).type.v
  }
}

function parse (src) {
  const tokens = []
  token.lastIndex = 0
  for (let m; (m = token.exec(src));) tokens.push(m.slice(1).find(x => x !== undefined))
  const p = { tokens, i: 0 }
  const rules = {}
  while (p.i < tokens.length) {
    const name = tokens[p.i++]
    want(p, '=')
    if (rules[name]) throw new Error(`SPEC defines ${name} twice`)
    rules[name] = tokens[p.i] === '(' ? { t: 'group', entries: (p.i++, group(p, ')')) } : choice(p)
  }
  return rules
}

function want (p, t) {
  const got = p.tokens[p.i++]
  if (got !== t) throw new Error(`SPEC: ${got} where ${t} is wanted, before ${p.tokens.slice(p.i, p.i + 8).join(' ')}`)
}

function choice (p) {
  const list = [controlled(p)]
  while (p.tokens[p.i] === '/') {
    p.i++
    list.push(controlled(p))
  }
  return list.length === 1 ? list[0] : { t: 'choice', list }
}

function controlled (p) {
  const base = simple(p)
  const op = p.tokens[p.i]
  if (!['..', '.size', '.regexp', '.cbor'].includes(op)) return base
  p.i++
  return { t: op, base, arg: simple(p) }
}

function simple (p) {
  const t = p.tokens[p.i++]
  if (t === '{') return { t: 'map', entries: group(p, '}') }
  if (t === '[') return { t: 'array', entries: group(p, ']') }
  if (t === '(') {
    const inner = choice(p)
    want(p, ')')
    return inner
  }
  if (t.startsWith('#6.')) {
    want(p, '(')
    const inner = choice(p)
    want(p, ')')
    return { t: 'tag', inner }
  }
  if (t.startsWith('"')) return { t: 'text', v: t.slice(1, -1) }
  if (/^-?\d/.test(t)) return { t: 'int', v: BigInt(t) }
  return { t: 'name', v: t }
}

function group (p, end) {
  const entries = []
  while (p.tokens[p.i] !== end) {
    const e = { min: 1, max: 1 }
    if (p.tokens[p.i] === '?') {
      p.i++
      e.min = 0
    } else if (/^\d+$/.test(p.tokens[p.i]) && p.tokens[p.i + 1] === '*') {
      e.min = Number(p.tokens[p.i])
      e.max = Infinity
      p.i += 2
      if (/^\d+$/.test(p.tokens[p.i]) && p.tokens[p.i + 1] !== ':') e.max = Number(p.tokens[p.i++])
    }
    if (p.tokens[p.i + 1] === ':') {
      e.key = p.tokens[p.i]
      p.i += 2
    }
    e.type = choice(p)
    entries.push(e)
    if (p.tokens[p.i] === ',') p.i++
  }
  p.i++
  return entries
}

const isInt = v => typeof v === 'number' || typeof v === 'bigint'
const utf8Length = s => Buffer.byteLength(s)

// bounds of a literal or a range
function bounds (node) {
  return node.t === '..' ? [node.base.v, node.arg.v] : [node.v, node.v]
}

class Check {
  constructor (rules, code, long, plain = false) {
    Object.assign(this, { rules, code, long, plain })
  }

  form (where, what) { refuse('malformed', `${where}: ${what}`) }

  type (node, v, where) {
    if (v === undefined) this.form(where, 'missing')
    switch (node.t) {
      case 'name': return this.name(node.v, v, where)
      case 'int':
        if (!isInt(v)) this.form(where, 'no integer')
        if (BigInt(v) !== node.v) refuse(this.code, `${where}: ${v}, want ${node.v}`)
        return
      case 'text':
        if (typeof v !== 'string') this.form(where, 'no text')
        if (v !== node.v) refuse(this.code, `${where}: another text than ${node.v}`)
        return
      case '..': {
        if (!isInt(v)) this.form(where, 'no integer')
        const [low, high] = bounds(node)
        if (v < low || v > high) refuse(this.code, `${where}: ${v} is not ${low} to ${high}`)
        return
      }
      case '.size': return this.size(node, v, where)
      case '.regexp':
        this.type(node.base, v, where)
        if (!new RegExp(`^(?:${node.arg.v})$`).test(v)) refuse(this.code, `${where}: not of the form ${node.arg.v}`)
        return
      case '.cbor':
        this.type(node.base, v, where)
        return this.type(node.arg, node.arg.v === 'receipt' ? v : decode(v), where)
      case 'choice': return this.choice(node, v, where)
      case 'map': return this.map(node, v, where)
      case 'array':
        if (!Array.isArray(v)) this.form(where, 'no array')
        return this.array(flat(node.entries, this.rules), v, where)
      case 'tag': return this.form(where, 'a message where a value belongs')
    }
    throw new Error(`cannot check ${node.t}`)
  }

  name (name, v, where) {
    switch (name) {
      case 'tstr': if (typeof v !== 'string') this.form(where, 'no text'); return
      case 'bstr': if (!(v instanceof Uint8Array)) this.form(where, 'no byte string'); return
      case 'uint': if (!isInt(v) || v < 0) this.form(where, 'no unsigned integer'); return
      case 'bool': if (typeof v !== 'boolean') this.form(where, 'no boolean'); return
      case 'true': if (v !== true) this.form(where, 'not true'); return
      case 'nil': if (v !== null) this.form(where, 'not null'); return
      case 'receipt': if (!(v instanceof Uint8Array)) this.form(where, 'no byte string'); return // its own reader
      case 'number': case 'kind': if (isInt(v) && v < 0) this.form(where, 'negative')
    }
    if (!this.plain && name.endsWith('-key') && name !== 'sealed-key') return this.key(name, v, where)
    if (name === 'hit') return new Check(this.rules, this.code, this.code).type(this.rules.hit, v, where)
    const rule = this.rules[name]
    if (!rule) throw new Error(`SPEC does not define ${name}`)
    this.type(rule, v, `${where}`)
  }

  // A key is of a known algorithm and length, or no key at all; whether that
  // algorithm is allowed in its place is a question of its own.
  key (name, v, where) {
    const known = { 'ed25519-key': 1, 'es256-key': 1, 'mldsa44-key': 1, 'signing-key': 1, 'public-key': 1 }[name]
    const rule = n => new Check(this.rules, 'malformed', 'malformed', true).type(this.rules[n], v, where)
    rule(known ? 'public-key' : name)
    if (!known) return
    try {
      rule(name)
    } catch (e) {
      refuse(this.code, `${where}: a key of another algorithm than the suite's`)
    }
  }

  size (node, v, where) {
    this.type(node.base, v, where)
    const n = typeof v === 'string' ? utf8Length(v) : v.length
    const [low, high] = bounds(node.arg).map(Number)
    if (n >= low && n <= high) return
    if (low === high) this.form(where, `${n} bytes, want ${low}`)
    refuse(n > high && typeof v === 'string' ? this.long : this.code, `${where}: ${n} bytes, ${low} to ${high} are allowed`)
  }

  choice (node, v, where) {
    const faults = []
    for (const t of node.list) {
      try {
        return this.type(t, v, where)
      } catch (e) {
        if (!(e instanceof Refusal)) throw e
        faults.push(e)
      }
    }
    throw faults.find(e => e.code !== 'malformed') ?? faults[0]
  }

  map (node, v, where) {
    if (!(v instanceof Map)) this.form(where, 'no map')
    const left = new Set(v.keys())
    for (const e of flat(node.entries, this.rules)) {
      const key = [...left].find(k => String(k) === e.key && isInt(k))
      const at = `${where}.${e.key}`
      if (key === undefined) {
        if (e.min > 0) this.form(at, 'missing')
        continue
      }
      left.delete(key)
      if (e.min === 0 && this.empty(e.type, v.get(key))) this.form(at, 'present and empty')
      this.type(e.type, v.get(key), at)
    }
    if (left.size > 0) this.form(where, `unknown key ${[...left][0]}`)
  }

  // empty: an absent field is left out, never zero (SPEC §2); but an id that is
  // zero names no statement.
  empty (type, v) {
    if (v instanceof Uint8Array) return type.v === 'hash' && v.every(x => x === 0)
    if (Array.isArray(v)) return v.every(x => x === 0) && (v.length === 0 || type.v === 'pauses')
    return v === null || v === false || v === 0 || v === ''
  }

  array (entries, v, where) {
    let i = 0
    for (const [n, e] of entries.entries()) {
      const fixed = entries.slice(n + 1).reduce((sum, x) => sum + x.min, 0)
      const count = e.max === 1 ? Math.min(1, v.length - i - fixed) : v.length - i - fixed
      if (e.max === 1 && count < e.min) this.form(where, 'too short')
      if (e.min === e.max && e.max > 1 && count !== e.max) this.form(where, `${count} elements, want ${e.max}`)
      if (count > e.max) refuse(this.code, `${where}: ${count} elements, at most ${e.max}`)
      if (count < e.min) refuse(this.code, `${where}: ${count} elements, at least ${e.min}`)
      for (let k = 0; k < count; k++, i++) this.type(e.type, v[i], `${where}[${i}]`)
    }
    if (i < v.length) this.form(where, 'too long')
  }
}

// flat puts the entries of groups in the place of their names.
function flat (entries, rules) {
  return entries.flatMap(e => e.type.t === 'name' && e.key === undefined && rules[e.type.v]?.t === 'group'
    ? flat(rules[e.type.v].entries, rules)
    : /^[a-z]/.test(e.key ?? '1') ? [{ ...e, key: undefined }] : [e])
}

// parseKinds reads the table of SPEC §4.
function parseKinds (text) {
  const table = text.match(/<!-- generated: kinds -->\n(.*?)<!-- end -->/s)[1]
  const kinds = new Map()
  for (const line of table.split('\n').slice(2)) {
    const c = line.split('|').slice(1, -1).map(x => x.trim())
    if (c.length < 12) continue
    const names = s => (s ? s.split(', ') : [])
    const two = c[3].match(/^1 or 2: (.*)$/)
    const roles = (two ? two[1] : c[3]).split(', then ')
    kinds.set(Number(c[0]), {
      name: c[1],
      word: c[2],
      authors: c[2] === 'roots' ? [1, 96] : c[2] === 'group' ? [1, 1] : [two ? 1 : roles.length, roles.length],
      opens: c[4] === 'yes',
      delivered: c[5] === 'yes',
      sealed: c[6] === 'yes',
      must: names(c[10]),
      may: names(c[11])
    })
  }
  return kinds
}
