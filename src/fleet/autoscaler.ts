import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { TaskBus } from '../ports/bus/bus.ts'
import type { Engine } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { listAs, readAs, update } from '../ports/memory/typed.ts'
import { asFleetError } from '../protocol/errors.ts'
import { type AgentRecord, AgentRecordSchema, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { keys, leases, streams } from '../protocol/keys.ts'
import type { AuditView, LogLevel } from '../protocol/records.ts'
import type { RoleSpec } from '../protocol/role-spec.ts'
import { now } from '../protocol/schemas.ts'
import { QUEUE_ROLES } from '../protocol/task.ts'
import { type Decision, decide, oldestSeconds, type RoleLoad, type ScaleState, ScaleStateSchema } from './autoscale.ts'

const LOOK_EVERY_MS = 5_000
const LEASE_MS = 20_000
const NAME = 'autoscaler'

export interface AutoscalerParts {
  memory: SharedMemory
  bus: Pick<TaskBus, 'depth'>
  engine: Pick<Engine, 'usage'>
  /** Who holds the lease: one autoscaler a fleet. */
  owner: string
  log(level: LogLevel, message: string): void
}

type ScalingRole = readonly [string, RoleSpec & { autoscale: NonNullable<RoleSpec['autoscale']> }]

/** Scales roles by their rules until the signal aborts. Writes counts and touches no container. */
export async function runAutoscaler(parts: AutoscalerParts, signal: AbortSignal): Promise<void> {
  const autoscaler = new Autoscaler(parts)
  while (!signal.aborted) {
    try {
      if (await parts.memory.lease(leases.autoscaler, parts.owner, LEASE_MS)) await autoscaler.look(Date.now())
    } catch (thrown) {
      const error = asFleetError(thrown)
      parts.log(error.transient ? 'warn' : 'error', `autoscaling: ${error.message}`)
    }
    await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
  const lease = await parts.memory.lease(leases.autoscaler, parts.owner, LEASE_MS).catch(() => undefined)
  await lease?.release().catch(() => undefined)
}

export class Autoscaler {
  readonly #parts: AutoscalerParts
  /** By role: since when something has been seen to wait without a break. */
  readonly #waitingSince = new Map<string, number>()

  constructor(parts: AutoscalerParts) {
    this.#parts = parts
  }

  /** One look at every role that has a rule and agents; one that has none was turned off by somebody. */
  async look(nowMs: number): Promise<void> {
    const { memory } = this.#parts
    const wanted = (await readAs(memory, keys.wanted, WantedSchema))?.value
    const roles = Object.entries(wanted?.spec.roles ?? {}).flatMap(([role, spec]): ScalingRole[] =>
      spec.autoscale && (wanted?.counts[role] ?? 0) > 0 ? [[role, { ...spec, autoscale: spec.autoscale }]] : [],
    )
    if (!wanted || roles.length === 0) return
    const agents = await listAs(memory, keys.agents, AgentRecordSchema)
    const before = (await readAs(memory, keys.autoscale, StatesSchema))?.value ?? {}
    const after: Record<string, ScaleState> = {}
    for (const [role, spec] of roles) {
      const count = wanted.counts[role] as number
      const load = await this.#loadOf(role, spec, agents, nowMs)
      const decision = decide(spec, { count, load, before: before[role], nowMs })
      const done = decision.cause === null || (await this.#carryOut(role, count, decision))
      const kept = done ? decision.state : before[role]
      if (kept) after[role] = kept
    }
    await memory.write(keys.autoscale, after)
  }

  async #loadOf(role: string, spec: ScalingRole[1], agents: readonly AgentRecord[], nowMs: number): Promise<RoleLoad> {
    const own = agents.filter((agent) => agent.role === role)
    const working = own.filter(({ state }) => state === 'healthy')
    const waiting = QUEUE_ROLES.includes(role) ? await this.#parts.bus.depth(role) : 0
    if (waiting === 0) this.#waitingSince.delete(role)
    else if (!this.#waitingSince.has(role)) this.#waitingSince.set(role, nowMs)
    const took = own.flatMap((agent) => agent.took ?? [])
    const oldest = oldestSeconds(took, this.#waitingSince.get(role) ?? null, nowMs)
    const cpuPercent = spec.autoscale.cpuPercent === undefined ? null : await this.#cpuOf(working)
    return { healthy: working.length, waiting, oldestSeconds: oldest, cpuPercent }
  }

  async #cpuOf(agents: readonly AgentRecord[]): Promise<number | null> {
    const usage = [...(await this.#parts.engine.usage(agents.map(({ id }) => id))).values()]
    return usage.length === 0 ? null : usage.reduce((sum, { cpuPercent }) => sum + cpuPercent, 0) / usage.length
  }

  /** @returns false when somebody else changed the count meanwhile: theirs stands */
  async #carryOut(role: string, from: number, { count, cause }: Decision): Promise<boolean> {
    const { memory, log } = this.#parts
    let mine = false
    await update(memory, keys.wanted, WantedSchema, (current): Wanted | undefined => {
      mine = current?.counts[role] === from
      if (!current || !mine) return undefined
      return { ...current, counts: { ...current.counts, [role]: count }, writtenBy: NAME, at: now() }
    })
    if (!mine) return false
    const because = cause ?? ''
    log('info', `${role} ${from} → ${count}: ${because}`)
    await memory.stream(streams.events).append({ type: 'autoscale', at: now(), role, from, to: count, cause: because })
    const entry: AuditView = {
      ...{ id: randomUUID(), at: now(), by: NAME, action: 'scale', target: `${role}=${count}` },
      outcome: 'ok',
      detail: because,
    }
    await memory.stream(streams.audit).append(entry)
    return true
  }
}

const StatesSchema = z.record(z.string(), ScaleStateSchema)
