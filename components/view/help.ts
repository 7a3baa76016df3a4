import { KEY_MAP, keyLabel } from '../keys.ts'
import { type Rect, type Size, SMALLEST } from '../layout.ts'
import { cut, fit } from '../text.ts'
import type { Theme } from '../theme.ts'
import { frame, innerHeight, innerWidth } from './frame.ts'

/** The whole key map and what the marks mean. */
export function helpPane(top: number, area: Rect, theme: Theme): string[] {
  const width = innerWidth(area)
  const keys = KEY_MAP.map(({ keys, help }) => {
    const names = keys.map(keyLabel).join(' ')
    return `${theme.accent(fit(names, 14))} ${cut(help, width - 15)}`
  })
  const legend = [
    '',
    theme.faint(cut('● healthy  ◐ on its way  ○ standby  × unhealthy  ↓ leaving  · stopped', width)),
    theme.faint(cut('Profit is what the contract kept minus gas, of this chain. net ETH is', width)),
    theme.faint(cut('the prediction after flash premium and gas.', width)),
  ]
  const lines = [...keys, ...legend]
  const below = Math.max(0, lines.length - innerHeight(area))
  const note = below > 0 ? 'j k scroll, Esc closes' : '? or Esc closes'
  return frame({ title: 'Help', note, focused: true, lines: lines.slice(Math.min(top, below)) }, area, theme)
}

/** What a terminal that is too small shows: the size it has, the size it needs, and how to leave. */
export function smallScreen(size: Size): string {
  const has = `${size.columns}x${size.rows}`
  const wants = `${SMALLEST.columns}x${SMALLEST.rows}`
  const lines = [
    `This terminal is ${has}; arbdeck needs ${wants}. q quits.`,
    `${has}, needs ${wants}; q quits`,
    `needs ${wants}`,
    'q quits',
  ]
  return lines.find((line) => line.length <= size.columns) ?? ''
}
