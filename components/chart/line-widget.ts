import blessed from 'blessed'
import Line, { type LineWidget } from 'blessed-contrib/lib/widget/charts/line.js'

/** The series as the widget takes it: finite numbers between `minY` and `maxY`, or NaN for a gap; a label a value. */
export interface LinePlot {
  width: number
  height: number
  minY: number
  maxY: number
  labels: string[]
  values: number[]
  /** Longest label of the y axis, in characters. */
  labelWidth: number
}
export type DrawLine = (plot: LinePlot, colour: boolean) => string[]

/** Columns and rows that the widget keeps for a border that is not drawn, and the blank row below its labels. */
const SPARE = { columns: 6, rows: 3 }

/** What a widget asks of its screen, and no more: there is no blessed screen, so nothing touches the terminal. */
const host: Record<string, unknown> = Object.assign(Object.create(blessed.Node.prototype) as object, {
  type: 'screen',
  _events: {},
  detached: false,
  children: [],
  lines: [],
  tabc: '    ',
  options: {},
  emit() {},
  setEffects() {},
  clearRegion() {},
})

/** Draws one line chart by blessed-contrib: `height` strings of `width` columns. */
export const drawLine: DrawLine = (plot, colour) => {
  const widget = attach(plot)
  widget.setData([{ x: plot.labels, y: plot.values }])
  return canvasRows(widget.ctx._canvas.frame(), plot, colour)
}

function attach(plot: LinePlot): LineWidget {
  const padding = 2 * (plot.labelWidth + 1)
  const widget = new Line({
    screen: host,
    width: plot.width + SPARE.columns,
    height: plot.height + SPARE.rows,
    minY: plot.minY,
    maxY: plot.maxY,
    numYLabels: Math.max(1, (plot.height - 3) >> 1),
    xPadding: padding,
    xLabelPadding: padding,
    style: { line: 'green', text: 'normal', baseline: 'normal' },
  })
  widget.parent = host
  widget.detached = false
  widget.emit('attach')
  // The library's own clears by rasterising two triangles over the whole canvas.
  widget.ctx.clearRect = () => {
    const { content, chars, colors } = widget.ctx._canvas
    content.fill(0)
    chars.fill(null)
    colors.fill(null)
  }
  return widget
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
const PIECES = /\u001B\[([\d;]*)m|[\s\S]/gu

/** The canvas as lines: a code only where the colour changes, closed before the line ends. */
function canvasRows(drawn: string, { width, height }: LinePlot, colour: boolean): string[] {
  const lines = drawn.split('\n').slice(0, height)
  while (lines.length < height) lines.push('')
  return lines.map((line) => canvasRow(line, width, colour))
}

function canvasRow(line: string, width: number, colour: boolean): string {
  let out = ''
  let columns = 0
  let wanted = '39'
  let shown = '39'
  const ink = (code: string) => {
    if (colour && code !== shown) out += `\u001B[${code}m`
    shown = code
  }
  for (const [piece, code] of line.matchAll(PIECES)) {
    if (code !== undefined) wanted = code
    else if (columns < width) {
      if (piece !== ' ') ink(wanted)
      out += piece
      columns += 1
    }
  }
  ink('39')
  return out + ' '.repeat(width - columns)
}
