import net from 'node:net'
import type { Duplex } from 'node:stream'
import { PassThrough } from 'node:stream'
import type { DockerAddress } from './address.ts'
import type { DockerConnection } from './connect.ts'

/** Bytes from stdin to a port that the container reaches, and back. Its two arguments are host and port. */
const PIPE = `const s = require('node:net').connect(+process.argv[2], process.argv[1])
s.on('error', () => process.exit(1)).on('close', () => process.exit(0))
process.stdin.pipe(s); s.pipe(process.stdout)`

export interface Relay {
  /** On 127.0.0.1 of this machine. */
  port: number
  close(): void
}

/** True when what the daemon publishes on its 127.0.0.1 is on ours. */
export function isLocal(address: DockerAddress): boolean {
  if (address.kind === 'unix') return true
  return address.kind === 'tcp' && /^(localhost|127(\.\d+){3}|::1|\[::1\])$/.test(address.host)
}

/**
 * Reaches a port inside the fleet of a daemon on another machine: each connection to the relay is carried by a process of
 * its own in a container that has `node`. Nothing more is published for it.
 *
 * @param container id or name of a running container
 */
export async function openRelay(
  connection: DockerConnection,
  container: string,
  host: string,
  port: number,
): Promise<Relay> {
  const open = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    carry(connection, container, [host, String(port)], socket).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve())
  })
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () => {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

async function carry(
  { docker, ask }: DockerConnection,
  container: string,
  target: string[],
  socket: net.Socket,
): Promise<void> {
  const stream = await ask('reach a port inside the fleet', async (): Promise<Duplex> => {
    const exec = await docker.getContainer(container).exec({
      Cmd: ['node', '-e', PIPE, ...target],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    })
    return exec.start({ hijack: true, stdin: true })
  })
  const [out, err] = [new PassThrough(), new PassThrough()]
  err.resume()
  docker.modem.demuxStream(stream, out, err)
  const end = () => {
    socket.destroy()
    stream.destroy()
  }
  for (const side of [socket, stream]) side.on('close', end).on('error', end)
  stream.on('end', end)
  socket.pipe(stream, { end: false })
  out.pipe(socket, { end: false })
}
