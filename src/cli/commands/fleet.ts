import type { FleetClient } from '../../client/client.ts'
import { parseScale, roleNamed } from '../../client/scale.ts'
import { FleetError } from '../../protocol/errors.ts'
import { isWhole, type Snapshot, StatusSchema } from '../../protocol/snapshot.ts'
import { type Command, type CommandContext, textOf, wordsOf } from '../command.ts'
import { eventText } from '../event-text.ts'
import { duration } from '../options.ts'
import { coin, megabytes, table } from '../text.ts'

/** Opens the fleet that is there, and closes it afterwards. */
export async function withFleet<T>(context: CommandContext, use: (client: FleetClient) => Promise<T>): Promise<T> {
  const client = await context.launcher.attach(context.options)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

export const statusCommand: Command = {
  name: 'status',
  describe: 'the fleet by role, its services, the chain, the profit',
  run: (context) =>
    withFleet(context, async (client) => {
      const snapshot = await client.snapshot({ usage: true })
      const status = Object.fromEntries(
        Object.keys(StatusSchema.shape).map((key) => [key, snapshot[key as keyof Snapshot]]),
      )
      context.out.document(status, () => statusText(snapshot))
      return 0
    }),
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
    ...s.stale.map((stale) => `stale since ${stale.since}: ${stale.source}: ${stale.message}`),
  ].join('\n')
}

export const psCommand: Command = {
  name: 'ps [role]',
  describe: 'one row an agent',
  positionals: (yargs) => yargs.positional('role', { type: 'string', describe: 'only this role' }),
  run: async (context, argv) => {
    const name = textOf(argv, 'role')
    const role = name === undefined ? undefined : roleNamed(name)
    return withFleet(context, async (client) => {
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
      ])
      context.out.document({ agents: shown }, () =>
        table(['AGENT', 'STATE', 'DONE', 'RESTARTS', 'CPU %', 'MB', 'MCP'], rows),
      )
      return 0
    })
  },
}

const WAIT_MS = 120_000

export const scaleCommand: Command = {
  name: 'scale <changes..>',
  describe: 'set wanted counts: executor=3 planner=+1 reviewer=-1',
  positionals: (yargs) =>
    yargs.positional('changes', {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'ROLE=N, ROLE=+N or ROLE=-N',
    }),
  options: {
    wait: { type: 'boolean', default: false, describe: 'until exactly so many exist and are healthy' },
    timeout: { type: 'string', describe: 'with --wait: give up after this long, with exit 4 [120s]' },
  },
  run: (context, argv) => {
    const changes = parseScale(wordsOf(argv, 'changes'))
    const timeoutMs = duration('--timeout', textOf(argv, 'timeout')) ?? WAIT_MS
    return withFleet(context, async (client) => {
      const counts = await client.scale(changes)
      if (argv.wait === true) await waitWhole(client, timeoutMs, context.signal)
      context.out.document({ counts }, () =>
        changes.map(({ role }) => `${role}: ${counts[role]}${argv.wait ? ', all healthy' : ' wanted'}`).join('\n'),
      )
      return 0
    })
  },
}

/** @throws FleetError `timeout` saying what is still missing */
async function waitWhole(client: FleetClient, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const snapshot = await client.snapshot()
    if (isWhole(snapshot) || signal.aborted) return
    if (Date.now() > deadline) {
      const open = snapshot.roles
        .filter((r) => r.want !== r.healthy || r.running !== r.want)
        .map((r) => `${r.role} ${r.healthy} of ${r.want} healthy, ${r.running} running`)
      throw new FleetError(
        'timeout',
        `the fleet is not as wanted after ${timeoutMs / 1_000} s: ${open.join('; ') || 'surplus agents are still there'}`,
        {
          remedy: 'See arbdeck ps and arbdeck logs, or give a longer --timeout.',
        },
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
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
