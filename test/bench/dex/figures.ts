/** One line of the table: what was measured, beside its bar and a reference of the same run. */
export interface Figure {
  figure: string
  unit: string
  value: number
  /** `atMost` or `atLeast` that; absent where there is none. */
  bar?: { atMost?: number; atLeast?: number }
  met?: boolean
  reference?: { what: string; value: number; ratio: number }
}

export function figure(
  name: string,
  unit: string,
  value: number,
  { bar, reference }: { bar?: Figure['bar']; reference?: { what: string; value: number } } = {},
): Figure {
  const met =
    bar && value <= (bar.atMost ?? Number.POSITIVE_INFINITY) && value >= (bar.atLeast ?? Number.NEGATIVE_INFINITY)
  return {
    figure: name,
    unit,
    value: rounded(value),
    ...(bar ? { bar, met: met === true } : {}),
    ...(reference
      ? {
          reference: { what: reference.what, value: rounded(reference.value), ratio: rounded(reference.value / value) },
        }
      : {}),
  }
}

/** Six digits that count. */
export const rounded = (value: number): number => Number(value.toPrecision(6))

/** @param share 0.5 is the median */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** Milliseconds of each of `runs` calls. */
export const timed = (runs: number, work: () => void): number[] =>
  Array.from({ length: runs }, () => {
    const began = performance.now()
    work()
    return performance.now() - began
  })
