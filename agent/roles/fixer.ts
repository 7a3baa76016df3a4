import type { PoolInfo } from '../../src/protocol/chain.ts'
import type { TradePlan } from '../../src/protocol/trade.ts'
import { raw } from '../../src/protocol/units.ts'
import { gasOfRoute } from '../dex/gas.ts'
import { lenderLiquidity } from '../dex/lender-liquidity.ts'
import { loadPools } from '../dex/load.ts'
import { readHead } from '../dex/send.ts'
import { bestSize, type Sized } from '../dex/size.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { nextBaseFee } from './chain-reads.ts'
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
  const { pools } = await context.chain()
  const route = plan.hops.map((hop) => pools.find((pool) => pool.address === hop.pool))
  const unknown = route.indexOf(undefined)
  if (unknown >= 0) return { outcome: 'refused', reason: `pool ${plan.hops[unknown]?.pool} is not of this market` }
  const head = await readHead(rpc)
  const states = await loadPools(rpc, route as PoolInfo[], head.hash)
  const lendable = await lenderLiquidity(rpc, plan.lender, plan.token, head.hash)
  const limit = context.limits.maxInputRawPerTrade
  const terms = { lender: plan.lender, maxRaw: lendable < limit ? raw(lendable) : limit }
  const sized = bestSize(plan.hops, new Map(states.map((state) => [state.address, state])), terms)
  return mended(plan, sized, Number(head.number), gasOfRoute(plan.hops) * nextBaseFee(head))
}

/**
 * The next attempt on the same pools, which stay locked for the trade; it expires with the first.
 * @param gasWei what it is expected to cost, in the token's units: planners let only the wrapped native token through
 */
export function mended(plan: TradePlan, sized: Sized | undefined, block: number, gasWei: bigint): StageResult<'mend'> {
  if (!sized) return { outcome: 'refused', reason: `no profit left at block ${block}` }
  const { hops, sizeRaw, profitRaw } = sized
  if (profitRaw <= gasWei) {
    return {
      outcome: 'refused',
      reason: `no profit left at block ${block}: ${profitRaw} does not pay ${gasWei} of gas`,
    }
  }
  const output: TradePlan = {
    ...plan,
    attempt: plan.attempt + 1,
    block,
    hops,
    sizeRaw,
    expectedProfitRaw: profitRaw,
    minProfitRaw: floorRaw(profitRaw, gasWei),
  }
  return { outcome: 'ok', output }
}
