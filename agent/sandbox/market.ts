import { parseEther } from 'ethers'
import type { ChainInfo, PoolInfo } from '../../src/protocol/chain.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import type { Rpc } from '../dex/rpc.ts'
import { type Artefacts, loadArtefacts } from './artefacts.ts'
import { hashCode } from './code-hashes.ts'
import { deployLenders } from './deploy-lenders.ts'
import { type DeployedPool, type DeployedToken, deployPool, deployVenues } from './deploy-pools.ts'
import { Deployer, MARKET_MAKER } from './deployer.ts'
import { BASES, INPUT_CAP_DOLLARS, POOL_LAYOUT, TOKEN_LAYOUT, WETH_LAYOUT } from './market-layout.ts'
import { rawOf } from './pool-prices.ts'

export interface Market extends Pick<ChainInfo, 'bases' | 'tokens' | 'pools' | 'lenders' | 'codeHashes'> {
  weth: Address
  executor: { address: Address; codeHash: Hex }
  /** The contract through which the market maker trades. */
  desk: Address
  /** The pools again, in the order of `pools`, with the price at which all agree. */
  deployed: readonly DeployedPool[]
}

const DESK_WETH = parseEther('100000000')

/**
 * Deploys the practice market on a fresh anvil that mines only when told: WETH9, five tokens, two Uniswap V2 factories,
 * Uniswap V3 and V4, 24 filled pools, Aave V3 and a Balancer V2 vault to lend, and our ArbExecutor. Mines one block, in
 * well under a second. The addresses are the same on every fresh chain. `owner` and `executors` get no funds here.
 *
 * @param options.artefacts default: what the build made
 * @throws FleetError `unsupported` without artefacts, `internal` when a transaction failed
 */
export async function deployMarket(
  rpc: Rpc,
  options: { owner: Address; executors: readonly Address[]; artefacts?: Artefacts },
): Promise<Market> {
  const deployer = await Deployer.open(rpc, options.artefacts ?? loadArtefacts())
  const desk = deployer.deploy('SandboxDesk', [MARKET_MAKER])
  const tokens = deployTokens(deployer, desk)
  const named = namedIn(tokens)
  const venues = deployVenues(deployer, MARKET_MAKER)
  const made = POOL_LAYOUT.map((layout) =>
    deployPool(deployer, { venues, desk }, layout, [named(layout.pair[0]), named(layout.pair[1])]),
  )
  const lenders = deployLenders(deployer, desk, tokens)
  const bases = BASES.map(named)
  const executor = deployExecutor(deployer, { ...options, bases })
  const createdBlock = await deployer.settle()

  const deployed = made.map((pool) => ({ ...pool, info: { ...pool.info, createdBlock } }))
  const pools = deployed.map((pool) => pool.info)
  const { executorHash, codeHashes } = await hashAll(rpc, { executor, pools, tokens, lenders })
  return {
    weth: named(WETH_LAYOUT.symbol).address,
    bases: bases.map((base) => base.address),
    tokens: tokens.map(({ address, symbol, decimals }) => ({ address, symbol, decimals })),
    pools,
    lenders,
    codeHashes,
    executor: { address: executor, codeHash: executorHash },
    desk,
    deployed,
  }
}

/** WETH first. The desk is given more of each than a market could ever take. */
function deployTokens(deployer: Deployer, desk: Address): DeployedToken[] {
  const weth = deployer.deploy('WETH9')
  deployer.call(desk, 'wrap(address)', [weth], DESK_WETH)
  const { symbol, decimals, dollars } = WETH_LAYOUT
  const minted = TOKEN_LAYOUT.map((layout) => {
    const token = deployer.deploy('MintableERC20', [layout.name, layout.symbol, layout.decimals])
    const deployedToken = { address: token, symbol: layout.symbol, decimals: layout.decimals, dollars: layout.dollars }
    deployer.call(token, 'mint(address,uint256)', [desk, rawOf(deployedToken, 1_000_000_000_000)])
    return deployedToken
  })
  return [{ address: weth, symbol, decimals, dollars }, ...minted]
}

const namedIn = (tokens: readonly DeployedToken[]) => {
  const bySymbol = new Map(tokens.map((token) => [token.symbol, token]))
  return (symbol: string): DeployedToken => bySymbol.get(symbol) as DeployedToken
}

function deployExecutor(
  deployer: Deployer,
  { owner, executors, bases }: { owner: Address; executors: readonly Address[]; bases: readonly DeployedToken[] },
): Address {
  const tokens = bases.map((base) => base.address)
  const caps = bases.map((base) => rawOf(base, INPUT_CAP_DOLLARS))
  return deployer.deploy('ArbExecutor', [owner, tokens[0], executors, tokens, caps])
}

/** Code hashes by kind of contract, of everything that a route can touch. */
async function hashAll(
  rpc: Rpc,
  {
    executor,
    pools,
    tokens,
    lenders,
  }: Pick<ChainInfo, 'tokens' | 'lenders'> & { executor: Address; pools: PoolInfo[] },
): Promise<{ executorHash: Hex; codeHashes: ChainInfo['codeHashes'] }> {
  const pooled = (kind: PoolInfo['kind']) =>
    pools.filter((pool) => pool.kind === kind).map((pool) => pool.manager ?? pool.address)
  const lending = (kind: string) => lenders.filter((lender) => lender.kind === kind).map((lender) => lender.address)
  const {
    executor: [executorHash],
    ...codeHashes
  } = await hashCode(rpc, {
    executor: [executor],
    token: tokens.map((token) => token.address),
    v2_pair: pooled('v2'),
    v3_pool: pooled('v3'),
    v4_manager: pooled('v4'),
    aave_v3_pool: lending('aave_v3'),
    balancer_v2_pool: lending('balancer_v2'),
  })
  return { executorHash: executorHash as Hex, codeHashes }
}
