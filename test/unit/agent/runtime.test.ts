import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { RunningAgent } from '../../../agent/runtime.ts'
import { begin, pending } from '../../../agent/workflow.ts'
import type { History } from '../../../src/ports/history/history.ts'
import { openHistory } from '../../../src/ports/history/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import { AgentRecordSchema, type RoleName } from '../../../src/protocol/fleet.ts'
import { toJson } from '../../../src/protocol/json.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import type { Task, TaskResult } from '../../../src/protocol/task.ts'
import { agent, openPorts, type Ports, TOKEN, until } from '../../fixtures/agents.ts'
import { addr, hash, INSTANCE, inspection, opportunity, WETH } from '../../fixtures/trade.ts'

let ports: Ports
let running: RunningAgent[]
let results: TaskResult[]
let history: History
beforeAll(async () => {
  history = await openHistory('pglite:')
})
afterAll(() => history.close())
beforeEach(async () => {
  ports = await openPorts(history)
  running = []
  results = []
  await ports.memory.write(keys.chain, {
    ...{ chainInstance: INSTANCE, chainId: 1, sandbox: true, url: 'ipc:/nowhere/anvil.ipc', weth: WETH, seed: null },
    ...{ tokens: [], pools: [], lenders: [], codeHashes: {}, at: now() },
    executor: { address: addr(0xab), codeHash: hash(1) },
  })
  await ports.bus.consume('coordinator', async (message) => {
    if (message.kind === 'result') results.push(message)
  })
})
afterEach(async () => {
  await Promise.all(running.map((one) => one.stop(100)))
  await ports.close()
})

async function start(role: RoleName, over: Parameters<typeof agent>[2] = {}): Promise<RunningAgent> {
  const one = await agent(ports, role, over)
  running.push(one)
  return one
}
const head = (number: number) =>
  ports.memory.write(keys.head, { chainInstance: INSTANCE, number, hash: hash(number), at: now(), pools: 2 })
const record = async (id: string) => (await readAs(ports.memory, keys.agent(id), AgentRecordSchema))?.value

function planTask(over: Partial<Task> = {}): Task {
  const { workflow } = begin({ opportunity: opportunity(), traceparent: 't', live: true })
  const [task] = pending({ ...workflow, inspection: inspection(), stage: 'plan' })
  return { ...(task as Task), ...over }
}

async function client(one: RunningAgent): Promise<Client> {
  const mcp = new Client({ name: 'test', version: '0.0.0' })
  const headers = { authorization: `Bearer ${TOKEN}` }
  const transport = new StreamableHTTPClientTransport(new URL(one.url), { requestInit: { headers } })
  await mcp.connect(transport as Parameters<Client['connect']>[0])
  return mcp
}

test('an agent says that it is there, with its tools, and is gone when it has stopped', async () => {
  const one = await start('planner')
  expect(await record('planner-1')).toMatchObject({ role: 'planner', state: 'healthy', url: one.url })
  expect((await record('planner-1'))?.tools.map(({ name }) => name)).toEqual(['plan_trade'])
  await one.stop()
  await one.done
  expect(await record('planner-1')).toBeUndefined()
  const events = await streamAs(ports.memory, streams.events, FleetEventSchema)
  expect(events.flatMap(({ value }) => (value.type === 'agent' ? [value.state] : []))).toEqual([
    'healthy',
    'draining',
    'stopped',
  ])
})

test('a task of its role is done, and its result goes to the coordinators', async () => {
  await start('planner')
  await ports.bus.publish('planner', planTask())
  await until('a result', () => results.length === 1)
  expect(results[0]).toMatchObject({ stage: 'plan', outcome: 'ok', agent: 'planner-1', reason: null })
  expect(results[0]?.payload).toMatchObject({ opportunityId: hash(1), attempt: 1, sizeRaw: '1000000000000000000' })
})

test('what is past its expiresBlock is answered as expired', async () => {
  await head(109)
  await start('planner')
  await ports.bus.publish('planner', planTask())
  await until('a result', () => results.length === 1)
  expect(results[0]).toMatchObject({ outcome: 'expired', payload: null })
})

test('a payload that is malformed is refused in words; a task of another chain instance gets no answer', async () => {
  await start('planner')
  await ports.bus.publish('planner', planTask({ chainInstance: 'another' }))
  await ports.bus.publish('planner', planTask({ payload: { opportunity: 'none' } }))
  await until('a result', () => results.length === 1)
  expect(results[0]).toMatchObject({ outcome: 'refused', reason: expect.stringContaining('malformed') })
})

test('a task that fails for now goes back to the queue and has no result', async () => {
  const one = await start('code_indexer')
  const [task] = begin({ opportunity: opportunity(), traceparent: 't', live: true }).emits
  await ports.bus.publish('code_indexer', task as Task)
  await until('it is in hand', async () => (await ports.bus.depth('code_indexer')) === 0)
  await one.stop(0)
  expect(await ports.bus.depth('code_indexer')).toBe(1)
  expect(results).toEqual([])
})

test('its MCP tool does what a task does, with the schema of the stage', async () => {
  const mcp = await client(await start('planner'))
  const { tools } = await mcp.listTools()
  const properties = tools[0]?.inputSchema.properties as Record<string, { properties: Record<string, unknown> }>
  expect(properties.opportunity?.properties).toMatchObject({
    sizeRaw: { type: 'string', pattern: '^-?\\d+$' },
    token: { type: 'string', pattern: '^0x[0-9a-f]{40}$' },
  })
  const input = toJson({ opportunity: opportunity(), inspection: inspection() }) as Record<string, unknown>
  const answer = await mcp.callTool({ name: 'plan_trade', arguments: input })
  expect(answer.structuredContent).toMatchObject({ outcome: 'ok', output: { opportunityId: hash(1) } })
  const wrong = await mcp.callTool({ name: 'plan_trade', arguments: { opportunity: 1 } })
  expect(wrong.isError).toBe(true)
  await mcp.close()
})

test('when its port is taken it serves on a free one', async () => {
  const squatter = createServer().listen(0, '127.0.0.1')
  await until('the port is taken', () => squatter.listening)
  const { port } = squatter.address() as AddressInfo
  const one = await start('ui_coder', { mcp: { host: '127.0.0.1', port, token: TOKEN } })
  expect(one.url).not.toContain(`:${port}/`)
  const mcp = await client(one)
  const report = await mcp.callTool({ name: 'render_report', arguments: {} })
  expect(JSON.stringify(report.content)).toContain('Trades on chain 1')
  await mcp.close()
  squatter.close()
})

test('an executor without a key stands by and takes no task', async () => {
  await start('executor', { keys: async () => [] })
  await until('it stands by', async () => (await record('executor-1'))?.state === 'standby')
  await ports.bus.publish('executor', planTask({ stage: 'execute' }))
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(await ports.bus.depth('executor')).toBe(1)
})
