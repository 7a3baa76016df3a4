import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { RunningAgent } from '../../agent/runtime.ts'
import { begin, pending } from '../../agent/workflow.ts'
import type { TaskBus } from '../../src/ports/bus/bus.ts'
import { openBus } from '../../src/ports/bus/open.ts'
import type { History } from '../../src/ports/history/history.ts'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { openMemory } from '../../src/ports/memory/open.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { AgentRecordSchema } from '../../src/protocol/fleet.ts'
import { keys } from '../../src/protocol/keys.ts'
import { now } from '../../src/protocol/schemas.ts'
import type { Task, TaskResult } from '../../src/protocol/task.ts'
import { agent, until } from '../fixtures/agents.ts'
import { describeDocker } from '../fixtures/docker.ts'
import { startRabbit, type TestServer } from '../fixtures/servers.ts'
import { addr, hash, INSTANCE, inspection, opportunity, WETH } from '../fixtures/trade.ts'

const NO_HISTORY: History = { append: async () => undefined, read: async () => [], close: async () => undefined }

describeDocker('an agent that is told to end', () => {
  let rabbit: TestServer
  let memory: SharedMemory
  let buses: TaskBus[]
  let agents: RunningAgent[]
  let results: TaskResult[]
  let fleets = 0

  beforeAll(async () => {
    rabbit = await startRabbit()
    await (await openBus(rabbit.url, { fleet: 'drain', password: rabbit.password, waitMs: 60_000 })).close()
  }, 90_000)
  afterAll(() => rabbit.remove())

  beforeEach(async () => {
    fleets += 1
    buses = []
    agents = []
    results = []
    memory = await openMemory('embedded:', { fleet: 'test' })
    await memory.write(keys.chain, {
      ...{ chainInstance: INSTANCE, chainId: 1, sandbox: true, url: 'ipc:/nowhere/anvil.ipc', weth: WETH, seed: null },
      ...{ tokens: [], pools: [], lenders: [], codeHashes: {}, at: now() },
      executor: { address: addr(0xab), codeHash: hash(1) },
    })
    const coordinator = await bus()
    await coordinator.consume('coordinator', async (message) => {
      if (message.kind === 'result') results.push(message)
    })
  })
  afterEach(async () => {
    await Promise.all(agents.map((one) => one.stop(0)))
    await Promise.all(buses.map((one) => one.close()))
    await memory.close()
  })

  /** A connection of its own, as a process has it. */
  async function bus(): Promise<TaskBus> {
    const one = await openBus(rabbit.url, { fleet: `drain-${fleets}`, password: rabbit.password })
    buses.push(one)
    return one
  }

  /** A planner whose tasks take so long. */
  async function planner(replica: number, taskMs: number, life: AbortSignal, graceMs: number): Promise<RunningAgent> {
    const write: SharedMemory['write'] = async (key, ...rest) => {
      if (key.startsWith('claim/')) await pause(taskMs)
      return memory.write(key, ...rest)
    }
    const slow = new Proxy(memory, {
      get: (far, name) => {
        const value: unknown = Reflect.get(far, name)
        if (name === 'write') return write
        return typeof value === 'function' ? value.bind(far) : value
      },
    })
    const ports = { memory: slow, bus: await bus(), history: NO_HISTORY, close: async () => undefined }
    const one = await agent(ports, 'planner', { replica, signal: life, graceMs })
    agents.push(one)
    return one
  }

  function planTask(n: number): Task {
    const found = opportunity({
      id: hash(n),
      hops: opportunity().hops.map((hop, i) => ({ ...hop, pool: addr(n * 10 + i) })),
    })
    const { workflow } = begin({ opportunity: found, traceparent: 't', live: true })
    const [task] = pending({ ...workflow, inspection: inspection(), stage: 'plan' })
    return task as Task
  }
  const inHand = (id: 'planner-1' | 'planner-2') =>
    until(`${id} has a task`, async () => {
      const record = await readAs(memory, keys.agent(id), AgentRecordSchema)
      return record?.value.task !== undefined
    })
  const answered = () => results.map(({ opportunityId, agent: by }) => `${opportunityId.slice(-1)} by ${by}`).sort()

  test('finishes the task in hand within its grace, takes no other, and leaves', async () => {
    const life = new AbortController()
    const first = await planner(1, 700, life.signal, 5_000)
    const publisher = await bus()
    await publisher.publish('planner', planTask(1))
    await inHand('planner-1')
    life.abort()
    await publisher.publish('planner', planTask(2))
    const endsAt = Date.now()
    await first.done
    expect(Date.now() - endsAt).toBeLessThan(3_000)
    expect(answered()).toEqual(['1 by planner-1'])
    expect(await memory.read(keys.agent('planner-1'))).toBeUndefined()
    await planner(2, 0, new AbortController().signal, 5_000)
    await until('the other task is done', () => results.length === 2)
    expect(answered()).toEqual(['1 by planner-1', '2 by planner-2'])
    await pause(300)
    expect(results).toHaveLength(2)
  })

  test('gives back what it cannot finish in time, and another does it', async () => {
    const life = new AbortController()
    const first = await planner(1, 30_000, life.signal, 2_000)
    const publisher = await bus()
    await publisher.publish('planner', planTask(3))
    await inHand('planner-1')
    await planner(2, 0, new AbortController().signal, 2_000)
    const toldAt = Date.now()
    life.abort()
    await first.done
    expect(Date.now() - toldAt, 'it is gone before it would be killed').toBeLessThan(2_000)
    await until('the other does it', () => results.length === 1)
    expect(answered()).toEqual(['3 by planner-2'])
  })
})
