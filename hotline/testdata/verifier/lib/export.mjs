// Walks an export (SPEC §7.6): every leaf and the root, the checkpoint, every
// document, statement, tender and receipt. It makes no decision of the ledger again.
import { checkAnchor, parseAnchor } from './anchor.mjs'
import { encode, equal, Refusal, refuse } from './cbor.mjs'
import { parseConvention, proveDirectory } from './document.mjs'
import { parseEntry } from './entry.mjs'
import { openExport, unusable, usable } from './files.mjs'
import { hex, keyId } from './keys.mjs'
import { bears, checkCosignature, claimed, lineOf, parseCheckpoint, witnessOf } from './note.mjs'
import { parseReceipt, parseSender, signedRoot, verifyReceipt, verifyTender } from './receipt.mjs'
import { caseOf, complete, parse, verify } from './statement.mjs'
import { emptyRoot, inclusionRoot, leafHash, nodeHash } from './tree.mjs'

// The observation for a refusal, as §10.2 names them.
const observation = { // the rest: decision-differs
  'bad-signature': 'signature-invalid',
  'unknown-key': 'signature-invalid',
  'missing-author': 'signature-invalid',
  tender: 'tender-invalid',
  receipt: 'receipt-invalid',
  malformed: 'entry-malformed',
  'too-large': 'entry-malformed',
  'entry-not-shown': 'entry-not-shown'
}

// The lapse for a duty that this party owed (§6.3, §10.2).
const lapses = {
  1: 'assess', 2: 'alert', 3: 'ratify', 5: 'acknowledge', 9: 'supplement', 10: 'progress', 11: 'final', 12: 'reply', 13: 'response', 14: 'consult'
}

// Tree grows leaf by leaf and keeps the root of every size.
class Tree {
  roots = [emptyRoot()]
  peaks = [] // [height, hash], the largest first

  append (hash) {
    let node = [0, hash]
    while (this.peaks.length > 0 && this.peaks.at(-1)[0] === node[0]) node = [node[0] + 1, nodeHash(this.peaks.pop()[1], node[1])]
    this.peaks.push(node)
    this.roots.push(this.peaks.map(p => p[1]).reduceRight((right, left) => nodeHash(left, right)))
  }
}

class Walk {
  constructor (spec, x, anchor) {
    Object.assign(this, { spec, head: x.head, anchor })
    this.conventions = []
    this.directories = new Map() // "party number" to directory
    this.newest = new Map() // party to directory
    this.own = new Map() // index to own sent entry, with its statement
    this.last = new Map() // addressee to sequence
    this.tree = new Tree()
    this.judgedKeys = new Set()
    this.others = 0
    this.forked = { count: 0 } // own signatures over other trees than this one, and the lowest place
    this.heads = [] // that statements of others name, and this log did not have
    this.closings = new Map() // "party generation" to the head at which a later directory closed it
    this.signed = [] // heads of other logs that their log keys signed
    this.passed = 0 // of them, for which this log's forks may be the reason
    this.observations = []
    this.checked = { entries: 0, 'hidden leaves': 0, documents: 0, statements: 0, signatures: 0, tenders: 0, receipts: 0, cosignatures: 0 }
  }

  observe (code, entry, text, party = this.head.party) {
    this.observations.push({ class: code.endsWith('-overdue') ? 'terms' : 'protocol', code, party, entry, text })
  }

  leaf ({ raw, hash }, index) {
    this.tree.append(hash)
    if (!raw) {
      if (index === 0) unusable(`${this.head.kind}.bundle`, 'the genesis is not shown')
      this.checked['hidden leaves']++
      return
    }
    this.checked.entries++
    try {
      const e = parseEntry(this.spec, raw)
      if (index === 0) this.genesis(e)
      this[e.type]?.(e, index)
    } catch (e) {
      if (!(e instanceof Refusal) || e.code === 'unusable') throw e
      this.observe(observation[e.code] ?? 'decision-differs', index, e.message)
    }
  }

