import type { PoolInfo } from '../../src/protocol/chain.ts'
import type { TradePlan } from '../../src/protocol/trade.ts'
import { type Hex, type Raw, wei } from '../../src/protocol/units.ts'
import { gasOfTrade } from '../dex/lending/gas-of-trade.ts'
import { lenderLiquidity } from '../dex/lending/lender-liquidity.ts'
import { loadPools } from '../dex/pools/load.ts'
import type { Rpc } from '../dex/rpc.ts'
import { bestSize, type Sized } from '../dex/search/size.ts'
import { exposureOf } from '../dex/token-names.ts'
import { readHead } from '../dex/trade/send.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { inNative, inToken, nextBaseFee } from './chain-reads.ts'
import { floorRaw } from './planner.ts'

export function fixer(): Role {
  return {
    name: 'fixer',
    stage: {
      stage: 'mend',
      tool: {
        name: 'mend_plan',
        description: 'Sizes a plan that failed anew on the state of the newest block, or says that no profit is left.',
      },
      run: mend,
    },
    tools: [],
  }
}

async function mend({ input }: StageTask<'mend'>, context: RoleContext): Promise<StageResult<'mend'>> {
  const { plan, execution } = input
  if (execution && execution.status !== 'reverted' && execution.status !== 'missed') {
    return {
      outcome: 'refused',
      reason: `attempt ${plan.attempt} is ${execution.status}: another could be a second one`,
    }
  }
  const rpc = await context.rpc()
  const chain = await context.chain()
  const route = plan.hops.map((hop) => chain.pools.find((pool) => pool.address === hop.pool))
  const unknown = route.indexOf(undefined)
  if (unknown >= 0) return { outcome: 'refused', reason: `pool ${plan.hops[unknown]?.pool} is not of this market` }
  const limit = exposureOf(context.limits, chain, plan.token)?.maxInputRawPerTrade
  if (limit === undefined) {
    return { outcome: 'refused', reason: `rule limits.tokens: no limit is set for loans of ${plan.token}` }
  }
  const head = await readHead(rpc)
  const states = await loadPools(rpc, route as PoolInfo[], head.hash)
  const lendable = await lendableBy(rpc, plan, head.hash)
  const terms = { lender: plan.lender, maxRaw: lendable !== null && lendable < limit ? lendable : limit }
  const sized = bestSize(plan.hops, new Map(states.map((state) => [state.address, state])), terms)
  return mended(plan, sized, Number(head.number), gasOfTrade(plan.hops, plan.lender) * nextBaseFee(head))
}

/** Null: the first pool of the route pays before it is paid, and has no limit of its own. */
const lendableBy = async (rpc: Rpc, { lender, hops, token }: TradePlan, blockHash: Hex): Promise<Raw | null> =>
  lender.address === hops[0]?.pool ? null : lenderLiquidity(rpc, lender, token, blockHash)

/**
 * The next attempt on the same pools, which stay locked for the trade; it expires with the first. The builder's tip keeps
 * its share of the profit.
 * @param gasWei what it is expected to cost, wei
 */
export function mended(plan: TradePlan, sized: Sized | undefined, block: number, gasWei: bigint): StageResult<'mend'> {
  if (!sized) return { outcome: 'refused', reason: `no profit left at block ${block}` }
  const { hops, sizeRaw, profitRaw } = sized
  const [gasRaw, tipRaw] = [inToken(gasWei, plan), tipOf(plan, profitRaw)]
  if (profitRaw - tipRaw <= gasRaw) {
    return {
      outcome: 'refused',
      reason: `no profit left at block ${block}: ${profitRaw - tipRaw} does not pay ${gasRaw} of gas`,
    }
  }
  const output: TradePlan = {
    ...plan,
    attempt: plan.attempt + 1,
    block,
    hops,
    sizeRaw,
    expectedProfitRaw: profitRaw,
    expectedProfitWei: inNative(profitRaw, plan),
    ...(plan.tipWei !== undefined && { tipWei: wei(tipRaw) }),
    minProfitRaw: floorRaw(profitRaw, gasRaw, tipRaw),
  }
  return { outcome: 'ok', output }
}

/** Only where the token is the wrapped native one, so that raw units are wei. */
const tipOf = ({ tipWei, expectedProfitRaw }: TradePlan, profitRaw: bigint): bigint =>
  tipWei === undefined || expectedProfitRaw <= 0n ? 0n : (tipWei * profitRaw) / expectedProfitRaw
