import { expect, test } from 'vitest'
import { z } from 'zod'
import { fakeOpportunity, fakeSnapshot } from '../../fixtures/fake-client.ts'
import { taskRecord, tradeRecord } from '../../fixtures/records.ts'
import { runCommand } from '../../fixtures/run-command.ts'

type JsonSchema = Parameters<typeof z.fromJSONSchema>[0]

const schemas = async (): Promise<Record<string, JsonSchema>> =>
  JSON.parse((await runCommand(['schema', '--json'])).stdout)

test('there is a schema for every command that prints something of its own, alone as among all', async () => {
  const all = await schemas()
  const names = [
    'status',
    'ps',
    'scale',
    'logs',
    'opportunities',
    'trades',
    'tasks',
    'events',
    'audit',
    'ledger',
    'locks',
    'tools',
    'call',
  ]
  const others = [
    'up',
    'plan',
    'restart',
    'generate',
    'halt',
    'resume',
    'stop',
    'down',
    'check',
    'build',
    'scan',
    'quote',
    'deploy-executor',
  ]
  expect(Object.keys(all).sort()).toEqual([...names, ...others].sort())
  for (const name of ['status', 'up'])
    expect(JSON.parse((await runCommand(['schema', name])).stdout)).toEqual(all[name])
})

test('amounts are strings of digits in the schema, as they are in what is printed', async () => {
  const { status } = await schemas()
  const profit = (status as { properties: Record<string, unknown> }).properties.profitWei
  expect(profit).toMatchObject({ type: 'string', pattern: expect.stringContaining('\\d') })
})

const snapshot = fakeSnapshot({ beat: 3 })
const PRINTED: readonly (readonly [string, string[], Parameters<typeof runCommand>[1]])[] = [
  ['status', ['status'], { client: { snapshot: async () => snapshot } }],
  ['ps', ['ps'], {}],
  ['opportunities', ['opportunities'], { client: { opportunities: async () => [fakeOpportunity(1, 5, Date.now())] } }],
  ['trades', ['trades'], { client: { trades: async () => [tradeRecord(1).body] } }],
  ['tasks', ['tasks'], { client: { tasks: async () => [taskRecord(1, 1).body] } }],
  ['halt', ['halt', '--reason', 'x'], {}],
  ['restart', ['restart'], {}],
  ['down', ['down', '--volumes'], {}],
  ['stop', ['stop'], {}],
  ['events', ['events'], {}],
  ['tools', ['tools'], {}],
  ['audit', ['audit'], {}],
  ['ledger', ['ledger'], {}],
  ['check', ['check'], {}],
  ['build', ['build'], {}],
]

test.each(PRINTED)(
  'what %s prints is as its schema says, and without a part of it is not',
  async (name, args, parts) => {
    const schema = z.fromJSONSchema((await schemas())[name] as JsonSchema)
    const printed = JSON.parse((await runCommand([...args, '--json'], parts)).stdout)
    expect(schema.safeParse(printed).error).toBeUndefined()
    const [first = ''] = Object.keys(printed)
    const { [first]: _left, ...rest } = printed
    expect(schema.safeParse(rest).success).toBe(false)
  },
)
