import { type McpCaller, openCaller, type Reply, type RequestOptions } from '../mcp/caller.ts'
import type { AgentRecord } from '../protocol/fleet.ts'
import { now } from '../protocol/schemas.ts'
import type { Load } from './catalogue.ts'

interface Upstream extends Load {
  /** Undefined: of an image, whose session is not ours to keep. */
  caller: McpCaller | undefined
}

export interface UpstreamsOptions {
  /** With which agents of ours are called. */
  token: string
  version: string
  /** The session with an image that is not ours. */
  callerOf(id: AgentRecord['id']): McpCaller | undefined
}

/** The hub's connections to the agents, one session an endpoint, and how busy each is by the hub's own calls. */
export interface Upstreams {
  load(agent: AgentRecord): Load
  call(agent: AgentRecord, tool: string, args: Record<string, unknown>, options: RequestOptions): Promise<Reply>
  /** Lets go of endpoints that no agent of these has. */
  keep(agents: readonly AgentRecord[]): void
  close(): Promise<void>
}

/** The hub has just started: it has not spoken with the image itself. */
const NOT_YET: Reply = { kind: 'unsent', why: 'the hub has no session with it yet' }
const UNTOUCHED: Load = { inFlight: 0, chosenAt: 0 }

export function openUpstreams({ token, version, callerOf }: UpstreamsOptions): Upstreams {
  const upstreams = new Map<string, Upstream>()
  let chosen = 0

  const of = ({ url, byHub }: AgentRecord): Upstream => {
    const known = upstreams.get(url)
    if (known) return known
    const caller = byHub ? undefined : openCaller({ url, token, name: 'arbdeck-hub', version })
    const fresh = { ...UNTOUCHED, caller }
    upstreams.set(url, fresh)
    return fresh
  }
  return {
    load: ({ url }) => upstreams.get(url) ?? UNTOUCHED,
    call: async (agent, tool, args, options) => {
      const upstream = of(agent)
      chosen += 1
      upstream.chosenAt = chosen
      upstream.inFlight += 1
      const caller = upstream.caller ?? callerOf(agent.id)
      const reply = caller ? await caller.request('tools/call', { name: tool, arguments: args }, options) : NOT_YET
      upstream.inFlight -= 1
      if (reply.kind === 'unsent' || reply.kind === 'lost') upstream.failedAt = now()
      return reply
    },
    keep: (agents) => {
      const urls = new Set(agents.map(({ url }) => url))
      for (const [url, upstream] of upstreams) {
        if (urls.has(url) || upstream.inFlight > 0) continue
        upstreams.delete(url)
        void upstream.caller?.close()
      }
    },
    close: async () => {
      await Promise.all([...upstreams.values()].map(({ caller }) => caller?.close()))
      upstreams.clear()
    },
  }
}
