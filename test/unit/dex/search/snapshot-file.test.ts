import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSnapshot } from '../../../../agent/dex/search/snapshot-file.ts'
import { FleetError } from '../../../../src/protocol/errors.ts'
import { stringify } from '../../../../src/protocol/json.ts'
import { v2Pool, v3Pool } from '../../../fixtures/dex/pools.ts'
import { anyMarket, USDC, WETH } from '../../../fixtures/dex/search.ts'
import { fileWith, snapshotOf } from '../../../fixtures/dex/snapshot.ts'

const pair = v2Pool(5n, 7n, 1, [WETH, USDC])
const ranged = v3Pool(12, [[-60, 60, 10n ** 18n]], { at: 2, tokens: [WETH, USDC] })

async function faultOf(text: string): Promise<string> {
  try {
    await readSnapshot(fileWith(text))
  } catch (error) {
    if (error instanceof FleetError && error.exitCode === 2 && error.remedy.length > 0) return error.message
    throw error
  }
  throw new Error('it was read')
}

test('what is written is what is read, pools of every kind with their ticks', async () => {
  await fc.assert(
    fc.asyncProperty(anyMarket(4, 8), async (pools) => {
      const snapshot = await readSnapshot(snapshotOf(pools))
      expect([...snapshot.pools.values()]).toEqual(pools)
      expect(snapshot.tokens.get(USDC)).toEqual({ kind: 'token', address: USDC, decimals: 6, symbol: 'USDC' })
    }),
    { numRuns: 10 },
  )
})

test('blank lines, line ends of either kind, a byte order mark, addresses in capitals and unknown keys do no harm', async () => {
  const shout = stringify({ ...pair, token0: WETH.toUpperCase().replace('0X', '0x'), seen: 'once' })
  const text = `\uFEFF${shout}\r\n\r\n${stringify({ ...ranged, ticks: undefined })}\n\n`
  const { pools } = await readSnapshot(fileWith(text))
  expect([...pools.values()]).toEqual([pair, { ...ranged, ticks: undefined }])
})

test('a broken line is told by its number, with what is wrong', async () => {
  const with_ = (change: object) => `${stringify(pair)}\n\n${stringify({ ...ranged, ...change })}`
  expect(await faultOf(`${stringify(pair)}\n{`)).toContain('line 2: not a JSON object')
  expect(await faultOf('[]')).toContain('line 1: not a JSON object')
  expect(await faultOf(with_({ kind: 'curve' }))).toContain('line 3: kind "curve" is not one of token, v2, v3, v4')
  expect(await faultOf(with_({ liquidity: 5 }))).toContain('line 3: liquidity:')
  expect(await faultOf(with_({ liquidity: '-5' }))).toContain('line 3: liquidity is below 0')
  expect(await faultOf(with_({ tick: 99 }))).toContain('line 3: tick 99 is not that of sqrtPriceX96')
  expect(await faultOf(with_({ ticks: { 61: '5' } }))).toContain('line 3: ticks.61 is no multiple of tickSpacing 60')
  expect(await faultOf(with_({ sqrtPriceX96: '5' }))).toContain('line 3: sqrtPriceX96 is out of the range')
  expect(await faultOf(with_({ token1: WETH }))).toContain('line 3: token0 and token1 are the same')
  expect(await faultOf(with_({ address: pair.address }))).toContain(`line 3: pool ${pair.address} is there twice`)
  expect(await faultOf(stringify({ ...pair, reserve0: String(2n ** 112n) }))).toContain(
    'line 1: reserve0 is not between',
  )
  expect(await faultOf(stringify({ ...pair, token0: '0x12' }))).toContain('line 1: token0: want a lower-case address')
})

test('only the first faults are told, and a file without pools is one', async () => {
  expect(await faultOf('a\nb\nc\nd')).toMatch(/line 1.*line 2.*line 3/)
  expect(await faultOf('a\nb\nc\nd')).not.toContain('line 4')
  expect(await faultOf('')).toContain('it holds no pools')
  expect(await faultOf('\u001f\u008b\u0008')).toContain('unpack the file first')
})

test('a file that is not there, or is a folder, is told as such', async () => {
  await expect(readSnapshot('/nowhere/pools.ndjson')).rejects.toThrow('there is no such file')
  await expect(readSnapshot('/')).rejects.toThrow('it is a folder')
})
