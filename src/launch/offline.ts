import { setImmediate } from 'node:timers/promises'
import { quoteExactIn, quoteExactOut } from '../../agent/dex/pools/quote.ts'
import { scanPools } from '../../agent/dex/search/scan.ts'
import { readSnapshot, type Snapshot } from '../../agent/dex/search/snapshot-file.ts'
import type { Offline } from '../client/offline.ts'
import { FleetError } from '../protocol/errors.ts'
import { nearest } from '../protocol/nearest.ts'
import type { QuoteOrder, QuoteReport } from '../protocol/offline.ts'
import type { Hop, PoolState } from '../protocol/trade.ts'
import { type Address, address, raw } from '../protocol/units.ts'

export const offline: Offline = {
  async scan({ snapshot: path, base: wanted, ...question }, signal) {
    const snapshot = await readSnapshot(path)
    const base = tokenOf(snapshot, wanted)
    const pools = [...snapshot.pools.values()]
    const breathe = async (): Promise<void> => {
      await setImmediate()
      signal.throwIfAborted()
    }
    const { trades, ...found } = await scanPools({ ...question, pools, base, breathe })
    const report = {
      pools: pools.length,
      tokens: tokensOf(pools),
      cycles: found.cycles,
      indexMs: tenths(found.indexMs),
      scanMs: tenths(found.scanMs),
      trades: trades.map(({ hops, sizeRaw, profitRaw }) => ({ hops: hops.map(scanHop), sizeRaw, profitRaw })),
      totalProfitRaw: raw(trades.reduce((sum, { profitRaw }) => sum + profitRaw, 0n)),
    }
    return { report, base, names: namesOf(snapshot) }
  },

  async openQuotes(path) {
    const snapshot = await readSnapshot(path)
    return (order) => quote(snapshot, order)
  },
}

const scanHop = ({ pool, tokenIn, tokenOut, amountIn, amountOut }: Hop) => ({
  pool,
  tokenIn,
  tokenOut,
  amountIn,
  amountOut,
})

function quote({ pools }: Snapshot, { pool: wanted, tokenIn, amount, exactIn }: QuoteOrder): QuoteReport {
  const pool = pools.get(address(wanted))
  if (!pool) throw unknownPool(wanted, [...pools.keys()])
  const token = address(tokenIn)
  if (token !== pool.token0 && token !== pool.token1) throw notItsToken(token, pool)
  const zeroForOne = token === pool.token0
  const { amountIn, amountOut } = exactIn
    ? quoteExactIn(pool, { amountIn: amount, zeroForOne })
    : quoteExactOut(pool, { amountOut: amount, zeroForOne })
  return { amountIn, amountOut }
}

/** By address, or by a symbol that one token alone bears. */
function tokenOf({ tokens, pools }: Snapshot, wanted: string): Address {
  const named = [...tokens.values()].filter(({ symbol }) => symbol?.toLowerCase() === wanted.toLowerCase())
  if (named[0] && named.length === 1) return named[0].address
  if (named.length > 1) {
    throw new FleetError('usage', `${named.length} tokens of the snapshot call themselves ${wanted}`, {
      remedy: `Give --base an address, such as ${named[0]?.address}.`,
    })
  }
  const token = address(wanted)
  for (const { token0, token1 } of pools.values()) if (token === token0 || token === token1) return token
  throw new FleetError('usage', `no pool of the snapshot holds the base token ${wanted}`, {
    remedy: 'Give --base the address, or the symbol, of a token that the snapshot has pools of.',
  })
}

function tokensOf(pools: readonly PoolState[]): number {
  return new Set(pools.flatMap(({ token0, token1 }) => [token0, token1])).size
}

const namesOf = ({ tokens }: Snapshot) =>
  new Map(
    [...tokens.values()].map(({ address: token, symbol, decimals }) => [
      token,
      { symbol: symbol ?? `${token.slice(0, 8)}…`, decimals },
    ]),
  )

const tenths = (ms: number): number => Math.round(ms * 10) / 10

function unknownPool(wanted: string, pools: readonly string[]): FleetError {
  const guess = nearest(wanted.toLowerCase(), pools)
  return new FleetError('not_found', `the snapshot has no pool ${wanted}`, {
    remedy: guess ? `Did you mean ${guess}?` : 'Give the address of one of its pools.',
  })
}

const notItsToken = (token: Address, { address: pool, token0, token1 }: PoolState): FleetError =>
  new FleetError('not_found', `pool ${pool} does not hold token ${token}`, {
    remedy: `Give one of its tokens: ${token0} or ${token1}.`,
  })
