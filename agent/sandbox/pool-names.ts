import { AbiCoder, getCreate2Address, keccak256, solidityPacked } from 'ethers'
import { type Address, address, type Hex } from '../../src/protocol/units.ts'

/** The deployed bytecode is mainnet's: these are its init code hashes too. */
const PAIR_INIT_CODE_HASH = '0x96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f'
const POOL_INIT_CODE_HASH = '0xe34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54'

/** Where a Uniswap V2 factory puts the pair. The tokens must be sorted, here and below. */
export function pairAddress(factory: Address, token0: Address, token1: Address): Address {
  const salt = keccak256(solidityPacked(['address', 'address'], [token0, token1]))
  return address(getCreate2Address(factory, salt, PAIR_INIT_CODE_HASH))
}

export function poolAddress(factory: Address, token0: Address, token1: Address, feePips: number): Address {
  const key = AbiCoder.defaultAbiCoder().encode(['address', 'address', 'uint24'], [token0, token1, feePips])
  return address(getCreate2Address(factory, keccak256(key), POOL_INIT_CODE_HASH))
}

/** The id under which Uniswap V4's manager keeps the pool. */
export function poolIdV4(token0: Address, token1: Address, feePips: number, tickSpacing: number, hooks: Address): Hex {
  const types = ['address', 'address', 'uint24', 'int24', 'address']
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, [token0, token1, feePips, tickSpacing, hooks])) as Hex
}
