import { type Curve, landing, type Piece } from './curve.ts'

/** A path of pools at one input, in doubles. */
export interface Spot {
  input: number
  output: number
  /** Of the output by the input; 0 past the end of a pool's liquidity. */
  slope: number
}

/** Also what the path does near by: as long as no pool leaves its piece, δ more give slope·δ / (1 + bend·δ) more. */
interface Place extends Spot {
  bend: number
  /** Where each pool stands; -1 past the end of its liquidity. */
  pieces: number[]
}

const MOST_TURNS = 256

/**
 * The input at which the path's slope falls to `price`, or `cap` where that is less: what earns most when each unit in costs
 * `price` units out. Walks from pieces to pieces: within them the optimum is known in closed form, so it is exact as soon
 * as it lands in the pieces that it was computed for. No number of pieces is too many.
 *
 * @param cap may be infinite
 * @returns undefined when not even the first unit pays
 */
export function bestInput(curves: readonly Curve[], price: number, cap: number): Spot | undefined {
  let here = placeAt(curves, 0, undefined)
  if (here.slope <= price || cap <= 0) return undefined
  let [low, high]: [Place, number] = [here, cap]
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const { next, optimal } = nextInput(here, price, [low.input, high], cap)
    const there = placeAt(curves, next, here)
    if (there.slope > price) low = there
    else high = Math.min(high, next)
    const settled = next === cap ? there.slope >= price : optimal && samePieces(here, there)
    if (settled) return there
    if (high - low.input <= Math.max(0.5, low.input * 1e-14)) return low
    here = there
  }
  return low
}

const samePieces = (here: Place, there: Place): boolean =>
  there.slope > 0 && there.pieces.every((piece, hop) => piece === here.pieces[hop])

/** Where the pieces here have their optimum, where that is between the bounds; else the cap or the middle. */
function nextInput(here: Place, price: number, [low, high]: readonly [number, number], cap: number) {
  const wanted = optimumOf(here, price)
  if (wanted > low && wanted < high) return { next: wanted, optimal: true }
  return { next: wanted >= cap && high === cap ? cap : low + (high - low) / 2, optimal: false }
}

/** The input at which the pieces that the path stands in would have a slope of `price`; NaN past the end of a pool. */
const optimumOf = ({ input, slope, bend }: Place, price: number): number =>
  slope > 0 ? input + (Math.sqrt(slope / price) - 1) / bend : Number.NaN

/** What the path pays for an input, and each hop's input on the way. */
export function outputsAt(curves: readonly Curve[], input: number): number[] {
  let amount = input
  return curves.map((curve) => {
    const piece = curve.piece(landing(curve, amount, 0))
    amount = piece ? outputOf(piece, curve.gamma * (amount - piece.inStart)) : 0
    return amount
  })
}

function placeAt(curves: readonly Curve[], input: number, near: Place | undefined): Place {
  const pieces: number[] = []
  let [amount, slope, bend] = [input, 1, 0]
  for (let hop = 0; hop < curves.length; hop++) {
    const curve = curves[hop] as Curve
    const at = landing(curve, amount, near?.pieces[hop] ?? 0)
    const piece = curve.piece(at)
    pieces.push(at)
    if (!piece) return { input, output: 0, slope: 0, bend: 0, pieces }
    const given = curve.gamma * (amount - piece.inStart)
    const depth = piece.reserveIn + given
    bend += (slope * curve.gamma) / depth
    slope *= (curve.gamma * piece.reserveOut * piece.reserveIn) / (depth * depth)
    amount = outputOf(piece, given)
  }
  return { input, output: amount, slope, bend, pieces }
}

const outputOf = (piece: Piece, given: number): number =>
  piece.outStart + (given * piece.reserveOut) / (piece.reserveIn + given)
