import type { FleetClient } from '../../client/client.ts'
import { FleetError } from '../../protocol/errors.ts'
import {
  LEDGER_GROUPS,
  type Ledger,
  type LedgerEntry,
  type LedgerGroup,
  type LedgerRow,
  type LedgerSum,
} from '../../protocol/ledger.ts'
import { STAGES, type Stage } from '../../protocol/task.ts'
import { type Command, textOf } from '../command.ts'
import { csv } from '../csv.ts'
import { type About, aboutTrade, rowsOf, sumsBy, totalOf } from '../ledger-rows.ts'
import { duration, wholeNumber } from '../options.ts'
import { coin, shortHash, table, timeOf } from '../text.ts'
import { withFleet } from './fleet.ts'

const PAGE = 1_000
const NEWEST = 100

export const ledgerCommand: Command = {
  name: 'ledger',
  describe: 'what every trade that reached a block brought and cost, and the sums',
  options: {
    by: {
      type: 'string',
      choices: [...LEDGER_GROUPS],
      describe:
        'sums by day (UTC), route, venue, lender or chain instance; a trade is an equal share a hop of its venues',
    },
    since: { type: 'string', describe: 'only what ended since: 24h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z' },
    last: { type: 'string', describe: 'how many of the newest [100; all with --by, --csv or --since]' },
    csv: {
      type: 'boolean',
      default: false,
      describe:
        'RFC 4180: a header, raw integers; amounts in wei. gross - premium - tip = profit; profit - gas = net; gas has the L1 fee in it; net adds up to profitWei of status',
    },
  },
  run: async (context, argv) => {
    const { out } = context
    const by = textOf(argv, 'by') as LedgerGroup | undefined
    const since = sinceOf(textOf(argv, 'since'))
    const asCsv = argv.csv === true
    if (asCsv && out.json)
      throw new FleetError('usage', '--csv and --json cannot both be meant', { remedy: 'Leave one of them out.' })
    const whole = by !== undefined || asCsv || since !== undefined
    const last =
      wholeNumber('--last', textOf(argv, 'last'), 1, 10_000_000) ?? (whole ? Number.POSITIVE_INFINITY : NEWEST)
    return withFleet(context, async (client) => {
      const rows = await readRows(client, since, last)
      const sums = by === undefined ? undefined : sumsBy(rows, by)
      const ledger: Ledger = { by: by ?? null, ledger: sums ?? rows, total: totalOf(rows) }
      if (asCsv) out.text(sums ? sumsCsv(sums, by ?? 'key') : rowsCsv(rows))
      else out.document(ledger, () => (sums ? sumsTable(sums, by ?? '', ledger.total) : rowsTable(rows, ledger.total)))
      return 0
    })
  },
}

/** Page by page, newest first; entries of one moment may come twice and are told apart by what names them. */
async function readRows(client: FleetClient, since: string | undefined, last: number): Promise<LedgerRow[]> {
  const seen = new Map<string, LedgerEntry>()
  let until: string | undefined
  while (seen.size < last) {
    const page = await client.ledger({ since, until, last: PAGE })
    const before = seen.size
    for (const entry of page.toReversed()) seen.set(nameOf(entry), entry)
    if (page.length < PAGE || seen.size === before) break
    until = page[0]?.at
  }
  const entries = [...seen.values()].slice(0, last).reverse()
  return rowsOf(entries, await correctedTrades(client, entries))
}

const nameOf = (entry: LedgerEntry): string =>
  entry.entry === 'trade' ? entry.id : `${entry.id}/${entry.attempt}/${entry.correction}`

/** A correction may come without its trade: that ended before, or in no block. */
async function correctedTrades(client: FleetClient, entries: readonly LedgerEntry[]): Promise<Map<string, About>> {
  const there = new Set(entries.flatMap((entry) => (entry.entry === 'trade' ? [entry.id] : [])))
  const missing = new Set(entries.map((entry) => entry.id).filter((id) => !there.has(id)))
  const known = new Map<string, About>()
  for (const id of missing) {
    const [trade] = await client.trades({ id, last: 1 })
    if (trade) known.set(id, aboutTrade(trade))
  }
  return known
}

