import type { LinePlot } from './line-widget.ts'

export interface ChartPoint {
  /** Shown below the axis where there is room. */
  label: string
  value: number
}

/** Smaller than this the widget's canvas has no room for its axes. */
const SMALLEST = { width: 16, height: 5 }
const HEADROOM = 0.1
/** The widget takes 0 for "not set". */
const NEARLY_NOTHING = 1e-9
const POINTS_PER_COLUMN = 2

/** Units of the y axis: labels of the widget have two decimals at most. */
const UNITS = [
  { name: 'million ETH', size: 1e6 },
  { name: 'thousand ETH', size: 1e3 },
  { name: 'ETH', size: 1 },
  { name: 'milli-ETH', size: 1e-3 },
  { name: 'gwei', size: 1e-9 },
] as const

export interface Prepared {
  plot: LinePlot
  unit: string
}

/**
 * Makes a series safe for the widget, which hangs on an infinity and draws outliers point by point: values that are not
 * finite become gaps, a lone point a line, and the axis holds every value. Null: nothing to draw, or no room for it.
 */
export function prepareLine(points: readonly ChartPoint[], width: number, height: number): Prepared | null {
  if (width < SMALLEST.width || height < SMALLEST.height) return null
  const finite = points.map(({ value }) => value).filter(Number.isFinite)
  if (finite.length === 0) return null
  const largest = Math.max(...finite.map(Math.abs))
  const unit = UNITS.find(({ size }) => largest >= size) ?? UNITS[UNITS.length - 1] ?? UNITS[2]
  const scaled = (value: number) => (Number.isFinite(value) ? value / unit.size : Number.NaN)
  const low = Math.min(...finite) / unit.size
  const high = Math.max(...finite) / unit.size
  const room = (high - low) * HEADROOM || Math.abs(high) * HEADROOM || 1
  const minY = low >= 0 && low - room < 0 ? 0 : low - room
  const maxY = high + room || NEARLY_NOTHING
  const shown = thin(points, width * POINTS_PER_COLUMN)
  const kept = shown.length === 1 ? [...shown, ...shown] : shown
  // As the widget writes them: two decimals when its steps are below one.
  const decimals = (maxY - minY) / Math.max(1, (height - 3) >> 1) < 1 ? 2 : 0
  const labelWidth = Math.max(...[minY, maxY].map((value) => value.toFixed(decimals).length))
  const plot = {
    width,
    height,
    minY,
    maxY,
    labelWidth,
    labels: kept.map(({ label }) => label),
    values: kept.map(({ value }) => scaled(value)),
  }
  return { plot, unit: unit.name }
}

/** At most `most` points, evenly taken; the first and the last stay. */
export function thin<T>(points: readonly T[], most: number): T[] {
  if (points.length <= most) return [...points]
  const step = (points.length - 1) / (most - 1)
  return Array.from({ length: most }, (_, index) => points[Math.round(index * step)] as T)
}
