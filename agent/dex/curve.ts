import { unreachable } from '../../src/protocol/errors.ts'
import type { PoolState, V3Pool } from '../../src/protocol/trade.ts'
import { sqrtPriceAtTick } from './v3/tick-math.ts'
import { sortedTicks } from './v3/ticks.ts'

/**
 * A pool's output as a function of its input, in doubles: a filter for the search, never an amount to send. Piecewise
 * constant product: concave, and smooth where pieces meet at one price.
 */
export interface Curve {
  /** Raw output and its derivative at a raw input of 0 or more. Past the end of the liquidity the slope is 0. */
  at(input: number): { output: number; slope: number }
}

/** Within a piece: output = outStart + gamma·u·out / (reserveIn + gamma·u), u = input - inStart. */
interface Piece {
  inStart: number
  outStart: number
  /** Virtual reserves at the start of the piece. */
  reserveIn: number
  reserveOut: number
}

const Q96 = 2 ** 96
const curves = new WeakMap<PoolState, Partial<Record<'zeroForOne' | 'oneForZero', Curve>>>()

/** Made once for a pool's state and direction: states are never changed in place. */
export function curveOf(pool: PoolState, zeroForOne: boolean): Curve {
  const made = curves.get(pool) ?? {}
  curves.set(pool, made)
  const side = zeroForOne ? 'zeroForOne' : 'oneForZero'
  made[side] ??= makeCurve(pool, zeroForOne)
  return made[side]
}

function makeCurve(pool: PoolState, zeroForOne: boolean): Curve {
  const gamma = 1 - pool.feePips / 1e6
  switch (pool.kind) {
    case 'v2': {
      const [reserveIn, reserveOut] = zeroForOne ? [pool.reserve0, pool.reserve1] : [pool.reserve1, pool.reserve0]
      const piece = { inStart: 0, outStart: 0, reserveIn: Number(reserveIn), reserveOut: Number(reserveOut) }
      return piecewise(reserveIn > 0n ? [piece] : [], Number.POSITIVE_INFINITY, gamma)
    }
    case 'v3':
      return v3Curve(pool, zeroForOne, gamma)
    default:
      return unreachable(pool)
  }
}

function v3Curve(pool: V3Pool, zeroForOne: boolean, gamma: number): Curve {
  const ticks = pool.ticks ?? {}
  const pieces: Piece[] = []
  let [price, liquidity, inStart, outStart] = [Number(pool.sqrtPriceX96) / Q96, Number(pool.liquidity), 0, 0]
  const startPiece = (): void => {
    const [reserveIn, reserveOut] = zeroForOne
      ? [liquidity / price, liquidity * price]
      : [liquidity * price, liquidity / price]
    if (liquidity > 0) pieces.push({ inStart, outStart, reserveIn, reserveOut })
  }
  const ahead = ticksAhead(pool, zeroForOne)
  for (const tick of ahead) {
    startPiece()
    const edge = Number(sqrtPriceAtTick(tick)) / Q96
    const [moved0, moved1] = [liquidity * Math.abs(1 / edge - 1 / price), liquidity * Math.abs(edge - price)]
    inStart += (zeroForOne ? moved0 : moved1) / gamma
    outStart += zeroForOne ? moved1 : moved0
    liquidity += Number(ticks[tick] ?? 0n) * (zeroForOne ? -1 : 1)
    price = edge
  }
  if (ahead.length > 0) return piecewise(pieces, inStart, gamma)
  startPiece() // no ticks known: the liquidity is taken as constant
  return piecewise(pieces, Number.POSITIVE_INFINITY, gamma)
}

/** Initialised ticks in the order in which a swap meets them. */
function ticksAhead(pool: V3Pool, zeroForOne: boolean): number[] {
  const ticks = sortedTicks(pool.ticks ?? {})
  return zeroForOne ? ticks.filter((tick) => tick <= pool.tick).reverse() : ticks.filter((tick) => tick > pool.tick)
}

/** @param end input at which the liquidity ends */
function piecewise(pieces: readonly Piece[], end: number, gamma: number): Curve {
  return {
    at(input) {
      const inside = Math.min(input, end)
      let at = pieces.length - 1
      while (at > 0 && (pieces[at] as Piece).inStart > inside) at -= 1
      const piece = pieces[at]
      if (!piece) return { output: 0, slope: 0 }
      const given = gamma * (inside - piece.inStart)
      const depth = piece.reserveIn + given
      return {
        output: piece.outStart + (given * piece.reserveOut) / depth,
        slope: input > end ? 0 : (gamma * piece.reserveOut * piece.reserveIn) / (depth * depth),
      }
    },
  }
}
