import type { Lender } from '../../src/protocol/trade.ts'
import type { Address } from '../../src/protocol/units.ts'
import { deployAave } from './deploy-aave.ts'
import type { DeployedToken } from './deploy-pools.ts'
import { type Deployer, MARKET_MAKER } from './deployer.ts'
import { LOAN_DOLLARS, PREMIUM_BPS } from './market-layout.ts'
import { rawOf } from './pool-prices.ts'

/** Aave V3 and a Balancer V2 vault, each with enough of every token to lend. The desk pays; WETH is the first token. */
export function deployLenders(deployer: Deployer, desk: Address, tokens: readonly DeployedToken[]): Lender[] {
  const reserves = tokens.map(({ address, symbol, decimals }) => ({ token: address, symbol, decimals }))
  const aave = deployAave(deployer, reserves, PREMIUM_BPS)
  // No authoriser: nobody ever sets a fee, or pauses it.
  const vault = deployer.deploy('Vault', [MARKET_MAKER, tokens[0]?.address, 0, 0])
  for (const token of tokens) {
    const lent = rawOf(token, LOAN_DOLLARS.aave)
    deployer.call(desk, 'lend(address,address,uint256)', [aave, token.address, lent])
    // The vault lends whatever it holds.
    const given = rawOf(token, LOAN_DOLLARS.balancer)
    deployer.call(desk, 'give(address,address,uint256)', [vault, token.address, given])
  }
  return [
    { kind: 'aave_v3', address: aave, premiumBps: PREMIUM_BPS, rounding: 'half_up' },
    { kind: 'balancer_v2', address: vault, premiumBps: 0 },
  ]
}
