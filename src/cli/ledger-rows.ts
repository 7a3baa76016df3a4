import type {
  CorrectionEntry,
  Ledger,
  LedgerEntry,
  LedgerGroup,
  LedgerRow,
  LedgerSum,
  TradeEntry,
} from '../protocol/ledger.ts'
import type { TradeView } from '../protocol/records.ts'
import { type Wei, wei } from '../protocol/units.ts'

const AMOUNTS = [
  'grossWei',
  'premiumWei',
  'tipWei',
  'profitWei',
  'predictedWei',
  'gasWei',
  'l1FeeWei',
  'netWei',
] as const satisfies readonly (keyof LedgerRow)[]
type Amounts = Record<(typeof AMOUNTS)[number], Wei>

/** What a correction does not say of its trade, but a row needs. */
export type About = Pick<
  LedgerRow,
  'chainInstance' | 'chainId' | 'attempts' | 'route' | 'venues' | 'lender' | 'lenderAddress' | 'token' | 'sizeRaw'
>

const UNKNOWN: About = {
  chainInstance: 'unknown',
  chainId: 0,
  attempts: 0,
  route: 'unknown',
  venues: ['unknown'],
  lender: null,
  lenderAddress: null,
  token: null,
  sizeRaw: '0',
}

/**
 * Entries as rows. A correction is a row of its own, with what its trade is and with the differences as amounts.
 * @param known of trades that are corrected, and are not among the entries
 */
export function rowsOf(entries: readonly LedgerEntry[], known: ReadonlyMap<string, About> = new Map()): LedgerRow[] {
  const trades = new Map<string, About>(known)
  for (const entry of entries) if (entry.entry === 'trade') trades.set(entry.id, entry)
  return entries.map((entry) =>
    entry.entry === 'trade' ? rowOf(entry) : correctionRow(entry, trades.get(entry.id) ?? UNKNOWN),
  )
}

const rowOf = ({ entry: _, ...trade }: TradeEntry): LedgerRow => ({ ...trade, correction: 0 })

function correctionRow(entry: CorrectionEntry, about: About): LedgerRow {
  const { id, at, correction, tx, block, status, reason, profitDeltaWei, gasDeltaWei } = entry
  const { chainInstance, chainId, attempts, route, venues, lender, lenderAddress, token, sizeRaw } = about
  return {
    ...{ id, at, correction, tx, block, state: status, reason },
    ...{ chainInstance, chainId, attempts, route, venues, lender, lenderAddress, token, sizeRaw },
    grossWei: profitDeltaWei,
    premiumWei: wei(0n),
    tipWei: wei(0n),
    profitWei: profitDeltaWei,
    predictedWei: wei(0n),
    gasWei: gasDeltaWei,
    l1FeeWei: wei(0n),
    netWei: wei(profitDeltaWei - gasDeltaWei),
    stages: [],
    totalMs: 0,
  }
}

/** A trade as `trades` has it: also one that ended without a block, and was mined after all. */
export function aboutTrade(trade: TradeView): About {
  const { chainInstance, attempt, route, hops, lender, sizeRaw } = trade
  return {
    ...{ chainInstance, route, sizeRaw, attempts: attempt },
    chainId: Number.parseInt(chainInstance, 10) || 0,
    venues: hops.map((hop) => hop.dex),
    lender: lender?.kind ?? null,
    lenderAddress: lender?.address ?? null,
    token: hops[0]?.tokenIn ?? null,
  }
}

/** Sums by key, in the order of the keys; over all keys they are `totalOf`, to the wei. */
export function sumsBy(rows: readonly LedgerRow[], by: LedgerGroup): LedgerSum[] {
  const groups = new Map<string, { amounts: Amounts; ids: Set<string> }>()
  for (const row of rows) {
    for (const [key, amounts] of sharesOf(row, by)) {
      const group = groups.get(key) ?? { amounts: none(), ids: new Set() }
      add(group.amounts, amounts)
      group.ids.add(row.id)
      groups.set(key, group)
    }
  }
  return [...groups]
    .map(([key, { amounts, ids }]) => ({ key, trades: ids.size, ...amounts }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}

export function totalOf(rows: readonly LedgerRow[]): Ledger['total'] {
  const amounts = none()
  for (const row of rows) add(amounts, row)
  return { trades: new Set(rows.map((row) => row.id)).size, ...amounts }
}

const KEY: Record<Exclude<LedgerGroup, 'venue'>, (row: LedgerRow) => string> = {
  day: (row) => row.at.slice(0, 10),
  route: (row) => row.route,
  lender: (row) => row.lender ?? 'unknown',
  chain: (row) => row.chainInstance,
}

/** Which keys a row counts under, with how much of it: of a trade each hop is an equal share of its venue. */
function sharesOf(row: LedgerRow, by: LedgerGroup): [string, Amounts][] {
  if (by !== 'venue') return [[KEY[by](row), row]]
  return row.venues.map((venue, i) => [venue, shareOf(row, i, row.venues.length)])
}

/** The first of `count` shares also has what does not divide. */
function shareOf(row: Amounts, index: number, count: number): Amounts {
  const of = (amount: bigint): Wei => {
    const part = amount / BigInt(count)
    return wei(index === 0 ? amount - part * BigInt(count - 1) : part)
  }
  return Object.fromEntries(AMOUNTS.map((name) => [name, of(row[name])])) as Amounts
}

const none = (): Amounts => Object.fromEntries(AMOUNTS.map((name) => [name, wei(0n)])) as Amounts

function add(to: Amounts, amounts: Amounts): void {
  for (const name of AMOUNTS) to[name] = wei(to[name] + amounts[name])
}
