import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { AbiCoder, getCreateAddress, Interface, id } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeRevert } from '../../../agent/dex/revert.ts'
import { loadArtefacts } from '../../../agent/sandbox/artefacts.ts'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import { startMarket, type TestMarket } from '../../fixtures/market.ts'

const ours = new Interface(loadArtefacts().abi('ArbExecutor'))
const token = new Interface([
  'function balanceOf(address) view returns (uint256)',
  'function mint(address, uint256)',
  'function flashLoanSimple(address, address, uint256, bytes, uint16)',
])
const thiefFace = new Interface(['function prepare(uint256, address, address, address)'])

let world: TestMarket
let thief: Address
const at = () => world.market.executor.address
const usdc = () => world.market.tokens[1]?.address as Address

beforeAll(async () => {
  world = await startMarket('test-guards')
  thief = await deployThief()
  // Something to steal: 1,000 USDC that lie in the contract.
  for (const holder of [at(), thief]) {
    await world.send(world.stranger, usdc(), token.encodeFunctionData('mint', [holder, 1_000_000_000n]))
  }
})
afterAll(() => world?.stop())

async function deployThief(): Promise<Address> {
  const file = new URL('../../fixtures/contracts/Thief.sol', import.meta.url)
  const input = {
    language: 'Solidity',
    sources: { 'Thief.sol': { content: readFileSync(file, 'utf8') } },
    settings: { evmVersion: 'cancun', outputSelection: { '*': { '*': ['evm.bytecode.object'] } } },
  }
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  const data = `0x${output.contracts['Thief.sol'].Thief.evm.bytecode.object}`
  const nonce = Number(await world.rpc.request<string>('eth_getTransactionCount', [world.stranger, 'latest']))
  await world.rpc.request('eth_sendTransaction', [{ from: world.stranger, data, gas: '0x4c4b40' }])
  await world.rpc.request('evm_mine', [])
  return address(getCreateAddress({ from: world.stranger, nonce }))
}

/** What a call of our contract would come to, in words. */
const outcome = (from: Address, name: string, args: unknown[]) =>
  world.rpc
    .request<Hex>('eth_call', [
      { from, to: at(), data: ours.encodeFunctionData(name, args), gas: '0x1e8480' },
      'latest',
    ])
    .then(
      () => 'it went through',
      (error: { data?: Hex }) => decodeRevert(error.data),
    )
const call = (from: Address, name: string, args: unknown[]) =>
  world.send(from, at(), ours.encodeFunctionData(name, args))
const held = async (holder: Address) =>
  BigInt(
    await world.rpc.request<Hex>('eth_call', [
      { to: usdc(), data: token.encodeFunctionData('balanceOf', [holder]) },
      'latest',
    ]),
  )

const anything = (lender: Address, hops: bigint[] = []) => [id('any'), 1_000_000, lender, usdc(), 1_000n, 0n, hops]

describe('strangers', () => {
  test('cannot execute: not even the owner, who is no executor', async () => {
    expect(await outcome(world.stranger, 'execute', anything(thief))).toBe(`NotExecutor: caller ${world.stranger}`)
    expect(await outcome(world.owner, 'execute', anything(thief))).toMatch(/^NotExecutor/)
  })

  test('cannot call back when nothing runs', async () => {
    const loan = [usdc(), 1_000n, 0n, at(), AbiCoder.defaultAbiCoder().encode(['uint256[]'], [[]])]
    expect(await outcome(world.stranger, 'executeOperation', loan)).toMatch(/^NotArmed/)
    expect(await outcome(world.stranger, 'uniswapV3SwapCallback', [1_000n, 0n, '0x'])).toMatch(/^NotArmed/)
  })

  test('cannot have the real lender call it for a loan of their own', async () => {
    const lender = world.market.lenders[0]?.address as Address
    const data = token.encodeFunctionData('flashLoanSimple', [at(), usdc(), 1_000n, '0x', 0])
    const failed = world.rpc.request('eth_call', [{ from: world.stranger, to: lender, data }, 'latest'])
    await expect(failed.catch((error: { data?: Hex }) => decodeRevert(error.data))).resolves.toMatch(/^NotArmed/)
  })

  test('and executors can neither take what lies there, name executors nor give the contract away', async () => {
    for (const from of [world.stranger, world.executor]) {
      expect(await outcome(from, 'sweep', [usdc()])).toBe(`NotOwner: caller ${from}`)
      expect(await outcome(from, 'setExecutor', [from, true])).toMatch(/^NotOwner/)
      expect(await outcome(from, 'offerOwnership', [from])).toMatch(/^NotOwner/)
      expect(await outcome(from, 'takeOwnership', [])).toMatch(/^NotPendingOwner/)
    }
  })
})

