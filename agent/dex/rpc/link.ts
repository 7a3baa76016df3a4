import { createConnection, type Socket } from 'node:net'
import WebSocket from 'ws'
import { jsonFrames } from './frames.ts'

/** One connection that carries JSON texts both ways; it does not come back. */
export interface Link {
  send(text: string): void
  /** Drops the connection at once; `onClose` is still called. */
  end(): void
}

export interface LinkEvents {
  onOpen(): void
  onText(text: string): void
  /** Exactly once, also when it never opened. */
  onClose(why: string): void
}

export type Dial = (events: LinkEvents) => Link

export const dialWebSocket =
  (url: string): Dial =>
  (events) => {
    let why = 'the connection was closed'
    const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: 10_000, maxPayload: 256 << 20 })
    let gather: () => void = () => undefined
    socket.on('upgrade', (response) => {
      gather = gathering(response.socket)
    })
    socket.on('open', events.onOpen)
    socket.on('message', (body) => events.onText(body.toString()))
    socket.on('error', (error) => {
      why = reason(error)
    })
    socket.on('close', () => events.onClose(why))
    const send = (text: string): void => {
      gather()
      socket.send(text)
    }
    return { send, end: () => socket.terminate() }
  }

export const dialIpc =
  (path: string): Dial =>
  (events) => {
    let why = 'the connection was closed'
    const frames = jsonFrames()
    const socket = createConnection(path)
    const gather = gathering(socket)
    socket.on('connect', events.onOpen)
    socket.on('data', (chunk) => {
      for (const text of frames(chunk)) events.onText(text)
    })
    socket.on('error', (error) => {
      why = reason(error)
    })
    socket.on('close', () => events.onClose(why))
    const send = (text: string): void => {
      gather()
      socket.write(text)
    }
    return { send, end: () => socket.destroy() }
  }

/** What is written in one turn leaves in one system call. Called before each write. */
function gathering(socket: Socket): () => void {
  let corked = false
  return () => {
    if (corked) return
    corked = true
    socket.cork()
    process.nextTick(() => {
      corked = false
      socket.uncork()
    })
  }
}

/** Node's AggregateError (both address families failed) has no message of its own. */
export function reason(error: Error): string {
  return error.message || ('code' in error ? String(error.code) : error.name)
}
