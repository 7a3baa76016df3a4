import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sinceOf } from '../../../src/cli/commands/ledger.ts'
import { csv } from '../../../src/cli/csv.ts'
import { rowsOf, sumsBy, totalOf } from '../../../src/cli/ledger-rows.ts'
import type { FleetClient } from '../../../src/client/client.ts'
import { LEDGER_GROUPS, type LedgerEntry, LedgerSchema, type TradeEntry } from '../../../src/protocol/ledger.ts'
import { wei } from '../../../src/protocol/units.ts'
import { errorIn, runCommand } from '../../fixtures/run-command.ts'
import { addr, hash } from '../../fixtures/trade.ts'

function trade(n: number, over: Partial<TradeEntry> = {}): TradeEntry {
  const profitWei = over.profitWei ?? wei(BigInt(n) * 1_001n)
  const gasWei = over.gasWei ?? wei(100n)
  return {
    entry: 'trade',
    id: hash(n),
    at: new Date(Date.UTC(2026, 0, 1, 0, 0, n)).toISOString(),
    ...{ chainInstance: '1', chainId: 1, state: 'executed', attempts: 1, tx: hash(n), block: n },
    ...{
      route: 'WETH →a→ USDC →b→ WETH',
      venues: ['a', 'b'],
      lender: 'aave_v3',
      lenderAddress: addr(7),
      token: addr(8),
    },
    sizeRaw: '1000000000000000000000',
    ...{ grossWei: wei(profitWei + 5n), premiumWei: wei(5n), tipWei: wei(0n), profitWei, predictedWei: profitWei },
    ...{ gasWei, l1FeeWei: wei(0n), netWei: wei(profitWei - gasWei) },
    stages: [{ stage: 'inspect', attempt: 1, waitMs: 2, workMs: 3.4 }],
    ...{ totalMs: 1_234, reason: null },
    ...over,
  }
}
const correction = (n: number, profit: bigint, gas: bigint): LedgerEntry => ({
  ...{ entry: 'correction', id: hash(n), at: '2026-01-02T00:00:00.000Z', attempt: 1, correction: 1 },
  ...{ was: 'executed', status: 'missed', tx: null, block: null, reason: 'reorged out' },
  ...{ profitDeltaWei: wei(profit), gasDeltaWei: wei(gas) },
})
/** A history that gives pages as the real one does. */
const clientOf = (entries: readonly LedgerEntry[]): Partial<FleetClient> => ({
  ledger: async ({ since = '', until = '9', last }) =>
    entries.filter(({ at }) => at >= since && at <= until).slice(-last),
})
const ledger = (args: string[], entries: readonly LedgerEntry[]) =>
  runCommand(['ledger', ...args], { client: clientOf(entries) })

const AMOUNTS = [
  'grossWei',
  'premiumWei',
  'tipWei',
  'profitWei',
  'predictedWei',
  'gasWei',
  'l1FeeWei',
  'netWei',
] as const

