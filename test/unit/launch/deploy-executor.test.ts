import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { abiWord, word } from '../../../agent/dex/chain-types.ts'
import { selector } from '../../../agent/dex/pools/lens.ts'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import type { FleetOptions } from '../../../src/client/launcher.ts'
import { deployExecutor } from '../../../src/launch/deploy-executor.ts'
import { DeploymentSchema, type DeployOrder } from '../../../src/protocol/deployment.ts'
import { asFleetError } from '../../../src/protocol/errors.ts'
import { toJson } from '../../../src/protocol/json.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { type RealChain, startRealChain } from '../../fixtures/real-chain.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'ad-deploy-'))
const manifest = new URL('../../../config/fleet.yaml', import.meta.url).pathname
const keys = [1, 2].map((n) => executorKey('deploy', n))
const hot = keys.map(keyAddress)
const keyFile = path.join(folder, 'keys')
let chain: RealChain
beforeAll(async () => {
  chain = await startRealChain('test-deploy', 1)
  writeFileSync(keyFile, keys.join('\n'), { mode: 0o600 })
})
afterAll(async () => {
  await chain.stop()
  rmSync(folder, { recursive: true, force: true })
})

const fund = (wei: bigint) => chain.rpc.request('anvil_setBalance', [hot[0], `0x${wei.toString(16)}`])
const said: string[] = []
function deploy(order: Partial<DeployOrder> = {}, options: Partial<FleetOptions> = {}) {
  said.length = 0
  return deployExecutor(
    { chain: chain.url, chainId: 1, keyFile, chainsDir: chain.chainsDir, manifest, ...options } as FleetOptions,
    { owner: chain.owner, executors: undefined, caps: [], dryRun: false, hotOwner: false, ...order },
    { defaultManifest: manifest, defaultChains: folder },
    (line) => said.push(line),
  )
}
const refusal = (order: Partial<DeployOrder>, options: Partial<FleetOptions> = {}) =>
  deploy(order, options).then(() => expect.fail('it was deployed'), asFleetError)
const ask = async (to: Address, signature: string, of?: Address): Promise<bigint> =>
  word(
    await chain.rpc.request<Hex>('eth_call', [
      { to, data: selector(signature) + (of === undefined ? '' : abiWord(BigInt(of))) },
      'latest',
    ]),
    0,
  )

describe('a deployment', () => {
  test('without money says what it needs; a dry run says what it would cost and sends nothing', async () => {
    const poor = await refusal({})
    expect(poor).toMatchObject({ code: 'config_invalid', remedy: expect.stringContaining('Fund') })
    expect(poor.message).toContain(hot[0])
    const dry = await deploy({ dryRun: true })
    expect(dry).toMatchObject({ dryRun: true, tx: null, block: null, from: hot[0], executors: hot })
    expect(dry.gasUsed).toBeGreaterThan(1_000_000n)
    expect(await chain.rpc.request('eth_getCode', [dry.address, 'latest'])).toBe('0x')
  })

  test('is ours, with owner, executors and caps as asked, at the cost that is said', async () => {
    await fund(10n ** 18n)
    await chain.rpc.request('evm_setAutomine', [true])
    const done = await deploy({
      caps: [
        { token: 'WETH', capRaw: 7n },
        { token: chain.market.bases[1] as Address, capRaw: 9n },
      ],
    })
    await chain.rpc.request('evm_setAutomine', [false])
    expect(DeploymentSchema.parse(toJson(done))).toMatchObject({
      dryRun: false,
      codeHash: chain.market.executor.codeHash,
    })
    const left = BigInt(await chain.rpc.request<Hex>('eth_getBalance', [hot[0], 'latest']))
    expect(left).toBe(10n ** 18n - done.gasWei)
    expect(await ask(done.address, 'owner()')).toBe(BigInt(chain.owner))
    expect(await ask(done.address, 'weth()')).toBe(BigInt(chain.market.weth))
    for (const each of hot) expect(await ask(done.address, 'isExecutor(address)', each)).toBe(1n)
    expect(await ask(done.address, 'isExecutor(address)', chain.owner)).toBe(0n)
    expect(await ask(done.address, 'inputCap(address)', chain.market.bases[0])).toBe(7n)
    expect(await ask(done.address, 'inputCap(address)', chain.market.bases[1])).toBe(9n)
    expect(said.join()).toContain(done.tx)
    expect(done.next).toContain(`--executor-address ${done.address}`)
    expect(JSON.stringify(toJson(done))).not.toContain(chain.url)
  })

  test('caps are the limits of the manifest unless told, and a base without one is warned of', async () => {
    const { caps, warnings } = await deploy({ dryRun: true })
    expect(caps[0]).toMatchObject({ symbol: 'WETH', capRaw: 200n * 10n ** 18n })
    const few = await deploy({ dryRun: true, caps: [{ token: 'WETH', capRaw: 1n }] })
    expect(few.warnings.join()).toMatch(/no cap for USDC/)
    expect(warnings.length).toBeLessThanOrEqual(1)
  })
})

describe('refused is', () => {
  test.each<[string, Partial<DeployOrder>, RegExp, RegExp]>([
    ['an owner that is a hot key', { owner: hot[1] as Address }, /hot key/, /--hot-owner/],
    ['an owner that nobody is', { owner: `0x${'0'.repeat(40)}` }, /address 0/, /key you hold/],
    [
      'a cap for a token that the profile lacks',
      { caps: [{ token: 'WETHH', capRaw: 1n }] },
      /WETHH/,
      /Did you mean WETH/,
    ],
    ['two caps for one token', { caps: ['WETH', 'WETH'].map((token) => ({ token, capRaw: 1n })) }, /twice/, /one cap/],
    ['nobody to execute', { executors: [] }, /nobody/, /--executors/],
  ])('%s', async (_, order, message, remedy) => {
    const error = await refusal(order)
    expect(error).toMatchObject({ code: 'usage', exitCode: 2 })
    expect(error.message).toMatch(message)
    expect(error.remedy).toMatch(remedy)
  })

  test('the sandbox, another chain, a node that is down, no key', async () => {
    expect(await refusal({}, { chain: undefined })).toMatchObject({ code: 'usage' })
    expect(await refusal({}, { chainId: 5 })).toMatchObject({ code: 'chain_mismatch' })
    expect(await refusal({}, { chain: 'ws://127.0.0.1:1' })).toMatchObject({ code: 'chain_unreachable', exitCode: 3 })
    expect(await refusal({}, { keyFile: undefined })).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('--key-file'),
    })
  })

  test('a hot owner is taken when it is said to be meant', async () => {
    const dry = await deploy({ owner: hot[1] as Address, dryRun: true, hotOwner: true })
    expect(dry.warnings.join()).toContain('is a hot key')
  })
})
