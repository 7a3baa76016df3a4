import { type CallToolResult, ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js'
import type { Reply, RequestOptions } from '../mcp/caller.ts'
import { documentOf, readError, toErrorResult } from '../mcp/results.ts'
import { asFleetError, FleetError, unreachable } from '../protocol/errors.ts'
import type { AgentRecord, ToolInfo } from '../protocol/fleet.ts'
import { nearest } from '../protocol/nearest.ts'
import type { AuditView } from '../protocol/records.ts'
import type { Audit } from './audit.ts'
import { type CatalogueEntry, candidates, catalogueOf, roleOf } from './catalogue.ts'
import { openPatience } from './patience.ts'
import type { Registry } from './registry.ts'
import type { Upstreams } from './upstream.ts'

export interface GatewayOptions {
  registry: Registry
  upstreams: Upstreams
  audit: Audit
  /** A call that says nothing for so long has failed; one that reports progress may take ten times as long. */
  timeoutMs: number
}

interface ToolCall {
  name: string
  args: Record<string, unknown>
  /** Who asks, as the audit shows it. */
  by: string
  signal: AbortSignal
  onProgress?: RequestOptions['onProgress']
}

/** Every tool of every agent, as one set of tools. */
export interface Gateway {
  /** By name. @throws FleetError `memory_unreachable` */
  tools(): ToolInfo[]
  /**
   * Calls the tool on one replica of its role and records it, whatever comes of it.
   * @returns the agent's result unchanged, or one that says why there is none
   * @throws McpError for a tool that does not exist, or as the agent answered
   */
  call(call: ToolCall): Promise<CallToolResult>
  /** Calls that have not ended yet. */
  inHand(): number
}

/** How a call ended: what the caller gets, and what the audit keeps. */
interface Ended {
  outcome: AuditView['outcome']
  detail: string
  give: () => CallToolResult
}

const MAX_TRIES = 2

export function openGateway({ registry, upstreams, audit, timeoutMs }: GatewayOptions): Gateway {
  let inHand = 0
  const run = async (call: ToolCall): Promise<Ended> => {
    if (audit.isFull()) return refused(AUDIT_FULL)
    const agents = registry.agents()
    const catalogue = catalogueOf(agents)
    const entry = catalogue.get(call.name)
    if (entry === undefined) return unknownTool(call.name, [...catalogue.keys()], agents)
    const able = candidates(agents, entry, upstreams.load)
    if (able.length === 0) return refused(noAgent(entry, agents))
    return tryEach(entry, able.slice(0, MAX_TRIES), call)
  }

  const tryEach = async (entry: CatalogueEntry, able: AgentRecord[], call: ToolCall): Promise<Ended> => {
    let ended: Ended | undefined
    for (const agent of able) {
      const patience = openPatience(call.signal, timeoutMs)
      const began = performance.now()
      const reply = await upstreams.call(agent, entry.tool, call.args, {
        signal: patience.signal,
        onProgress: (progress) => {
          patience.renew()
          call.onProgress?.(progress)
        },
      })
      patience.end()
      ended = endedOf(reply, { agent, tool: call.name, ms: Math.round(performance.now() - began), call, timeoutMs })
      if (!ranNowhere(reply)) return ended
    }
    return ended as Ended
  }

  return {
    tools: () => [...catalogueOf(registry.agents()).values()].map(({ info }) => info),
    inHand: () => inHand,
    call: async (call) => {
      inHand += 1
      const ended = await run(call).catch((thrown): Ended => refused(asFleetError(thrown)))
      inHand -= 1
      const { outcome, detail } = ended
      audit.record({ by: call.by, action: 'call', target: call.name.slice(0, 200), outcome, detail })
      return ended.give()
    },
  }
}

/** Nothing ran, and another replica may be better off. */
const ranNowhere = (reply: Reply): boolean =>
  reply.kind === 'unsent' || (reply.kind === 'refused' && (reply.status === 503 || reply.status === 404))

interface Attempt {
  agent: AgentRecord
  tool: string
  ms: number
  call: ToolCall
  timeoutMs: number
}

function endedOf(reply: Reply, attempt: Attempt): Ended {
  const { agent, tool, ms } = attempt
  switch (reply.kind) {
    case 'result': {
      const outcome = reply.result.isError === true ? 'failed' : 'ok'
      const said = outcome === 'ok' ? '' : `: ${describe(readError(tool, reply.result))}`
      return { outcome, detail: `${agent.id}, ${ms} ms${said}`, give: () => reply.result as CallToolResult }
    }
    case 'error': {
      const { code, message, data } = reply
      return {
        outcome: 'failed',
        detail: `${agent.id}, ${ms} ms: ${message}`,
        give: () => {
          throw new McpError(code, message, data)
        },
      }
    }
    case 'refused':
      return failed(agent, unreachableAgent(agent, `answered HTTP ${reply.status}: ${reply.why}`, true))
    case 'unsent':
      return failed(agent, unreachableAgent(agent, `could not be reached: ${reply.why}`, true))
    case 'lost':
      return failed(agent, unreachableAgent(agent, `was lost before it answered, the tool may have run: ${reply.why}`))
    case 'aborted':
      return failed(agent, attempt.call.signal.aborted ? CANCELLED : tookTooLong(attempt))
    default:
      return unreachable(reply)
  }
}

const describe = ({ code, message }: FleetError): string => `${code}: ${message}`

const refused = (error: FleetError): Ended => ({
  outcome: 'refused',
  detail: describe(error),
  give: () => toErrorResult(error),
})
const failed = (agent: AgentRecord, error: FleetError): Ended => ({
  outcome: 'failed',
  detail: `${agent.id}: ${describe(error)}`,
  give: () => toErrorResult(error),
})

function unknownTool(name: string, names: readonly string[], agents: readonly AgentRecord[]): Ended {
  const role = roleOf(name)
  if (role !== undefined && !agents.some((agent) => agent.role === role)) {
    return refused(noAgent({ role, tool: name }, agents))
  }
  const near = nearest(name, names)
  const error = new FleetError('tool_unknown', `there is no tool ${name}`, {
    remedy: near ? `Did you mean ${near}? arbdeck tools lists all.` : 'arbdeck tools lists all.',
  })
  return {
    ...refused(error),
    give: () => {
      throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${name}`, documentOf(error))
    },
  }
}

function noAgent({ role }: Pick<CatalogueEntry, 'role' | 'tool'>, agents: readonly AgentRecord[]): FleetError {
  const there = agents.filter((agent) => agent.role === role)
  const states = there.map(({ id, state }) => `${id} is ${state}`).join(', ')
  return new FleetError(
    'agent_unreachable',
    `no agent of the role ${role} can take the call${states && `: ${states}`}`,
    {
      remedy: `Start one with arbdeck scale ${role}=+1 --wait, or see what arbdeck ps ${role} says.`,
      transient: true,
    },
  )
}

const unreachableAgent = ({ id }: AgentRecord, what: string, transient = false): FleetError =>
  new FleetError('agent_unreachable', `${id} ${what}`, { remedy: `Look at arbdeck logs ${id}.`, transient })

const tookTooLong = ({ agent, tool, timeoutMs }: Attempt): FleetError =>
  new FleetError('timeout', `${tool} on ${agent.id} said nothing for ${timeoutMs} ms, and was told to stop`, {
    remedy: `Look at arbdeck logs ${agent.id}.`,
  })

const CANCELLED = new FleetError('tool_failed', 'the caller cancelled', { remedy: 'Call again.' })
const AUDIT_FULL = new FleetError('memory_unreachable', 'calls cannot be recorded, so none are made', {
  remedy: 'It goes on by itself when Redis is back: look at arbdeck status.',
  transient: true,
})
