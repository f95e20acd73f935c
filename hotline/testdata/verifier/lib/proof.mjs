// Proofs that an entry stands in a log: C2SP tlog-proof (SPEC §7.9).
import { refuse } from './cbor.mjs'
import { base64, parseCheckpoint } from './note.mjs'
import { checkInclusion, leafHash } from './tree.mjs'

const MAX_EXTRA = 48 << 10
const MAX_PATH = 51

// checkProof checks that an entry stands in the log of the origin and log key,
// and returns its index and the checkpoint that it is proven for.
export function checkProof (bytes, entry, origin, key) {
  const text = Buffer.from(bytes).toString('latin1') // byte by byte: the checkpoint is judged by its own reader
  const cut = text.indexOf('\n\n')
  if (cut < 0) refuse('proof', 'no empty line before a checkpoint')
  const lines = text.slice(0, cut).split('\n')
  if (lines.shift() !== 'c2sp.org/tlog-proof@v1') refuse('proof', 'the first line')
  if (lines[0]?.startsWith('extra ')) {
    const extra = base64(lines.shift().slice('extra '.length))
    if (!extra?.length || extra.length > MAX_EXTRA) refuse('proof', 'the extra data')
  }
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')
  if (!index || Number(index[1]) >= 2 ** 50 || lines.length > MAX_PATH) refuse('proof', 'the index, or the number of hashes')
  const path = lines.map(line => {
    const hash = base64(line)
    return hash?.length === 32 ? hash : refuse('proof', 'a hash of the path')
  })
  const head = parseCheckpoint(bytes.subarray(cut + 2), origin, key)
  if (head.size === 0) refuse('proof', 'nothing stands in an empty log')
  checkInclusion(head.size, Number(index[1]), leafHash(entry), path, head.root)
  return { index: Number(index[1]), ...head }
}
