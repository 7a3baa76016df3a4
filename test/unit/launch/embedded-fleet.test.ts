import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { book, dayOf, entryOf, failuresInARow, lossOf, readAccountOf } from '../../../agent/roles/sending/account.ts'
import { reserve } from '../../../agent/roles/sending/spending.ts'
import { StateFolder } from '../../../src/client/state.ts'
import { persistOf } from '../../../src/launch/kept-memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { addr, execution, hash } from '../../fixtures/trade.ts'

const base = mkdtempSync(path.join(tmpdir(), 'arbdeck-host-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const hostOf = (fleet: string, url: string | null) =>
  openMemory('embedded:', { fleet, persist: persistOf(new StateFolder(fleet, base), { url }) })
const account = keys.account(1, addr(1))
const spending = keys.spending(1, addr(1), addr(2))

test('on a real chain the loss of the day, the failures in a row and the loans of the hour outlive the host', async () => {
  const before = await hostOf('real', 'http://node:8545')
  const lost = [1, 2, 3].map((n) =>
    execution({ opportunityId: hash(n), status: 'reverted', gasWei: wei(7n), profitWei: wei(0n) }),
  )
  for (const each of lost) await book(before, account, entryOf(each, null))
  expect(await reserve(before, spending, { id: 'a', inputRaw: raw(60n) }, { maxInputRawPerHour: raw(100n) })).toBe(
    undefined,
  )
  await before.write(keys.intent(hash(1), 1), { state: 'intended' }, { expect: 'absent' })
  await before.write(keys.outbox(1, addr(1)), { next: 4 })
  await before.write(keys.agent('executor-1'), {})
  // Nothing is closed: as a host that was killed leaves it.
  const after = await hostOf('real', 'http://node:8545')
  const kept = await readAccountOf(after, account)
  expect(lossOf(kept, dayOf(lost[0]?.at ?? ''))).toBe(21n)
  expect(failuresInARow(kept, null)).toBe(3)
  expect(await reserve(after, spending, { id: 'b', inputRaw: raw(60n) }, { maxInputRawPerHour: raw(100n) })).toMatch(
    /^limit maxInputRawPerHour: 60 of this hour and 60 are above 100/,
  )
  expect(await after.write(keys.intent(hash(1), 1), {}, { expect: 'absent' })).toBeUndefined()
  expect(await after.read(keys.outbox(1, addr(1)))).toMatchObject({ value: { next: 4 } })
  expect(await after.read(keys.agent('executor-1'))).toBeUndefined()
  await Promise.all([before.close(), after.close()])
})

test('in the sandbox, which ends with its host, only the wanted fleet and halt do', async () => {
  const before = await hostOf('sandbox', null)
  await before.write(keys.halt, { set: true })
  await before.write(account, 1)
  expect(readFileSync(path.join(base, 'sandbox', 'memory.journal'), 'utf8')).not.toContain('account')
  const after = await hostOf('sandbox', null)
  expect(await after.read(keys.halt)).toMatchObject({ value: { set: true } })
  expect(await after.read(account)).toBeUndefined()
  await Promise.all([before.close(), after.close()])
})
