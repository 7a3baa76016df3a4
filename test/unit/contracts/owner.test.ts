import { id } from 'ethers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeExecute } from '../../../agent/dex/trade/build.ts'
import { loadArtefacts } from '../../../agent/sandbox/artefacts.ts'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import { ROUTES } from '../../fixtures/arena.ts'
import { Besieged, failed, OURS } from '../../fixtures/besieged.ts'

const ZERO = address(`0x${'0'.repeat(40)}`)
let besieged: Besieged
let snapshot: unknown
beforeAll(async () => {
  besieged = await Besieged.start('test-owner')
  snapshot = await besieged.world.rpc.request('evm_snapshot', [])
})
beforeEach(async () => {
  await besieged.world.rpc.request('evm_revert', [snapshot])
  snapshot = await besieged.world.rpc.request('evm_snapshot', [])
})
afterAll(() => besieged?.stop())

const { stringify } = JSON
const call = async (from: Address, name: string, args: readonly unknown[]) =>
  (await besieged.world.send(from, besieged.at, OURS.encodeFunctionData(name, args))).status
const attempt = (from: Address, name: string, args: readonly unknown[]) =>
  besieged.attempt(from, OURS.encodeFunctionData(name, args))
const people = () => {
  const { owner, executor, stranger } = besieged.world
  return { owner, executor, stranger }
}
/** A trade that earns. */
async function trade(): Promise<Hex> {
  const hops = besieged.arena.route(ROUTES['v2 v2'] as string)
  await besieged.arena.push(hops, 4)
  return encodeExecute(await besieged.arena.plan(hops, besieged.arena.lender('first', hops)), 1_000_000)
}

describe('the owner', () => {
  test('sweeps tokens and native currency to itself', async () => {
    const { owner } = people()
    const usdc = besieged.arena.token('USDC')
    const native = async (of: Address) =>
      BigInt(await besieged.world.rpc.request<string>('eth_getBalance', [of, 'latest']))
    const before = [await besieged.arena.balance(owner, usdc), await native(owner)] as const
    expect([await call(owner, 'sweep', [usdc]), await call(owner, 'sweep', [ZERO])]).toEqual(['0x1', '0x1'])
    expect([await besieged.arena.balance(besieged.at, usdc), await native(besieged.at)]).toEqual([0n, 0n])
    expect((await besieged.arena.balance(owner, usdc)) - before[0]).toBe(1_000_000_000n)
    expect((await native(owner)) - before[1]).toBeGreaterThan(99n * 10n ** 16n)
  })

  test('takes away what an executor may do, at once, and gives it to another', async () => {
    const { owner, executor, stranger } = people()
    const data = await trade()
    expect(await call(owner, 'setExecutor', [executor, false])).toBe('0x1')
    expect(await besieged.attempt(executor, data)).toEqual(failed(`NotExecutor: caller ${executor}`))
    expect(await call(owner, 'setExecutor', [stranger, true])).toBe('0x1')
    expect((await besieged.world.send(stranger, besieged.at, data)).status).toBe('0x1')
  })

  test('is not an executor by being the owner', async () => {
    const { owner } = people()
    expect(await besieged.attempt(owner, await trade())).toEqual(failed(`NotExecutor: caller ${owner}`))
  })

  test('says how much of a token goes into one trade, and 0 forbids it', async () => {
    const { owner, executor } = people()
    const weth = besieged.arena.token('WETH')
    const data = await trade()
    expect(await call(owner, 'setInputCap', [weth, 10n ** 18n - 1n])).toBe('0x1')
    const said = `InputAboveCap: token ${weth}, amount ${10n ** 18n}, inputCap ${10n ** 18n - 1n}`
    expect(await besieged.attempt(executor, data)).toEqual(failed(said))
    expect(await call(owner, 'setInputCap', [weth, 0n])).toBe('0x1')
    const nothing = [id('nothing'), 1_000_000, 0n, weth, 0n, 0n, 0n, [1n, 2n, 3n, 4n]]
    expect(await attempt(executor, 'execute', nothing)).toEqual(
      failed(`InputAboveCap: token ${weth}, amount 0, inputCap 0`),
    )
    expect(await call(owner, 'setInputCap', [weth, 10n ** 18n])).toBe('0x1')
    expect((await besieged.world.send(executor, besieged.at, data)).status).toBe('0x1')
  })
})

