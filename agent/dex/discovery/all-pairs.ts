import type { PoolFactory, PoolInfo } from '../../../src/protocol/chain.ts'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import { word } from '../chain-types.ts'
import { askAll, selector } from '../pools/lens.ts'
import type { Rpc } from '../rpc.ts'

const LENGTH = selector('allPairsLength()')
const ALL_PAIRS = selector('allPairs(uint256)')
const TOKEN0 = selector('token0()')
const TOKEN1 = selector('token1()')

/** Every pair of a V2 factory by its own list: for nodes that keep no old logs. When each was made is not known. */
export async function allPairs(rpc: Rpc, factory: PoolFactory, blockHash: Hex): Promise<PoolInfo[]> {
  const at = { rpc, blockHash }
  const [length] = await askAll(at, [{ target: factory.address, selector: LENGTH }], 1)
  const places = Array.from({ length: length ? Number(word(length, 0)) : 0 }, (_, argument) => argument)
  const listed = await askAll(
    at,
    places.map((argument) => ({ target: factory.address, selector: ALL_PAIRS, argument })),
    1,
  )
  const pairs = listed.flatMap((answer) => (answer ? [inWord(answer)] : []))
  const ask = (of: Hex) =>
    askAll(
      at,
      pairs.map((target) => ({ target, selector: of })),
      1,
    )
  const [token0, token1] = [await ask(TOKEN0), await ask(TOKEN1)]
  return pairs.flatMap((pair, index) => {
    const [one, other] = [token0[index], token1[index]]
    if (!one || !other) return []
    const tokens = { token0: inWord(one), token1: inWord(other) }
    return [{ kind: 'v2' as const, dex: factory.dex, address: pair, feePips: factory.feePips ?? 3_000, ...tokens }]
  })
}

const inWord = (answer: Hex): Address => address(`0x${answer.slice(-40)}`)
