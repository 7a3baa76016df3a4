import { AbiCoder, Interface, type ParamType } from 'ethers'
import { expect, test } from 'vitest'
import { decodeRevert } from '../../../agent/dex/revert.ts'
import { loadArtefacts } from '../../../agent/sandbox/artefacts.ts'
import type { Hex } from '../../../src/protocol/units.ts'

const solidity = new Interface(['error Error(string reason)', 'error Panic(uint256 code)'])
const encode = (face: Interface, name: string, args: unknown[]) => face.encodeErrorResult(name, args) as Hex

test('every error that our contract declares is said by its name', () => {
  const ours = new Interface(loadArtefacts().abi('ArbExecutor'))
  const names: string[] = []
  ours.forEachError((error) => {
    const zeros = AbiCoder.defaultAbiCoder().getDefaultValue(error.inputs as ParamType[])
    expect(decodeRevert(encode(ours, error.name, [...zeros])).split(':')[0]).toBe(error.name)
    names.push(error.name)
  })
  expect(names.length).toBeGreaterThanOrEqual(14)
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
  ['UniswapV2: K', 'UniswapV2: K'],
  ['91', 'Aave 91: flash loans of this reserve are disabled'],
  ['7777', '7777'],
  ['', 'reverted without a reason'],
])('a reason %j becomes %j', (reason, words) => {
  expect(decodeRevert(encode(solidity, 'Error', [reason]))).toBe(words)
})

test('a panic, no reason and bytes of somebody else are told apart', () => {
  expect(decodeRevert(encode(solidity, 'Panic', [17]))).toBe('Panic 17: arithmetic overflow or underflow')
  expect(decodeRevert('0x')).toBe('reverted without a reason')
  expect(decodeRevert(undefined)).toBe('reverted without a reason')
  expect(decodeRevert('0xdeadbeef')).toBe('reverted with unknown bytes 0xdeadbeef')
  expect(decodeRevert('0x08c379a0ff')).toBe('reverted with unknown bytes 0x08c379a0ff')
})