describe('the owner', () => {
  test('takes back what an executor may do, at once', async () => {
    const setTo = (allowed: boolean) => call(world.owner, 'setExecutor', [world.executor, allowed])
    await setTo(false)
    expect(await outcome(world.executor, 'execute', anything(thief))).toMatch(/^NotExecutor/)
    await setTo(true)
    expect(await outcome(world.executor, 'execute', anything(thief))).not.toMatch(/^NotExecutor/)
  })

  test('sweeps to itself, and hands over only to one who takes it', async () => {
    const snapshot = await world.rpc.request('evm_snapshot', [])
    await call(world.owner, 'sweep', [usdc()])
    expect([await held(world.owner), await held(at())]).toEqual([1_000_000_000n, 0n])
    await call(world.owner, 'offerOwnership', [world.stranger])
    expect(await outcome(world.owner, 'sweep', [usdc()])).toBe('it went through')
    await call(world.stranger, 'takeOwnership', [])
    expect(await outcome(world.owner, 'sweep', [usdc()])).toMatch(/^NotOwner/)
    expect(await outcome(world.stranger, 'sweep', [usdc()])).toBe('it went through')
    await world.rpc.request('evm_revert', [snapshot])
  })
})

describe('an executor whose key was stolen, with a lender and pools of its own,', () => {
  const hop = (kind: bigint, zeroForOne: boolean) => BigInt(thief) | (kind << 184n) | (zeroForOne ? 1n << 192n : 0n)
  const steal = async (way: number, tokens: [Address, Address], hops: () => bigint[], amount = 1_000_000_000n) => {
    await world.send(world.stranger, thief, thiefFace.encodeFunctionData('prepare', [way, at(), ...tokens]))
    return outcome(world.executor, 'execute', [id(`way ${way}`), 1_000_000, thief, usdc(), amount, 0n, hops()])
  }
  const weth = () => world.market.weth
  const V2 = 2n
  const V3 = 3n

  test.each([
    [
      'sells what was never lent to a pair that pays nothing',
      1,
      () => [hop(V2, true)],
      /^ProfitBelowFloor: gained -\d+/,
    ],
    [
      'sells what was never lent to a pool that pays nothing',
      1,
      () => [hop(V3, true)],
      /^ProfitBelowFloor: gained -\d+/,
    ],
    ['names a kind of pool that there is not', 1, () => [hop(9n, true)], /^UnknownHop/],
    ['names another initiator', 2, () => [hop(V2, true)], /^NotInitiator/],
    ['calls back with another loan', 3, () => [hop(V2, true)], /^WrongLoan/],
    [
      'leaves its approval standing',
      8,
      () => [hop(V3, true)],
      /^StandingApproval: lender 0x[0-9a-f]{40}, amount 1000000000$/,
    ],
    ['asks a pool payment for more than was offered', 6, () => [hop(V3, true)], /^PartialFill/],
    ['asks for a pool payment twice', 7, () => [hop(V3, true)], /^NotArmed/],
  ] as const)('%s: refused', async (_what, way, hops, expected) => {
    expect(await steal(way, [usdc(), weth()], hops as () => bigint[])).toMatch(expected)
  })

  test('cannot spend a token that lies there on a hop in the middle: only what the hop before paid', async () => {
    // Loan of nothing in WETH terms; the first pool claims to have paid USDC and has not, the second would sell USDC.
    await world.send(world.stranger, thief, thiefFace.encodeFunctionData('prepare', [1, at(), weth(), usdc()]))
    const hops = [hop(V3, true), hop(V3, false)]
    const args = [id('middle'), 1_000_000, thief, weth(), 0n, 0n, hops]
    await call(world.executor, 'execute', args)
    expect(await held(at())).toBe(1_000_000_000n)
    expect(await held(thief)).toBe(1_000_000_000n)
  })

  test('cannot pass a floor with a lender that never calls back', async () => {
    await world.send(world.stranger, thief, thiefFace.encodeFunctionData('prepare', [9, at(), usdc(), weth()]))
    const args = [id('silent'), 1_000_000, thief, usdc(), 5n, 1n, []]
    expect(await outcome(world.executor, 'execute', args)).toBe('ProfitBelowFloor: gained 0, floor 1')
  })

  test('cannot borrow twice in one execution, nor enter again from a pool', async () => {
    expect(await steal(4, [usdc(), weth()], () => [hop(V3, true), hop(V3, false)], 0n)).toMatch(/^WrongLoan/)
    await call(world.owner, 'setExecutor', [thief, true])
    expect(await steal(5, [usdc(), weth()], () => [hop(V2, true)])).toBe('Reentered')
    await call(world.owner, 'setExecutor', [thief, false])
    expect(await held(at())).toBe(1_000_000_000n)
  })
})
