import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { loadPools } from '../../../agent/dex/pools/load.ts'
import { openRpc } from '../../../agent/dex/rpc.ts'
import { startInstance } from '../../../agent/sandbox/instance.ts'
import { executorKey, keyAddress, SANDBOX_EXECUTORS } from '../../../agent/sandbox/keys.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../../agent/sandbox/sandbox.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { ChainInfoSchema } from '../../../src/protocol/chain.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import { ServiceRecordSchema } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { processesOf } from '../../fixtures/processes.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function sandbox(options: Partial<SandboxOptions>) {
  const memory = await openMemory('embedded:', { fleet: 'test' })
  const lines: string[] = []
  const log = (level: string, message: string) => void lines.push(`${level} ${message}`)
  const running: Sandbox = await startSandbox({
    memory,
    seed: 'test',
    practiceSeed: 'secret',
    blockMs: 50,
    log,
    ...options,
  })
  ends.push(
    () => memory.close(),
    () => running.stop(),
  )
  const chain = async () => (await readAs(memory, keys.chain, ChainInfoSchema))?.value
  const record = async () => (await readAs(memory, keys.service('sandbox'), ServiceRecordSchema))?.value
  return { running, memory, lines, chain, record }
}

async function until<T>(look: () => Promise<T>, holds: (seen: T) => boolean, ms = 10_000): Promise<T> {
  for (const end = Date.now() + ms; ; await sleep(20)) {
    const seen = await look()
    if (holds(seen) || Date.now() > end) return seen
  }
}

test('publishes the chain, mines block after block unasked, and leaves nothing behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'test-sandbox-'))
  const { running, chain, record } = await sandbox({ fleet: 'test-sandbox-mines', ipcPath: join(folder, 'anvil.ipc') })
  const info = await chain()
  expect(info).toMatchObject({ chainInstance: running.chainInstance, chainId: 31337, sandbox: true, seed: 'test' })
  expect(info?.url).toBe(`ipc:${join(folder, 'anvil.ipc')}`)
  expect(info?.pools).toHaveLength(24)
  expect(info).toMatchObject({ l1Fee: 'none', finalityBlocks: 2, submit: 'public' })
  expect(info?.bases).toHaveLength(2)
  expect(await record()).toMatchObject({ name: 'sandbox', state: 'healthy', url: running.url })

  const rpc = await openRpc(running.url)
  ends.push(async () => rpc.close())
  const head = async () => Number(await rpc.request<string>('eth_blockNumber'))
  expect(await until(head, (number) => number >= 6)).toBeGreaterThanOrEqual(6)
  const block = await rpc.request<{ transactions: string[]; baseFeePerGas: string }>('eth_getBlockByNumber', [
    'latest',
    false,
  ])
  expect([block.transactions.length, BigInt(block.baseFeePerGas)]).toEqual([1, 1_000_000_000n])
  for (const n of [1, SANDBOX_EXECUTORS]) {
    const balance = await rpc.request<Hex>('eth_getBalance', [keyAddress(executorKey('secret', n)), 'latest'])
    expect(BigInt(balance)).toBeGreaterThan(10n ** 20n)
  }

  await running.stop()
  expect(await record()).toBeUndefined()
  expect(await readdir(folder)).toEqual([])
  const left = await until(
    async () => processesOf('test-sandbox-mines'),
    (pids) => pids.length === 0,
  )
  expect(left).toEqual([])
  await rm(folder, { recursive: true })
})

test('when anvil dies, says so and goes on with another chain under another name', async () => {
  const { running, chain, record, lines, memory } = await sandbox({ fleet: 'test-sandbox-dies' })
  const first = running.chainInstance
  for (const pid of processesOf('http://test-sandbox-dies.invalid', 'anvil')) process.kill(pid, 'SIGKILL')
  expect(await until(record, (seen) => seen?.state === 'unhealthy')).toMatchObject({ state: 'unhealthy' })
  const info = await until(chain, (seen) => seen?.chainInstance !== first)
  expect(info?.chainInstance).toBe(running.chainInstance)
  expect(info?.chainInstance).not.toBe(first)
  expect(await until(record, (seen) => seen?.state === 'healthy')).toMatchObject({ state: 'healthy' })
  expect(lines.some((line) => line.startsWith('error anvil ended'))).toBe(true)
  const events = await streamAs(memory, streams.events, FleetEventSchema)
  expect(events.map(({ value }) => value.type === 'chain' && value.state)).toEqual(['started', 'lost', 'started'])
  const rpc = await openRpc(running.url)
  ends.push(async () => rpc.close())
  const head = async () => Number(await rpc.request<string>('eth_blockNumber'))
  expect(await until(head, (number) => number >= 3)).toBeGreaterThanOrEqual(3)
})

test('a shared memory that lost everything hears again what the chain is', async () => {
  const { running, chain, record, memory } = await sandbox({})
  await memory.write(keys.chain, undefined)
  await memory.write(keys.service('sandbox'), undefined)
  expect((await until(chain, (seen) => seen !== undefined))?.chainInstance).toBe(running.chainInstance)
  expect(await record()).toMatchObject({ state: 'healthy' })
})

test('the same seed makes the same market, block by block, at the same addresses; another seed another one', async () => {
  const poolsAfter = async (seed: string, blocks: number) => {
    const instance = await startInstance({ anvil: {}, seed, owner: keyAddress(executorKey('owner', 1)), executors: [] })
    ends.push(() => instance.stop())
    while ((await instance.mine()) < blocks);
    const rpc = await openRpc(instance.info.url ?? '')
    ends.push(async () => rpc.close())
    const head = await rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
    return { instance: instance.info.chainInstance, pools: await loadPools(rpc, instance.info.pools, head.hash) }
  }
  const [one, two, other] = [await poolsAfter('a', 25), await poolsAfter('a', 25), await poolsAfter('b', 25)]
  expect(two.pools).toEqual(one.pools)
  expect(other.pools).not.toEqual(one.pools)
  expect(new Set([one, two, other].map((each) => each.instance)).size).toBe(3)
})

test('a transaction that bids more than the base fee comes before the traders of its block', async () => {
  const { running } = await sandbox({ blockMs: 300 })
  const rpc = await openRpc(running.url)
  ends.push(async () => rpc.close())
  const from = keyAddress(executorKey('secret', 1))
  await rpc.request('anvil_impersonateAccount', [from])
  const fees = { maxFeePerGas: '0x77359400', maxPriorityFeePerGas: '0x1' }
  const hash = await rpc.request('eth_sendTransaction', [{ from, to: from, gas: '0x5208', ...fees }])
  const receipt = async () =>
    rpc.request<{ transactionIndex: string; blockHash: string } | null>('eth_getTransactionReceipt', [hash])
  const mined = await until(receipt, (seen) => seen !== null)
  const block = await rpc.request<{ transactions: string[] }>('eth_getBlockByHash', [mined?.blockHash, false])
  expect([mined?.transactionIndex, block.transactions.length]).toEqual(['0x0', 2])
})
