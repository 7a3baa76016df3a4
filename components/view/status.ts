import { formatAge, formatCount, formatEth } from '../format.ts'
import { type Command, KEY_MAP, keyLabel } from '../keys.ts'
import { type Model, scaleTarget, staleFor } from '../model.ts'
import { cut, plain, widthOf } from '../text.ts'
import type { Theme } from '../theme.ts'

/** The lines above the panes: where this is and how it goes; halt and staleness in words that stand out. */
export function statusLines(model: Model, width: number, rows: number, theme: Theme): string[] {
  const name = theme.accent(theme.strong('arbdeck'))
  const figures = howItGoes(model, theme)
  const alarm = alarmOf(model, theme)
  if (rows === 1) return [alarm ? within(` ${alarm}`, width) : ` ${fitting(figures, width - 1, theme)}`]
  const place = ` ${fitting([name, ...whereItIs(model, theme)], width - 1, theme)}`
  if (!alarm) return [sides(place, `${mode(model, theme)} `, width), ` ${fitting(figures, width - 1, theme)}`]
  const left = within(` ${alarm}`, width)
  const beside = fitting(figures, width - widthOf(left) - 3, theme)
  return [sides(place, `${mode(model, theme)} `, width), sides(left, `${beside} `, width)]
}

/** As many of the parts as fit, whole, from the first on. */
function fitting(parts: readonly string[], width: number, theme: Theme): string {
  let line = ''
  for (const part of parts) {
    const longer = line === '' ? part : `${line}${theme.faint(' · ')}${part}`
    if (widthOf(longer) > width) break
    line = longer
  }
  return line
}

function whereItIs(model: Model, theme: Theme): string[] {
  const { snapshot } = model
  if (!snapshot) return [`fleet ${plain(model.fleet)}`]
  const { chain } = snapshot
  const head = chain.head === null ? theme.warn('no block yet') : `block ${formatCount(chain.head)}`
  const fleet = `fleet ${plain(snapshot.fleet)}`
  return [snapshot.engine, fleet, `${plain(chain.name)} ${chain.id}`, head]
}

function howItGoes(model: Model, theme: Theme): string[] {
  const { snapshot } = model
  if (!snapshot) return [`the fleet starts · ${formatAge(model.now - model.startup.since)}`]
  const { executed, reverted, refused } = snapshot.trades
  const profit = snapshot.profitWei
  const paint = profit > 0n ? theme.good : profit < 0n ? theme.bad : theme.faint
  const warned = (count: number, text: string) => (count > 0 ? theme.warn(text) : theme.faint(text))
  return [
    `profit ${paint(theme.strong(formatEth(profit)))}`,
    `${formatCount(executed)} executed`,
    warned(reverted, `${formatCount(reverted)} reverted`),
    theme.faint(`${formatCount(refused)} refused`),
  ]
}

/** Whether transactions are really sent. */
function mode(model: Model, theme: Theme): string {
  const { snapshot } = model
  if (!snapshot) return ''
  if (snapshot.chain.sandbox) return theme.faint('practice market')
  return snapshot.live ? theme.caution(' LIVE: real funds ') : theme.faint('dry run: nothing is sent')
}

function alarmOf(model: Model, theme: Theme): string {
  const stale = staleFor(model)
  const source = model.snapshot?.stale[0]
  const parts: string[] = []
  const halt = model.snapshot?.halt
  if (halt?.set) parts.push(theme.alarm(` HALT ${plain(halt.reason ?? 'no reason given')} `))
  if (stale !== null) parts.push(theme.caution(` stale, ${formatAge(stale)}: ${plain(model.failure ?? 'no answer')} `))
  else if (source) {
    const age = formatAge(model.now - Date.parse(source.since))
    parts.push(theme.caution(` ${plain(source.source)} not seen for ${age}: ${plain(source.message)} `))
  }
  return parts.join(' ')
}

/** Left and right of one line; without room for both the right is left out. */
function sides(left: string, right: string, width: number): string {
  const free = width - widthOf(left) - widthOf(right)
  return right.trim() !== '' && free >= 2 ? left + ' '.repeat(free) + right : left
}

/** Cuts a coloured line: its codes are kept whole, so that all that was opened is closed. */
function within(line: string, width: number): string {
  if (widthOf(line) <= width) return line
  let room = width - 1
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
  const cells = line.split(/(\u001B\[[\d;]*m)/).map((part) => {
    if (part.startsWith('\u001B')) return part
    const shown = part.slice(0, Math.max(0, room))
    room -= part.length
    return shown
  })
  return `${cells.join('')}…`
}

/** The last line: a question, a notice, or the keys. */
export function hintLine(model: Model, width: number, theme: Theme): string {
  const { question } = model.look
  if (question) {
    const what = question === 'halt' ? 'Halt all executors?' : 'Let executors sign again?'
    return within(` ${theme.caution(` ${what} y confirms, any other key does not `)}`, width)
  }
  if (model.notice) {
    const paint = model.notice.level === 'error' ? theme.bad : theme.good
    return ` ${paint(cut(plain(model.notice.text), width - 2))}`
  }
  return hints(model, width, theme).reduce((line, hint) => {
    const longer = line === '' ? ` ${hint}` : `${line}   ${hint}`
    return widthOf(longer) > width ? line : longer
  }, '')
}

/** What the keys do just now, the ones that help a newcomer most first. */
function hints(model: Model, width: number, theme: Theme): string[] {
  const said = (command: Command, keys: string, word: string) => ({ command, text: `${theme.strong(keys)} ${word}` })
  const all = KEY_MAP.flatMap(({ hint, keys, command }) => {
    if (hint === undefined) return []
    if (command === 'scale-up') return [said(command, '+ -', width < 80 ? hint : `scale ${scaleTarget(model)}`)]
    if (command === 'halt' && model.snapshot?.halt.set) return [said(command, keyLabel(keys[0] ?? ''), 'resume')]
    return [said(command, keyLabel(keys[0] ?? ''), hint)]
  })
  const starting = model.snapshot === null
  const first = all.filter(({ command }) => command === 'help' || command === 'quit')
  return (starting ? first : [...first, ...all.filter((one) => !first.includes(one))]).map(({ text }) => text)
}
