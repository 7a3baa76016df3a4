import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { openEmbeddedEngine, type RunningUnit, type StartUnit } from '../../src/ports/engine/embedded.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import type { LogLine } from '../../src/protocol/records.ts'
import { type Program, testEngine, until } from './engine.ts'
import { bareUnit } from './engine-units.ts'

testEngine('embedded', async () => {
  const engine = openEmbeddedEngine({ startUnit: runProgram })
  return {
    engine,
    unit: (id, program, specHash) => ({ ...bareUnit(id, specHash), command: [program] }),
    blind: () => engine.close(),
    close: () => engine.close(),
  }
})

test('what a unit wrote outlives it in a file, without what would move a cursor', async () => {
  const stateDir = mkdtempSync(path.join(tmpdir(), 'arbdeck-engine-'))
  const startUnit: StartUnit = async (_unit, log) => {
    log('warn', '\u001b[31mred\u001b[0m and \u0007loud')
    return running()
  }
  const first = openEmbeddedEngine({ startUnit, stateDir })
  await first.start(bareUnit('executor-1'))
  await first.stop('executor-1', { graceMs: 100, remove: true })
  await first.close()
  const second = openEmbeddedEngine({ startUnit, stateDir })
  const lines: LogLine[] = []
  const { signal } = new AbortController()
  for await (const line of second.logs('executor-1', { tail: 10, follow: false }, signal)) lines.push(line)
  expect(lines).toMatchObject([{ source: 'executor-1', level: 'warn', message: 'red and loud' }])
  expect(readFileSync(path.join(stateDir, 'logs', 'executor-1.log'), 'utf8').split('\n')).toHaveLength(2)
  rmSync(stateDir, { recursive: true })
})

test('memory keeps the last 2,000 lines of a unit, and who follows goes on from there', async () => {
  let say = (_message: string): void => undefined
  const engine = openEmbeddedEngine({
    startUnit: async (_unit, log) => {
      say = (message) => log('info', message)
      for (let n = 0; n < 2_500; n++) say(`line ${n}`)
      return running()
    },
  })
  await engine.start(bareUnit('executor-1'))
  const lines: string[] = []
  const { signal } = new AbortController()
  for await (const line of engine.logs('executor-1', { tail: 10_000, follow: false }, signal)) lines.push(line.message)
  expect(lines).toHaveLength(2_000)
  expect(lines.at(0)).toBe('line 500')
  expect(lines.at(-1)).toBe('line 2499')
  const stop = new AbortController()
  const followed: string[] = []
  for await (const line of engine.logs('executor-1', { tail: 1, follow: true }, stop.signal)) {
    followed.push(line.message)
    if (followed.length === 3) stop.abort()
    else say(`more ${followed.length}`)
  }
  expect(followed).toEqual(['line 2499', 'more 1', 'more 2'])
})

test('closing ends every unit', async () => {
  let alive = 0
  const engine = openEmbeddedEngine({
    startUnit: async () => {
      alive++
      return running(() => alive--)
    },
  })
  await Promise.all(['executor-1', 'executor-2', 'bot'].map((id) => engine.start(bareUnit(id))))
  await until(() => alive === 3)
  await engine.close()
  expect(alive).toBe(0)
})

/** A unit that ends when it is stopped. */
function running(onStop: () => void = () => undefined): RunningUnit {
  let finish: () => void = () => undefined
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  return {
    stop: async () => {
      onStop()
      finish()
    },
    done,
  }
}

const runProgram: StartUnit = async (unit, log) => {
  const program = unit.command[0] as Program
  switch (program) {
    case 'serve':
      log('info', 'one')
      log('info', 'two')
      return running()
    case 'chatter': {
      let n = 0
      const timer = setInterval(() => log('info', `line ${n++}`), 50)
      return running(() => clearInterval(timer))
    }
    case 'stubborn':
      log('info', 'ready')
      return { stop: () => new Promise(() => undefined), done: new Promise(() => undefined) }
    case 'finish':
      return { stop: async () => undefined, done: soon().then(() => undefined) }
    case 'crash':
      return { stop: async () => undefined, done: soon().then(() => Promise.reject(new Error('as told'))) }
    case 'impossible':
      throw new FleetError('internal', 'as told', { remedy: 'None.' })
  }
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 100))
