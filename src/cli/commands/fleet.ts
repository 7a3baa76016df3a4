import type { FleetClient } from '../../client/client.ts'
import { roleNamed } from '../../client/scale.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { RoleName } from '../../protocol/fleet.ts'
import type { PlanLine } from '../../protocol/plan-line.ts'
import { type Snapshot, StatusSchema } from '../../protocol/snapshot.ts'
import { type Command, type CommandContext, textOf } from '../command.ts'
import { eventText } from '../event-text.ts'
import { coin, megabytes, table, timeOf } from '../text.ts'

/** Opens the fleet that is there, and closes it afterwards. */
export async function withFleet<T>(context: CommandContext, use: (client: FleetClient) => Promise<T>): Promise<T> {
  const client = await context.launcher.attach(context.options)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

/**
 * The same, after the roles that were named have been held against those of the fleet; where it is not there, against those
 * of the manifest.
 */
export async function withRoles<T>(
  context: CommandContext,
  named: readonly RoleName[],
  use: (client: FleetClient) => Promise<T>,
): Promise<T> {
  const allIn = (roles: readonly RoleName[]) => named.forEach((name) => void roleNamed(name, roles))
  const client = await context.launcher.attach(context.options).catch((thrown: unknown) => {
    if (named.length > 0) allIn(context.launcher.rolesOf(context.options))
    throw thrown
  })
  try {
    if (named.length > 0) allIn((await client.snapshot()).roles.map(({ role }) => role))
    return await use(client)
  } finally {
    await client.close()
  }
}

export const statusCommand: Command = {
  name: 'status',
  describe: 'the fleet by role, its services, the chain, the profit',
  options: {
    plan: { type: 'boolean', default: false, describe: 'what would be done to make the fleet as wanted, and why' },
  },
  run: (context, argv) =>
    withFleet(context, async (client) => {
      if (argv.plan === true) {
        showPlan(context, await client.plan())
        return 0
      }
      const snapshot = await client.snapshot({ usage: true })
      const status = Object.fromEntries(
        Object.keys(StatusSchema.shape).map((key) => [key, snapshot[key as keyof Snapshot]]),
      )
      context.out.document(status, () => statusText(snapshot))
      return 0
    }),
}

/** A plan, a line each. */
export function showPlan({ out }: CommandContext, plan: readonly PlanLine[]): void {
  out.document({ plan }, () =>
    plan.length === 0
      ? 'nothing to do: the fleet is as wanted'
      : plan.map(({ kind, id, cause }) => `${kind} ${id}: ${cause}`).join('\n'),
  )
}

function failureText({ id, cause, count, lines, until }: Failure): string {
  const waits = Date.parse(until) > Date.now() ? `, starts again at ${timeOf(until)}` : ''
  const said = lines.map((line) => `\n    ${line}`).join('')
  return `${id} ${cause}${count > 1 ? `, ${count} times in a row` : ''}${waits}${said}`
}

function statusText(s: Snapshot): string {
  const head = s.chain.head === null ? 'no block yet' : `block ${s.chain.head}`
  const halted = s.halt.set ? `HALTED${s.halt.reason ? `: ${s.halt.reason}` : ''}` : 'not halted'
  const rows = s.roles.map((r) => [
    r.role,
    r.want,
    r.running,
    r.healthy,
    r.restarts,
    r.cpuPercent === null ? '-' : Math.round(r.cpuPercent),
    megabytes(r.memoryBytes),
  ])
  return [
    `fleet ${s.fleet} on ${s.engine}, profile ${s.profile}; chain ${s.chain.name} (${s.chain.id}), ${head}; ${halted}`,
    `trades: ${s.trades.executed} executed, ${s.trades.reverted} reverted, ${s.trades.refused} refused, ${s.trades.expired} expired; profit after gas ${coin(s.profitWei)}`,
    '',
    table(['ROLE', 'WANT', 'RUNNING', 'HEALTHY', 'RESTARTS', 'CPU %', 'MB'], rows),
    '',
    table(
      ['SERVICE', 'STATE', 'HEALTH', 'ADDRESS'],
      s.services.map((v) => [v.name, v.state, v.health, v.url ?? '']),
    ),
    ...(s.failures.length > 0 ? ['', 'failed in the last ten minutes:', ...s.failures.map(failureText)] : []),
    ...s.stale.map((stale) => `stale since ${stale.since}: ${stale.source}: ${stale.message}`),
  ].join('\n')
}

export const psCommand: Command = {
  name: 'ps [role]',
  describe: 'one row an agent',
  positionals: (yargs) => yargs.positional('role', { type: 'string', describe: 'only this role' }),
  run: async (context, argv) => {
    const role = textOf(argv, 'role')
    return withRoles(context, role === undefined ? [] : [role], async (client) => {
      const { agents } = await client.snapshot({ usage: true })
      const shown = agents.filter((agent) => role === undefined || agent.role === role)
      const rows = shown.map((a) => [
        a.id,
        a.state,
        a.tasksDone,
        a.restarts,
        a.cpuPercent === null ? '-' : Math.round(a.cpuPercent),
        megabytes(a.memoryBytes),
        a.url ?? '',
        a.note ?? '',
      ])
      context.out.document({ agents: shown }, () =>
        table(['AGENT', 'STATE', 'DONE', 'RESTARTS', 'CPU %', 'MB', 'MCP', 'NOTE'], rows),
      )
      return 0
    })
  },
}

export const haltCommand: Command = {
  name: 'halt',
  describe: 'the kill switch: no executor signs while it is set',
  options: { reason: { type: 'string', describe: 'why, for everyone who looks' } },
  run: (context, argv) =>
    withFleet(context, async (client) => {
      const reason = textOf(argv, 'reason') ?? null
      await client.halt(reason)
      context.out.document({ halt: { set: true, reason } }, () => `halted${reason ? `: ${reason}` : ''}`)
      return 0
    }),
}

export const resumeCommand: Command = {
  name: 'resume',
  describe: 'lift the halt',
  run: (context) =>
    withFleet(context, async (client) => {
      await client.resume()
      context.out.document({ halt: { set: false, reason: null } }, () => 'resumed')
      return 0
    }),
}

export const restartCommand: Command = {
  name: 'restart [target]',
  describe: 'replace an agent, a role, a service, or all agents',
  positionals: (yargs) =>
    yargs.positional('target', { type: 'string', describe: 'executor-1, executor, hub; nothing: all agents' }),
  run: (context, argv) =>
    withFleet(context, async (client) => {
      const restarted = await client.restart(textOf(argv, 'target') ?? null)
      context.out.document({ restarted }, () => `restarted ${restarted.join(', ')}`)
      return 0
    }),
}

function ending(name: string, describe: string, how: { remove: boolean }, options: Command['options'] = {}): Command {
  return {
    name,
    describe,
    options,
    run: async (context, argv) => {
      const volumes = argv.volumes === true
      await context.launcher.down(context.options, { ...how, volumes }, (event) => context.out.remark(eventText(event)))
      context.out.document(
        { fleet: context.options.fleet, ended: name, volumes },
        () =>
          `fleet ${context.options.fleet} is ${name === 'stop' ? 'stopped; its data stays' : `down${volumes ? ', its data removed' : '; its data stays'}`}`,
      )
      return 0
    },
  }
}

export const stopCommand = ending('stop', 'end the processes, keep containers and data', { remove: false })
export const downCommand = ending(
  'down',
  'end and remove the fleet',
  { remove: true },
  { volumes: { type: 'boolean', default: false, describe: 'remove the data too' } },
)
