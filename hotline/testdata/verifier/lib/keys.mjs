// Keys, signatures and hashes (SPEC §3.1, §5, §7.5).
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { sha256 as hash, sha512 } from '@noble/hashes/sha2.js'
import { ml_dsa44 as mldsa44 } from '@noble/post-quantum/ml-dsa.js'
import { encode } from './cbor.mjs'

export const ED25519 = -19
export const ES256 = -7
export const MLDSA44 = -48

export const sha256 = (...parts) => {
  const h = hash.create()
  for (const p of parts) h.update(p)
  return h.digest()
}

export const hex = bytes => Buffer.from(bytes).toString('hex')
export const unhex = text => Uint8Array.from(Buffer.from(text ?? '', 'hex'))
export const utf8 = text => new TextEncoder().encode(text)

// keyId is the SHA-256 of the encoding [alg, key], in hexadecimal.
export const keyId = key => hex(sha256(encode(key)))

// validKey: an Ed25519 key is canonical and not of small order, an ES256 key
// a compressed point of the curve (§5).
export function validKey ([alg, raw]) {
  try {
    if (alg === ED25519) return !ed25519.Point.fromBytes(raw).isSmallOrder()
    if (alg === ES256) {
      p256.Point.fromBytes(raw).assertValidity()
      return raw.length === 33
    }
    return alg === MLDSA44
  } catch {
    return false
  }
}

// validKem: the coefficients in an ML-KEM-768 key are below 3329 (FIPS 203 §7.2).
export function validKem (raw) {
  for (let i = 0; i < 1152; i += 3) {
    const [a, b, c] = raw.subarray(i, i + 3)
    if ((a | (b & 15) << 8) >= 3329 || (b >> 4 | c << 4) >= 3329) return false
  }
  return true
}

const { Point } = ed25519
const little = bytes => BigInt('0x' + hex(Uint8Array.from(bytes).reverse()))

// edwards is the equation without the cofactor (§3.1 rule 4); that of the library is multiplied by it.
function edwards (raw, message, signature) {
  const [r, s, order] = [signature.subarray(0, 32), little(signature.subarray(32)), Point.Fn.ORDER]
  if (signature.length !== 64 || s >= order) return false
  const k = little(sha512.create().update(r).update(raw).update(message).digest()) % order
  const sum = Point.BASE.multiplyUnsafe(s).subtract(Point.fromBytes(raw).multiplyUnsafe(k))
  return Buffer.compare(sum.toBytes(), r) === 0
}

// verified checks one signature over message.
export function verified ([alg, raw], message, signature) {
  try {
    switch (alg) {
      case ED25519: return edwards(raw, message, signature)
      case ES256: return p256.verify(signature, message, raw, { lowS: true, prehash: true, format: 'compact' })
      case MLDSA44: return mldsa44.verify(signature, message, raw)
    }
  } catch { /* a signature of another form is no signature */ }
  return false
}
