import { getCreateAddress, parseUnits, ZeroAddress } from 'ethers'
import { type Address, address } from '../../src/protocol/units.ts'
import { type Deployer, MARKET_MAKER } from './deployer.ts'

export interface Reserve {
  token: Address
  symbol: string
  decimals: number
}

const RESERVE =
  '(address,address,address,uint8,address,address,address,address,string,string,string,string,string,string,bytes)'
const ray = (value: string) => parseUnits(value, 27)

/**
 * Aave V3's pool with as much around it as `flashLoanSimple` needs: no oracle, nothing can be borrowed against collateral.
 * @returns the pool (the proxy that the addresses provider creates)
 */
export function deployAave(deployer: Deployer, reserves: readonly Reserve[], premiumBps: number): Address {
  const provider = deployer.deploy('PoolAddressesProvider', ['sandbox', MARKET_MAKER])
  deployer.call(provider, 'setACLAdmin(address)', [MARKET_MAKER])
  const acl = deployer.deploy('ACLManager', [provider]) // reads the admin in its constructor
  deployer.call(provider, 'setACLManager(address)', [acl])
  deployer.call(acl, 'addPoolAdmin(address)', [MARKET_MAKER])

  // The provider creates the proxies: its first and its second contract.
  const pool = address(getCreateAddress({ from: provider, nonce: 1 }))
  const configurator = address(getCreateAddress({ from: provider, nonce: 2 }))
  deployer.call(provider, 'setPoolImpl(address)', [deployPool(deployer, provider)])
  const configuratorLogic = deployer.deploy('ConfiguratorLogic')
  const implementation = deployer.deploy('PoolConfigurator', [], { ConfiguratorLogic: configuratorLogic })
  deployer.call(provider, 'setPoolConfiguratorImpl(address)', [implementation])

  addReserves(deployer, { provider, pool, configurator }, reserves)
  deployer.call(configurator, 'updateFlashloanPremiumTotal(uint128)', [premiumBps])
  return pool
}

function deployPool(deployer: Deployer, provider: Address): Address {
  const plain = ['BorrowLogic', 'BridgeLogic', 'EModeLogic', 'LiquidationLogic', 'PoolLogic', 'SupplyLogic']
  const libraries: Record<string, Address> = Object.fromEntries(plain.map((name) => [name, deployer.deploy(name)]))
  libraries.FlashLoanLogic = deployer.deploy('FlashLoanLogic', [], libraries)
  return deployer.deploy('Pool', [provider], libraries)
}

function addReserves(
  deployer: Deployer,
  at: { provider: Address; pool: Address; configurator: Address },
  reserves: readonly Reserve[],
): void {
  const aToken = deployer.deploy('AToken', [at.pool])
  const stable = deployer.deploy('StableDebtToken', [at.pool])
  const variable = deployer.deploy('VariableDebtToken', [at.pool])
  const rates = ['0.8', '0', '0.04', '0.6', '0.005', '0.6', '0.01', '0.08', '0.2'].map(ray)
  const strategy = deployer.deploy('DefaultReserveInterestRateStrategy', [at.provider, ...rates])
  const rows = reserves.map(({ token, symbol, decimals }) => [
    ...[aToken, stable, variable, decimals, strategy, token, MARKET_MAKER, ZeroAddress],
    ...['a', 'v', 's'].flatMap((kind) => [`Aave ${kind}${symbol}`, `${kind}${symbol}`]),
    '0x',
  ])
  deployer.call(at.configurator, `initReserves(${RESERVE}[])`, [rows])
  for (const { token } of reserves) {
    deployer.call(at.configurator, 'setReserveFlashLoaning(address,bool)', [token, true])
  }
}
