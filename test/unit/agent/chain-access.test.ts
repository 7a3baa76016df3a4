import { afterEach, beforeEach, expect, test } from 'vitest'
import { knownInstance, openChainAccess } from '../../../agent/chain-access.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { WETH } from '../../fixtures/trade.ts'

let memory: SharedMemory
beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
})
afterEach(() => memory.close())

const describeChain = (chainInstance: string, over: object = {}) =>
  memory.write(keys.chain, {
    ...{ chainInstance, chainId: 1, sandbox: true, url: 'ipc:/nowhere', weth: WETH, seed: null, at: now() },
    ...{ tokens: [], pools: [], lenders: [], codeHashes: {}, executor: null, ...over },
  })
const access = () =>
  openChainAccess({
    memory,
    openRpc: () => Promise.reject(new Error('no node here')),
    signal: new AbortController().signal,
  })

test('a description is checked once a version, for all who share the memory, and a new one is seen at once', async () => {
  await describeChain('one')
  const [mine, theirs] = [access(), access()]
  const first = await mine.chain()
  expect(first.chainInstance).toBe('one')
  expect(await theirs.chain()).toBe(first)
  expect(await knownInstance(memory)).toBe('one')
  await describeChain('two')
  expect((await mine.chain()).chainInstance).toBe('two')
  expect(await knownInstance(memory)).toBe('two')
})

test('one that is taken away is not there, and one that is malformed is refused each time', async () => {
  await describeChain('one')
  await access().chain()
  await memory.write(keys.chain, undefined)
  expect(await knownInstance(memory)).toBeNull()
  await describeChain('one', { pools: 'many' })
  await expect(knownInstance(memory)).rejects.toMatchObject({ code: 'malformed' })
  await expect(access().chain()).rejects.toMatchObject({ code: 'malformed' })
})
