import { keccak256, parseEther } from 'ethers'
import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import type { Rpc } from '../dex/rpc.ts'
import { type Artefacts, loadArtefacts } from './artefacts.ts'
import { deployAave } from './deploy-aave.ts'
import { type DeployedPool, type DeployedToken, deployFactories, deployPool, rawOf } from './deploy-pools.ts'
import { Deployer, MARKET_MAKER } from './deployer.ts'
import { LOAN_DOLLARS, POOL_LAYOUT, PREMIUM_BPS, TOKEN_LAYOUT, WETH_LAYOUT } from './market-layout.ts'

export interface Market extends Pick<ChainInfo, 'tokens' | 'pools' | 'lenders' | 'codeHashes'> {
  weth: Address
  executor: { address: Address; codeHash: Hex }
  /** The contract through which the market maker trades. */
  desk: Address
  /** The pools again, in the order of `pools`, with the price at which all agree. */
  deployed: readonly DeployedPool[]
}

const DESK_WETH = parseEther('100000000')

/**
 * Deploys the practice market on a fresh anvil that mines only when told: WETH9, five tokens, two Uniswap V2 factories, a
 * Uniswap V3 factory, twenty filled pools, Aave V3, and our ArbExecutor. Mines one block, in well under a second. The
 * addresses are the same on every fresh chain. `owner` and `executors` get no funds here.
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
  const bySymbol = new Map(tokens.map((token) => [token.symbol, token]))
  const factories = deployFactories(deployer)
  const deployed = POOL_LAYOUT.map((layout) => {
    const pair = layout.pair.map((symbol) => bySymbol.get(symbol)) as [DeployedToken, DeployedToken]
    return deployPool(deployer, { factories, desk }, layout, pair)
  })
  const reserves = tokens.map(({ address, symbol, decimals }) => ({ token: address, symbol, decimals }))
  const lender = deployAave(deployer, reserves, PREMIUM_BPS)
  for (const token of tokens) {
    deployer.call(desk, 'lend(address,address,uint256)', [lender, token.address, rawOf(token, LOAN_DOLLARS)])
  }
  const executor = deployer.deploy('ArbExecutor', [options.owner, options.executors])
  await deployer.settle()

  const pools = deployed.map((pool) => pool.info)
  const codeHash = (at: Address) =>
    rpc.request<Hex>('eth_getCode', [at, 'latest']).then((code) => keccak256(code) as Hex)
  const codeHashes = async (addresses: readonly Address[]) => [...new Set(await Promise.all(addresses.map(codeHash)))]
  const ofKind = (kind: 'v2' | 'v3') => pools.filter((pool) => pool.kind === kind).map((pool) => pool.address)
  const [executorHash, v2Pair, v3Pool, token, aavePool] = await Promise.all([
    codeHash(executor),
    codeHashes(ofKind('v2')),
    codeHashes(ofKind('v3')),
    codeHashes(tokens.map((each) => each.address)),
    codeHashes([lender]),
  ])
  return {
    weth: (tokens[0] as DeployedToken).address,
    tokens: tokens.map(({ address, symbol, decimals }) => ({ address, symbol, decimals })),
    pools,
    lenders: [{ kind: 'aave_v3', address: lender, premiumBps: PREMIUM_BPS }],
    codeHashes: { v2_pair: v2Pair, v3_pool: v3Pool, token, aave_v3_pool: aavePool },
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
