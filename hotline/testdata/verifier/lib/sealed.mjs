// Sealed bodies (SPEC §3.6): HPKE in base mode (RFC 9180 §5.1, §6.1) over ML-KEM-768 with X25519, and AES-256-GCM.
import { createDecipheriv } from 'node:crypto'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha256 as hash } from '@noble/hashes/sha2.js'
import { ml_kem768_x25519 as kem } from '@noble/post-quantum/hybrid.js'
import { decode, encode, refuse } from './cbor.mjs'
import { hex, keyId, utf8 } from './keys.mjs'

const KEM = 0x647a // 25722, with HKDF-SHA256 (1) and AES-256-GCM (2)
const ENCAPSULATED = 1120
const BLIND = 32
const suite = Uint8Array.of(...utf8('HPKE'), KEM >> 8, KEM & 255, 0, 1, 0, 2)
const none = new Uint8Array(0)

const join = (...parts) => new Uint8Array(Buffer.concat(parts))
const labeledExtract = (salt, label, ikm) => extract(hash, join(utf8('HPKE-v1'), suite, utf8(label), ikm), salt)
const labeledExpand = (prk, label, info, n) => expand(hash, prk, join(Uint8Array.of(0, n), utf8('HPKE-v1'), suite, utf8(label), info), n)

function decrypt (key, nonce, aad, sealed) {
  const d = createDecipheriv('aes-256-gcm', key, nonce)
  d.setAAD(aad)
  d.setAuthTag(sealed.subarray(-16))
  try {
    return join(d.update(sealed.subarray(0, -16)), d.final())
  } catch {
    refuse('unreadable', 'it does not decrypt')
  }
}

function openKey (secretKey, info, sealed) {
  const shared = kem.decapsulate(sealed.subarray(0, ENCAPSULATED), secretKey)
  const context = join(Uint8Array.of(0), labeledExtract(none, 'psk_id_hash', none), labeledExtract(none, 'info_hash', info))
  const secret = labeledExtract(shared, 'secret', none)
  return decrypt(labeledExpand(secret, 'key', context, 32), labeledExpand(secret, 'base_nonce', context, 12), none, sealed.subarray(ENCAPSULATED))
}

const sizeClass = n => (n <= 4096 ? Math.max(512, 2 ** Math.ceil(Math.log2(n))) : Math.ceil(n / 4096) * 4096)

// openBody opens the body of a statement with the seed of a sealing key.
export function openBody (spec, st, seed) {
  const payload = spec.check('sealed-body', decode(st.payload), 'unreadable')
  const { publicKey, secretKey } = kem.keygen(seed)
  const mine = payload.get(2).find(([, id]) => hex(id) === keyId([KEM, publicKey]))
  if (!mine) refuse('unreadable', 'not sealed to this key')
  const context = encode(['hotline/body', 1, st.convention, st.from, st.status])
  const key = openKey(secretKey, encode(['hotline sealed key/1', context, mine[0]]), mine[2])
  const aad = encode(['hotline sealed body/1', context, payload.get(2)])
  const text = decrypt(key, new Uint8Array(12), aad, payload.get(1))
  const end = text.lastIndexOf(0x80)
  if (end < BLIND || text.subarray(end + 1).some(x => x !== 0) || text.length !== sizeClass(end + 1)) refuse('unreadable', 'padding')
  return { blind: text.subarray(0, BLIND), body: text.subarray(BLIND, end) }
}
