import type { TaskBus } from '../ports/bus/bus.ts'
import type { AgentRecord } from '../protocol/fleet.ts'
import { QUEUE_ROLES } from '../protocol/task.ts'
import type { Audit } from './audit.ts'

export interface MetricsSources {
  agents: () => readonly AgentRecord[]
  audit: Audit
  sessions: () => number
  bus: TaskBus
}

/** Prometheus text. What cannot be seen just now is left out. */
export async function metricsText({ agents, audit, sessions, bus }: MetricsSources): Promise<string> {
  const counts = new Map<string, number>()
  for (const { role, state } of attempt(agents) ?? []) {
    const labels = `role="${role}",state="${state}"`
    counts.set(labels, (counts.get(labels) ?? 0) + 1)
  }
  const depths = await Promise.all(
    QUEUE_ROLES.map((role) =>
      bus.depth(role).then(
        (depth): [string, number] => [`role="${role}"`, depth],
        () => undefined,
      ),
    ),
  )
  return [
    ...family('arbdeck_agents', 'gauge', 'Agents alive', counts),
    ...family(
      'arbdeck_queue_depth',
      'gauge',
      'Messages that wait',
      depths.filter((depth) => depth !== undefined),
    ),
    ...family(
      'arbdeck_hub_calls_total',
      'counter',
      'Tool calls through the hub',
      Object.entries(audit.counts()).map(([outcome, count]): [string, number] => [`outcome="${outcome}"`, count]),
    ),
    ...family('arbdeck_hub_sessions', 'gauge', 'MCP sessions open', [['', sessions()]]),
    '',
  ].join('\n')
}

function family(name: string, type: string, help: string, samples: Iterable<readonly [string, number]>): string[] {
  const lines = [...samples].map(([labels, value]) => `${name}${labels && `{${labels}}`} ${value}`)
  return lines.length === 0 ? [] : [`# HELP ${name} ${help}.`, `# TYPE ${name} ${type}`, ...lines]
}

function attempt<T>(give: () => T): T | undefined {
  try {
    return give()
  } catch {
    return undefined
  }
}
