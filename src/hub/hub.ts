import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { mcpEndpoint } from '../mcp/endpoint.ts'
import { closeServer, guard, listen, sendJson, sendRpcError, urlOf } from '../mcp/http.ts'
import type { TaskBus } from '../ports/bus/bus.ts'
import type { History } from '../ports/history/history.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import type { AgentRecord, ReplicaId } from '../protocol/fleet.ts'
import { openApi, sendError, sendHealth } from './api.ts'
import { openAudit } from './audit.ts'
import { catalogueOf } from './catalogue.ts'
import { openGateway } from './gateway.ts'
import { portHolder } from './holder.ts'
import { openImages } from './images.ts'
import { gatewayServer } from './mcp-server.ts'
import { metricsText } from './metrics.ts'
import { beatHeart } from './presence.ts'
import { openRecorder } from './recorder.ts'
import { type Log, openRegistry } from './registry.ts'
import { openUpstreams } from './upstream.ts'

export interface HubOptions {
  memory: SharedMemory
  bus: TaskBus
  history: History
  /** 127.0.0.1, or 0.0.0.0 in a container. */
  host: string
  /** 3000 unless the operator chose another; 0 takes a free one. */
  port: number
  /** Of the hub as others reach it, when that is not `host`: `http://mcp-coordinator:3000`. */
  advertise?: string
  /** Whoever has it may call every tool. */
  operatorToken: string
  /** With which the hub calls the agents. */
  agentToken: string
  version: string
  log: Log
  /** Host of a replica of an image; its id unless told. */
  imageHost?: (id: ReplicaId) => string
  /** A tool that says nothing for so long has failed. */
  callTimeoutMs?: number
}

export interface Hub {
  /** Without a path: the MCP endpoint is `/mcp` below it, the API `/api`. */
  url: string
  port: number
  /** Takes nothing new, gives calls in hand a moment, then ends; what it has recorded stays. */
  close(): Promise<void>
}

const MAX_SESSIONS = 256
const SESSION_IDLE_MS = 10 * 60_000
const CALL_TIMEOUT_MS = 60_000
const FIRST_LOOK_MS = 2_000
const CLOSE_GRACE_MS = 2_000
const CLOSE_LOOK_MS = 20
const CLOSE_SOCKETS_MS = 200
const CLOSING = new FleetError('hub_unreachable', 'the hub is ending', {
  remedy: 'Ask again in a moment.',
  transient: true,
})

/**
 * The coordinator: one MCP endpoint in front of every agent, the HTTP API, the recorder of events and of calls. Starts
 * and goes on while shared memory or history is away.
 * @throws FleetError `port_taken`, naming who has it where that can be told; `config_invalid` when a token is empty
 */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { memory, bus, history, version, log } = options
  const refusal = guard(options.operatorToken)
  const stop = new AbortController()
  const onCatalogue = watchCatalogue()
  const http = createServer()
  // Nothing is begun before the port is ours: a second hub must not record beside the first.
  const port = await listenOrName(http, options)
  const url = options.advertise ?? urlOf(options.host, port)

  const images = openImages({ memory, log, version, hostOf: options.imageHost })
  const upstreams = openUpstreams({ token: options.agentToken, version, callerOf: images.callerOf })
  const audit = openAudit({ memory, log })
  const recorder = openRecorder({ memory, history, log })
  const registry = openRegistry({
    memory,
    log,
    onLook: (agents) => {
      upstreams.keep(agents)
      onCatalogue(agents, () => {
        for (const server of endpoint.servers()) server.sendToolListChanged().catch(() => undefined)
      })
    },
  })
  const timeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS
  const gateway = openGateway({ registry, upstreams, audit, timeoutMs })
  const endpoint = mcpEndpoint({
    serve: () => gatewayServer(gateway, version),
    maxSessions: MAX_SESSIONS,
    idleMs: SESSION_IDLE_MS,
  })
  const api = openApi({
    registry,
    memory,
    history,
    version,
    signal: stop.signal,
    metrics: () => metricsText({ agents: registry.agents, audit, sessions: () => endpoint.servers().length, bus }),
  })
  const heart = beatHeart({ memory, url, fault: recorder.fault })

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (stop.signal.aborted) throw CLOSING
    const path = request.url?.split('?')[0] ?? '/'
    if (path === '/health') return sendJson(response, 200, { ok: true })
    if (path === '/api/health') return sendHealth(response, { registry, version })
    const refused = refusal(request)
    if (refused) {
      audit.denied(path.slice(0, 200), `HTTP ${refused.status} to ${request.socket.remoteAddress}: ${refused.why}`)
      if (path === '/mcp') return sendRpcError(response, refused.status, refused.why)
      const remedy = 'Send the token of the state folder: authorization: Bearer …'
      return sendJson(response, refused.status, { error: { code: 'usage', message: refused.why, remedy } })
    }
    await (path === '/mcp' ? endpoint.handle(request, response) : api(request, response))
  }
  http.on('request', (request, response) => {
    handle(request, response).catch((thrown: unknown) => {
      const error = asFleetError(thrown)
      if (error.code === 'internal') log('error', `${request.method} ${request.url?.split('?')[0]}: ${error.message}`)
      if (response.headersSent) response.destroy()
      else sendError(response, error)
    })
  })
  await Promise.race([registry.looked, pause(FIRST_LOOK_MS, undefined, { ref: false })])
  log('info', `the hub listens on port ${port}`)

  return {
    url: urlOf(options.host, port),
    port,
    close: async () => {
      stop.abort()
      const until = performance.now() + CLOSE_GRACE_MS
      while (gateway.inHand() > 0 && performance.now() < until) await pause(CLOSE_LOOK_MS)
      await endpoint.close()
      await closeServer(http, CLOSE_SOCKETS_MS)
      await Promise.all([
        registry.close(),
        upstreams.close(),
        images.close(),
        heart.stop(),
        audit.close(CLOSE_GRACE_MS),
      ])
      await Promise.race([recorder.close(), pause(CLOSE_GRACE_MS, undefined, { ref: false })])
    },
  }
}

/** Calls back when the set of tools is not what it was. */
function watchCatalogue(): (agents: readonly AgentRecord[], changed: () => void) => void {
  let last: string | undefined
  return (agents, changed) => {
    const tools = JSON.stringify([...catalogueOf(agents).values()].map(({ info }) => info))
    if (last !== undefined && last !== tools) changed()
    last = tools
  }
}

async function listenOrName(http: Server, { host, port }: HubOptions): Promise<number> {
  try {
    return await listen(http, { host, port, fallback: false })
  } catch (thrown) {
    if (!(thrown instanceof FleetError && thrown.code === 'port_taken')) throw thrown
    const holder = await portHolder(port)
    throw new FleetError('port_taken', `the hub's port ${port} is taken${holder ? ` by ${holder}` : ''}`, {
      remedy: 'End that program, or give the hub another port with --hub-port.',
      cause: thrown.cause,
    })
  }
}
