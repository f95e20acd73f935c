// The files of an export (SPEC §7.6), read as an adversary may have written them.
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, encode, equal, Refusal, refuse } from './cbor.mjs'
import { claimed, originOf } from './note.mjs'
import { leafHash, nodeHash } from './tree.mjs'

const MAX_FILE = 1 << 30
const MAX_RECORD = 61440 + 16
const WIDTH = 256

export const unusable = (file, text) => refuse('unusable', `${file}: ${text}`)

function read (dir, name, most = MAX_FILE) {
  let info
  try {
    info = lstatSync(join(dir, name))
  } catch {
    unusable(name, 'is missing')
  }
  if (!info.isFile()) unusable(name, 'is not a regular file')
  if (info.size > most) unusable(name, `is longer than ${most} bytes`)
  return new Uint8Array(readFileSync(join(dir, name)))
}

// openExport reads the head and the checkpoint, checks the set of files, and
// returns a generator of leaves: { raw, hash }, raw undefined where hidden.
export function openExport (dir) {
  const head = readHead(read(dir, 'export.json', 4096))
  const bytes = read(dir, 'checkpoint', 128 << 10)
  const note = usable('checkpoint', () => claimed(bytes))
  if (note.origin !== originOf(head.party, head.generation) || note.size !== head.size) unusable('checkpoint', 'is of another log or size than export.json says')
  const bundled = head.kind !== 'full'
  const data = bundled ? `${head.kind}.bundle` : 'tile'
  const found = readdirSync(dir)
  for (const name of found) if (!['export.json', 'checkpoint', 'cosigned', data].includes(name)) unusable(name, 'does not belong there')
  const cosigned = found.includes('cosigned') ? read(dir, 'cosigned', 128 << 10) : undefined
  return { head, checkpoint: bytes, cosigned, note, leaves: bundled ? bundleLeaves(dir, data, head) : tileLeaves(dir, head.size) }
}

// usable turns what is wrong with a file into the failure of the whole export.
export function usable (file, f) {
  try {
    return f()
  } catch (e) {
    if (!(e instanceof Refusal)) throw e
    return unusable(file, e.message)
  }
}

function readHead (bytes) {
  const text = Buffer.from(bytes).toString()
  let h
  try {
    h = JSON.parse(text)
  } catch {
    unusable('export.json', 'is no JSON')
  }
  const { format, kind, party, generation, convention, size, with: other, case: inCase } = h ?? {}
  const again = JSON.stringify({ format, kind, party, generation, convention, size, with: other, case: inCase }, null, '  ') + '\n'
  const code = /^[A-Z][A-Z0-9]{1,7}$/
  const whole = n => Number.isSafeInteger(n) && n > 0
  const ok = again === text && format === 1 && ['full', 'pair', 'case'].includes(kind) && code.test(party) && whole(generation) && whole(size) &&
    /^[0-9a-f]{64}$/.test(convention) && (other === undefined ? kind !== 'pair' : kind !== 'full' && code.test(other) && other !== party) &&
    (kind === 'case' ? /^[A-Z][A-Z0-9]{1,7}\/(?!0{64})[0-9a-f]{64}$/.test(inCase) : inCase === undefined)
  if (!ok) unusable('export.json', 'not the one form of its content')
  return h
}

// ---- full: C2SP tlog-tiles -----------------------------------------------

function tileName (level, n, width) {
  const digits = String(n).padStart(Math.ceil(String(n).length / 3) * 3, '0')
  const parts = digits.match(/.{3}/g)
  return ['tile', level, ...parts.slice(0, -1).map(p => 'x' + p), parts.at(-1)].join('/') + (width < WIDTH ? `.p/${width}` : '')
}

// tilesOf lists the tiles of one level as [name, first, width].
function * tilesOf (level, count) {
  for (let n = 0; n * WIDTH < count; n++) {
    const width = Math.min(WIDTH, count - n * WIDTH)
    yield [tileName(level, n, width), n * WIDTH, width]
  }
}