describe('ownership', () => {
  test('goes over when it is taken, not when it is offered; then the profit goes to the new owner', async () => {
    const { owner, executor, stranger } = people()
    const weth = besieged.arena.token('WETH')
    expect(await call(owner, 'offerOwnership', [stranger])).toBe('0x1')
    expect(await attempt(stranger, 'sweep', [weth])).toEqual(failed(`NotOwner: caller ${stranger}`))
    expect(await call(stranger, 'takeOwnership', [])).toBe('0x1')
    expect(await attempt(owner, 'sweep', [weth])).toEqual(failed(`NotOwner: caller ${owner}`))
    expect(await attempt(stranger, 'takeOwnership', [])).toEqual(failed(`NotPendingOwner: caller ${stranger}`))
    const before = [await besieged.arena.balance(owner), await besieged.arena.balance(stranger)] as const
    expect((await besieged.world.send(executor, besieged.at, await trade())).status).toBe('0x1')
    expect(await besieged.arena.balance(owner)).toBe(before[0])
    expect(await besieged.arena.balance(stranger)).toBeGreaterThan(before[1])
  })

  test('is not taken by one whose offer was replaced or withdrawn', async () => {
    const { owner, executor, stranger } = people()
    await call(owner, 'offerOwnership', [stranger])
    await call(owner, 'offerOwnership', [executor])
    expect(await attempt(stranger, 'takeOwnership', [])).toEqual(failed(`NotPendingOwner: caller ${stranger}`))
    await call(owner, 'offerOwnership', [ZERO])
    expect(await attempt(executor, 'takeOwnership', [])).toEqual(failed(`NotPendingOwner: caller ${executor}`))
    expect(await call(owner, 'setInputCap', [besieged.arena.token('DAI'), 1n])).toBe('0x1')
  })

  test('that was offered and is being taken back in one block goes by the order in the block', async () => {
    const { owner, stranger } = people()
    const { rpc } = besieged.world
    await call(owner, 'offerOwnership', [stranger])
    const send = (from: Address, name: string, args: readonly unknown[], maxFeePerGas: string) =>
      rpc.request<string>('eth_sendTransaction', [
        {
          from,
          to: besieged.at,
          data: OURS.encodeFunctionData(name, args),
          gas: '0x186a0',
          maxFeePerGas,
          maxPriorityFeePerGas: '0x1',
        },
      ])
    const hashes = [
      await send(owner, 'offerOwnership', [ZERO], '0x3b9aca0000'),
      await send(stranger, 'takeOwnership', [], '0x2540be4000'),
    ]
    await rpc.request('evm_mine', [])
    const receipts = await Promise.all(
      hashes.map((hash) => rpc.request<{ status: string }>('eth_getTransactionReceipt', [hash])),
    )
    expect(receipts.map((receipt) => receipt.status)).toEqual(['0x1', '0x0'])
    await besieged.expectUnharmed()
  })
})

describe('a deployment', () => {
  const deployed = (args: readonly unknown[]) =>
    besieged.world.rpc
      .request<Hex>('eth_call', [
        { from: people().stranger, data: loadArtefacts().deployment('ArbExecutor', args) },
        'latest',
      ])
      .then(
        () => 'it went through',
        (error: { data?: Hex }) => stringify(OURS.parseError(error.data ?? '0x')?.name),
      )
  test('without an owner, or with caps for other tokens than are listed, fails', async () => {
    const { owner } = people()
    const weth = besieged.arena.token('WETH')
    expect(await deployed([ZERO, weth, [], [], []])).toBe('"NoOwner"')
    expect(await deployed([owner, weth, [], [weth], []])).toBe('"UnequalLists"')
    expect(await deployed([owner, weth, [], [], []])).toBe('it went through')
  })
})