/** As a spreadsheet reads it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  for (let at = 0; at < text.length; ) {
    const row: string[] = []
    for (;;) {
      const quoted = text[at] === '"'
      const match = (quoted ? /"((?:[^"]|"")*)"/y : /([^,\r\n"]*)/y) as RegExp
      match.lastIndex = at
      const found = match.exec(text)
      row.push(quoted ? (found?.[1] ?? '').replaceAll('""', '"') : (found?.[1] ?? ''))
      at += found?.[0].length ?? 0
      if (text[at++] !== ',') break
    }
    expect(text[at++]).toBe('\n')
    rows.push(row)
  }
  return rows
}

describe('sums', () => {
  const entries = fc.array(
    fc.record({
      n: fc.integer({ min: 1, max: 40 }),
      profit: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
      gas: fc.bigInt({ min: 0n, max: 10n ** 17n }),
      venues: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 2, maxLength: 4 }),
      lender: fc.constantFrom('own' as const, 'aave_v3' as const),
      corrected: fc.boolean(),
    }),
    { maxLength: 30 },
  )

  test('by day, route, venue, lender and chain add up to the total, to the wei, corrections included', () => {
    fc.assert(
      fc.property(entries, (drawn) => {
        const all = drawn.flatMap(({ n, profit, gas, venues, lender, corrected }): LedgerEntry[] => [
          trade(n, { profitWei: wei(profit), gasWei: wei(gas), venues, lender, route: venues.join() }),
          ...(corrected ? [correction(n, -profit, 3n)] : []),
        ])
        const rows = rowsOf(all)
        const total = totalOf(rows)
        expect(total.netWei).toBe(total.profitWei - total.gasWei)
        for (const by of LEDGER_GROUPS)
          for (const name of AMOUNTS)
            expect(
              sumsBy(rows, by).reduce((sum, group) => sum + group[name], 0n),
              `${by} ${name}`,
            ).toBe(total[name])
      }),
      { numRuns: 100 },
    )
  })

  test('a correction counts at its trade; what it corrects is not changed', () => {
    const rows = rowsOf([trade(1), trade(2), correction(1, -1_001n, -40n)])
    expect(rows.map((row) => [row.id, row.correction, row.netWei])).toEqual([
      [hash(1), 0, 901n],
      [hash(2), 0, 1_902n],
      [hash(1), 1, -961n],
    ])
    expect(sumsBy(rows, 'route')).toMatchObject([{ trades: 2, netWei: 1_842n }])
  })
})

describe('the command', () => {
  test('prints rows or sums, as its schema says', async () => {
    const all = [trade(1), trade(2, { lender: 'balancer_v2' })]
    const rows = JSON.parse((await ledger(['--json'], all)).stdout)
    expect(LedgerSchema.parse(rows)).toMatchObject({ by: null, total: { trades: 2, netWei: 2_803n } })
    expect(rows.ledger[1]).toMatchObject({ id: hash(2), netWei: '1902', stages: [{ stage: 'inspect', waitMs: 2 }] })
    const sums = JSON.parse((await ledger(['--json', '--by', 'lender'], all)).stdout)
    expect(sums.ledger.map((sum: { key: string; netWei: string }) => [sum.key, sum.netWei])).toEqual([
      ['aave_v3', '901'],
      ['balancer_v2', '1902'],
    ])
    expect((await ledger(['--by', 'day'], all)).stdout).toMatch(/^DAY +TRADES.*\n2026-01-01 .*\ntotal /)
  })

  test('reads every page, whatever shares a moment; without asking for sums the newest hundred', async () => {
    const many = Array.from({ length: 2_500 }, (_, i) =>
      trade(i + 1, { at: new Date(Date.UTC(2026, 0, 1, 0, 0, Math.floor(i / 300))).toISOString() }),
    )
    const all = JSON.parse((await ledger(['--json', '--by', 'chain'], many)).stdout)
    expect(all.total.trades).toBe(2_500)
    expect(all.total.netWei).toBe(String(many.reduce((sum, { netWei }) => sum + netWei, 0n)))
    const newest = JSON.parse((await ledger(['--json'], many)).stdout)
    expect(newest.ledger).toHaveLength(100)
    expect(newest.ledger.at(-1).id).toBe(hash(2_500))
  })

  test('a correction of a trade that was never entered is told from what trades has of it, or counted as unknown', async () => {
    const { stdout } = await ledger(['--json', '--by', 'venue'], [correction(9, 700n, 100n)])
    expect(JSON.parse(stdout)).toMatchObject({ ledger: [{ key: 'unknown', netWei: '600' }], total: { netWei: '600' } })
  })

  test('csv: a header, whole integers, and nothing that a spreadsheet would run', async () => {
    const { stdout } = await ledger(['--csv'], [trade(1, { reason: '=HYPERLINK("x")', route: 'A, "B"' })])
    const [head = [], row = []] = parseCsv(stdout)
    const cell = (name: string) => row[head.indexOf(name)]
    expect(row).toHaveLength(head.length)
    expect([cell('size_raw'), cell('net_wei'), cell('inspect_ms'), cell('plan_ms'), cell('total_ms')]).toEqual([
      ...['1000000000000000000000', '901', '5', '0', '1234'],
    ])
    expect([cell('route'), cell('reason'), cell('day')]).toEqual(['A, "B"', `'=HYPERLINK("x")`, '2026-01-01'])
    const sums = parseCsv((await ledger(['--csv', '--by', 'route'], [trade(1)])).stdout)
    expect(sums[0]?.slice(0, 3)).toEqual(['route', 'trades', 'gross_wei'])
  })

  test('what cannot be meant is refused', async () => {
    expect(errorIn(await ledger(['--json', '--csv'], []))).toMatchObject({ code: 'usage' })
    expect(errorIn(await ledger(['--json', '--since', 'yesterday'], []))).toMatchObject({ code: 'usage' })
    expect((await ledger(['--by', 'moon'], [])).code).toBe(2)
  })
})

test('any text comes back from csv as it went in, but for what looks like a formula', () => {
  const cells = fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 2 }), {
    minLength: 1,
    maxLength: 5,
  })
  fc.assert(
    fc.property(cells, (rows) => {
      const back = parseCsv(csv(['a', 'b'], rows)).slice(1)
      expect(back).toEqual(rows.map((row) => row.map((text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text))))
    }),
  )
})

test('since is a duration back from now, or a time', () => {
  const now = Date.UTC(2026, 0, 31)
  expect(sinceOf('7d', now)).toBe('2026-01-24T00:00:00.000Z')
  expect(sinceOf('90m', now)).toBe('2026-01-30T22:30:00.000Z')
  expect(sinceOf('2026-01-02', now)).toBe('2026-01-02T00:00:00.000Z')
  expect(sinceOf('2026-01-02T03:00:00+01:00', now)).toBe('2026-01-02T02:00:00.000Z')
  expect(() => sinceOf('2026-13-45')).toThrow(/neither/)
})
