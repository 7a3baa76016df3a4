import { Readable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { QuoteLineSchema, QuoteSchema, ScanSchema } from '../../../src/protocol/offline.ts'
import { v2Pool, v3Pool, v4Pool } from '../../fixtures/dex/pools.ts'
import { DAI, E18, USDC, WETH } from '../../fixtures/dex/search.ts'
import { snapshotOf } from '../../fixtures/dex/snapshot.ts'
import { runCommand } from '../../fixtures/run-command.ts'

const cheap = v2Pool(1_000n * E18, 3_000_000n * E18, 1, [WETH, DAI])
const dear = v2Pool(500n * E18, 1_600_000n * E18, 2, [WETH, DAI])
const usdc = v2Pool(100n * E18, 300_000n * 10n ** 6n, 3, [WETH, USDC])
const ranged = v3Pool(0, [[-600, 600, 10n ** 18n]], { at: 4, tokens: [WETH, DAI] })
const keyed = v4Pool(ranged)
const pools = [cheap, dear, usdc]

const errorOf = (text: string) => JSON.parse(text).error as { code: string; message: string; remedy: string }

test('scan prints pools, tokens, cycles, times and exact trades, and their sum', async () => {
  const { code, stdout } = await runCommand(['scan', snapshotOf(pools), '--base', WETH, '--json'])
  const report = ScanSchema.parse(JSON.parse(stdout))
  expect(code).toBe(0)
  expect(report).toMatchObject({ pools: 3, tokens: 3, cycles: 2 })
  expect(report.trades).toHaveLength(1)
  const [trade] = report.trades
  expect(trade?.hops.map((hop) => hop.pool)).toEqual([dear.address, cheap.address])
  expect(trade?.hops[0]).toMatchObject({ tokenIn: WETH, tokenOut: DAI, amountIn: trade?.sizeRaw })
  expect(trade?.profitRaw).toBe((trade?.hops[1]?.amountOut ?? 0n) - (trade?.sizeRaw ?? 0n))
  expect(report.totalProfitRaw).toBe(trade?.profitRaw)
  expect(Object.keys(JSON.parse(stdout)).sort()).toEqual(Object.keys(ScanSchema.shape).sort())
})

test('a person reads whole units, symbols and at most eighty columns', async () => {
  const { stdout } = await runCommand(['scan', snapshotOf(pools), '--base', 'weth', '--greedy', '--min-profit', '1e13'])
  expect(stdout).toContain('3 pools, 3 tokens, 2 cycles through WETH')
  expect(stdout).toMatch(/^ +1 +0\.\d+ +\d+\.\d+ {2}0x000000/m)
  expect(stdout).toContain('1 trade earns')
  for (const line of stdout.split('\n').slice(2)) expect(line.length).toBeLessThanOrEqual(110)
})

test('a floor that nothing reaches leaves no trades, and that is no failure', async () => {
  const args = ['scan', snapshotOf(pools), '--base', WETH, '--min-profit', '1e30']
  expect(JSON.parse((await runCommand([...args, '--json'])).stdout)).toMatchObject({ trades: [], totalProfitRaw: '0' })
  const { code, stdout } = await runCommand(args)
  expect(code).toBe(0)
  expect(stdout).toContain('No cycle earns that much')
})

test.each([
  [['--base', WETH, '--max-hops', '5'], '--max-hops 5'],
  [['--base', WETH, '--min-profit', '1.5'], '--min-profit 1.5'],
  [['--base', 'PEPE'], 'no pool of the snapshot holds the base token PEPE'],
  [[], 'scan needs --base'],
])('scan %j is refused as usage', async (args, message) => {
  const { code, stderr, stdout } = await runCommand(['scan', snapshotOf(pools), ...args, '--json'])
  expect([code, stdout]).toEqual([2, ''])
  expect(errorOf(stderr).message).toContain(message)
})

test('scan and quote of a snapshot that is not there exit 2', async () => {
  for (const args of [
    ['scan', '/nowhere', '--base', WETH],
    ['quote', '/nowhere', '--pool', cheap.address, '--token-in', WETH, '--amount-in', '1'],
  ]) {
    const { code, stderr } = await runCommand([...args, '--json'])
    expect(code).toBe(2)
    expect(errorOf(stderr).message).toContain('there is no such file')
  }
})

const quote = (...args: string[]) => runCommand(['quote', snapshotOf([...pools, ranged, keyed]), ...args, '--json'])
const of = (pool: string, tokenIn = WETH) => ['--pool', pool, '--token-in', tokenIn]

test('quote answers what goes in and what comes out, either way round, for every kind', async () => {
  const given = QuoteSchema.parse(JSON.parse((await quote(...of(usdc.address), '--amount-in', '1e18')).stdout))
  expect(given).toEqual({
    amountIn: E18,
    amountOut: (E18 * 997n * 300_000_000_000n) / (100n * E18 * 1_000n + E18 * 997n),
  })
  const wanted = JSON.parse((await quote(...of(usdc.address), '--amount-out', String(given.amountOut))).stdout)
  expect(wanted.amountOut).toBe(String(given.amountOut))
  expect(BigInt(wanted.amountIn)).toBeLessThanOrEqual(E18)
  for (const pool of [ranged, keyed]) {
    const there = JSON.parse((await quote(...of(pool.address), '--amount-in', '1e15')).stdout)
    const back = JSON.parse((await quote(...of(pool.address, DAI), '--amount-out', there.amountOut)).stdout)
    expect(there.amountIn).toBe('1000000000000000')
    expect(BigInt(back.amountIn)).toBeGreaterThan(BigInt(there.amountOut))
  }
})

test.each([
  [
    [...of('0x0000000000000000000000000000000000000009'), '--amount-in', '5'],
    1,
    'the snapshot has no pool',
    /Did you mean 0x0/,
  ],
  [[...of(usdc.address, DAI), '--amount-in', '5'], 1, 'does not hold token', new RegExp(WETH)],
  [[...of(usdc.address), '--amount-out', '1e30'], 1, 'not more than the', /smaller amount/],
  [[...of(ranged.address), '--amount-in', '1e30'], 1, 'its liquidity ends', /smaller amount/],
  [[...of(usdc.address)], 2, 'a quote needs --amount-in or --amount-out', /./],
  [[...of(usdc.address), '--amount-in', '1', '--amount-out', '1'], 2, 'cannot have both', /./],
  [[...of(usdc.address), '--amount-in', '0'], 2, '--amount-in is 0', /above 0/],
  [[...of(usdc.address), '--amount-in', '-5'], 2, '--amount-in -5 is not a whole amount', /1e13/],
  [[...of('WETH'), '--amount-in', '5'], 2, '--pool WETH is not an address', /./],
  [['--token-in', WETH, '--amount-in', '5'], 2, 'a quote needs --pool', /./],
  [['--pool', usdc.address, '--amount-in', '5'], 2, 'a quote needs --token-in', /./],
  [['--batch', '--pool', usdc.address], 2, '--batch does not go with --pool', /stdin/],
] as const)('quote %j exits with why', async (args, exit, message, remedy) => {
  const { code, stderr, stdout } = await quote(...args)
  expect([code, stdout]).toEqual([exit, ''])
  expect(errorOf(stderr).message).toContain(message)
  expect(errorOf(stderr).remedy).toMatch(remedy)
})

async function batch(lines: readonly string[]) {
  const stdin = vi
    .spyOn(process, 'stdin', 'get')
    .mockReturnValue(Readable.from([lines.join('\n')]) as typeof process.stdin)
  try {
    const { code, stdout } = await runCommand(['quote', snapshotOf(pools), '--batch'])
    return {
      code,
      answers: stdout
        .trim()
        .split('\n')
        .map((line) => QuoteLineSchema.parse(JSON.parse(line))),
    }
  } finally {
    stdin.mockRestore()
  }
}

test('a batch is answered line by line, in order', async () => {
  const ask = { pool: usdc.address, tokenIn: WETH }
  const lines = [
    { ...ask, amountIn: '1e18' },
    { ...ask, amountOut: '5' },
    { ...ask, amountIn: 1_000_000 },
  ]
  const { code, answers } = await batch(lines.map((line) => JSON.stringify(line)))
  expect(code).toBe(0)
  expect(answers).toMatchObject([{ amountIn: E18 }, { amountOut: 5n }, { amountIn: 1_000_000n }])
})

test('a line of a batch that cannot be answered gets its error in its place, and the command fails', async () => {
  const good = JSON.stringify({ pool: usdc.address, tokenIn: WETH, amountIn: '1' })
  const { code, answers } = await batch([
    'not json',
    good,
    '[]',
    '',
    JSON.stringify({ pool: usdc.address, tokenIn: WETH }),
    JSON.stringify({ pool: usdc.address, tokenIn: WETH, amountIn: 2 ** 60 }),
    JSON.stringify({ pool: usdc.address, tokenIn: WETH, amountOut: '1e30' }),
    good,
  ])
  expect(code).toBe(1)
  const codes = answers.map((answer) => ('error' in answer ? answer.error.code : 'ok'))
  expect(codes).toEqual(['malformed', 'ok', 'malformed', 'malformed', 'usage', 'malformed', 'pool_empty', 'ok'])
})