  genesis (e) {
    if (e.type !== 'genesis') unusable('entry 0', 'is no genesis')
    const [party, generation, convention] = [1, 2, 3].map(k => e.content.get(k))
    const h = this.head
    if (party !== h.party || generation !== h.generation || hex(convention) !== h.convention) unusable('export.json', 'names another log than the genesis')
  }

  document (e) {
    const raw = e.content.get(1)
    this.checked.documents++
    if (parse(this.spec, raw).kind.name === 'convention') {
      const c = parseConvention(this.spec, raw, this.conventions.at(-1))
      if (hex(c.id) !== this.head.convention) unusable('export.json', `the log holds convention ${hex(c.id)}`)
      this.conventions.push(c)
      return
    }
    if (this.conventions.length === 0) refuse('need', 'the convention comes before directories')
    const d = proveDirectory(this.spec, raw, this.conventions)
    if (d.body.get(15)) this.closes(d)
    this.directories.set(`${d.party} ${d.number}`, d)
    if (!(this.newest.get(d.party)?.number > d.number)) this.newest.set(d.party, d)
  }

  // closes: a directory names the last head of the generation before (§7.5 rule 2).
  closes (d) {
    const [size, root] = d.body.get(15)
    const key = `${d.party} ${BigInt(d.body.get(4)) - 1n}`
    const before = this.closings.get(key)
    if (!before) this.closings.set(key, { party: d.party, size, root, count: 0 })
    else if (before.size !== size || !equal(before.root, root)) otherwise(before, size - 1)
  }

  // closedOtherwise holds each such head against what was signed of its log.
  closedOtherwise () {
    const own = this.closings.get(`${this.head.party} ${this.head.generation}`)
    if (own && this.head.size >= own.size && !equal(own.root, this.tree.roots[own.size])) otherwise(own, own.size - 1)
    else if (own && this.head.size > own.size) otherwise(own, own.size)
    for (const { party, generation, size, root } of this.signed) {
      const c = this.closings.get(`${party} ${generation}`)
      if (c && (size > c.size || (size === c.size && !equal(root, c.root)))) otherwise(c, size - 1)
    }
    for (const c of this.closings.values()) {
      if (c.count > 0) this.observe('closed-otherwise', c.at, `the root key closed the log at size ${c.size}; ${c.count} signatures say otherwise`, c.party)
    }
  }

  // author finds the key of an author in the directory that is in force, and holds an
  // officer to role and validity at the time of the sender's entry (§3.5).
  author (st, directory, time) {
    const d = this.directories.get(`${st.from} ${directory}`)
    if (!d) refuse('need', `directory ${directory} of ${st.from}`)
    return id => {
      if (st.kind.word === 'group') return keyId(d.service) === id ? d.service : undefined
      const officer = d.body.get(11).find(o => keyId(o.get(2)) === id)
      if (!officer) return undefined
      if (time < officer.get(4) || time >= officer.get(5)) refuse('expired', `key of ${officer.get(1)}`)
      if (officer.get(6) <= time) refuse('revoked', `key of ${officer.get(1)}`)
      return officer.get(2)
    }
  }

  statement (raw, directory, time) {
    const st = parse(this.spec, raw)
    this.checked.statements++
    if (hex(st.convention) !== this.head.convention) refuse('convention', 'signed under another convention')
    if (!complete(st)) refuse('missing-author', `${st.signatures.length} of ${st.authors.length} have signed`)
    verify(st, this.author(st, directory, time))
    this.checked.signatures += st.signatures.length
    if (st.kind.name === 'automatic-alert') {
      const inner = parse(this.spec, st.body.get(1))
      verify(inner, this.anyKey(st.from))
      this.checked.signatures += inner.signatures.length
    }
    return st
  }

  // anyKey finds an officer in any directory of a party: an embedded assessment was logged
  // earlier, under a directory that nothing here names.
  anyKey (party) {
    const list = [...this.directories.values()].filter(d => d.party === party)
    return id => list.flatMap(d => d.body.get(11)).find(o => keyId(o.get(2)) === id)?.get(2)
  }