function * tileLeaves (dir, size) {
  const names = new Set([...tilesOf('entries', size)].map(t => t[0]))
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / WIDTH)) {
    for (const [name] of tilesOf(level, count)) names.add(name)
  }
  const found = files(dir, 'tile')
  for (const name of found) if (!names.has(name)) unusable(name, 'is no tile of a log of this size')
  for (const name of names) if (!found.has(name)) unusable(name, 'is missing')
  let hashes = []
  for (const [name, , width] of tilesOf('entries', size)) {
    for (const raw of bundleEntries(name, read(dir, name), width)) {
      const hash = leafHash(raw)
      hashes.push(hash)
      yield { raw, hash }
    }
  }
  for (let level = 0; hashes.length > 0; level++) {
    for (const [name, first, width] of tilesOf(level, hashes.length)) {
      if (!equal(read(dir, name), Buffer.concat(hashes.slice(first, first + width)))) unusable(name, 'does not hold the hashes of the entries')
    }
    hashes = subtrees(hashes)
  }
}

function * bundleEntries (name, b, width) {
  let i = 0
  for (let n = 0; n < width; n++) {
    const length = b[i] * 256 + b[i + 1]
    if (!(i + 2 + length <= b.length)) unusable(name, 'ends too early')
    yield b.subarray(i + 2, i + 2 + length)
    i += 2 + length
  }
  if (i !== b.length) unusable(name, 'is too long')
}

// subtrees are the roots of the complete subtrees of WIDTH nodes each.
function subtrees (hashes) {
  const roots = []
  for (let i = 0; i + WIDTH <= hashes.length; i += WIDTH) {
    let level = hashes.slice(i, i + WIDTH)
    while (level.length > 1) level = level.flatMap((h, k) => (k % 2 === 0 ? [nodeHash(h, level[k + 1])] : []))
    roots.push(level[0])
  }
  return roots
}

function files (dir, path) {
  const found = new Set()
  let list
  try {
    list = readdirSync(join(dir, path), { withFileTypes: true })
  } catch {
    unusable(path, 'is missing')
  }
  for (const e of list) {
    const name = `${path}/${e.name}`
    if (e.isDirectory()) files(dir, name).forEach(f => found.add(f))
    else found.add(name)
  }
  return found
}

// ---- pair and case ---------------------------------------------------------

function * records (name, b) {
  let i = 0
  while (i < b.length) {
    const length = i + 4 <= b.length ? new DataView(b.buffer, b.byteOffset + i).getUint32(0) : 0
    if (length === 0 || length > MAX_RECORD || i + 4 + length > b.length) unusable(name, 'a record of an impossible length')
    yield usable(name, () => decode(b.subarray(i + 4, i + 4 + length)))
    i += 4 + length
  }
}

// headerOf is the header that a bundle must have by its export.json.
function headerOf (head) {
  if (head.kind === 'pair') return ['hotline pair bundle/1', head.party, head.with, head.generation, head.size]
  const [party, id] = head.case.split('/')
  return ['hotline case bundle/1', head.party, head.with ?? null, head.generation, head.size, [party, new Uint8Array(Buffer.from(id, 'hex'))]]
}

function * bundleLeaves (dir, name, head) {
  const all = records(name, read(dir, name))
  const first = all.next().value
  if (first === undefined || !equal(encode(first), encode(headerOf(head)))) unusable(name, 'its header is of another export')
  let n = 0
  for (const r of all) {
    if (!Array.isArray(r) || r.length !== 2 || !(r[1] instanceof Uint8Array) || r[1].length === 0) unusable(name, 'a record of another form')
    const [shown, bytes] = r
    if (++n > head.size || (shown !== true && (shown !== false || bytes.length !== 32))) unusable(name, 'a record of another form')
    yield shown ? { raw: bytes, hash: leafHash(bytes) } : { raw: undefined, hash: bytes }
  }
  if (n !== head.size) unusable(name, `${n} leaves of ${head.size}`)
}