/** @throws FleetError `usage` */
export function sinceOf(text: string | undefined, nowMs = Date.now()): string | undefined {
  if (text === undefined) return undefined
  const days = /^(\d{1,5})d$/.exec(text)?.[1]
  if (days !== undefined) return new Date(nowMs - Number(days) * 86_400_000).toISOString()
  if (/^\d+(\.\d+)?(ms|s|m|h)$/.test(text)) return new Date(nowMs - (duration('--since', text) ?? 0)).toISOString()
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return new Date(time).toISOString()
  throw new FleetError('usage', `--since ${text} is neither a duration nor a time`, {
    remedy: 'Write 24h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z.',
  })
}

const SUM_COLUMNS = [
  'trades',
  'gross_wei',
  'premium_wei',
  'tip_wei',
  'profit_wei',
  'predicted_wei',
  'gas_wei',
  'l1_fee_wei',
  'net_wei',
]
const amountsOf = (row: Omit<LedgerSum, 'key' | 'trades'>) => [
  ...[row.grossWei, row.premiumWei, row.tipWei, row.profitWei],
  ...[row.predictedWei, row.gasWei, row.l1FeeWei, row.netWei],
]

const sumsCsv = (sums: readonly LedgerSum[], by: string): string =>
  csv(
    [by, ...SUM_COLUMNS],
    sums.map((sum) => [sum.key, sum.trades, ...amountsOf(sum)]),
  )

const ROW_COLUMNS = [
  ...['at', 'day', 'id', 'correction', 'state', 'chain_instance', 'chain_id', 'block', 'tx', 'attempts'],
  ...['route', 'venues', 'lender', 'lender_address', 'token', 'size_raw', ...SUM_COLUMNS.slice(1)],
  ...[...STAGES.map((stage) => `${stage}_ms`), 'total_ms', 'reason'],
]

function rowsCsv(rows: readonly LedgerRow[]): string {
  const took = (row: LedgerRow, stage: Stage) =>
    Math.round(row.stages.reduce((sum, time) => sum + (time.stage === stage ? time.waitMs + time.workMs : 0), 0))
  return csv(
    ROW_COLUMNS,
    rows.map((row) => [
      ...[row.at, row.at.slice(0, 10), row.id, row.correction, row.state, row.chainInstance, row.chainId],
      ...[row.block, row.tx, row.attempts, row.route, row.venues.join(' '), row.lender, row.lenderAddress, row.token],
      ...[BigInt(row.sizeRaw), ...amountsOf(row), ...STAGES.map((stage) => took(row, stage)), row.totalMs, row.reason],
    ]),
  )
}

const SUM_HEAD = ['TRADES', 'GROSS', 'PREMIUM', 'TIP', 'PROFIT', 'GAS', 'NET']
const sumCells = (sum: Ledger['total']) => [
  sum.trades,
  ...[sum.grossWei, sum.premiumWei, sum.tipWei, sum.profitWei, sum.gasWei, sum.netWei].map(coin),
]
const sumsTable = (sums: readonly LedgerSum[], by: string, total: Ledger['total']): string =>
  table(
    [by.toUpperCase(), ...SUM_HEAD],
    [...sums.map((sum) => [sum.key, ...sumCells(sum)]), ['total', ...sumCells(total)]],
  )

function rowsTable(rows: readonly LedgerRow[], total: Ledger['total']): string {
  const cells = rows.map((row) => [
    ...[timeOf(row.at), shortHash(row.id), row.correction > 0 ? `${row.state} *` : row.state, row.block ?? '-'],
    ...[coin(row.grossWei), coin(row.premiumWei), coin(row.gasWei), coin(row.netWei), row.lender ?? '-', row.route],
  ])
  const sum = [
    '',
    '',
    'total',
    '',
    coin(total.grossWei),
    coin(total.premiumWei),
    coin(total.gasWei),
    coin(total.netWei),
    '',
    '',
  ]
  return table(['TIME', 'ID', 'STATE', 'BLOCK', 'GROSS', 'PREMIUM', 'GAS', 'NET', 'LENDER', 'ROUTE'], [...cells, sum])
}
