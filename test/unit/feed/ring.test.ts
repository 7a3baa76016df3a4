import { expect, test } from 'vitest'
import { z } from 'zod'
import { Ring } from '../../../src/feed/ring.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'

async function filled(upTo: number): Promise<SharedMemory> {
  const memory = await openMemory('embedded:', { fleet: 'test' })
  for (let n = 1; n <= upTo; n++) await memory.stream('numbers').append(n)
  return memory
}

test('it holds the newest entries, oldest first, and never more than its length', async () => {
  const memory = await filled(5)
  const ring = new Ring(memory, 'numbers', z.int(), 3)
  expect(await ring.read()).toEqual([3, 4, 5])
  await memory.stream('numbers').append(6)
  expect(await ring.read()).toEqual([4, 5, 6])
  for (let n = 7; n <= 20; n++) await memory.stream('numbers').append(n)
  expect(await ring.read()).toEqual([18, 19, 20])
})

test('nothing new changes nothing', async () => {
  const ring = new Ring(await filled(2), 'numbers', z.int(), 3)
  expect(await ring.read()).toEqual([1, 2])
  expect(await ring.read()).toEqual([1, 2])
})

test('reads at the same time bring no entry twice', async () => {
  const memory = await filled(2)
  const ring = new Ring(memory, 'numbers', z.int(), 10)
  await Promise.all([ring.read(), ring.read()])
  await memory.stream('numbers').append(3)
  await Promise.all([ring.read(), ring.read(), ring.read()])
  expect(await ring.read()).toEqual([1, 2, 3])
})

test('an empty stream is an empty list, and its first entry is found later', async () => {
  const memory = await filled(0)
  const ring = new Ring(memory, 'numbers', z.int(), 3)
  expect(await ring.read()).toEqual([])
  await memory.stream('numbers').append(1)
  expect(await ring.read()).toEqual([1])
})
