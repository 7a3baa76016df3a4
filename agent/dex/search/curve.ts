/**
 * A pool's output as a function of its input, in doubles: a filter for the search, never an amount to send. Within a piece
 * the pool is a constant product of virtual reserves, so the whole is concave, and smooth where pieces meet at one price.
 */
export interface Curve {
  /** Share of the input that is left after the pool's fee, above 0, at most 1. */
  readonly gamma: number
  /** Pieces in the order of the input, the first one at 0; undefined past the end of the liquidity. */
  piece(at: number): Piece | undefined
}

/** For an input u above `inStart`, within the piece: output = outStart + gamma·u·reserveOut / (reserveIn + gamma·u). */
export interface Piece {
  /** Input, with its fee, at which the piece begins and ends; the last end may be infinite. */
  inStart: number
  inEnd: number
  outStart: number
  /** Virtual reserves at the start of the piece, above 0. */
  reserveIn: number
  reserveOut: number
}

/** One range of a pool whose liquidity is concentrated: from the range before, or the current price, to `edge`. */
export interface Range {
  /** sqrt(token1 / token0) at which it ends; undefined: never. */
  edge: number | undefined
  /** Within the range, 0 or more. */
  liquidity: number
}

/** A pool of two reserves, x·y = k. No piece when a reserve is 0. */
export function constantProduct(reserveIn: number, reserveOut: number, gamma: number): Curve {
  const piece = { inStart: 0, inEnd: Number.POSITIVE_INFINITY, outStart: 0, reserveIn, reserveOut }
  const there = reserveIn > 0 && reserveOut > 0
  return { gamma, piece: (at) => (there && at === 0 ? piece : undefined) }
}

/**
 * A pool whose liquidity is concentrated in ranges of price. They are taken one by one as far as a walk needs them: a swap
 * seldom crosses more than a few of thousands.
 *
 * @param price sqrt(token1 / token0) now, above 0
 * @param ranges in the order in which a swap meets them
 */
export function concentrated(price: number, zeroForOne: boolean, gamma: number, ranges: Iterator<Range>): Curve {
  const pieces: Piece[] = []
  let [at, inStart, outStart, ended] = [price, 0, 0, false]
  const extend = (): void => {
    const next = ranges.next()
    ended = next.done === true
    if (next.done) return
    const { edge, liquidity } = next.value
    const [moved0, moved1] =
      edge === undefined
        ? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
        : [(liquidity * Math.abs(edge - at)) / (edge * at), liquidity * Math.abs(edge - at)]
    const inEnd = inStart + (zeroForOne ? moved0 : moved1) / gamma
    const [in0, in1] = [liquidity / at, liquidity * at]
    const [reserveIn, reserveOut] = zeroForOne ? [in0, in1] : [in1, in0]
    if (liquidity > 0 && inEnd > inStart) {
      pieces.push({ inStart, inEnd, outStart, reserveIn, reserveOut })
      inStart = inEnd
      outStart += zeroForOne ? moved1 : moved0
    }
    at = edge ?? at
  }
  return {
    gamma,
    piece(wanted) {
      while (pieces.length <= wanted && !ended) extend()
      return pieces[wanted]
    },
  }
}

/** Index of the piece that an input lands in, looked for from `from` on in both directions; -1 past the end. */
export function landing(curve: Curve, input: number, from: number): number {
  let at = Math.max(from, 0)
  let piece = curve.piece(at)
  while (piece && at > 0 && input < piece.inStart) piece = curve.piece(--at)
  while (piece && input > piece.inEnd) piece = curve.piece(++at)
  return piece ? at : -1
}
