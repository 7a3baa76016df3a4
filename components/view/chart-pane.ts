import type { DrawLine } from '../chart/line-widget.ts'
import { prepareLine } from '../chart/series.ts'
import { ethNumber, formatClock } from '../format.ts'
import type { Rect } from '../layout.ts'
import type { Model } from '../model.ts'
import type { Theme } from '../theme.ts'
import { emptyLines, frame, innerHeight, innerWidth } from './frame.ts'

interface Drawn {
  lines: readonly string[]
  unit: string
}
/** Finished pictures by all that they depend on. */
const drawn = new Map<string, Drawn>()
const KEPT = 16
/** Below this span the time axis shows seconds. */
const SECONDS_MATTER_MS = 30 * 60_000

/** Profit over time, drawn once for each change of the series or the size. */
export function chartPane(model: Model, area: Rect, theme: Theme): string[] {
  const { chart, snapshot, profitVersion } = model
  const title = 'Profit over time'
  const empty = (text: string) => frame({ title, focused: false, lines: emptyLines(text, area, theme) }, area, theme)
  if (!snapshot || snapshot.profit.length === 0) return empty('nothing earned yet')
  if (chart === null) return empty('…')
  const width = innerWidth(area)
  const height = innerHeight(area)
  const last = snapshot.profit.at(-1)
  const key = `${profitVersion}/${last?.id}/${last?.totalWei}/${width}x${height}/${theme.colour}`
  let picture = drawn.get(key)
  if (!picture) {
    picture = draw(chart, model, width, height, theme)
    if (drawn.size >= KEPT) drawn.delete(drawn.keys().next().value ?? '')
    drawn.set(key, picture)
  }
  if (picture.lines.length === 0) return empty('no room for a chart')
  return frame({ title, note: picture.unit, focused: false, lines: picture.lines }, area, theme)
}

function draw(chart: DrawLine, model: Model, width: number, height: number, theme: Theme): Drawn {
  const profit = model.snapshot?.profit ?? []
  const span = Date.parse(profit.at(-1)?.at ?? '') - Date.parse(profit[0]?.at ?? '')
  const digits = span < SECONDS_MATTER_MS ? 8 : 5
  const points = profit.map((point) => ({
    label: formatClock(point.at).slice(0, digits),
    value: ethNumber(point.totalWei),
  }))
  const prepared = prepareLine(points, width, height)
  if (!prepared) return { lines: [], unit: '' }
  return { lines: chart(prepared.plot, theme.colour), unit: prepared.unit }
}
