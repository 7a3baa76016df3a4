import { afterEach, expect, test } from 'vitest'
import { reconcileOnce } from '../../../src/fleet/reconcile.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { FailureSchema } from '../../../src/protocol/failure.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { endKept, keptFleet, runningIds } from '../../fixtures/kept-fleet.ts'

afterEach(endKept)

test('a failure is kept with the last words of the unit, and is an event', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 1 })
  await reconcileOnce(kept.reconciler)
  for (let line = 1; line <= 7; line++) kept.world.say('executor-1', `line ${line}`)
  await kept.world.crash('executor-1')
  await reconcileOnce(kept.reconciler)
  expect(await runningIds(kept)).toEqual(['executor-1'])
  const lines = ['line 4', 'line 5', 'line 6', 'line 7', 'crashed: it crashed']
  const failure = (await readAs(kept.memory, keys.failure('executor-1'), FailureSchema))?.value
  expect(failure).toMatchObject({ cause: 'exited with 1', count: 1, lines })
  const events = (await kept.memory.stream(streams.events).read()).map((entry) => entry.value)
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'failure', id: 'executor-1', cause: 'exited with 1', count: 1, waitMs: 0, lines }),
  )
})

test('a unit that cannot be started is a failure with its cause, and waits before the next try', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 1 })
  kept.world.refusals.set('executor-1', 5)
  await expect(reconcileOnce(kept.reconciler)).rejects.toMatchObject({ code: 'engine_refused' })
  expect(await reconcileOnce(kept.reconciler)).toEqual([])
  expect((await readAs(kept.memory, keys.failure('executor-1'), FailureSchema))?.value).toMatchObject({
    cause: 'could not be started: executor-1 cannot be started today',
    count: 1,
    startedAt: null,
  })
  expect(kept.world.acts).toEqual(['start executor-1'])
})

test('what is known of failures outlives the reconciler: the next one goes on waiting', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 1 })
  for (let i = 0; i < 3; i++) {
    await reconcileOnce(kept.reconciler)
    await kept.world.crash('executor-1')
  }
  expect(kept.world.acts).toEqual(['start executor-1', 'start executor-1'])
  const { value } = (await readAs(kept.memory, keys.failure('executor-1'), FailureSchema)) ?? {}
  expect(value?.count).toBe(2)
  expect(Date.parse(value?.until ?? '') - Date.parse(value?.at ?? '')).toBe(1_000)
})
