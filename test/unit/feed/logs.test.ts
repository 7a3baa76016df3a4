import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { mergeLogs } from '../../../src/feed/logs.ts'
import { unitSpec } from '../../fixtures/units.ts'
import { openWorld, soon, type World } from '../../fixtures/world.ts'

const ends: (() => Promise<unknown> | undefined)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function world(...ids: string[]): Promise<World> {
  const opened = openWorld()
  ends.push(() => opened.engine.close())
  for (const id of ids) await opened.engine.start(unitSpec(id))
  return opened
}

/** Says lines that have a time of their own each: `executor-1 a`. */
async function say({ say: one }: World, ...lines: string[]): Promise<void> {
  for (const line of lines) {
    const [id = '', message = ''] = line.split(' ')
    one(id, message)
    await pause(2)
  }
}

const all =
  ({ engine }: World) =>
  async () =>
    (await engine.list()).map((unit) => unit.id)

async function past(from: World, tail: number, select = all(from)): Promise<string[]> {
  const lines: string[] = []
  const options = { tail, follow: false }
  for await (const line of mergeLogs(from.engine, select, options, new AbortController().signal))
    lines.push(`${line.source} ${line.message}`)
  return lines
}

interface Followed {
  lines: string[]
  ended: Promise<void>
  stop(): void
}

function follow(from: World, select = all(from), tail = 100): Followed {
  const life = new AbortController()
  ends.unshift(() => {
    life.abort()
    return undefined
  })
  const lines: string[] = []
  const read = async () => {
    for await (const line of mergeLogs(from.engine, select, { tail, follow: true }, life.signal))
      lines.push(`${line.source} ${line.message}`)
  }
  return { lines, ended: read(), stop: () => life.abort() }
}

test('what several units wrote is one list in the order of time', async () => {
  const from = await world('executor-1', 'planner-1')
  await say(from, 'executor-1 a', 'planner-1 b', 'executor-1 c', 'planner-1 d')
  expect(await past(from, 100)).toEqual(['executor-1 a', 'planner-1 b', 'executor-1 c', 'planner-1 d'])
})

test('the tail is of all lines together, not of each unit', async () => {
  const from = await world('executor-1', 'planner-1')
  await say(from, 'planner-1 a', 'executor-1 b', 'executor-1 c', 'executor-1 d')
  expect(await past(from, 2)).toEqual(['executor-1 c', 'executor-1 d'])
  expect(await past(from, 0)).toEqual([])
})

test('only the selected units are read', async () => {
  const from = await world('executor-1', 'planner-1')
  await say(from, 'executor-1 a', 'planner-1 b')
  expect(await past(from, 100, async () => ['planner-1'])).toEqual(['planner-1 b'])
})

test('a follower gets what was there and then what comes, no line twice', async () => {
  const from = await world('executor-1', 'planner-1')
  await say(from, 'executor-1 a', 'planner-1 b')
  const { lines } = follow(from)
  await soon('the past', () => lines.length === 2)
  await say(from, 'planner-1 c', 'executor-1 d', 'planner-1 e')
  await soon('what came', () => lines.length >= 5)
  await pause(20)
  expect(lines).toEqual(['executor-1 a', 'planner-1 b', 'planner-1 c', 'executor-1 d', 'planner-1 e'])
})

test('a follower picks up a unit that starts later', async () => {
  const from = await world('executor-1')
  const { lines } = follow(from)
  await say(from, 'executor-1 a')
  await soon('the first', () => lines.length === 1)
  await from.engine.start(unitSpec('executor-2'))
  await say(from, 'executor-2 b')
  await soon('the later one', () => lines.includes('executor-2 b'), 3_000)
  expect(lines).toEqual(['executor-1 a', 'executor-2 b'])
})

test('a follower stays with a unit that ends and runs again, and repeats nothing', async () => {
  const from = await world('executor-1')
  const { lines } = follow(from)
  await say(from, 'executor-1 a')
  await soon('the first life', () => lines.length === 1)
  await from.crash('executor-1')
  await from.engine.start(unitSpec('executor-1'))
  await say(from, 'executor-1 b')
  await soon('the second life', () => lines.includes('executor-1 b'), 3_000)
  expect(lines.filter((line) => line === 'executor-1 a' || line === 'executor-1 b')).toEqual([
    'executor-1 a',
    'executor-1 b',
  ])
})

test('a look that fails does not end a follower', async () => {
  const from = await world('executor-1')
  let looks = 0
  const { lines } = follow(from, async () => {
    looks += 1
    if (looks === 2) throw new Error('the engine is away')
    return ['executor-1']
  })
  await soon('a look that fails and one more', () => looks >= 3, 3_000)
  await say(from, 'executor-1 a')
  await soon('the line', () => lines.length === 1)
})

test('an abort ends a follower that waits for lines', async () => {
  const from = await world('executor-1')
  const { lines, ended, stop } = follow(from)
  await say(from, 'executor-1 a')
  await soon('it follows', () => lines.length === 1)
  stop()
  await expect(Promise.race([ended, pause(1_000, 'still there')])).resolves.toBeUndefined()
})
