import { id } from 'ethers'

/**
 * Numbers in [0, 1) that depend on a text alone: Tommy Ettinger's mulberry32, seeded with the first 32 bits of the text's
 * keccak256. For play, never for keys.
 */
export function randomOf(text: string): () => number {
  let state = Number.parseInt(id(text).slice(2, 10), 16)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
