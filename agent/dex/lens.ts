import type { Address, Hex } from '../../src/protocol/units.ts'
import { abiWord } from './chain-types.ts'
import type { Rpc } from './rpc.ts'

/** Where the lens is put for the length of one eth_call: an address at which nothing is. */
const LENS: Address = '0x00000000000000000000000000000000a6bdec01'

/**
 * A contract that asks another one the same question for many arguments. Calldata: target, selector (left-aligned), bytes
 * kept of each answer, then the arguments, a word each. It answers with what was kept, one behind the other, and
 * reverts when one call does.
 */
const LENS_CODE: Hex = `0x${[
  '602035600052', //       mem[0] = calldata[0x20]                     the selector
  '60606040', //           src = 0x60, dst = 0x40
  '5b', //           0x0a: loop
  '36821015603457', //     if src >= calldatasize goto end
  '8135600452', //         mem[4] = calldata[src]                      the argument
  '604035', //             size = calldata[0x40]
  '8160246000600035', //   out dst, in 36 bytes at 0, of calldata[0]
  '5afa', //               staticcall
  '15603c57', //           if it failed goto fail
  '60403501', //           dst += size
  '9060200190', //         src += 0x20
  '600a56', //             goto loop
  '5b', //           0x34: end
  '60409003', //           length = dst - 0x40
  '6040f3', //             return mem[0x40 … dst]
  '5b', //           0x3c: fail
  '60006000fd', //         revert
].join('')}`

const MOST_AT_ONCE = 1_000

/**
 * Asks `target` one question for many arguments, in a call for every thousand, at one block.
 * @param selector 4 bytes: `0x` and 8 digits
 * @param words ABI words kept of each answer
 * @returns for each argument its words, as bytes
 */
export async function askMany(
  rpc: Rpc,
  blockHash: Hex,
  question: { target: Address; selector: string; words: number },
  args: readonly number[],
): Promise<Hex[]> {
  const { target, selector, words } = question
  const head = abiWord(BigInt(target)) + selector.slice(2).padEnd(64, '0') + abiWord(words * 32)
  const chunks = Array.from({ length: Math.ceil(args.length / MOST_AT_ONCE) }, (_, at) =>
    args.slice(at * MOST_AT_ONCE, (at + 1) * MOST_AT_ONCE),
  )
  const answers = await Promise.all(
    chunks.map((chunk) => {
      const data = `0x${head}${chunk.map(abiWord).join('')}`
      return rpc.request<Hex>('eth_call', [{ to: LENS, data }, { blockHash }, { [LENS]: { code: LENS_CODE } }])
    }),
  )
  const digits = answers.map((answer) => answer.slice(2)).join('')
  return args.map((_, at) => `0x${digits.slice(at * words * 64, (at + 1) * words * 64)}` as Hex)
}
