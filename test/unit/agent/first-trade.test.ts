import { afterAll, beforeAll, expect, test } from 'vitest'
import { listAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { type FleetEvent, FleetEventSchema } from '../../../src/protocol/event.ts'
import { AgentRecordSchema } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { startFleet, type TestFleet, until } from '../../fixtures/agents.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet('test-first-trade')
})
afterAll(() => fleet.stop())

const events = async (): Promise<FleetEvent[]> =>
  (await streamAs(fleet.memory, streams.events, FleetEventSchema, { last: 5_000 })).map(({ value }) => value)

test('ten agents find, check, execute and review trades, and each pays what was predicted, to the wei', async () => {
  const executions = async () => (await events()).flatMap((event) => (event.type === 'execution' ? [event] : []))
  await until('three executions', async () => (await executions()).length >= 3, 60_000).catch((thrown: Error) => {
    throw new Error(`${thrown.message}\n${fleet.lines.slice(-60).join('\n')}`)
  })
  for (const execution of await executions()) {
    expect(execution.exact).toBe(true)
    expect(execution.profitWei).toBe(execution.predictedWei)
    expect(execution.profitWei).toBeGreaterThan(execution.gasWei)
    const [trade] = await fleet.history.read({ kind: 'trade', idPrefix: execution.id })
    expect(trade?.body).toMatchObject({ state: 'executed', exact: true, tx: execution.tx })
    const tasks = await fleet.history.read({ kind: 'task', idPrefix: execution.id })
    expect(tasks.map((task) => task.body.stage)).toEqual(
      expect.arrayContaining(['inspect', 'plan', 'build', 'validate', 'execute', 'review']),
    )
  }
  const agents = await listAs(fleet.memory, keys.agents, AgentRecordSchema)
  expect(agents.map(({ role, state }) => `${role} ${state}`)).toEqual(ROLE_NAMES.map((r) => `${r} healthy`).sort())
}, 90_000)
