import { FleetError } from '../../protocol/errors.ts'
import type { FleetEvent } from '../../protocol/event.ts'
import type { TradeView } from '../../protocol/records.ts'
import type { Opportunity } from '../../protocol/trade.ts'
import { type Command, textOf } from '../command.ts'
import { eventText } from '../event-text.ts'
import { rawAmount, wholeNumber } from '../options.ts'
import { streamLines } from '../stream.ts'
import { coin, shortHash, table, timeOf } from '../text.ts'
import { withFleet } from './fleet.ts'

const LAST = { last: { type: 'string', describe: 'how many of the newest [100]' } } as const
const lastOf = (argv: Readonly<Record<string, unknown>>): number =>
  wholeNumber('--last', textOf(argv, 'last'), 1, 10_000) ?? 100

export const opportunitiesCommand: Command = {
  name: 'opportunities',
  describe: 'what the bot found',
  options: {
    ...LAST,
    follow: { type: 'boolean', alias: 'f', default: false, describe: 'one a line, as they come' },
    'min-profit': { type: 'string', describe: 'only those that earn at least this (raw units; 1e13 is allowed)' },
  },
  run: (context, argv) => {
    const floor = rawAmount('--min-profit', textOf(argv, 'min-profit')) ?? 0n
    const last = lastOf(argv)
    return withFleet(context, async (client) => {
      if (argv.follow === true) {
        const fits = (event: FleetEvent) => event.type === 'opportunity' && event.profitWei >= floor
        return streamLines(context, client.events({ follow: true }, context.signal), { fits, text: eventText })
      }
      const opportunities = (await client.opportunities({ last })).filter((o) => o.profitRaw >= floor)
      context.out.document({ opportunities }, () =>
        table(['TIME', 'ID', 'BLOCK', 'PROFIT', 'SIZE', 'ROUTE'], opportunities.map(opportunityRow)),
      )
      return 0
    })
  },
}

function opportunityRow(o: Opportunity): (string | number)[] {
  return [
    timeOf(o.at),
    shortHash(o.id),
    o.block,
    coin(o.profitWei),
    coin(o.sizeRaw),
    o.hops.map((hop) => hop.dex).join(' → '),
  ]
}

export const tradesCommand: Command = {
  name: 'trades [id]',
  describe: 'trades that ended, or one of them whole',
  options: LAST,
  positionals: (yargs) => yargs.positional('id', { type: 'string', describe: 'id of a trade, or its beginning' }),
  run: async (context, argv) => {
    const last = lastOf(argv)
    return withFleet(context, async (client) => {
      const id = textOf(argv, 'id')
      const trades = await client.trades({ last, ...(id === undefined ? {} : { id }) })
      if (id !== undefined && trades.length === 0)
        throw new FleetError('not_found', `no ended trade has an id that begins with ${id}`, {
          remedy: 'arbdeck trades lists them; one that still runs is in arbdeck tasks.',
        })
      context.out.document({ trades }, () =>
        table(['TIME', 'ID', 'STATE', 'BLOCK', 'PREDICTED', 'PROFIT', 'GAS', 'WHY'], trades.map(tradeRow)),
      )
      return 0
    })
  },
}

function tradeRow(t: TradeView): (string | number)[] {
  const amount = (value: bigint | null) => (value === null ? '-' : coin(value))
  return [
    timeOf(t.startedAt),
    shortHash(t.id),
    t.state,
    t.block,
    amount(t.predictedWei),
    amount(t.profitWei),
    amount(t.gasWei),
    t.reason ?? '',
  ]
}

export const tasksCommand: Command = {
  name: 'tasks [id]',
  describe: 'what agents did, stage by stage',
  options: LAST,
  positionals: (yargs) => yargs.positional('id', { type: 'string', describe: 'id of a trade, or its beginning' }),
  run: async (context, argv) => {
    const last = lastOf(argv)
    return withFleet(context, async (client) => {
      const id = textOf(argv, 'id')
      const tasks = await client.tasks({ last, ...(id === undefined ? {} : { id }) })
      const rows = tasks.map((t) => [
        timeOf(t.startedAt),
        shortHash(t.tradeId),
        t.stage,
        t.attempt,
        t.agent,
        t.outcome,
        Math.round(t.ms),
        t.reason ?? '',
      ])
      context.out.document({ tasks }, () =>
        table(['TIME', 'TRADE', 'STAGE', 'ATTEMPT', 'AGENT', 'OUTCOME', 'MS', 'WHY'], rows),
      )
      return 0
    })
  },
}

export const eventsCommand: Command = {
  name: 'events',
  describe: 'everything that happens',
  options: { ...LAST, follow: { type: 'boolean', alias: 'f', default: false, describe: 'one a line, as they come' } },
  run: async (context, argv) => {
    const last = lastOf(argv)
    return withFleet(context, async (client) => {
      if (argv.follow === true) {
        return streamLines(context, client.events({ follow: true }, context.signal), {
          fits: () => true,
          text: eventText,
        })
      }
      const events: FleetEvent[] = []
      for await (const event of client.events({ last, follow: false }, context.signal)) events.push(event)
      context.out.document({ events }, () => events.map(eventText).join('\n'))
      return 0
    })
  },
}

export const auditCommand: Command = {
  name: 'audit',
  describe: 'who changed what, and every tool call',
  options: LAST,
  run: async (context, argv) => {
    const last = lastOf(argv)
    return withFleet(context, async (client) => {
      const audit = await client.audit({ last })
      const rows = audit.map((a) => [timeOf(a.at), a.by, a.action, a.target, a.outcome, a.detail ?? ''])
      context.out.document({ audit }, () => table(['TIME', 'BY', 'ACTION', 'TARGET', 'OUTCOME', 'DETAIL'], rows))
      return 0
    })
  },
}
