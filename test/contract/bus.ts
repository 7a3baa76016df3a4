import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConsumeOptions, Consumer, MessageHandler, TaskBus } from '../../src/ports/bus/bus.ts'
import type { DeadLetter } from '../../src/ports/bus/open.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import type { RoleName } from '../../src/protocol/fleet.ts'
import type { BusMessage } from '../../src/protocol/task.ts'
import { opportunityMessage, taskMessage } from '../fixtures/records.ts'

/** Two clients of one broker (embedded: one instance, twice), with RETRY_FOR_TESTS, and what they gave up. */
export interface BusUnderTest {
  a: TaskBus
  b: TaskBus
  dead: readonly DeadLetter[]
  close(): Promise<void>
}

export const RETRY_FOR_TESTS = { firstPauseMs: 20, longestPauseMs: 80, maxFailures: 5 }

export const idOf = (message: BusMessage): string => ('taskId' in message ? message.taskId : message.opportunity.id)
const failing = () => new FleetError('tool_failed', 'it cannot be done', { remedy: 'none' })
const passing = () => new FleetError('chain_unreachable', 'not now', { remedy: 'wait', transient: true })

/** What every TaskBus promises. Each test has a role, and so a queue, of its own. */
export function testTaskBus(name: string, open: () => Promise<BusUnderTest>): void {
  describe(`bus: ${name}`, () => {
    let bus: BusUnderTest
    const consumers: Consumer[] = []
    beforeAll(async () => {
      bus = await open()
    })
    afterEach(async () => {
      await Promise.all(consumers.splice(0).map((consumer) => consumer.stop(0)))
    })
    afterAll(() => bus?.close())

    const context: BusContext = {
      bus: () => bus,
      consume: async (client, role, handle, options) => {
        const consumer = await bus[client].consume(role, handle, options)
        consumers.push(consumer)
        return consumer
      },
    }
    deliveryTests(context)
    retryTests(context)
    stopTests(context)
  })
}

interface BusContext {
  bus(): BusUnderTest
  /** Stopped at the end of the test. */
  consume(client: 'a' | 'b', role: RoleName, handle: MessageHandler, options?: ConsumeOptions): Promise<Consumer>
}

function deliveryTests({ bus, consume }: BusContext): void {
  test('a message arrives as it was sent, amounts as bigint, and waits until somebody consumes', async () => {
    const sent = opportunityMessage(1)
    await bus().a.publish('coordinator', sent)
    expect(await bus().b.depth('coordinator')).toBe(1)
    const got: BusMessage[] = []
    await consume('b', 'coordinator', async (message, delivery) => {
      expect(delivery.redelivered).toBe(false)
      got.push(message)
    })
    await expect.poll(() => got).toEqual([sent])
    await expect.poll(() => bus().a.depth('coordinator')).toBe(0)
  })

  test('each message goes to one consumer of its role, whoever has a hand free, and to no other role', async () => {
    const got: string[] = []
    const by = { a: 0, b: 0 }
    for (const client of ['a', 'b'] as const) {
      await consume(client, 'planner', async (message) => {
        by[client] += 1
        got.push(idOf(message))
        await sleep(5)
      })
    }
    const sent = Array.from({ length: 40 }, (_, n) => taskMessage(n))
    await Promise.all(sent.map((message) => bus().a.publish('planner', message)))
    await expect.poll(() => [...got].sort()).toEqual(sent.map(idOf).sort())
    expect(Math.min(by.a, by.b)).toBeGreaterThan(5)
    expect(await bus().a.depth('builder')).toBe(0)
  })

  test('a consumer holds as many at once as its prefetch; the others wait and are counted', async () => {
    let inHand = 0
    let most = 0
    let go = () => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    for (let n = 0; n < 6; n++) await bus().a.publish('builder', taskMessage(n))
    const handle = async () => {
      most = Math.max(most, ++inHand)
      await gate
      inHand -= 1
    }
    await consume('a', 'builder', handle, { prefetch: 2 })
    await expect.poll(() => inHand).toBe(2)
    await expect.poll(() => bus().b.depth('builder')).toBe(4)
    go()
    await expect.poll(async () => (await bus().b.depth('builder')) + inHand).toBe(0)
    expect(most).toBe(2)
  })
}

