import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fillingBid, firstBid, PRIORITY_FEE_WEI, raisedBid, tradeCeiling } from '../../../../agent/dex/trade/fees.ts'
import { wei } from '../../../../src/protocol/units.ts'

const GWEI = 1_000_000_000n
const gwei = (n: bigint) => wei(n * GWEI)
const amount = fc.bigInt({ min: 1n, max: 10n ** 13n })

test('on a real chain a trade bids twice the base fee and a tip; in the sandbox all that a trade may bid', () => {
  expect(firstBid(gwei(10n), gwei(100n), false)).toEqual({
    maxFeePerGasWei: 20n * GWEI + PRIORITY_FEE_WEI,
    maxPriorityFeePerGasWei: PRIORITY_FEE_WEI,
  })
  expect(firstBid(gwei(1n), gwei(90n), true).maxFeePerGasWei).toBe(80n * GWEI)
})

test('no bid is above the ceiling, no trade above what leaves room for its cancel, no tip above its fee', () => {
  fc.assert(
    fc.property(amount, amount, fc.boolean(), (base, ceiling, sandbox) => {
      const first = firstBid(base, ceiling, sandbox)
      const raised = raisedBid(first, base, tradeCeiling(ceiling))
      for (const bid of raised ? [first, raised] : [first]) {
        expect(bid.maxFeePerGasWei).toBeLessThanOrEqual(tradeCeiling(ceiling))
        expect(bid.maxPriorityFeePerGasWei).toBeLessThanOrEqual(bid.maxFeePerGasWei)
      }
      expect(fillingBid(base, ceiling).maxFeePerGasWei).toBeLessThanOrEqual(ceiling)
    }),
  )
})

test('a replacement offers at least a tenth more on both fees, or there is none', () => {
  fc.assert(
    fc.property(amount, amount, amount, amount, (tip, more, base, cap) => {
      const last = { maxFeePerGasWei: wei(tip + more), maxPriorityFeePerGasWei: wei(tip) }
      const bid = raisedBid(last, base, cap)
      if (!bid) return
      expect(bid.maxFeePerGasWei * 10n).toBeGreaterThanOrEqual(last.maxFeePerGasWei * 11n)
      expect(bid.maxPriorityFeePerGasWei * 10n).toBeGreaterThanOrEqual(last.maxPriorityFeePerGasWei * 11n)
      expect(bid.maxFeePerGasWei).toBeLessThanOrEqual(cap)
    }),
  )
})

test('from the highest bid of a trade there is one raise left: the cancel, up to the ceiling', () => {
  const highest = firstBid(gwei(1n), gwei(90n), true)
  expect(raisedBid(highest, gwei(1n), tradeCeiling(gwei(90n)))).toBeUndefined()
  expect(raisedBid(highest, gwei(1n), gwei(90n))?.maxFeePerGasWei).toBe(90n * GWEI)
})
