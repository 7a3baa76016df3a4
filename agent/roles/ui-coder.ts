import { z } from 'zod'
import { readAs, streamAs } from '../../src/ports/memory/typed.ts'
import { ChainInfoSchema } from '../../src/protocol/chain.ts'
import { type FleetEvent, FleetEventSchema } from '../../src/protocol/event.ts'
import { keys, streams } from '../../src/protocol/keys.ts'
import type { Totals } from '../../src/protocol/snapshot.ts'
import type { Role, RoleContext } from '../role.ts'
import { netOf, readTotals } from './bookkeeping.ts'

type ExecutionEvent = Extract<FleetEvent, { type: 'execution' }>

export function uiCoder(): Role {
  return {
    name: 'ui_coder',
    tools: [
      {
        name: 'render_report',
        description:
          'A Markdown panel of the sums of this chain instance and its last executions, promised and earned.',
        input: z.object({ last: z.int().min(1).max(200).default(20) }),
        run: ({ last }, context) => report(last as number, context),
      },
    ],
  }
}

async function report(last: number, { memory }: RoleContext): Promise<{ markdown: string; executions: number }> {
  const chain = await readAs(memory, keys.chain, ChainInfoSchema)
  if (!chain) return { markdown: '# Trades\n\nThere is no chain yet.\n', executions: 0 }
  const { chainInstance, chainId } = chain.value
  const totals = await readTotals(memory, chainInstance)
  const events = await streamAs(memory, streams.events, FleetEventSchema, { last: 1_000 })
  const executions = events.flatMap(({ value }) => (value.type === 'execution' ? [value] : [])).slice(-last)
  return { markdown: render(`chain ${chainId} (${chainInstance})`, totals, executions), executions: executions.length }
}

/** Amounts are whole wei: a report is for comparing to the last digit. */
export function render(title: string, totals: Totals, executions: readonly ExecutionEvent[]): string {
  const { executed, reverted, refused, expired } = totals
  const rows = executions.map(
    (e) => `| ${e.block} | ${e.tx} | ${e.predictedWei} | ${e.profitWei} | ${e.gasWei} | ${e.exact ? 'yes' : 'NO'} |`,
  )
  return [
    `# Trades on ${title}`,
    '',
    `executed ${executed}, reverted ${reverted}, refused ${refused}, expired ${expired}; net of gas ${netOf(totals)} wei`,
    '',
    '| block | transaction | promised, wei | earned, wei | gas, wei | exact |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