  sent (e, index) {
    const c = e.content
    const st = this.statement(c.get(6), c.get(2), e.time)
    this.own.set(index, { e, st })
    if (st.from !== this.head.party) refuse('wrong-sender', `from ${st.from}`)
    if (c.has(7)) this.ownAnchor(parseAnchor(c.get(7)), index, c.get(2))
    const sequences = c.get(1) ?? []
    if (sequences.map(q => q[0]).join() !== (st.to ?? []).join()) refuse('header', 'the sequences do not name the addressees')
    for (const [to, n] of sequences) {
      const last = this.last.get(to) ?? 0
      this.last.set(to, n)
      if (n === last + 1 || (this.head.kind === 'pair' && to !== this.head.with) || (this.head.kind === 'case' && n > last)) continue
      refuse(n > last && this.head.kind === 'pair' ? 'entry-not-shown' : 'old-number', `sequence ${n} to ${to} after ${last}`)
    }
  }

  // ownAnchor: a checkpoint of this log, of which the leaves before lead to its root (§7.13).
  ownAnchor (a, index, directory) {
    const { party, generation } = this.head
    const log = this.directories.get(`${party} ${directory}`).log
    const code = { place: 'case', signature: 'bad-signature' }
    this.checked.cosignatures += checkAnchor(a, { party, generation, index, log, code, own: true }, this.directories.values())
    if (!equal(a.root, this.tree.roots[a.size])) this.fork(a.size - 1)
  }

  // fork: the log signed another tree that ends with this entry. All such are one observation, at the lowest place (§7.5).
  fork (index) {
    this.forked.count++
    if (!(this.forked.least <= index)) this.forked.least = index
  }

  received (e, index) {
    const c = e.content
    const sender = parseSender(this.spec, c.get(2))
    const tender = parseReceipt(this.spec, c.get(3))
    const st = parse(this.spec, c.get(1))
    const d = this.directories.get(`${st.from} ${sender.directory}`)
    if (!d) refuse('need', `directory ${sender.directory} of ${st.from}`)
    this.conventionId ??= this.conventions[0].id
    if (tender.generation !== d.body.get(4)) refuse('tender', `of generation ${tender.generation}, its directory is of ${d.body.get(4)}`)
    const root = verifyTender(tender, st, sender, this.conventionId, d.log)
    this.signed.push({ party: st.from, generation: tender.generation, size: tender.index + 1, root })
    this.checked.tenders++
    if (sender.anchor) {
      const place = { party: st.from, generation: tender.generation, index: tender.index, log: d.log, code: { place: 'tender', signature: 'tender' } }
      this.checked.cosignatures += checkAnchor(sender.anchor, place, this.directories.values())
      this.signed.push(sender.anchor)
    }
    if (c.get(4) === undefined) this.statement(c.get(1), sender.directory, sender.time)
    else verify(st, this.anyAuthor(st, sender.directory))
    if (c.get(4) === undefined && !st.to.includes(this.head.party)) refuse('wrong-addressee', 'it is not addressed to this party')
    this.scope(e, st)
    this.peerHead(st, tender, index)
  }

  // anyAuthor is author without roles and validity: what was rejected is signed, if not by the right people.
  anyAuthor (st, directory) {
    const d = this.directories.get(`${st.from} ${directory}`)
    const keys = [d.service, ...d.body.get(11).map(o => o.get(2))]
    return id => keys.find(k => keyId(k) === id)
  }

  // scope: a received statement concerns the two parties, within its case (§7.3).
  scope (e, st) {
    const [cls, inCase, parties] = e.scope
    const want = caseOf(st)
    const same = want ? inCase && inCase[0] === want[0] && equal(inCase[1], want[1]) : cls === 1
    if (!same || parties.join() !== [this.head.party, st.from].sort().join()) refuse('case', 'the scope of a received statement')
  }

