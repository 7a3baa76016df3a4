import { createHash } from 'node:crypto'
import type { AgentRecord, RoleName, ToolInfo } from '../protocol/fleet.ts'
import { RoleNameSchema } from '../protocol/fleet.ts'

/** Longest name of a tool that every MCP client takes. */
const NAME_CHARS = 64
const HASH_CHARS = 8

/** `role__tool`, at most 64 characters: a pure function of the two, so that no name changes when another agent joins. */
export function toolName(role: RoleName, tool: string): string {
  const name = `${role}__${tool.replaceAll(/[^A-Za-z0-9_.-]/g, '-')}`
  if (name.length <= NAME_CHARS && name === `${role}__${tool}`) return name
  const hash = createHash('sha256').update(`${role}__${tool}`).digest('hex').slice(0, HASH_CHARS)
  return `${name.slice(0, NAME_CHARS - HASH_CHARS - 1)}_${hash}`
}

export interface CatalogueEntry {
  role: RoleName
  /** As its agents call it. */
  tool: string
  /** As the hub lists it. */
  info: ToolInfo
}

/** Every tool of every role once, by name; where replicas differ, as the one that started last describes it. */
export function catalogueOf(agents: readonly AgentRecord[]): Map<string, CatalogueEntry> {
  const entries: CatalogueEntry[] = []
  for (const { role, tools } of [...agents].sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))) {
    for (const tool of tools) {
      const name = toolName(role, tool.name)
      entries.push({ role, tool: tool.name, info: { ...tool, name } })
    }
  }
  const byName = new Map(entries.map((entry) => [entry.info.name, entry]))
  return new Map([...byName].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The role that a tool's name names, whether or not there is such a tool. */
export function roleOf(name: string): RoleName | undefined {
  const role = RoleNameSchema.safeParse(name.split('__')[0])
  return role.success && name.includes('__') ? role.data : undefined
}

/** What the hub knows of its own traffic to a replica. */
export interface Load {
  inFlight: number
  /** When it was last chosen; rises. */
  chosenAt: number
  /** ISO 8601: when a connection failed; it is avoided until its heartbeat is newer. */
  failedAt?: string
}

/** Who can serve a tool, best first: alive and well, then with the fewest calls in hand, then chosen longest ago. */
export function candidates(
  agents: readonly AgentRecord[],
  { role, tool }: Pick<CatalogueEntry, 'role' | 'tool'>,
  loadOf: (agent: AgentRecord) => Load,
): AgentRecord[] {
  const able = agents.filter(
    (agent) =>
      agent.role === role &&
      (agent.state === 'healthy' || agent.state === 'standby') &&
      agent.tools.some(({ name }) => name === tool),
  )
  const rank = (agent: AgentRecord): [number, number, number, number] => {
    const load = loadOf(agent)
    const failed = load.failedAt !== undefined && agent.at <= load.failedAt
    return [failed ? 1 : 0, agent.state === 'standby' ? 1 : 0, load.inFlight, load.chosenAt]
  }
  return able
    .map((agent) => ({ agent, rank: rank(agent) }))
    .sort((a, b) => a.rank.map((r, i) => r - (b.rank[i] as number)).find((d) => d !== 0) ?? 0)
    .map(({ agent }) => agent)
}
