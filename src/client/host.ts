import { rmSync } from 'node:fs'
import net from 'node:net'
import type { z } from 'zod'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { decode, stringify } from '../protocol/json.ts'
import type { FleetClient } from './client.ts'
import { splitLines } from './lines.ts'
import { CALLS, type CallName, RequestSchema, STREAMS, type StreamName } from './wire.ts'

/**
 * Serves a FleetClient on a unix socket, a JSON line a message. The socket's folder is 0700: who can open it is the
 * operator.
 * @returns how to stop: connections end, the socket file goes
 */
export async function serveControl(client: FleetClient, socketPath: string): Promise<{ close(): Promise<void> }> {
  rmSync(socketPath, { force: true })
  const open = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    serveConnection(client, socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, () => resolve())
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
        rmSync(socketPath, { force: true })
      }),
  }
}

function serveConnection(client: FleetClient, socket: net.Socket): void {
  const running = new Map<number, AbortController>()
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    for (const stop of running.values()) stop.abort()
  })
  const send = (reply: object) => {
    if (!socket.destroyed) socket.write(`${stringify(reply)}\n`)
  }
  splitLines(socket, (line) => {
    let request: z.output<typeof RequestSchema>
    try {
      request = RequestSchema.parse(JSON.parse(line))
    } catch {
      socket.destroy()
      return
    }
    const { id } = request
    if ('cancel' in request) {
      running.get(id)?.abort()
      return
    }
    const stop = new AbortController()
    running.set(id, stop)
    answer(client, request, (reply) => send({ id, ...reply }), stop.signal)
      .catch((thrown) => send({ id, ...asFleetError(thrown).toJSON() }))
      .finally(() => running.delete(id))
  })
}

async function answer(
  client: FleetClient,
  request: { method: string; params?: unknown },
  send: (reply: object) => void,
  signal: AbortSignal,
): Promise<void> {
  const { method } = request
  if (Object.hasOwn(STREAMS, method)) {
    for await (const item of stream(client, method as StreamName, request.params, signal)) send({ item: item ?? null })
    send({ done: true })
  } else if (Object.hasOwn(CALLS, method)) {
    send({ done: true, result: (await call(client, method as CallName, request.params)) ?? null })
  } else {
    throw new FleetError('unsupported', `the fleet's host does not know ${method}`, {
      remedy: 'It runs another version of arbdeck: take the fleet down and up again.',
    })
  }
}

function call(client: FleetClient, method: CallName, params: unknown): Promise<unknown> {
  const checked = <M extends CallName>(name: M) =>
    decode(CALLS[name].params, params, `parameters of ${name}`) as z.output<(typeof CALLS)[M]['params']>
  switch (method) {
    case 'snapshot':
      return client.snapshot(usageOf(checked(method)))
    case 'opportunities':
      return client.opportunities(checked(method))
    case 'trades':
      return client.trades(idOf(checked(method)))
    case 'tasks':
      return client.tasks(idOf(checked(method)))
    case 'audit':
      return client.audit(checked(method))
    case 'ledger':
      return client.ledger(checked(method))
    case 'plan': {
      const { changes, profile } = checked(method)
      return client.plan(changes, profile)
    }
    case 'scale': {
      const { changes, profile } = checked(method)
      return client.scale(changes, profile)
    }
    case 'halt':
      return client.halt(checked(method))
    case 'resume':
      return client.resume()
    case 'restart':
      return client.restart(checked(method))
    case 'tools':
      return client.tools()
    case 'call': {
      const { tool, input } = checked(method)
      return client.call(tool, input)
    }
    case 'end':
      return client.end(checked(method))
  }
}

function stream(client: FleetClient, method: StreamName, params: unknown, signal: AbortSignal): AsyncIterable<unknown> {
  switch (method) {
    case 'changes':
      return client.changes(signal)
    case 'events': {
      const { last, follow } = decode(STREAMS.events.params, params, 'parameters of events')
      return client.events({ follow, ...(last === undefined ? {} : { last }) }, signal)
    }
    case 'logs': {
      const { role, since, ...rest } = decode(STREAMS.logs.params, params, 'parameters of logs')
      return client.logs({ ...rest, ...(role ? { role } : {}), ...(since ? { since } : {}) }, signal)
    }
  }
}

const usageOf = (params: { usage?: boolean | undefined } | undefined) => ({ usage: params?.usage ?? false })
const idOf = (query: { id?: string | undefined; last: number }) => ({
  last: query.last,
  ...(query.id === undefined ? {} : { id: query.id }),
})