  // peerHead: a checkpoint of this log that a statement names is one that this log had before it (§3.2). It is the word of the
  // sender, of whom it is told, and counts for nothing if this log signed another tree by then (§10.2 rule 9).
  peerHead (st, tender, index) {
    if (!st.peer || st.peer[1] === 0 || st.peer[0] !== `hotline/${this.head.party}/${this.head.generation}`) return
    const [, size, root] = st.peer
    if (size > index || !equal(root, this.tree.roots[size])) this.heads.push({ size, party: st.from, entry: tender.index })
  }

  falseHeads () {
    for (const { size, party, entry } of this.heads) {
      if (this.forked.count > 0 && this.forked.least < size) this.passed++
      else this.observe('head-not-in-log', entry, `a statement names a head of size ${size} that this log, as it is shown, cannot have had`, party)
    }
  }

  receipted (e) {
    const [id, at, tenderBytes, receiptBytes] = [1, 2, 3, 4].map(k => e.content.get(k))
    const own = this.own.get(at)
    if (!own || !equal(own.st.id, id)) refuse('receipt', `entry ${at} does not hold that statement`)
    const sentContent = new Map(own.e.content)
    sentContent.delete(6)
    const sender = [own.e.time, own.e.salt, own.e.scope, own.e.cause, sentContent]
    const senderBytes = encode(sender)
    this.conventionId ??= this.conventions[0].id
    this.receipt(parseReceipt(this.spec, receiptBytes), own, at, senderBytes, tenderBytes)
    this.checked.receipts++
    this.ownTender(parseReceipt(this.spec, tenderBytes), own, at)
  }

  // ownTender: the tender beside a receipt is of this tree. What no log key of the own party signed says nothing (§10.2 rule 5).
  ownTender (tender, own, at) {
    const { party, generation } = this.head
    if (tender.party !== party || tender.generation !== generation || tender.index !== at) return
    const root = inclusionRoot(tender.proof[0], at, leafHash(own.e.raw), tender.proof[2])
    const pages = [...this.directories.values()].filter(d => d.party === party)
    if (!pages.some(d => signedRoot(tender, root, this.conventionId, d.log))) return
    if (!equal(root, this.tree.roots[at + 1])) return this.fork(at)
    this.checked.tenders++
  }

  // receipt tries the log keys of the peer's directories of that generation, the newest first.
  receipt (r, own, at, senderBytes, tenderBytes) {
    const place = { generation: this.head.generation, index: at }
    const list = [...this.directories.values()].filter(d => d.party === r.party).sort((a, b) => b.number - a.number)
    let fault = list.length > 0 ? new Refusal('receipt', `no directory of ${r.party} opens generation ${r.generation}`) : new Refusal('need', `no directory of ${r.party}`)
    for (const d of list.filter(d => d.body.get(4) === r.generation)) {
      try {
        const root = verifyReceipt(this.spec, r, r.party, own.st, place, senderBytes, tenderBytes, this.conventionId, d.log)
        return this.signed.push({ party: r.party, generation: r.generation, size: r.index + 1, root })
      } catch (e) {
        if (!(e instanceof Refusal)) throw e
        fault = e
      }
    }
    throw fault
  }

  due (e, index) {
    const code = lapses[e.content.get(1)]
    if (e.content.get(7) && code) this.observe(`${code}-overdue`, index, `due at ${new Date(Number(e.content.get(4))).toISOString()}`)
  }

  // end closes the chain: root keys, own directory, log key, checkpoint, root.
  end (x) {
    const d = this.newest.get(this.head.party)
    if (!d) unusable('checkpoint', 'the log holds no proven directory of its party')
    const c = usable('checkpoint', () => parseCheckpoint(x.checkpoint, x.note.origin, d.log))
    if (!equal(c.root, this.tree.roots.at(-1))) unusable('checkpoint', 'the entries do not lead to its root')
    if (this.anchor && hex(this.conventions[0].id) !== this.anchor) unusable('convention', `the log holds ${hex(this.conventions[0].id)}`)
    this.others = this.cosignatures(x.checkpoint, c, 'checkpoint')
    if (x.cosigned) this.cosigned(x, d.log)
    this.falseHeads()
    this.closedOtherwise()
    if (this.forked.count > 0) this.observe('fork', this.forked.least, `the log signed another tree of size ${this.forked.least + 1}; ${this.forked.count} such in all`)
  }

