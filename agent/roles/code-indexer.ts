import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { Inspection, Opportunity } from '../../src/protocol/trade.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import { knownHead } from '../chain-access.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import { contractOf, poolKind, refOfHop } from '../dex/pools/table.ts'
import type { Rpc } from '../dex/rpc.ts'
import { readHead } from '../dex/trade/send.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { depthsOf } from './risk/depth.ts'
import { refusalBy } from './risk/judge.ts'
import { Looks, type Place } from './risk/look.ts'
import { CODE_RULES, DEPTH_RULES, PROBE_RULES, ROUTE_RULES } from './risk/route-rules.ts'
import { anySigner } from './sending/signer.ts'

type Contract = Inspection['contracts'][number]

interface Suspect {
  address: Address
  kind: Contract['kind']
  /** Key of ChainInfo.codeHashes; `executor` for our own contract. */
  code: string
}

export function codeIndexer(): Role {
  const looks = new Looks()
  return {
    name: 'code_indexer',
    stage: {
      stage: 'inspect',
      tool: {
        name: 'inspect_contracts',
        description:
          'Holds a route against the lists, the age and depth of its pools, the code of its contracts, and how its tokens behave.',
      },
      run: (task, context) => inspect(task, context, looks),
    },
    tools: [],
  }
}

/** What costs nothing is judged first; the chain is asked only about what was not refused yet. */
async function inspect(
  { input: found }: StageTask<'inspect'>,
  context: RoleContext,
  looks: Looks,
): Promise<StageResult<'inspect'>> {
  const [rpc, chain] = await Promise.all([context.rpc(), context.chain()])
  const { risk } = context
  const place = await placeOf(context, rpc, chain)
  const listed = refusalBy(ROUTE_RULES, { route: found, chain, risk, head: place.block })
  if (listed !== null) return { outcome: 'refused', reason: listed }

  const contracts = await fingerprints(place, looks, found)
  const unknown = refusalBy(CODE_RULES, { contracts })
  if (unknown !== null) return { outcome: 'refused', reason: unknown, output: { contracts } }

  const depths = depthsOf(found, await looks.sides(place, found.hops))
  const shallow = refusalBy(DEPTH_RULES, { risk, depths })
  if (shallow !== null) return { outcome: 'refused', reason: shallow, output: { contracts } }

  const signer = () => anySigner(context.memory, chain.chainId).catch(() => chain.executor?.address ?? found.token)
  const codes = new Map(contracts.map(({ address, codeHash }) => [address, codeHash]))
  const probes = await looks.probes(place, found, { signer, codes })
  if (typeof probes === 'string') return { outcome: 'ok', output: { contracts: noted(contracts, probes) } }
  const trap = refusalBy(PROBE_RULES, { chain, risk, probes })
  return trap === null
    ? { outcome: 'ok', output: { contracts } }
    : { outcome: 'refused', reason: trap, output: { contracts } }
}

/** The bot's newest block; the node's is asked for where that is not known, and before anything else is asked of the node. */
async function placeOf({ memory }: RoleContext, rpc: Rpc, chain: ChainInfo): Promise<Place> {
  let asked: Promise<RpcBlock> | undefined
  const head = (): Promise<RpcBlock> => {
    asked ??= readHead(rpc)
    return asked
  }
  const block = (await knownHead(memory, chain.chainInstance)) ?? Number((await head()).number)
  return { rpc, chain, block, head }
}

function fingerprints(place: Place, looks: Looks, found: Opportunity): Promise<Contract[]> {
  const { chain } = place
  return Promise.all(
    suspects(found).map(async ({ address, kind, code }) => {
      const codeHash = await looks.codeHash(place, address)
      return { address, kind, codeHash, known: isKnown(chain, code, codeHash), note: code }
    }),
  )
}

/** Tokens whose code is known pass unprobed, and it is said so. */
const noted = (contracts: readonly Contract[], why: string): Contract[] =>
  contracts.map((contract) => (contract.kind === 'token' ? { ...contract, note: `not probed: ${why}` } : contract))

/** Every contract that the trade's money passes through, once. */
export function suspects({ hops, lender }: Pick<Opportunity, 'hops' | 'lender'>): Suspect[] {
  const pools = hops.map(
    (hop): Suspect => ({ address: contractOf(refOfHop(hop)), kind: 'pool', code: poolKind(hop.kind).codeKey }),
  )
  const tokens = hops.map((hop): Suspect => ({ address: hop.tokenIn, kind: 'token', code: 'token' }))
  const lending: Suspect = { address: lender.address, kind: 'lender', code: LENDER_CODE[lender.kind] }
  // In this order: a pool that lends is a pool.
  const all = [lending, ...pools, ...tokens]
  return [...new Map(all.map((suspect) => [suspect.address, suspect])).values()]
}

const LENDER_CODE: Readonly<Record<Opportunity['lender']['kind'], string>> = {
  own: 'executor',
  aave_v3: 'aave_v3_pool',
  balancer_v2: 'balancer_v2_pool',
  uniswap_v3: 'v3_pool',
  uniswap_v2: 'v2_pair',
  uniswap_v4: 'v4_manager',
}

export function isKnown(
  { codeHashes, executor }: Pick<ChainInfo, 'codeHashes' | 'executor'>,
  code: string,
  hash: Hex,
): boolean {
  if (code === 'executor') return executor?.codeHash === hash
  return codeHashes[code]?.includes(hash) ?? false
}
