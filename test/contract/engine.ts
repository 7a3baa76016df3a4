import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Engine, ObservedUnit, UnitSpec } from '../../src/ports/engine/engine.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import type { LogLine } from '../../src/protocol/records.ts'

/** What a unit of these tests does; each adapter has its own way to run it. */
export type Program =
  /** Writes `one` and `two` and runs until it is asked to stop. */
  | 'serve'
  /** Ends by itself a moment after its start: well, or with a failure. */
  | 'finish'
  | 'crash'
  /** Writes `line N` every 50 ms. */
  | 'chatter'
  /** Does not stop when asked. */
  | 'stubborn'
  /** Cannot be started at all. */
  | 'impossible'

export interface EngineUnderTest {
  engine: Engine
  unit(id: 'executor-1' | 'executor-2' | 'bot', program: Program, specHash?: string): UnitSpec
  /** Takes from the engine what it sees with. */
  blind(): Promise<void>
  close(): Promise<void>
}

const GRACE = { graceMs: 2_000, remove: true }

/** The promises of src/ports/engine/engine.ts, for every adapter. */
export function testEngine(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(`engine: ${name}`, () => {
    let under: EngineUnderTest
    let engine: Engine
    const life = { signal: new AbortController() }
    const one = async (id: string): Promise<ObservedUnit | undefined> =>
      (await engine.list()).find((unit) => unit.id === id)

    beforeEach(async () => {
      life.signal = new AbortController()
      under = await open()
      engine = under.engine
    })
    afterEach(async () => {
      life.signal.abort()
      await under.close()
    })

    test('an empty fleet is an empty list', async () => {
      expect(await engine.list()).toEqual([])
    })

    test('a started unit runs, as what it is and as it was described', async () => {
      await engine.start(under.unit('executor-2', 'serve', 'aaaa'))
      await engine.start(under.unit('bot', 'serve', 'bbbb'))
      const units = (await engine.list()).sort((a, b) => (a.id < b.id ? -1 : 1))
      expect(units).toMatchObject([
        { id: 'bot', unit: { kind: 'service', service: 'bot' }, specHash: 'bbbb', state: 'running', exitCode: null },
        {
          id: 'executor-2',
          unit: { kind: 'agent', role: 'executor', replica: 2 },
          specHash: 'aaaa',
          state: 'running',
          restarts: 0,
        },
      ])
      expect(Date.parse(units[0]?.startedAt ?? '')).toBeGreaterThan(Date.now() - 60_000)
    })

    test('starting what runs changes nothing, also from two sides at once', async () => {
      const unit = under.unit('executor-1', 'serve')
      await Promise.all([engine.start(unit), engine.start(unit)])
      const before = await one('executor-1')
      await engine.start(unit)
      expect(await engine.list()).toEqual([before])
    })

    test('another hash replaces what runs', async () => {
      await engine.start(under.unit('executor-1', 'serve', 'aaaa'))
      const before = await one('executor-1')
      await pause(5)
      await engine.start(under.unit('executor-1', 'serve', 'bbbb'))
      const after = await one('executor-1')
      expect(after).toMatchObject({ specHash: 'bbbb', state: 'running', restarts: 0 })
      expect(after?.startedAt).not.toBe(before?.startedAt)
      expect(await engine.list()).toHaveLength(1)
    })

    test('a unit that crashed is seen with its failure, and started again it counts a restart', async () => {
      const unit = under.unit('executor-1', 'crash')
      await engine.start(unit)
      expect(await exited('executor-1')).toMatchObject({ state: 'exited', exitCode: 1, health: null })
      await engine.start(unit)
      expect(await one('executor-1')).toMatchObject({ restarts: 1 })
    })

    test('a unit that ended well and is started again counts none', async () => {
      const unit = under.unit('executor-1', 'finish')
      await engine.start(unit)
      expect(await exited('executor-1')).toMatchObject({ exitCode: 0 })
      await engine.start(unit)
      expect(await one('executor-1')).toMatchObject({ restarts: 0 })
    })

    test('a unit that cannot be started is an error, and nothing of it stays', async () => {
      await expect(engine.start(under.unit('executor-1', 'impossible'))).rejects.toBeInstanceOf(FleetError)
      expect(await engine.list()).toEqual([])
    })

    test('stopping removes, or keeps what has exited; stopping again, or what never was, changes nothing', async () => {
      await engine.start(under.unit('executor-1', 'serve'))
      await lines('executor-1', 'two')
      await engine.stop('executor-1', { graceMs: 2_000, remove: false })
      expect(await one('executor-1')).toMatchObject({ state: 'exited', exitCode: 0 })
      await engine.stop('executor-1', { graceMs: 2_000, remove: false })
      await engine.stop('executor-1', GRACE)
      await engine.stop('executor-1', GRACE)
      await engine.stop('executor-2', GRACE)
      expect(await engine.list()).toEqual([])
    })

    test('a unit that does not stop when asked is ended after the grace', async () => {
      await engine.start(under.unit('executor-1', 'stubborn'))
      await lines('executor-1', 'ready')
      const began = Date.now()
      await engine.stop('executor-1', { graceMs: 1_000, remove: true })
      expect(Date.now() - began).toBeGreaterThan(900)
      expect(Date.now() - began).toBeLessThan(10_000)
      expect(await engine.list()).toEqual([])
    })

    test('logs are the last lines, in time order, with their source', async () => {
      await engine.start(under.unit('executor-1', 'serve'))
      await lines('executor-1', 'two')
      const all = await read('executor-1', { tail: 100, follow: false })
      expect(all.map((line) => line.message)).toEqual(['one', 'two'])
      expect(all.every((line) => line.source === 'executor-1' && line.level === 'info')).toBe(true)
      expect(await read('executor-1', { tail: 1, follow: false })).toMatchObject([{ message: 'two' }])
      expect(await read('executor-1', { tail: 0, follow: false })).toEqual([])
    })

    test('followed logs go on with what comes, until the signal aborts', async () => {
      await engine.start(under.unit('executor-1', 'chatter'))
      const stop = new AbortController()
      const seen: string[] = []
      for await (const line of engine.logs('executor-1', { tail: 0, follow: true }, stop.signal)) {
        seen.push(line.message)
        if (seen.length === 5) stop.abort()
      }
      const first = Number(seen[0]?.replace('line ', ''))
      expect(seen.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map((i) => `line ${first + i}`))
    })

    test('followed logs end with the unit', async () => {
      await engine.start(under.unit('executor-1', 'chatter'))
      const stopping = pause(300).then(() => engine.stop('executor-1', GRACE))
      const seen = await read('executor-1', { tail: 100, follow: true })
      expect(seen.length).toBeGreaterThan(1)
      await stopping
    })

    test('logs of what never was are an error', async () => {
      await expect(read('executor-2', { tail: 10, follow: false })).rejects.toMatchObject({ code: 'not_found' })
    })

    test('a change nudges, a death among them, and the listening ends with the signal', async () => {
      let nudges = 0
      const stop = new AbortController()
      const listening = (async () => {
        for await (const _nudge of engine.changes(stop.signal)) nudges++
      })()
      await pause(300)
      expect(nudges).toBe(0)
      await engine.start(under.unit('executor-1', 'crash'))
      await exited('executor-1')
      await until(() => nudges >= 2)
      const before = nudges
      await engine.stop('executor-1', GRACE)
      await until(() => nudges > before)
      stop.abort()
      await listening
    })

    test('usage leaves out what cannot be told apart or is not there', async () => {
      await engine.start(under.unit('executor-1', 'serve'))
      const usage = await engine.usage(['executor-1', 'executor-2'])
      expect(usage.has('executor-2')).toBe(false)
      const own = usage.get('executor-1')
      if (own) expect(own.memoryBytes).toBeGreaterThan(1_000_000)
    })

    test('an engine that cannot see says so instead of an empty list', async () => {
      await engine.start(under.unit('executor-1', 'serve'))
      await under.blind()
      await expect(engine.list()).rejects.toMatchObject({ code: 'engine_unreachable', transient: true })
    })

    async function read(id: string, options: { tail: number; follow: boolean }): Promise<LogLine[]> {
      const seen: LogLine[] = []
      for await (const line of engine.logs(id, options, life.signal.signal)) seen.push(line)
      return seen
    }

    /** Waits until the unit has written that. */
    async function lines(id: string, message: string): Promise<void> {
      await until(async () => (await read(id, { tail: 100, follow: false })).some((line) => line.message === message))
    }

    async function exited(id: string): Promise<ObservedUnit | undefined> {
      await until(async () => (await one(id))?.state === 'exited')
      return one(id)
    }
  })
}

/** Polls a condition for up to 15 s. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('waited 15 s and it did not come true')
    await pause(40)
  }
}
