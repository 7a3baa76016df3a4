import type net from 'node:net'
import { LINE_MAX } from './wire.ts'

/** Calls back for each whole line; a line over LINE_MAX ends the connection. */
export function splitLines(socket: net.Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_MAX) socket.destroy()
    for (const line of lines) if (line !== '' && !socket.destroyed) onLine(line)
  })
}
