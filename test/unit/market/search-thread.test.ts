import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { startBot } from '../../../agent/market/bot.ts'
import type { PublishedBlock } from '../../../agent/market/work-instance.ts'
import { openBus } from '../../../src/ports/bus/open.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import type { ServiceRecord } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { wei } from '../../../src/protocol/units.ts'
import { LIMITS, until } from '../../fixtures/agents.ts'
import { bundleScript } from '../../fixtures/bundle.ts'
import { infoOf } from '../../fixtures/dex/pools.ts'
import { SYNTHETIC_WETH, syntheticPairs } from '../../fixtures/dex/synthetic.ts'
import { searchThread } from '../../fixtures/search-thread.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A bot over a node of 10,704 pairs, which has a thread of its own too. */
async function startSynthetic(entry: URL) {
  const script = await bundleScript(new URL('../../fixtures/dex/synthetic-node.ts', import.meta.url))
  const node = new Worker(script, { execArgv: [] })
  cleanups.push(() => node.terminate())
  const port = await new Promise<number>((resolve) => node.once('message', resolve))
  const memory = await openMemory('embedded:', { fleet: 't' })
  const bus = await openBus('embedded:', { fleet: 't' })
  cleanups.push(
    () => memory.close(),
    () => bus.close(),
  )
  const lines: string[] = []
  const published: PublishedBlock[] = []
  const notes: string[] = []
  const chain: ChainInfo = {
    ...{ chainInstance: 'synthetic', chainId: 31337, sandbox: true, url: `ws://127.0.0.1:${port}` },
    ...{ weth: SYNTHETIC_WETH, bases: [], l1Fee: 'none', finalityBlocks: 2, submit: 'public', tokens: [] },
    ...{ pools: syntheticPairs().map(infoOf), lenders: [], executor: null, codeHashes: {}, seed: null, at: now() },
  }
  const heard: SharedMemory = {
    read: (key) => memory.read(key),
    list: (prefix) => memory.list(prefix),
    write(key, value, options) {
      if (key === keys.service('bot')) notes.push((value as ServiceRecord | undefined)?.note ?? '')
      return memory.write(key, value, options)
    },
    lease: (name, owner, ttlMs) => memory.lease(name, owner, ttlMs),
    stream: (name) => memory.stream(name),
    watch: (topics, signal) => memory.watch(topics, signal),
    close: () => memory.close(),
  }
  const bot = startBot({
    ...{ memory: heard, bus, id: 'bot-1', threadEntry: entry, chain: async () => chain },
    spec: { limits: LIMITS, minProfitWei: wei(10n ** 13n), planBlocks: 8 },
    log: (level, message) => lines.push(`${level} ${message}`),
    onPublished: (block) => published.push(block),
  })
  cleanups.push(() => bot.stop())
  return { node, lines, published, notes }
}

test('while the search works through 10,704 pools, the main thread is never kept waiting', async () => {
  const entry = await searchThread()
  const { node, published, lines, notes } = await startSynthetic(entry)
  const lag = monitorEventLoopDelay({ resolution: 5 })
  lag.enable()
  await until('the first search', () => published.length > 0, 25_000)
  for (let block = 2; block <= 21; block++) {
    node.postMessage('mine')
    await until(`block ${block}`, () => published.at(-1)?.number === block, 10_000)
  }
  lag.disable()
  expect(published.slice(1).every(({ changed }) => changed > 50 && changed <= 60)).toBe(true)
  expect(lines).toEqual([expect.stringMatching(/^info block 1 of synthetic: 10704 pools, 1\d{5} cycles$/)])
  expect(notes).toContain('loading pools 0 of 10,704')
  expect(notes.at(-1)).toBe('')
  // The index alone takes the thread longer, on a quiet machine too.
  expect(lag.max / 1e6).toBeLessThan(150)
})

test('a thread that dies is a fault of the bot, and is started again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'search-thread-'))
  cleanups.push(() => rmSync(folder, { recursive: true }))
  const mark = JSON.stringify(join(folder, 'died'))
  const entry = pathToFileURL(join(folder, 'dies-once.mjs'))
  writeFileSync(
    entry,
    `import { existsSync, writeFileSync } from 'node:fs'
    if (!existsSync(${mark})) { writeFileSync(${mark}, ''); throw new Error('it broke') }
    await import(${JSON.stringify((await searchThread()).href)})`,
  )
  const { published, lines, notes } = await startSynthetic(entry)
  await until('the first search', () => published.length > 0, 25_000)
  expect(lines[0]).toMatch(/^warn the search thread ended: it broke/)
  expect(notes.some((note) => note.startsWith('the search thread ended'))).toBe(true)
  await until('healthy again', () => notes.at(-1) === '')
})
