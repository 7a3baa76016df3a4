import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { Inspection, Opportunity } from '../../src/protocol/trade.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import { codeHash } from '../dex/code-hash.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'

interface Suspect {
  address: Address
  kind: Inspection['contracts'][number]['kind']
  /** Key of ChainInfo.codeHashes. */
  code: string
}

export function codeIndexer(): Role {
  const cache = new CodeCache()
  return {
    name: 'code_indexer',
    stage: {
      stage: 'inspect',
      tool: {
        name: 'inspect_contracts',
        description: 'Reads the code of every pool, token and lender of a route and tells which of it is known.',
      },
      run: (task, context) => inspect(task, context, cache),
    },
    tools: [],
  }
}

async function inspect(
  { input }: StageTask<'inspect'>,
  context: RoleContext,
  cache: CodeCache,
): Promise<StageResult<'inspect'>> {
  const chain = await context.chain()
  const contracts = await Promise.all(
    suspects(input).map(async ({ address, kind, code }) => {
      const hash = await cache.hashOf(context, chain.chainInstance, address)
      return { address, kind, codeHash: hash, known: isKnown(chain, code, hash), note: code }
    }),
  )
  const output = { contracts }
  const unknown = contracts.filter((contract) => !contract.known)
  if (unknown.length === 0) return { outcome: 'ok', output }
  const which = unknown.map(({ address, note, codeHash: hash }) => `${note} ${address} (${hash})`).join(', ')
  return { outcome: 'refused', reason: `unknown code: ${which}`, output }
}

/** Every contract that the trade's money passes through. */
export function suspects({ hops, lender }: Pick<Opportunity, 'hops' | 'lender'>): Suspect[] {
  const pools = hops.map(
    (hop): Suspect => ({
      address: hop.pool,
      kind: 'pool',
      code: hop.kind === 'v2' ? 'v2_pair' : 'v3_pool',
    }),
  )
  const tokens = hops.map((hop): Suspect => ({ address: hop.tokenIn, kind: 'token', code: 'token' }))
  const all: Suspect[] = [...pools, ...tokens, { address: lender.address, kind: 'lender', code: `${lender.kind}_pool` }]
  return [...new Map(all.map((suspect) => [suspect.address, suspect])).values()]
}

export const isKnown = ({ codeHashes }: Pick<ChainInfo, 'codeHashes'>, code: string, hash: Hex): boolean =>
  codeHashes[code]?.includes(hash) ?? false

/** Code does not change while a chain instance lives; what could not be read is asked again. */
class CodeCache {
  #instance = ''
  readonly #hashes = new Map<Address, Hex>()

  async hashOf(context: RoleContext, instance: string, address: Address): Promise<Hex> {
    if (this.#instance !== instance) {
      this.#instance = instance
      this.#hashes.clear()
    }
    const seen = this.#hashes.get(address)
    if (seen) return seen
    const hash = await codeHash(await context.rpc(), address)
    if (this.#instance === instance) this.#hashes.set(address, hash)
    return hash
  }
}
