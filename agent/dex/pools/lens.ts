import { id } from 'ethers'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { abiWord } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'

/** Where the lens is put for the length of one eth_call: an address at which nothing is. */
const LENS: Address = '0x00000000000000000000000000000000a6bdec01'

/**
 * A contract that asks many contracts a question each. Calldata: bytes kept of each answer, then two words a question:
 * target (20 bytes) with selector (4), and the argument. It answers with a word, 1 where an answer of that length or
 * more came, and what was kept, one behind the other. A question may cost 200,000 gas: nobody can burn what others need.
 */
const LENS_CODE: Hex = `0x${[
  '60206040', //               src = 0x20, dst = 0x40
  '5b', //               0x04: loop
  '36821015604a57', //         if src >= calldatasize goto end
  '81358060a01b600052', //     word = calldata[src]; mem[0] = word << 160    the selector
  '8260200135600452', //       mem[4] = calldata[src + 0x20]                 the argument
  '60003582602001', //         size = calldata[0], out = dst + 0x20
  '602460008460601c', //       36 bytes at 0, target = word >> 96
  '62030d40fa', //             ok = staticcall(200000, …)
  '6000353d101516', //         ok &= returndatasize >= size
  '825250', //                 mem[dst] = ok
  '60200160003501', //         dst += 0x20 + size
  '9060400190', //             src += 0x40
  '600456', //                 goto loop
  '5b', //               0x4a: end
  '604090036040f3', //         return mem[0x40 … dst]
].join('')}`

const MOST_AT_ONCE = 1_000
const CALLS_AT_ONCE = 4

export const selector = (signature: string): Hex => id(signature).slice(0, 10) as Hex

export interface Question {
  target: Address
  /** 4 bytes, of `selector`. */
  selector: Hex
  /** The only argument, if there is one: a number, negative in two's complement. */
  argument?: bigint | number
}

/**
 * Asks a view of each of many contracts, in an eth_call for every thousand, a few at a time, all at one block. No contract
 * has to be deployed for it: the code comes with the call.
 *
 * @param words ABI words kept of each answer
 * @param answered told after each call how many questions it answered
 * @returns for each question its words, as bytes; undefined where the target reverted, or answered less
 */
export async function askAll(
  { rpc, blockHash }: { rpc: Rpc; blockHash: Hex },
  questions: readonly Question[],
  words: number,
  answered: (count: number) => void = () => {},
): Promise<(Hex | undefined)[]> {
  const chunks = Array.from({ length: Math.ceil(questions.length / MOST_AT_ONCE) }, (_, at) =>
    questions.slice(at * MOST_AT_ONCE, (at + 1) * MOST_AT_ONCE),
  )
  const answers = await inTurn(chunks, CALLS_AT_ONCE, async (chunk) => {
    const data = `0x${abiWord(words * 32)}${chunk.map(encoded).join('')}`
    const bytes = await rpc.request<Hex>('eth_call', [
      { to: LENS, data },
      { blockHash },
      { [LENS]: { code: LENS_CODE } },
    ])
    const split = separate(bytes, chunk.length, words)
    answered(chunk.length)
    return split
  })
  return answers.flat()
}

const encoded = ({ target, selector: of, argument = 0 }: Question): string =>
  `${target.slice(2)}${of.slice(2)}${'0'.repeat(16)}${abiWord(argument)}`

function separate(bytes: Hex, count: number, words: number): (Hex | undefined)[] {
  const stride = (words + 1) * 64
  if (bytes.length !== 2 + count * stride) throw noLens()
  return Array.from({ length: count }, (_, at) => {
    const start = 2 + at * stride
    return bytes[start + 63] === '1' ? (`0x${bytes.slice(start + 64, start + stride)}` as Hex) : undefined
  })
}

/** Works through a list, no more than `width` at a time. @returns results in the order of the list */
export async function inTurn<T, R>(list: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(list.length)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < list.length; at = next++) results[at] = await work(list[at] as T)
  }
  await Promise.all(Array.from({ length: Math.min(width, list.length) }, worker))
  return results
}

const noLens = (): FleetError =>
  new FleetError('unsupported', 'the node does not run the code that an eth_call brings along (state overrides)', {
    remedy: 'Use a node that takes state overrides in eth_call: geth, reth, erigon, nethermind and anvil do.',
  })
