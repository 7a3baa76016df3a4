import { z } from 'zod'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { listAs, readAs, update } from '../../src/ports/memory/typed.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import {
  AgentRecordSchema,
  type Halt,
  HaltSchema,
  type RoleName,
  RoleNameSchema,
  roleSpec,
  WantedSchema,
} from '../../src/protocol/fleet.ts'
import { keys, streams } from '../../src/protocol/keys.ts'
import type { AuditView } from '../../src/protocol/records.ts'
import { now } from '../../src/protocol/schemas.ts'
import { tell } from '../agent-record.ts'
import { knownInstance } from '../chain-access.ts'
import type { Role, RoleContext, RoleTool } from '../role.ts'
import { netOf, readTotals } from './bookkeeping.ts'
import { projectTools } from './project-tools.ts'

export function admin(): Role {
  return { name: 'admin', tools: [fleetStatus, setHalt, scaleRole, ...projectTools] }
}

const fleetStatus: RoleTool = {
  name: 'fleet_status',
  description: 'Wanted and living agents by role, the kill switch, and the sums of this chain instance.',
  input: z.object({}),
  async run(_input, { memory }) {
    const wanted = await readAs(memory, keys.wanted, WantedSchema)
    const agents = await listAs(memory, keys.agents, AgentRecordSchema)
    const roles = Object.entries(wanted?.value.counts ?? {}).map(([role, want]) => {
      const mine = agents.filter((agent) => agent.role === role)
      const healthy = mine.filter(({ state }) => state === 'healthy' || state === 'standby').length
      return { role, want, running: mine.length, healthy }
    })
    const instance = await knownInstance(memory)
    const totals = instance === null ? null : await readTotals(memory, instance)
    const { counted: _ids, ...sums } = totals ?? { counted: [] }
    const halt = (await readAs(memory, keys.halt, HaltSchema))?.value
    return {
      roles,
      halt: { set: halt?.set ?? true, reason: halt ? halt.reason : 'the switch is absent, which counts as set' },
      chainInstance: instance,
      trades: sums,
      profitWei: totals && netOf(totals),
    }
  },
}

const setHalt: RoleTool = {
  name: 'set_halt',
  description: 'Sets or clears the kill switch: no executor signs while it is set.',
  input: z.object({ set: z.boolean(), reason: z.string().min(1).nullable().default(null) }),
  async run(input, context) {
    const { set, reason } = input as { set: boolean; reason: string | null }
    const halt: Halt = { set, reason: set ? reason : null, by: context.id, at: now() }
    await context.memory.write(keys.halt, halt)
    await tell(context.memory, { type: 'halt', set, reason: halt.reason, by: context.id })
    await audit(context, set ? 'halt' : 'resume', 'fleet', halt.reason)
    return halt
  },
}

const scaleRole: RoleTool = {
  name: 'scale_role',
  description: 'Sets how many agents of a role are wanted; the controller makes it so.',
  input: z.object({ role: RoleNameSchema, count: z.int().min(0) }),
  async run(input, context) {
    const { role, count } = input as { role: RoleName; count: number }
    const written = await update(context.memory, keys.wanted, WantedSchema, (wanted) => {
      if (!wanted) throw notWanted()
      const { max } = roleSpec(wanted.spec, role)
      if (count > max) throw tooMany(role, count, max)
      return { ...wanted, counts: { ...wanted.counts, [role]: count }, writtenBy: context.id, at: now() }
    })
    if (!written) throw notWanted()
    const { counts, profile } = written
    await tell(context.memory, { type: 'scale', counts, profile, by: context.id })
    await audit(context, 'scale', role, `${count}`)
    return { counts }
  },
}

async function audit(context: RoleContext, action: string, target: string, detail: string | null): Promise<void> {
  const at = now()
  const entry: AuditView = {
    id: `${context.id}/${at}/${action}`,
    at,
    by: context.id,
    action,
    target,
    outcome: 'ok',
    detail,
  }
  await appendAudit(context.memory, entry)
  await context.history.append([{ kind: 'audit', id: entry.id, at, body: entry }])
}

const appendAudit = (memory: SharedMemory, entry: AuditView): Promise<string> =>
  memory.stream(streams.audit).append(entry, 1_000)

const notWanted = (): FleetError =>
  new FleetError('fleet_not_running', 'nobody has said what this fleet should be', {
    remedy: 'Start it with arbdeck up, which writes the wanted counts.',
  })

const tooMany = (role: string, count: number, max: number): FleetError =>
  new FleetError('usage', `${count} is more than a ${role} may have (${max})`, {
    remedy: 'Ask for less, or raise max in the manifest and take the fleet up again.',
  })