function retryTests({ bus, consume }: BusContext): void {
  test('a message whose handler throws is delivered again, marked, after a pause that grows', async () => {
    const times: number[] = []
    const marks: boolean[] = []
    await consume('a', 'test_writer', async (_message, { redelivered }) => {
      times.push(performance.now())
      marks.push(redelivered)
      if (times.length < 4) throw failing()
    })
    await bus().a.publish('test_writer', taskMessage(1))
    await expect.poll(() => marks).toEqual([false, true, true, true])
    const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0))
    for (const [i, ms] of pauses.entries()) expect(ms).toBeGreaterThanOrEqual(RETRY_FOR_TESTS.firstPauseMs * 2 ** i - 2)
    await sleep(150)
    expect(times).toHaveLength(4)
    expect(await bus().a.depth('test_writer')).toBe(0)
  })

  test('one that always fails becomes a dead letter and holds up nobody else', async () => {
    let tries = 0
    const done: string[] = []
    await consume('a', 'executor', async (message) => {
      if (idOf(message) === idOf(taskMessage(13))) {
        tries += 1
        throw failing()
      }
      done.push(idOf(message))
    })
    for (const n of [13, 1, 2]) await bus().b.publish('executor', taskMessage(n))
    await expect
      .poll(() => bus().dead.filter((letter) => letter.role === 'executor'))
      .toEqual([
        {
          role: 'executor',
          text: JSON.stringify(taskMessage(13)),
          reason: expect.stringMatching(/failed 5 times.*it cannot be done/),
        },
      ])
    expect(tries).toBe(RETRY_FOR_TESTS.maxFailures)
    await expect.poll(() => done.length).toBe(2)
    await sleep(100)
    expect(tries).toBe(RETRY_FOR_TESTS.maxFailures)
    expect(await bus().a.depth('executor')).toBe(0)
  })

  test('transient failures never make a dead letter', async () => {
    let tries = 0
    await consume('a', 'fixer', async () => {
      tries += 1
      if (tries <= 2 * RETRY_FOR_TESTS.maxFailures) throw passing()
    })
    await bus().a.publish('fixer', taskMessage(1))
    await expect.poll(() => tries, { timeout: 5_000 }).toBe(2 * RETRY_FOR_TESTS.maxFailures + 1)
    expect(bus().dead.filter((letter) => letter.role === 'fixer')).toEqual([])
  })

  test('what is no message becomes a dead letter and reaches no handler', async () => {
    let tries = 0
    await consume('a', 'ui_coder', async () => {
      tries += 1
    })
    await bus().b.publish('ui_coder', { ...taskMessage(1), attempt: 0 })
    await expect
      .poll(() => bus().dead.filter((letter) => letter.role === 'ui_coder'))
      .toMatchObject([{ reason: expect.stringContaining('malformed') }])
    expect(tries).toBe(0)
  })
}

function stopTests({ bus, consume }: BusContext): void {
  test('stop takes nothing new, waits for what is in hand, and leaves the rest in the queue', async () => {
    let finished = 0
    const taken: string[] = []
    const consumer = await consume('a', 'reviewer', async (message, { signal }) => {
      taken.push(idOf(message))
      await sleep(200)
      if (!signal.aborted) finished += 1
    })
    for (let n = 0; n < 3; n++) await bus().b.publish('reviewer', taskMessage(n))
    await expect.poll(() => taken.length).toBe(1)
    await consumer.stop(5_000)
    expect(finished).toBe(1)
    expect(taken).toHaveLength(1)
    await expect.poll(() => bus().b.depth('reviewer')).toBe(2)
    await consumer.stop()
  })

  test('what is still in hand after the grace goes back at once: its signal aborts and another gets it', async () => {
    const aborted: boolean[] = []
    const consumer = await consume('a', 'code_indexer', async (_message, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      aborted.push(signal.aborted)
    })
    await bus().a.publish('code_indexer', taskMessage(5))
    await expect.poll(() => bus().a.depth('code_indexer')).toBe(0)
    await sleep(50)
    const start = performance.now()
    await consumer.stop(100)
    expect(performance.now() - start).toBeLessThan(2_000)
    await expect.poll(() => aborted).toEqual([true])
    const got: unknown[] = []
    await consume('b', 'code_indexer', async (message, { redelivered }) => {
      got.push([idOf(message), redelivered])
    })
    await expect.poll(() => got).toEqual([[idOf(taskMessage(5)), true]])
    await sleep(100)
    expect(got).toHaveLength(1)
  })

  test('a message that is in hand whenever its consumer goes becomes a dead letter', async () => {
    let taken = 0
    await bus().a.publish('code_indexer', taskMessage(66))
    for (let n = 1; n <= RETRY_FOR_TESTS.maxFailures; n++) {
      const consumer = await bus().b.consume('code_indexer', async (_message, { signal }) => {
        taken += 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      })
      await expect.poll(() => taken, { timeout: 5_000 }).toBe(n)
      await consumer.stop(0)
    }
    await consume('a', 'code_indexer', async () => undefined)
    const letters = () => bus().dead.filter((letter) => letter.role === 'code_indexer')
    await expect.poll(letters, { timeout: 5_000 }).toMatchObject([{ reason: expect.stringContaining('gone') }])
    expect(taken).toBe(RETRY_FOR_TESTS.maxFailures)
  })

  test('a message that waits out its pause goes back when its consumer stops', async () => {
    let tries = 0
    const consumer = await consume('a', 'admin', async () => {
      tries += 1
      throw passing()
    })
    await bus().a.publish('admin', taskMessage(6))
    await expect.poll(() => tries).toBeGreaterThan(2)
    await consumer.stop(1_000)
    await expect.poll(() => bus().b.depth('admin')).toBe(1)
  })
}