  // cosigned: an earlier checkpoint of the same leaves, with what witnesses said of it (§7.8).
  cosigned (x, log) {
    const keys = [...this.directories.values()].filter(d => d.party === this.head.party).map(d => d.log)
    const key = keys.find(k => bears(usable('cosigned', () => claimed(x.cosigned)), x.note.origin, k)) ?? log
    const c = usable('cosigned', () => parseCheckpoint(x.cosigned, x.note.origin, key))
    if (c.size > this.head.size || !equal(c.root, this.tree.roots[c.size])) unusable('cosigned', 'its root is not that of the leaves')
    this.others += this.cosignatures(x.cosigned, c, 'cosigned')
  }

  // cosignatures judges the lines of witnesses whose directories stand in the log, and
  // returns how many others there are.
  cosignatures (bytes, note, file) {
    let judged = 1 // that of the log
    const faults = new Map() // by line: several keys may have the name and hash that it bears
    for (const d of this.directories.values()) {
      const name = witnessOf(d.party)
      for (const key of [d.witness, d.witnessPQ]) {
        if (d.party === this.head.party || this.judgedKeys.has(file + hex(key[1])) || !bears(note, name, key)) continue
        const line = lineOf(note, name, key)
        try {
          checkCosignature(bytes, note.origin, name, key)
        } catch (fault) {
          if (!faults.has(line)) faults.set(line, fault)
          continue
        }
        faults.set(line, undefined)
        this.judgedKeys.add(file + hex(key[1]))
        this.checked.cosignatures++
        judged++
      }
    }
    for (const fault of faults.values()) if (fault) usable(file, () => { throw fault })
    return note.lines.length - judged
  }

  // witnessed: the notes of other logs are signed with their log keys (§7.8).
  witnessed (e) {
    for (const [party, bytes] of e.content.get(1)) {
      const note = claimed(bytes, 'malformed')
      const d = [...this.directories.values()].find(x => x.party === party && bears(note, note.origin, x.log))
      if (!d) refuse('unknown-key', `no log key of ${party} known here signed its checkpoint`)
      try {
        parseCheckpoint(bytes, note.origin, d.log)
      } catch (fault) {
        refuse('bad-signature', fault.message)
      }
      this.signed.push({ party, generation: note.origin.split('/')[2], size: note.size, root: note.root })
    }
  }
}

// otherwise notes that a place contradicts the head at which a log was closed.
function otherwise (c, at) {
  c.count++
  if (!(c.at <= at)) c.at = at
}

// checkExport walks the export in dir. anchor is the id of the convention that the caller
// trusts, in hexadecimal; without it the log's own is taken.
export function checkExport (spec, dir, anchor) {
  const x = openExport(dir)
  const walk = new Walk(spec, x, anchor)
  let index = 0
  for (const leaf of x.leaves) walk.leaf(leaf, index++)
  walk.end(x)
  walk.observations.sort((a, b) => (a.party === b.party ? 0 : a.party < b.party ? -1 : 1) || a.entry - b.entry || (a.code < b.code ? -1 : 1))
  const notJudged = ['decisions of the ledger: whether each entry had to follow, and whether a deadline is missing']
  if (!anchor) notJudged.push(`whether ${x.head.convention} is the convention that was agreed on: name it with --convention`)
  if (walk.others > 0) notJudged.push(`${walk.others} signatures of unknown keys on checkpoints`)
  if (walk.passed > 0) notJudged.push(`${walk.passed} heads of this log that statements name: it signed more than one tree`)
  if (x.head.kind !== 'full') notJudged.push('entries that are not shown')
  return { ...x.head, root: hex(walk.tree.roots.at(-1)), checked: walk.checked, observations: walk.observations, notJudged }
}
