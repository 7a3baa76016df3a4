import { z } from 'zod'
import { readAs, streamAs } from '../../src/ports/memory/typed.ts'
import { ChainInfoSchema } from '../../src/protocol/chain.ts'
import { type FleetEvent, FleetEventSchema } from '../../src/protocol/event.ts'
import { ProjectPathSchema } from '../../src/protocol/file-lock.ts'
import { keys, streams } from '../../src/protocol/keys.ts'
import type { Totals } from '../../src/protocol/snapshot.ts'
import { writeLocked } from '../project/project.ts'
import type { Role, RoleContext } from '../role.ts'
import { netOf, readTotals } from './bookkeeping.ts'
import { noProject, projectTools } from './project-tools.ts'

type ExecutionEvent = Extract<FleetEvent, { type: 'execution' }>

export function uiCoder(): Role {
  return {
    name: 'ui_coder',
    tools: [
      {
        name: 'render_report',
        description:
          'A Markdown panel of the sums of this chain instance and its last executions, promised and earned; with saveAs also written to the shared project.',
        input: z.object({ last: z.int().min(1).max(200).default(20), saveAs: ProjectPathSchema.optional() }),
        async run(input, context) {
          const { last, saveAs } = input as { last: number; saveAs?: string }
          if (saveAs === undefined) return report(last, context)
          return saved(saveAs, await report(last, context), context)
        },
      },
      ...projectTools,
    ],
  }
}

/** Beside the panel, where it was written. */
async function saved<T extends { markdown: string }>(path: string, made: T, { project }: RoleContext) {
  if (!project) throw noProject()
  await writeLocked(project, path, async () => made.markdown)
  return { ...made, savedAs: path }
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
