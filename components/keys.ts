/** A key by name: `up`, `tab`, `ctrl-c`, … or the character itself. */
export type Key = string

export type Command =
  | 'next-pane'
  | 'previous-pane'
  | 'down'
  | 'up'
  | 'page-down'
  | 'page-up'
  | 'top'
  | 'bottom'
  | 'open'
  | 'all'
  | 'scale-up'
  | 'scale-down'
  | 'halt'
  | 'zoom'
  | 'locks'
  | 'help'
  | 'back'
  | 'redraw'
  | 'quit'

export interface Binding {
  command: Command
  keys: readonly Key[]
  /** What the help says. */
  help: string
  /** What the line at the bottom says; absent: nothing. */
  hint?: string
}

/** The one key map: hints, help and behaviour come from it. Order is the order in the help. */
export const KEY_MAP: readonly Binding[] = [
  { command: 'next-pane', keys: ['tab'], help: 'next pane', hint: 'pane' },
  { command: 'previous-pane', keys: ['shift-tab'], help: 'previous pane' },
  { command: 'down', keys: ['j', 'down'], help: 'down; older in opportunities' },
  { command: 'up', keys: ['k', 'up'], help: 'up; in logs this stops following' },
  { command: 'page-down', keys: ['pagedown', 'ctrl-d'], help: 'a page down' },
  { command: 'page-up', keys: ['pageup', 'ctrl-u'], help: 'a page up' },
  { command: 'top', keys: ['g', 'home'], help: 'first row' },
  { command: 'bottom', keys: ['G', 'end'], help: 'last row; in logs follow again' },
  {
    command: 'open',
    keys: ['enter'],
    help: 'on a role: only its agents, and again: all; on an agent: its logs',
    hint: 'open',
  },
  { command: 'all', keys: ['a'], help: 'agents of all roles, logs of the whole fleet' },
  { command: 'scale-up', keys: ['+', '='], help: 'one more agent of the selected role', hint: 'scale' },
  { command: 'scale-down', keys: ['-'], help: 'one agent less of the selected role' },
  { command: 'halt', keys: ['H'], help: 'halt or resume execution (asks first)', hint: 'halt' },
  { command: 'zoom', keys: ['z'], help: 'the focused pane alone, and back', hint: 'zoom' },
  { command: 'locks', keys: ['L'], help: 'files of the shared project that are locked, and who waits' },
  { command: 'help', keys: ['?'], help: 'this help', hint: 'help' },
  { command: 'back', keys: ['escape'], help: 'close this, drop a question, show all again' },
  { command: 'redraw', keys: ['ctrl-l'], help: 'draw everything again' },
  { command: 'quit', keys: ['q', 'ctrl-c'], help: 'quit without a question', hint: 'quit' },
]

const BY_KEY = new Map(KEY_MAP.flatMap(({ keys, command }) => keys.map((key) => [key, command] as const)))

export const commandOf = (key: Key): Command | undefined => BY_KEY.get(key)

const LABELS: Record<string, string> = {
  tab: 'Tab',
  'shift-tab': 'Shift-Tab',
  up: '↑',
  down: '↓',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  enter: 'Enter',
  escape: 'Esc',
}

export const keyLabel = (key: Key): string =>
  LABELS[key] ?? key.replace(/^ctrl-(.)$/, (_, letter: string) => `Ctrl-${letter.toUpperCase()}`)

const SEQUENCES: Record<string, Key> = {
  '[A': 'up',
  '[B': 'down',
  '[H': 'home',
  '[F': 'end',
  '[1~': 'home',
  '[4~': 'end',
  '[7~': 'home',
  '[8~': 'end',
  '[5~': 'pageup',
  '[6~': 'pagedown',
  '[Z': 'shift-tab',
  OA: 'up',
  OB: 'down',
  OH: 'home',
  OF: 'end',
  OM: 'enter',
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: keys are control characters
const TOKEN = /\u001B(\[[0-?]*[ -/]*[@-~]|O[A-Za-z])|\u001B(\[[0-?]*[ -/]*|O)$|[\s\S]/gu
const PASTE_BEGINS = '[200~'
const PASTE_ENDS = '[201~'

/**
 * Turns what the terminal sends into keys. Keys pressed fast arrive as one piece (`jjj`) and a sequence may be cut in two;
 * pasted text is no key press and is dropped, and so are sequences that mean nothing here.
 */
export function createKeyParser(): (chunk: string) => Key[] {
  let rest = ''
  let pasting = false
  return (chunk) => {
    const keys: Key[] = []
    const text = rest + chunk
    rest = ''
    for (const match of text.matchAll(TOKEN)) {
      const [token, sequence, unfinished] = match
      if (unfinished !== undefined) rest = token
      else if (sequence === PASTE_BEGINS) pasting = true
      else if (sequence === PASTE_ENDS) pasting = false
      else if (!pasting) keys.push(...keyOf(token, sequence))
    }
    return keys
  }
}

function keyOf(token: string, sequence: string | undefined): Key[] {
  if (sequence !== undefined) return sequence in SEQUENCES ? [SEQUENCES[sequence] as Key] : []
  if (token === '\t') return ['tab']
  if (token === '\r' || token === '\n') return ['enter']
  if (token === '\u001B') return ['escape']
  const code = token.charCodeAt(0)
  if (code === 0x7f || code === 0) return []
  if (code < 0x20) return [`ctrl-${String.fromCharCode(code + 0x60)}`]
  return [token]
}
