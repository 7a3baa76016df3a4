import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { alive, claim, LOCK_TTL_MS, queued, released, renewed } from '../../../agent/project/lock-rules.ts'
import { FileLocks } from '../../../agent/project/locks.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { listAs } from '../../../src/ports/memory/typed.ts'
import { type FileLock, FileLockSchema } from '../../../src/protocol/file-lock.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { until } from '../../fixtures/agents.ts'

let memory: SharedMemory
const agents: FileLocks[] = []

beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
})
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()))
  await memory.close()
})

function agent(owner: string): FileLocks {
  const locks = new FileLocks({ memory, owner, log: () => undefined })
  agents.push(locks)
  return locks
}

const look = () => listAs(memory, keys.fileLocks, FileLockSchema)
const holder = async () => (await look())[0]?.holder?.owner
const request = { waitMs: 5_000, holdMs: 60_000 }

test('one has it, the others wait in the order in which they came, each with a larger token', async () => {
  const order: string[] = []
  const tokens: number[] = []
  const first = await agent('builder-1').acquire('a.md', request)
  tokens.push(first.token)
  const others = ['fixer-1', 'fixer-2', 'ui_coder-1'].map(async (owner) => {
    const lock = await agent(owner).acquire('a.md', request)
    order.push(owner)
    tokens.push(lock.token)
    await lock.release()
  })
  // Each is in the queue before the next asks.
  await until('all wait', async () => (await look())[0]?.waiting.length === 3)
  const queued = (await look())[0]?.waiting.map(({ owner }) => owner)
  await first.release()
  await Promise.all(others)
  expect(order).toEqual(queued)
  expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
  expect(new Set(tokens).size).toBe(4)
})

test('another file is another lock', async () => {
  await agent('builder-1').acquire('a.md', request)
  const lock = await agent('builder-2').acquire('b.md', { waitMs: 0, holdMs: 1_000 })
  expect(lock.path).toBe('b.md')
})

test('who does not get it in time is told who has it, and leaves the queue', async () => {
  await agent('builder-1').acquire('a.md', request)
  const refused = agent('builder-2').acquire('a.md', { waitMs: 60, holdMs: 1_000 })
  await expect(refused).rejects.toMatchObject({
    code: 'conflict',
    transient: true,
    message: expect.stringContaining('builder-1 holds it'),
  })
  expect((await look())[0]?.waiting).toEqual([])
})

test('it is given back after its time, whatever the holder does', async () => {
  const lock = await agent('builder-1').acquire('a.md', { waitMs: 0, holdMs: 80 })
  await until('it has ended', async () => lock.ended.aborted)
  await until('it is free', async () => (await holder()) === undefined)
  await expect(agent('builder-2').confirm('a.md', lock.token, 0)).rejects.toMatchObject({ code: 'conflict' })
})

test('an agent that dies with it frees it: who waits has it when the lease ends, and the dead one’s token is refused', async () => {
  // A holder that nobody renews, a moment before its end.
  const nowMs = Date.now()
  const until = new Date(nowMs + 400).toISOString()
  const since = new Date(nowMs).toISOString()
  const dead: FileLock = {
    path: 'a.md',
    holder: { owner: 'builder-9', token: 1, since, until },
    waiting: [],
    lastToken: 1,
  }
  await memory.write(keys.fileLock('a.md'), dead)
  await memory.write(keys.fileTokens, 1)
  const began = performance.now()
  const lock = await agent('builder-1').acquire('a.md', request)
  expect(performance.now() - began).toBeGreaterThan(300)
  expect(lock.token).toBeGreaterThan(1)
  await expect(agent('builder-9').confirm('a.md', 1, 0)).rejects.toThrow(
    /token 1 does not hold the lock of a.md: builder-1 holds it/,
  )
})

test('an agent that stops gives back what it holds', async () => {
  const one = agent('builder-1')
  await one.acquire('a.md', request)
  await one.close()
  await until('it is free', async () => (await holder()) === undefined)
})

test('anybody may give it back with its token, and the holder learns it', async () => {
  const lock = await agent('builder-1').acquire('a.md', request)
  await agent('builder-2').release('a.md', lock.token)
  expect(await holder()).toBeUndefined()
  await expect(agent('builder-2').release('a.md', lock.token)).rejects.toMatchObject({ code: 'conflict' })
})

test('twenty agents at once: never two holders', async () => {
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const lock = await agent(`builder-${n + 1}`).acquire('a.md', { waitMs: 15_000, holdMs: 10_000 })
      most = Math.max(most, ++inside)
      await pause(5)
      inside--
      await lock.release()
    }),
  )
  expect(most).toBe(1)
})

describe('the rules', () => {
  const waiter = (n: number) => ({ id: `w${n}`, owner: `agent-${n}` })
  const ask = (lock: FileLock | undefined, n: number, token: number, nowMs: number) =>
    claim(lock, { path: 'a', waiter: waiter(n), token, nowMs })

  test('a token that is not larger than the last holder’s takes nothing: another is drawn', () => {
    const lock: FileLock = { path: 'a', holder: null, waiting: [], lastToken: 7 }
    expect(ask(lock, 1, 7, 0)).toBeUndefined()
    expect(ask(lock, 1, 8, 0)?.holder?.owner).toBe('agent-1')
  })

  test('a place in the queue is written again only when it would end soon', () => {
    const lock = queued(undefined, { path: 'a', waiter: waiter(1), nowMs: 0 })
    expect(lock?.waiting).toMatchObject([{ id: 'w1' }])
    expect(queued(lock, { path: 'a', waiter: waiter(1), nowMs: 100 })).toBeUndefined()
    expect(queued(lock, { path: 'a', waiter: waiter(1), nowMs: LOCK_TTL_MS - 1 })?.waiting[0]?.until).toBe(
      new Date(2 * LOCK_TTL_MS - 1).toISOString(),
    )
  })

  test('whatever comes, one holder at a time, tokens only grow, and who came first has it first', () => {
    const who = fc.nat(4)
    const step = fc.oneof(
      fc.record({ kind: fc.constant('ask' as const), who }),
      fc.record({ kind: fc.constant('free' as const), who }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(LOCK_TTL_MS) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let [lock, nowMs, token]: [FileLock | undefined, number, number] = [undefined, 0, 0]
        const asks = (n: number): void => {
          const before = alive(lock ?? { path: 'a', holder: null, waiting: [], lastToken: 0 }, nowMs)
          const taken = ask(lock, n, ++token, nowMs)
          if (taken) {
            expect(before.holder).toBeNull()
            expect(before.waiting[0]?.id ?? `w${n}`).toBe(`w${n}`)
            expect(token).toBeGreaterThan(before.lastToken)
          }
          lock = taken ?? queued(lock, { path: 'a', waiter: waiter(n), nowMs }) ?? lock
        }
        const frees = (n: number): void => {
          const held: FileLock['holder'] | undefined = lock?.holder
          if (held?.owner === `agent-${n}`) lock = released(lock, held.token, nowMs) ?? lock
        }
        for (const one of steps) {
          if (one.kind === 'wait') nowMs += one.ms
          else if (one.kind === 'free') frees(one.who)
          else asks(one.who)
        }
      }),
    )
  })

  test('what has ended cannot be renewed', () => {
    const taken = ask(undefined, 1, 1, 0)
    expect(renewed(taken, 1, LOCK_TTL_MS - 1)?.holder?.until).toBe(new Date(2 * LOCK_TTL_MS - 1).toISOString())
    expect(renewed(taken, 1, LOCK_TTL_MS)).toBeUndefined()
    expect(renewed(taken, 2, 0)).toBeUndefined()
  })
})
