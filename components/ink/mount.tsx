import { EventEmitter } from 'node:events'
import { render } from 'ink'
import type { ReactNode } from 'react'
import type { Size } from '../layout.ts'

export interface Mounted {
  unmount(): void
  /** Rejects with what a component threw. */
  done: Promise<unknown>
}

/** As much of a terminal as Ink asks for. Not a TTY, so that nothing else writes codes to it. */
class FrameStream extends EventEmitter {
  readonly #size: () => Size
  readonly #onFrame: (frame: string) => void

  constructor(size: () => Size, onFrame: (frame: string) => void) {
    super()
    this.#size = size
    this.#onFrame = onFrame
  }

  get columns(): number {
    return this.#size().columns
  }

  get rows(): number {
    return this.#size().rows
  }

  write(frame: string): boolean {
    this.#onFrame(frame)
    return true
  }
}

/**
 * Ink as a pure renderer: it lays out and hands over whole frames, as text. It is given streams of our own, so that it
 * neither writes to the terminal nor reads from it, and its debug mode, in which every commit is one whole frame, also
 * where CI is set (Ink draws nothing on a terminal there otherwise).
 */
export function mount(node: ReactNode, size: () => Size, onFrame: (frame: string) => void): Mounted {
  let open = true
  const stdout = new FrameStream(size, (frame) => {
    if (open) onFrame(frame)
  })
  const instance = render(node, {
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stdout as unknown as NodeJS.WriteStream,
    stdin: new EventEmitter() as unknown as NodeJS.ReadStream,
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  })
  return {
    unmount() {
      open = false
      instance.unmount()
    },
    done: instance.waitUntilExit(),
  }
}
