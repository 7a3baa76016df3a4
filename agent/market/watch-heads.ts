import { asFleetError, FleetError } from '../../src/protocol/errors.ts'
import { HEARTBEAT } from '../../src/protocol/keys.ts'
import type { Hex } from '../../src/protocol/units.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import { RpcError } from '../dex/rpc/error.ts'
import type { Rpc } from '../dex/rpc.ts'
import { Follower, type FollowOptions, type SeenHead, wallClock } from './follow.ts'
import { pause, wakeable } from './wake.ts'

const RETRY_MS = { first: 50, most: 5_000 } as const
/** So often may a block be gone in a row. */
const PATIENCE = 5

export interface WatchOptions extends FollowOptions {
  /** Told when it follows the chain, and why it does not. */
  onHealth(state: 'working' | 'faulty', note?: string): void
  /** Told after each turn, with nothing else under way. */
  onIdle?(follower: Follower): Promise<void>
  signal: AbortSignal
}

/**
 * Follows a chain until the signal aborts. A node that is away, slow or of two minds is waited for, and followed from where
 * the state is.
 * @throws FleetError `chain_mismatch` when the node is of another chain, `config_invalid` for what is no pool: for good
 */
export async function watchHeads(options: WatchOptions): Promise<void> {
  const { rpc, signal } = options
  const queue: SeenHead[] = []
  const wake = wakeable(signal)
  const unsubscribe = await rpc.subscribe(['newHeads'], (head) => {
    queue.push({ head: head as RpcBlock, seenAt: wallClock() })
    wake.nudge()
  })
  const watch = { follower: undefined as Follower | undefined, sameChain: false, failures: 0 }
  try {
    while (!signal.aborted) {
      try {
        await turn(watch, queue.splice(0), options)
        watch.failures = 0
        if (queue.length === 0) await wake.next(HEARTBEAT.everyMs)
      } catch (thrown) {
        if (signal.aborted) return
        watch.sameChain = false
        report(thrown, ++watch.failures, options)
        await pause(Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** watch.failures), signal)
        queue.length = 0 // whatever was said before, the newest head is looked at
      }
    }
  } finally {
    await Promise.all([unsubscribe(), watch.follower?.stop()])
  }
}

interface Watch {
  follower: Follower | undefined
  /** Since the last failure the node was asked whether it is still of this chain. */
  sameChain: boolean
}

/** @param heads what came since the last turn; none: look whether that is true, which is also how a lost node is noticed */
async function turn(watch: Watch, heads: SeenHead[], options: WatchOptions): Promise<void> {
  const { rpc, chain, onHealth, onIdle } = options
  if (!watch.sameChain) await mustBe(chain.chainId, rpc)
  watch.sameChain = true
  if (watch.follower) await watch.follower.work(heads.length > 0 ? heads : [await look(rpc)])
  else watch.follower = await Follower.start(options, await look(rpc))
  onHealth('working')
  await onIdle?.(watch.follower)
}

async function mustBe(chainId: number, rpc: Rpc): Promise<void> {
  const is = Number(await rpc.request<Hex>('eth_chainId'))
  if (is !== chainId) throw anotherChain(is, chainId)
}

async function look(rpc: Rpc): Promise<SeenHead> {
  const head = await rpc.request<RpcBlock>('eth_getBlockByNumber', ['latest', false])
  return { head, seenAt: wallClock() }
}

/** Passes on what no wait mends. That a block is gone is no fault of the node, unless it says so again and again. */
function report(thrown: unknown, failures: number, { onHealth, log }: WatchOptions): void {
  const passing = thrown instanceof RpcError || (thrown instanceof FleetError && thrown.transient)
  if (!passing) throw thrown
  const error = asFleetError(thrown)
  const why = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  if (error.code === 'state_stale' && failures < PATIENCE) log('debug', why)
  else onHealth('faulty', `${why}. ${error.remedy}`)
}

const anotherChain = (is: number, wanted: number): FleetError =>
  new FleetError('chain_mismatch', `the node is of chain ${is}, the fleet was made for chain ${wanted}`, {
    remedy: 'Give the right --chain, or take the fleet down and up again with --chain-id.',
  })
