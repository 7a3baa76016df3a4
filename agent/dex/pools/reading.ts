import { id } from 'ethers'
import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Hex } from '../../../src/protocol/units.ts'

/** Hashed once: ethers' own parser hashes every signature for every log. */
export const topic = (signature: string): Hex => id(signature) as Hex

/** What a pool's state has from its description. */
export const staticPart = ({ address, dex, token0, token1, feePips }: PoolInfo) => ({
  address,
  dex,
  token0,
  token1,
  feePips,
})

const DEFAULT_SPACING: Readonly<Record<number, number>> = { 100: 1, 500: 10, 2500: 50, 3000: 60, 10000: 200 }

/** @throws FleetError `config_invalid` when it is not given and cannot be told by the fee */
export function spacingOf(info: PoolInfo): number {
  const spacing = info.tickSpacing ?? DEFAULT_SPACING[info.feePips]
  if (spacing !== undefined) return spacing
  throw new FleetError(
    'config_invalid',
    `pool ${info.address} has no tickSpacing and its fee tier is not a usual one`,
    { remedy: 'Give the pool its tickSpacing.' },
  )
}

export const notAPool = ({ address, kind, manager }: PoolInfo): FleetError =>
  new FleetError(
    'config_invalid',
    `there is no ${kind} pool ${manager ? `${address} in ${manager}` : `at ${address}`} on this chain`,
    { remedy: 'Check the address, and that --chain names the chain that was meant.' },
  )
