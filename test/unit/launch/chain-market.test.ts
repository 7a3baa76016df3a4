import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeExecute } from '../../../agent/dex/trade/build.ts'
import { codeHash } from '../../../agent/dex/trade/code-hash.ts'
import { REHEARSAL_ADDRESS, rehearsalOverrides } from '../../../agent/dex/trade/rehearsal.ts'
import { decodeRevert } from '../../../agent/dex/trade/revert.ts'
import { readHead } from '../../../agent/dex/trade/send.ts'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import { profileOf, readProfile } from '../../../src/fleet/chain-profile.ts'
import { marketOf, proveExecutor } from '../../../src/launch/chain-market.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { ChainInfoSchema } from '../../../src/protocol/chain.ts'
import { toJson } from '../../../src/protocol/json.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { type RealChain, startRealChain } from '../../fixtures/real-chain.ts'

let chain: RealChain
beforeAll(async () => {
  chain = await startRealChain('test-chain-market', 1)
})
afterAll(() => chain.stop())

const choice = () => ({ name: 'ws://node', chainId: 1, url: chain.url })
const read = (executor?: Address): Promise<ChainInfo> =>
  marketOf(choice(), { chainsDir: chain.chainsDir, executor, privately: false }) as Promise<ChainInfo>

test('a profile and a node are enough: the pools of its factories are found, lenders asked, code recorded', async () => {
  const info = await read()
  expect(ChainInfoSchema.parse(toJson(info))).toMatchObject({ chainInstance: '1', sandbox: false, url: null })
  const ids = (pools: ChainInfo['pools']) => pools.map((pool) => `${pool.dex} ${pool.address} ${pool.feePips}`).sort()
  expect(ids(info.pools)).toEqual(ids(chain.market.pools))
  expect(info.weth).toBe(chain.market.weth)
  expect(info.bases).toEqual(chain.market.bases)
  const paid = chain.market.lenders.filter(({ kind }) => kind === 'aave_v3' || kind === 'balancer_v2')
  expect(info.lenders).toEqual(paid)
  expect(info.lenders.find(({ kind }) => kind === 'aave_v3')).toMatchObject({ premiumBps: 5, rounding: 'half_up' })
  for (const [kind, hashes] of Object.entries(info.codeHashes))
    expect(hashes.toSorted(), kind).toEqual(chain.market.codeHashes[kind]?.toSorted())
})

test('without a contract there is one to rehearse with, where nothing is', async () => {
  const { executor } = await read()
  expect(executor).toMatchObject({ address: REHEARSAL_ADDRESS, codeHash: chain.market.executor.codeHash })
  expect(executor?.code).toMatch(/^0x[0-9a-f]{1000,}$/)
})

test('a contract that is named must be ours', async () => {
  const { address, codeHash: hash } = chain.market.executor
  expect((await read(address)).executor).toEqual({ address, codeHash: hash })
  await expect(read(chain.market.weth)).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('other code'),
    remedy: expect.stringContaining('deploy-executor'),
  })
  await expect(proveExecutor(chain.rpc, REHEARSAL_ADDRESS)).rejects.toThrow(/no contract/)
})

test('rehearsed, anybody may execute and no cap binds: a loss is refused for being one, deployed or not', async () => {
  const info = await read()
  const stranger = keyAddress(executorKey('stranger', 1))
  const token = chain.market.weth
  const other = chain.market.tokens.find(({ symbol }) => symbol === 'USDC')?.address as Address
  const hop = (dex: string, tokenIn: Address, tokenOut: Address) => {
    const pair = info.pools.find(
      (pool) => pool.dex === dex && [pool.token0, pool.token1].every((t) => t === token || t === other),
    )
    const amounts = { amountIn: 0n, amountOut: 0n }
    return {
      pool: pair?.address,
      kind: 'v2',
      dex,
      feePips: 3_000,
      tokenIn,
      tokenOut,
      zeroForOne: tokenIn === pair?.token0,
      ...amounts,
    }
  }
  const plan = {
    opportunityId: `0x${'11'.repeat(32)}`,
    ...{ lender: info.lenders[0], token, sizeRaw: 10n ** 15n, minProfitRaw: 1n },
    hops: [hop('uniswap_v2', token, other), hop('sushi_v2', other, token)],
  }
  const data = encodeExecute(plan as never, Number((await readHead(chain.rpc)).number) + 1)
  const outcome = (to: Address | undefined, overrides: object) =>
    chain.rpc.request('eth_call', [{ from: stranger, to, data }, 'latest', overrides]).then(
      () => 'nothing reverts',
      (error: Error & { data?: Hex }) => decodeRevert(error.data ?? '0x'),
    )
  const deployed = { weth: info.weth, executor: chain.market.executor }
  expect(await outcome(chain.market.executor.address, {})).toMatch(/NotExecutor|executor/i)
  expect(await outcome(REHEARSAL_ADDRESS, {})).toBe('nothing reverts')
  const loss = await outcome(REHEARSAL_ADDRESS, rehearsalOverrides(info, stranger, token))
  expect(loss).toMatch(/profit|floor/i)
  expect(await outcome(chain.market.executor.address, rehearsalOverrides(deployed, stranger, token))).toBe(loss)
})

test('a node unlike the profile is refused, with every address that has no code', async () => {
  const file = path.join(chain.chainsDir, readdirSync(chain.chainsDir)[0] as string)
  const good = readFileSync(file, 'utf8')
  const { tokens } = readProfile(file)
  const [usdc, dai] = [tokens.USDC?.address as string, tokens.DAI?.address as string]
  try {
    writeFileSync(file, good.replace(usdc, `0x${'12'.repeat(20)}`).replace(dai, `0x${'34'.repeat(20)}`))
    await expect(read()).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/USDC 0x1212.*DAI 0x3434/),
    })
    writeFileSync(file, good.replace(/(USDC: .*decimals: )6/, '$118'))
    await expect(read()).rejects.toThrow(/USDC 0x[0-9a-f]{40} has 6 decimals, not 18/)
    expect(() => profileOf(5, chain.chainsDir)).toThrow(/no profile of chain 5/)
  } finally {
    writeFileSync(file, good)
  }
})

test('a pool whose code is not what its factory’s pools have, or whose place, is left out', async () => {
  const file = path.join(chain.chainsDir, readdirSync(chain.chainsDir)[0] as string)
  const good = readFileSync(file, 'utf8')
  const pairs = chain.market.pools.filter((pool) => pool.dex === 'sushi_v2')
  const real = await codeHash(chain.rpc, pairs[0]?.address as Address)
  const sushi = async (hash: string, key = 'poolCodeHash') => {
    const text = good.replace(/(dex: sushi_v2.*), poolInitCodeHash: "\w+"/, '$1')
    writeFileSync(file, text.replace(/(dex: sushi_v2.*)fromBlock: 0/, `$1fromBlock: 0, ${key}: "${hash}"`))
    return (await read()).pools.filter((pool) => pool.dex === 'sushi_v2').length
  }
  try {
    expect(await sushi(real)).toBe(pairs.length)
    expect(await sushi(`0x${'00'.repeat(32)}`)).toBe(0)
    expect(await sushi(`0x${'00'.repeat(32)}`, 'poolInitCodeHash')).toBe(0)
  } finally {
    writeFileSync(file, good)
  }
})
