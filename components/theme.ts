import type { AgentState } from '../src/protocol/fleet.ts'

export type Paint = (text: string) => string

/**
 * Sixteen colours on the terminal's own background. Codes are closed one by one (39, 49, 22, 27), never by a reset: Ink
 * loses what follows a reset. Without colour the marks that are not colours (bold, dim, inverse) stay.
 */
export interface Theme {
  colour: boolean
  good: Paint
  warn: Paint
  bad: Paint
  accent: Paint
  strong: Paint
  faint: Paint
  selected: Paint
  /** A word that must be seen at once, on its own background. */
  alarm: Paint
  caution: Paint
}

const wrap =
  (open: string, close: string): Paint =>
  (text) =>
    text === '' ? '' : `\u001B[${open}m${text}\u001B[${close}m`

const asIs: Paint = (text) => text

export function createTheme(options: { colour: boolean }): Theme {
  const { colour } = options
  return {
    colour,
    good: colour ? wrap('32', '39') : asIs,
    warn: colour ? wrap('33', '39') : asIs,
    bad: colour ? wrap('31', '39') : asIs,
    accent: colour ? wrap('36', '39') : asIs,
    strong: wrap('1', '22'),
    faint: wrap('2', '22'),
    selected: wrap('7', '27'),
    alarm: colour ? wrap('1;97;41', '22;39;49') : wrap('1;7', '22;27'),
    caution: colour ? wrap('30;43', '39;49') : wrap('7', '27'),
  }
}

/** The environment's wish: any `NO_COLOR` that is not empty turns colour off, and so does a terminal that has none. */
export const wantsColour = (env: Record<string, string | undefined>): boolean =>
  (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'

/** State by shape as well as by colour. */
export const STATE_GLYPH: Record<AgentState, string> = {
  healthy: '●',
  standby: '○',
  starting: '◐',
  unhealthy: '×',
  draining: '↓',
  stopped: '·',
}

export function statePaint(theme: Theme, state: AgentState): Paint {
  switch (state) {
    case 'healthy':
      return theme.good
    case 'unhealthy':
      return theme.bad
    case 'starting':
    case 'draining':
      return theme.warn
    case 'standby':
      return theme.accent
    case 'stopped':
      return theme.faint
  }
}
