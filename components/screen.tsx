import type { FleetClient } from '../src/client/client.ts'
import type { FleetEvent } from '../src/protocol/event.ts'
import { App } from './app.tsx'
import { mount } from './ink/mount.tsx'
import { createStore } from './store.ts'
import { takeTerminal } from './terminal.ts'
import { createTheme, wantsColour } from './theme.ts'

export type Connect = (onProgress: (event: FleetEvent) => void, signal: AbortSignal) => Promise<FleetClient>

export type ScreenOptions = {
  stdout: NodeJS.WriteStream
  stdin: NodeJS.ReadStream
  /** Shown until the first picture says it. */
  fleet?: string
  /** Whether to use colour is read from here (`NO_COLOR`, `TERM`). */
  env?: Record<string, string | undefined>
  /** Closes the screen from outside, as `q` does. */
  signal?: AbortSignal
  /** Called once when the person quits, the terminal given back; awaited. */
  onQuit?: () => void | Promise<void>
} & ({ client: FleetClient } | { connect: Connect })

export interface ScreenEnd {
  /** The signal that ended it; null for `q`, Ctrl-C (a key in raw mode) and `options.signal`. */
  signal: NodeJS.Signals | null
}

/**
 * Shows the screen until the person quits or a signal asks to end; the terminal is given back before this resolves, and in
 * any other end of the process too. With `connect` the first paint does not wait for the fleet: what `connect` tells is
 * shown, and quitting meanwhile aborts it. Once connected, no error of the client closes the screen. The client is the
 * caller's to close.
 *
 * @throws what `connect` threw, and a fault of the screen itself
 */
export async function runScreen(options: ScreenOptions): Promise<ScreenEnd> {
  const { stdout, stdin, env = process.env } = options
  const connecting = new AbortController()
  let finish: (end: ScreenEnd) => void = () => undefined
  let fail: (thrown: unknown) => void = () => undefined
  const ended = new Promise<ScreenEnd>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  const quit = () => finish({ signal: null })

  const terminal = takeTerminal(stdout, stdin, {
    keys: (keys) => store.press(keys),
    resized: (size) => store.resize(size),
    ended: (signal) => finish({ signal }),
  })
  const store = createStore({
    size: terminal.size(),
    fleet: options.fleet ?? 'arbdeck',
    onQuit: quit,
    onRedraw: () => terminal.redraw(),
  })
  const theme = createTheme({ colour: wantsColour(env) })
  const mounted = mount(<App store={store} theme={theme} />, terminal.size, terminal.paint)
  mounted.done.then(undefined, fail)
  options.signal?.addEventListener('abort', quit, { once: true })
  if (options.signal?.aborted) quit()
  clientOf(options, store.progress, connecting.signal).then(store.attach, fail)

  try {
    return await ended
  } finally {
    options.signal?.removeEventListener('abort', quit)
    connecting.abort()
    store.close()
    mounted.unmount()
    terminal.restore()
    await options.onQuit?.()
  }
}

const clientOf = async (
  options: ScreenOptions,
  onProgress: (event: FleetEvent) => void,
  signal: AbortSignal,
): Promise<FleetClient> => ('client' in options ? options.client : options.connect(onProgress, signal))
