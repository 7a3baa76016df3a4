import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { parseCondition } from '../../../src/cli/commands/up.ts'
import type { FleetClient } from '../../../src/client/client.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { FleetEvent } from '../../../src/protocol/event.ts'
import { SummarySchema } from '../../../src/protocol/event.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { wei } from '../../../src/protocol/units.ts'
import { hash } from '../../fixtures/fake-client.ts'
import { errorIn, type Ran, type RunParts, runCommand } from '../../fixtures/run-command.ts'

const seen = { healthy: true, executed: 0, opportunities: 0, profitWei: 0n }

test('a condition holds from its number on, and not before the fleet is healthy', () => {
  const three = parseCondition('executed=3')
  expect(three.holds({ ...seen, executed: 2, opportunities: 9 })).toBe(false)
  expect(three.holds({ ...seen, executed: 3 })).toBe(true)
  expect(three.holds({ ...seen, executed: 4, healthy: false })).toBe(false)
  const ten = parseCondition('opportunities=10')
  expect(ten.holds({ ...seen, opportunities: 9, executed: 99 })).toBe(false)
  expect(ten.holds({ ...seen, opportunities: 10 })).toBe(true)
  const healthy = parseCondition('healthy')
  expect([healthy.holds(seen), healthy.holds({ ...seen, healthy: false })]).toEqual([true, false])
})

test.each(['', 'executed', 'executed=', 'executed=-1', 'executed=1.5', 'trades=3', 'healthy=1', 'executed>=3'])(
  '%j is not a condition, and the remedy shows three that are',
  (text) => {
    expect(() => parseCondition(text)).toThrowError(
      expect.objectContaining({
        code: 'usage',
        remedy: expect.stringMatching(/healthy.*executed=3.*opportunities=10/),
      }),
    )
  },
)

const execution = (n: number, at = now()): FleetEvent => ({
  type: 'execution',
  at,
  id: hash(n),
  tx: hash(n),
  block: n,
  profitWei: wei(10n),
  predictedWei: wei(10n),
  gasWei: wei(1n),
  exact: true,
})

/** A fleet whose events come one after the other, and then no more. */
const eventsOf = (events: () => readonly FleetEvent[]): Pick<FleetClient, 'events'> => ({
  async *events(_options, signal) {
    for (const event of events()) {
      await pause(2)
      if (signal.aborted) return
      yield event
    }
    if (signal.aborted) return
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  },
})

// biome-ignore lint/suspicious/noExplicitAny: what a script sees: JSON
const lines = (ran: Ran): any[] =>
  ran.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

const run = (args: string[], parts: RunParts = {}) =>
  runCommand(['up', '--json', ...args], { client: eventsOf(() => []), ...parts })

describe('up', () => {
  test('counts from its own start, ends when the condition holds, with a summary as the last line', async () => {
    const client = eventsOf(() => [execution(9, '2020-01-01T00:00:00.000Z'), execution(1), execution(2), execution(3)])
    const ran = await run(['--until', 'executed=2'], { client })
    expect(ran.code).toBe(0)
    const printed = lines(ran)
    expect(printed.map((line) => line.type)).toEqual(['note', 'execution', 'execution', 'summary'])
    expect(printed.slice(1, 3).map((line) => line.id)).toEqual([hash(1), hash(2)])
    const summary = SummarySchema.parse(printed.at(-1))
    expect(summary).toMatchObject({ until: 'executed=2', held: true, executed: 2, profitWei: 20n })
    expect(ran.calls).toEqual(['up {"detach":false}', 'leave', 'close'])
    expect(ran.stderr).toBe('')
  })

  test('gives up with exit 4: the summary on stdout, why on stderr', async () => {
    const ran = await run(['--until', 'executed=2', '--timeout', '60ms'])
    expect(ran.code).toBe(4)
    expect(lines(ran).at(-1)).toMatchObject({ type: 'summary', held: false, executed: 0 })
    expect(errorIn(ran)).toMatchObject({ code: 'timeout', message: expect.stringContaining('within 0.06 s') })
    expect(ran.calls).toContain('leave')
  })

  test('with --for ends well after that long', async () => {
    const ran = await run(['--for', '30ms'])
    expect(ran.code).toBe(0)
    expect(lines(ran).at(-1)).toMatchObject({ type: 'summary', until: null, held: true })
    expect(lines(ran).at(-1).ms).toBeGreaterThanOrEqual(29)
  })

  test('with --detach returns when healthy and leaves the fleet', async () => {
    const ran = await run(['--detach'])
    expect(ran.code).toBe(0)
    expect(ran.calls).toEqual(['up {"detach":true}', 'close'])
  })

  test('with --detach that times out does not leave half a fleet behind', async () => {
    const ran = await run(['--detach', '--timeout', '30ms'], { up: { ready: new Promise(() => {}) } })
    expect(ran.code).toBe(4)
    expect(ran.calls).toContain('leave')
  })

  test.each([130, 143])('told to end, leaves and ends with %i', async (code) => {
    const stop = new AbortController()
    setTimeout(() => stop.abort(code), 30)
    const ran = await run([], { signal: stop.signal })
    expect(ran.code).toBe(code)
    expect(ran.calls).toEqual(['up {"detach":false}', 'leave', 'close'])
    expect(lines(ran).at(-1)).toMatchObject({ type: 'summary', held: false })
  })

  test('a start that fails ends it with that error, and what was started is let go', async () => {
    const failed = new FleetError('image_unavailable', 'no image', { remedy: 'Pull it.' })
    const ran = await run([], { up: { ready: Promise.reject(failed) } })
    expect(ran.code).toBe(1)
    expect(errorIn(ran).code).toBe('image_unavailable')
    expect(ran.calls).toContain('leave')
  })

  test('says which engine and why: as a note with --json, on stderr without', async () => {
    expect(lines(await run(['--until', 'healthy']))[0]).toMatchObject({ type: 'note', message: 'Engine of the test.' })
    const text = await runCommand(['up', '--until', 'healthy'], { client: eventsOf(() => []) })
    expect(text.stderr).toBe('Engine of the test.\n')
    expect(text.stdout).toMatch(/^0 executed, 0 opportunities in \d+ s\n$/)
  })
})
