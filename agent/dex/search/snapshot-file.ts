import { createReadStream } from 'node:fs'
import { FleetError } from '../../../src/protocol/errors.ts'
import { type SnapshotToken, SnapshotTokenSchema } from '../../../src/protocol/offline.ts'
import {
  POOL_KINDS,
  type PoolId,
  type PoolState,
  PoolStateSchema,
  type V2Pool,
  type V3Pool,
  type V4Pool,
} from '../../../src/protocol/trade.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrtPriceAtTick } from '../pools/v3-math/tick-math.ts'

/** Pools and their states as they were once, from a file: one JSON object a line, tokens and pools. */
export interface Snapshot {
  tokens: ReadonlyMap<Address, SnapshotToken>
  pools: ReadonlyMap<PoolId, PoolState>
}

const KINDS: readonly string[] = ['token', ...POOL_KINDS]
const ADDRESSES = ['address', 'token0', 'token1', 'manager'] as const
const MAX_V2_RESERVE = (1n << 112n) - 1n
/** So many faults are told; a file of another format would have one a line. */
const MOST_FAULTS = 3

/**
 * Reads the file line by line; blank lines are skipped, addresses may be in any case.
 * @throws FleetError `config_invalid` for a file that cannot be read, or lines that are not as they should be
 */
export async function readSnapshot(path: string): Promise<Snapshot> {
  const tokens = new Map<Address, SnapshotToken>()
  const pools = new Map<PoolId, PoolState>()
  const faults: string[] = []
  let number = 0
  const read = (line: string): void => {
    const entry = parsedLine(line)
    if (entry.kind === 'token') tokens.set(entry.address, entry)
    else if (pools.has(entry.address)) throw new Fault(`pool ${entry.address} is there twice`)
    else pools.set(entry.address, entry)
  }
  try {
    for await (const line of linesOf(path)) {
      number += 1
      if (line.trim() === '') continue
      try {
        read(line)
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        if (faults.push(`line ${number}: ${error.message}`) === MOST_FAULTS) break
      }
    }
  } catch (cause) {
    throw unreadable(path, cause)
  }
  if (faults.length > 0) throw faulty(path, faults)
  if (pools.size === 0) throw faulty(path, ['it holds no pools'])
  return { tokens, pools }
}

/** Never more of the file than a line and a block is held. */
async function* linesOf(path: string): AsyncGenerator<string, undefined> {
  let rest = ''
  for await (const block of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 18 })) {
    const lines = (rest + String(block)).split('\n')
    rest = lines.pop() as string
    yield* lines
  }
  yield rest
}

/** What is wrong with one line. */
class Fault extends Error {}

function parsedLine(line: string): SnapshotToken | PoolState {
  let entry: unknown
  try {
    entry = JSON.parse(line.replace(/^\uFEFF/, ''))
  } catch {
    throw new Fault(line.startsWith('\u001F') ? 'not text: unpack the file first' : 'not a JSON object')
  }
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw new Fault('not a JSON object')
  const { kind } = entry as { kind?: unknown }
  if (typeof kind !== 'string' || !KINDS.includes(kind))
    throw new Fault(`kind ${JSON.stringify(kind)} is not one of ${KINDS.join(', ')}`)
  const lower = withLowerCase(entry as Record<string, unknown>)
  return kind === 'token' ? checked(SnapshotTokenSchema, lower) : consistent(checked(PoolStateSchema, lower))
}

function withLowerCase(entry: Record<string, unknown>): Record<string, unknown> {
  for (const name of ADDRESSES) {
    const value = entry[name]
    if (typeof value === 'string') entry[name] = value.toLowerCase()
  }
  return entry
}

interface Schema<T> {
  safeParse(
    entry: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } }
}

function checked<T>(schema: Schema<T>, entry: unknown): T {
  const parsed = schema.safeParse(entry)
  if (parsed.success) return parsed.data
  const first = parsed.error.issues[0]
  throw new Fault(`${first?.path.join('.') || 'entry'}: ${first?.message ?? 'malformed'}`)
}

/** What a pool of that kind cannot be: amounts computed from it would be wrong without a word. */
function consistent(pool: PoolState): PoolState {
  const why =
    pool.token0 === pool.token1
      ? 'token0 and token1 are the same'
      : pool.kind === 'v2'
        ? faultOfPair(pool)
        : faultOfTicks(pool)
  if (why !== undefined) throw new Fault(why)
  return pool
}

function faultOfPair(pool: V2Pool): string | undefined {
  const names = ['reserve0', 'reserve1'] as const
  const name = names.find((each) => pool[each] < 0n || pool[each] > MAX_V2_RESERVE)
  return name && `${name} is not between 0 and 2^112 - 1`
}

/** A price of 0 is that of a pool which was never initialised: it cannot be traded. */
function faultOfTicks({ sqrtPriceX96: price, tick, liquidity, ticks, tickSpacing }: V3Pool | V4Pool) {
  if (liquidity < 0n) return 'liquidity is below 0'
  if (price === 0n) return undefined
  if (price < MIN_SQRT_PRICE || price >= MAX_SQRT_PRICE) return 'sqrtPriceX96 is out of the range of prices'
  if (tick < MIN_TICK || tick >= MAX_TICK) return `tick ${tick} is out of the range of ticks`
  // Where the price stands on a tick it may have crossed it already, going down.
  if (ticks && (sqrtPriceAtTick(tick) > price || sqrtPriceAtTick(tick + 1) < price))
    return `tick ${tick} is not that of sqrtPriceX96`
  const stray = Object.keys(ticks ?? {}).find((each) => Number(each) % tickSpacing !== 0)
  return stray === undefined ? undefined : `ticks.${stray} is no multiple of tickSpacing ${tickSpacing}`
}

function unreadable(path: string, cause: unknown): FleetError {
  if (cause instanceof FleetError) return cause
  const code = (cause as NodeJS.ErrnoException).code
  const why = { ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'it may not be read' }[code ?? '']
  return new FleetError('config_invalid', `the snapshot ${path} cannot be read: ${why ?? (cause as Error).message}`, {
    remedy: 'Give the path of a pool snapshot: one JSON object a line, as the README describes.',
    cause,
  })
}

const faulty = (path: string, faults: readonly string[]): FleetError =>
  new FleetError('config_invalid', `the snapshot ${path} is broken: ${faults.join('; ')}`, {
    remedy: 'Mend these lines, or write the snapshot anew.',
  })
