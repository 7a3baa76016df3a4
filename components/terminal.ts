import { writeSync } from 'node:fs'
import { createKeyParser, type Key } from './keys.ts'
import type { Size } from './layout.ts'
import { createPainter } from './painter.ts'

/** Alternate screen, cursor hidden, no wrapping at the edge, pasted text marked. */
const ENTER = '\u001B[?1049h\u001B[?25l\u001B[?7l\u001B[?2004h'
const LEAVE = '\u001B[?2026l\u001B[?2004l\u001B[?7h\u001B[0m\u001B[?25h\u001B[?1049l'
const CLOSING_SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const

export interface Terminal {
  size(): Size
  paint(frame: string): void
  redraw(): void
  /** Gives the terminal back as it was found. May be called again. */
  restore(): void
}

export interface TerminalEvents {
  keys(keys: Key[]): void
  resized(size: Size): void
  /** A signal asks the process to end; the terminal is restored already. */
  ended(signal: NodeJS.Signals): void
}

/** What a terminal's stream has besides Node's types: its descriptor, and libuv's handle. */
interface Handle {
  fd?: number
  _handle?: { setBlocking?(blocking: boolean): void }
}

/** Takes the terminal. Whatever ends the process afterwards, it is given back. */
export function takeTerminal(stdout: NodeJS.WriteStream, stdin: NodeJS.ReadStream, events: TerminalEvents): Terminal {
  const size = (): Size => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 })
  const parse = createKeyParser()
  const painter = createPainter(
    // 'drain' comes only after a large backlog; the callback comes after every write.
    (text) => stdout.write(text, () => painter.drained()),
    size,
    () => stdout.writableLength > 0,
  )
  let taken = true

  const onResize = () => {
    painter.forget()
    events.resized(size())
  }
  const onInput = (chunk: Buffer | string) => {
    const keys = parse(String(chunk))
    if (keys.length > 0) events.keys(keys)
  }
  /** Back from a stop (Ctrl-Z by another, `kill -STOP`): the terminal may have been used meanwhile. */
  const onContinue = () => {
    setRaw(stdin, true)
    stdout.write(ENTER)
    painter.forget()
    painter.drained()
  }
  // The handlers stay until `restore`: Ink's own ends the process at once when it finds itself alone.
  const onSignal = (signal: NodeJS.Signals) => {
    release()
    events.ended(signal)
  }

  /** The terminal itself is gone: closed, or the connection lost. */
  const onGone = () => onSignal('SIGHUP')

  const release = () => {
    if (!taken) return
    taken = false
    stdout.off('resize', onResize)
    stdin.off('data', onInput)
    process.off('SIGCONT', onContinue)
    setRaw(stdin, false)
    stdin.pause()
    setBlocking(stdout, true)
    giveBack(stdout)
  }
  const restore = () => {
    release()
    process.off('exit', release)
    process.off('uncaughtExceptionMonitor', release)
    for (const signal of CLOSING_SIGNALS) process.off(signal, onSignal)
    stdin.off('end', onGone)
    stdin.off('error', onGone)
    stdout.off('error', onGone)
  }

  setBlocking(stdout, false)
  stdout.write(ENTER)
  setRaw(stdin, true)
  stdin.on('data', onInput)
  stdin.resume()
  stdout.on('resize', onResize)
  process.on('exit', release)
  process.on('uncaughtExceptionMonitor', release)
  process.on('SIGCONT', onContinue)
  for (const signal of CLOSING_SIGNALS) process.on(signal, onSignal)
  stdin.on('end', onGone)
  stdin.on('error', onGone)
  stdout.on('error', onGone)

  return {
    size,
    paint(frame) {
      if (taken) painter.paint(frame)
    },
    redraw() {
      painter.forget()
      painter.drained()
    },
    restore,
  }
}

function setRaw(stdin: NodeJS.ReadStream, raw: boolean): void {
  try {
    stdin.setRawMode?.(raw)
  } catch {
    // The terminal is gone (SIGHUP): there is nothing left to set.
  }
}

/** A terminal that takes its time must not hold up the event loop; writes are queued instead. */
const setBlocking = (stdout: NodeJS.WriteStream, blocking: boolean): void =>
  (stdout as Handle)._handle?.setBlocking?.(blocking)

/** Written at once and past the queue: the process may end with the next statement. */
function giveBack(stdout: NodeJS.WriteStream): void {
  const { fd } = stdout as Handle
  if (fd === undefined) {
    stdout.write(LEAVE)
    return
  }
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      writeSync(fd, LEAVE)
      return
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') return
    }
  }
}
