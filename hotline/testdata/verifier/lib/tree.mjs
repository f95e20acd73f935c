// The Merkle tree of RFC 6962 and its proofs (RFC 9162 §2.1.3, §2.1.4; SPEC §7.1).
import { equal, refuse } from './cbor.mjs'
import { sha256 } from './keys.mjs'

const leafMark = Uint8Array.of(0)
const nodeMark = Uint8Array.of(1)

export const leafHash = entry => sha256(leafMark, entry)
export const nodeHash = (left, right) => sha256(nodeMark, left, right)
export const emptyRoot = () => sha256()

const MAX_SIZE = 1n << 50n

// rootOf computes the root of leaves that are given as hashes.
export function rootOf (hashes) {
  if (hashes.length === 0) return emptyRoot()
  let level = hashes
  while (level.length > 1) level = above(level)
  return level[0]
}

// above pairs the nodes of one level; a last one without a partner moves up.
function above (level) {
  const up = []
  for (let i = 0; i + 1 < level.length; i += 2) up.push(nodeHash(level[i], level[i + 1]))
  if (level.length % 2 === 1) up.push(level[level.length - 1])
  return up
}

// inclusionRoot is the root that a path implies for a leaf, RFC 9162 §2.1.3.2.
export function inclusionRoot (size, index, leaf, path) {
  let [fn, sn] = [BigInt(index), BigInt(size) - 1n]
  if (BigInt(size) >= MAX_SIZE || fn > sn) refuse('proof', 'index is not inside the tree')
  let r = leaf
  for (const p of path) {
    if (sn === 0n) refuse('proof', 'the path is too long')
    if ((fn & 1n) === 1n || fn === sn) {
      r = nodeHash(p, r)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      r = nodeHash(r, p)
    }
    fn >>= 1n
    sn >>= 1n
  }
  if (sn !== 0n) refuse('proof', 'the path is too short')
  return r
}

export function checkInclusion (size, index, leaf, path, root) {
  if (!equal(inclusionRoot(size, index, leaf, path), root)) refuse('proof', 'the path leads to another root')
}

// checkConsistency, RFC 9162 §2.1.4.2; of equal sizes, and from size 0, the proof is empty.
export function checkConsistency (from, to, oldRoot, newRoot, proof) {
  const [first, second] = [BigInt(from), BigInt(to)]
  if (second >= MAX_SIZE || first > second) refuse('proof', 'sizes')
  if (first === 0n && !equal(oldRoot, emptyRoot())) refuse('proof', 'the root of size 0')
  if (second === 0n && !equal(newRoot, emptyRoot())) refuse('proof', 'the root of size 0')
  if (first === second && !equal(oldRoot, newRoot)) refuse('proof', 'two roots for one size')
  if (first === 0n || first === second) {
    if (proof.length > 0) refuse('proof', 'the proof must be empty')
    return
  }
  if (proof.length === 0) refuse('proof', 'the proof is empty')
  const [fr, sr] = consistencyRoots(from, to, (first & (first - 1n)) === 0n ? [oldRoot, ...proof] : proof)
  if (!equal(fr, oldRoot) || !equal(sr, newRoot)) refuse('proof', 'the proof leads to other roots')
}

// consistencyRoots are both roots to which a path leads that begins with the
// last perfect subtree of the older tree, RFC 9162 §2.1.4.2 (SPEC §7.11).
export function consistencyRoots (from, to, [start, ...list]) {
  let [fn, sn] = [BigInt(from) - 1n, BigInt(to) - 1n]
  if (start === undefined) refuse('proof', 'the path is empty')
  while ((fn & 1n) === 1n) {
    fn >>= 1n
    sn >>= 1n
  }
  let [fr, sr] = [start, start]
  for (const c of list) {
    if (sn === 0n) refuse('proof', 'the proof is too long')
    if ((fn & 1n) === 1n || fn === sn) {
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      sr = nodeHash(sr, c)
    }
    fn >>= 1n
    sn >>= 1n
  }
  if (sn !== 0n) refuse('proof', 'the proof is too short')
  return [fr, sr]
}
