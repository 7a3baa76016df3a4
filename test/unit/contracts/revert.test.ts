import { AbiCoder, Interface, type ParamType } from 'ethers'
import { expect, test } from 'vitest'
import { decodeRevert } from '../../../agent/dex/trade/revert.ts'
import { loadArtefacts } from '../../../agent/sandbox/artefacts.ts'
import type { Hex } from '../../../src/protocol/units.ts'

const solidity = new Interface(['error Error(string reason)', 'error Panic(uint256 code)'])
const encode = (face: Interface, name: string, args: unknown[]) => face.encodeErrorResult(name, args) as Hex

/** Every error of a contract of the artefacts, with zeros for its figures, by name. */
function errorsOf(contract: string): [name: string, said: string][] {
  const face = new Interface(loadArtefacts().abi(contract))
  const said: [string, string][] = []
  face.forEachError((error) => {
    const zeros = AbiCoder.defaultAbiCoder().getDefaultValue(error.inputs as ParamType[])
    said.push([error.name, decodeRevert(encode(face, error.name, [...zeros]))])
  })
  return said
}

test('every error that our contract declares is said by its name', () => {
  const errors = errorsOf('ArbExecutor')
  for (const [name, said] of errors) expect(said.split(':')[0]).toBe(name)
  expect(errors.length).toBeGreaterThanOrEqual(23)
})

test('the errors of Uniswap V4 that a swap can meet are said in words', () => {
  const said = new Map(errorsOf('PoolManager'))
  for (const name of ['AlreadyUnlocked', 'CurrencyNotSettled', 'PoolNotInitialized', 'SwapAmountCannotBeZero']) {
    expect(said.get(name)).toMatch(new RegExp(`^Uniswap V4 ${name}: [a-z, ]+$`))
  }
  const pool = new Interface(['error PriceLimitAlreadyExceeded(uint160, uint160)'])
  expect(decodeRevert(encode(pool, 'PriceLimitAlreadyExceeded', [7n, 8n]))).toBe(
    'Uniswap V4 PriceLimitAlreadyExceeded: the price is past the limit, sqrtPriceCurrentX96 7, sqrtPriceLimitX96 8',
  )
})

test('what reverted inside a call of Uniswap V4 is said too', () => {
  const face = new Interface(['error WrappedError(address, bytes4, bytes, bytes)'])
  const inner = encode(solidity, 'Error', ['no way back'])
  const target = '0x52908400098527886e0f7030069857d2e4169ee7'
  expect(decodeRevert(encode(face, 'WrappedError', [target, '0xa9059cbb', inner, '0x']))).toBe(
    `Uniswap V4: ${target} reverted: no way back`,
  )
})

test('figures come with their names, addresses in lower case', () => {
  const face = new Interface([
    'error ProfitBelowFloor(int256 gained, uint256 floor)',
    'error NotExecutor(address caller)',
  ])
  expect(decodeRevert(encode(face, 'ProfitBelowFloor', [-7n, 9n]))).toBe('ProfitBelowFloor: gained -7, floor 9')
  const caller = '0x52908400098527886E0F7030069857D2E4169EE7'
  expect(decodeRevert(encode(face, 'NotExecutor', [caller]))).toBe(`NotExecutor: caller ${caller.toLowerCase()}`)
})

test.each([
  ['UniswapV2: K', 'UniswapV2: K: the pair was paid too little'],
  ['Pancake: K', 'Pancake: K: the pair was paid too little'],
  ['UniswapV2: FORBIDDEN', 'UniswapV2: FORBIDDEN'],
  ['91', 'Aave 91: flash loans of this reserve are disabled'],
  ['7777', '7777'],
  ['BAL#515', 'Balancer 515: the loan was not paid back'],
  ['BAL#999', 'BAL#999'],
  ['IIA', 'Uniswap V3 IIA: the pool was paid too little'],
  ['LOK', 'Uniswap V3 LOK: the pool is locked: it is in a swap or loan already, or has no price yet'],
  ['SPL', 'Uniswap V3 SPL: the price is past the limit'],
  ['AS', 'Uniswap V3 AS: amount is zero'],
  ['TF', 'Uniswap V3 TF: a token refused a transfer'],
  ['XYZ', 'XYZ'],
  ['ERC20: transfer amount exceeds balance', 'ERC20: transfer amount exceeds balance'],
  ['constructor', 'constructor'],
  ['', 'reverted without a reason'],
])('a reason %j becomes %j', (reason, words) => {
  expect(decodeRevert(encode(solidity, 'Error', [reason]))).toBe(words)
})

test('a panic, no reason and bytes of somebody else are told apart, and nothing makes it throw', () => {
  expect(decodeRevert(encode(solidity, 'Panic', [17]))).toBe('Panic 17: arithmetic overflow or underflow')
  expect(decodeRevert('0x')).toBe('reverted without a reason')
  expect(decodeRevert(undefined)).toBe('reverted without a reason')
  expect(decodeRevert('0xdeadbeef')).toBe('reverted with unknown bytes 0xdeadbeef')
  expect(decodeRevert('0x08c379a0ff')).toBe('reverted with unknown bytes 0x08c379a0ff')
  // Text that is no UTF-8.
  const broken = `${encode(solidity, 'Error', ['x']).slice(0, -64)}ff${'0'.repeat(62)}` as Hex
  expect(decodeRevert(broken)).toMatch(/^reverted with unknown bytes 0x08c379a0/)
})
