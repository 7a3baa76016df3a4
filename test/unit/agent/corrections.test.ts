import { expect, test } from 'vitest'
import { bookCorrection, type Correction, corrected } from '../../../agent/roles/sending/corrections.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { TotalsSchema } from '../../../src/protocol/snapshot.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { execution, INSTANCE } from '../../fixtures/trade.ts'

const EXECUTED = execution()
const GONE = execution({
  status: 'missed',
  block: null,
  profitRaw: raw(0n),
  profitWei: wei(0n),
  gasWei: wei(0n),
  reason: 'gone',
})
const LATE = execution({ status: 'reverted', block: 103, profitRaw: raw(0n), profitWei: wei(0n), gasWei: wei(5n) })
const correction = (number: number, before: Correction['before'], after: Correction['after']): Correction => ({
  number,
  before,
  after,
})
const sums = (over = {}) => ({
  executed: 1,
  reverted: 0,
  refused: 0,
  expired: 0,
  profitWei: EXECUTED.profitWei,
  gasWei: EXECUTED.gasWei,
  counted: ['x'],
  ...over,
})

test('what was executed and is gone is taken out of the sums, and the late revert that it became put in', () => {
  const gone = corrected(sums(), correction(1, EXECUTED, GONE))
  expect(gone).toMatchObject({ executed: 0, refused: 1, profitWei: 0n, gasWei: 0n })
  expect(corrected(gone, correction(2, GONE, LATE))).toMatchObject({ executed: 0, refused: 1, gasWei: 5n })
})

test('a correction that comes before its trade is counted leads to the same sums', () => {
  const early = corrected(undefined, correction(1, EXECUTED, GONE))
  const counted = {
    ...early,
    executed: (early?.executed ?? 0) + 1,
    profitWei: wei((early?.profitWei ?? 0n) + EXECUTED.profitWei),
  }
  expect(counted).toMatchObject({ executed: 0, refused: 1, profitWei: 0n })
})

test('a correction counts once and is said once, however often it is booked', async () => {
  const memory = await openMemory('embedded:', { fleet: 'test-corrections' })
  await memory.write(keys.totals(INSTANCE), sums())
  for (let turn = 0; turn < 3; turn++) await bookCorrection(memory, correction(1, EXECUTED, GONE))
  await bookCorrection(memory, correction(2, GONE, LATE))
  expect((await readAs(memory, keys.totals(INSTANCE), TotalsSchema))?.value).toMatchObject({ executed: 0, gasWei: 5n })
  const events = await streamAs(memory, streams.events, FleetEventSchema)
  expect(events.map(({ value }) => value)).toMatchObject([
    { type: 'execution_corrected', correction: 1, was: 'executed', status: 'missed', profitWei: 0n, reason: 'gone' },
    { type: 'execution_corrected', correction: 2, was: 'missed', status: 'reverted', gasWei: 5n, block: 103 },
  ])
  await memory.close()
})
