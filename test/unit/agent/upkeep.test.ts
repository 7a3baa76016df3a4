import { expect, test } from 'vitest'
import type { SignedAs } from '../../../agent/roles/sending/intent.ts'
import { upkeepOf, type Waiting } from '../../../agent/roles/sending/upkeep.ts'
import { wei } from '../../../src/protocol/units.ts'
import { hash } from '../../fixtures/trade.ts'

const GWEI = 1_000_000_000n
const tx = (over: Partial<SignedAs> = {}): SignedAs => ({
  kind: 'trade',
  hash: hash(1),
  raw: '0x',
  maxFeePerGasWei: wei(2n * GWEI),
  maxPriorityFeePerGasWei: wei(GWEI / 10n),
  block: 100,
  refused: null,
  ...over,
})
const REFUSED = 'fee too low'
const waiting = (signed: SignedAs[], over: Partial<Waiting> = {}): Waiting => ({
  intent: { signed, deadlineBlock: 105 },
  head: 101,
  nextBaseFeeWei: GWEI,
  ceilingWei: 100n * GWEI,
  known: true,
  holdsUp: false,
  ...over,
})

test.each<[string, string, Waiting]>([
  ['a trade waits for the next block', 'wait', waiting([tx()], { head: 100 })],
  ['a wanted trade that a block went by without is replaced', 'replace', waiting([tx()])],
  ['a wanted trade that the node lost is sent again', 'resend', waiting([tx()], { known: false })],
  [
    '… but not with a bid that is too low by now',
    'replace',
    waiting([tx()], { known: false, nextBaseFeeWei: 3n * GWEI }),
  ],
  ['a trade at the ceiling waits', 'wait', waiting([tx({ maxFeePerGasWei: wei(88n * GWEI) })])],
  ['a trade past its deadline is cancelled', 'cancel', waiting([tx()], { head: 105 })],
  ['a lost one past its deadline frees its nonce', 'release', waiting([tx()], { head: 105, known: false })],
  ['… unless others wait behind it', 'cancel', waiting([tx()], { head: 105, known: false, holdsUp: true })],
  ['what was refused frees its nonce', 'release', waiting([tx({ refused: REFUSED })])],
  ['… unless others wait behind it', 'cancel', waiting([tx({ refused: REFUSED })], { holdsUp: true })],
  ['what was never signed leaves a gap to fill', 'cancel', waiting([], { holdsUp: true })],
  [
    'a refused replacement leaves what it was to replace',
    'cancel',
    waiting([tx(), tx({ refused: REFUSED })], { head: 105 }),
  ],
  ['a cancel is given two blocks', 'wait', waiting([tx(), tx({ kind: 'cancel' })])],
  ['a cancel that waits longer is raised', 'cancel', waiting([tx(), tx({ kind: 'cancel' })], { head: 102 })],
  ['a lost cancel frees its nonce', 'release', waiting([tx(), tx({ kind: 'cancel' })], { known: false })],
  ['… or is sent again', 'resend', waiting([tx({ kind: 'cancel' })], { known: false, holdsUp: true })],
])('%s: %s', (_, kind, given) => {
  expect(upkeepOf(given).kind).toBe(kind)
})

test('a replacement offers an eighth more on both fees, or what the base fee asks for now', () => {
  const step = upkeepOf(waiting([tx()], { nextBaseFeeWei: GWEI / 2n }))
  expect(step).toMatchObject({
    fees: { maxFeePerGasWei: (9n * GWEI) / 4n, maxPriorityFeePerGasWei: (9n * GWEI) / 80n },
  })
  expect(upkeepOf(waiting([tx()], { nextBaseFeeWei: 10n * GWEI }))).toMatchObject({
    fees: { maxFeePerGasWei: 20n * GWEI + GWEI / 10n },
  })
})
