// One pass of the reconciler over 500 embedded agents: look, plan, begin. Prints JSON: milliseconds.
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { Keeper } from '../../../src/fleet/reconcile.ts'
import { fleetUnits } from '../../../src/fleet/units.ts'
import { openEmbeddedEngine } from '../../../src/ports/engine/embedded.ts'
import type { UnitSpec } from '../../../src/ports/engine/engine.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { type AgentRecord, roleNames, type Wanted } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { TradePlanSchema, VerdictSchema } from '../../../src/protocol/trade.ts'
import { testWanted } from '../../fixtures/wanted.ts'
import { figure } from '../dex/figures.ts'

const BAR_MS = 50

interface Spread {
  p50: number
  p99: number
  max: number
  /** Of this process's CPU, a pass, on average: what other work on the machine does not change. */
  cpu: number
}

export interface PassFigures {
  agents: number
  passes: number
  /** Nothing to do. */
  rest: Spread
  /** Every agent's description changes before each: a role is replaced one by one. */
  rolling: Spread
  /** A tenth of the agents crash before each. */
  healing: Spread
}

/** @param passes of each kind */
export async function reconcilerPass({ passes = 40 } = {}): Promise<PassFigures> {
  const crash = new Map<string, () => void>()
  const engine = openEmbeddedEngine({
    startUnit: async ({ id }) => {
      let end = (_error?: Error) => {}
      const done = new Promise<void>((resolve, reject) => {
        end = (error) => (error ? reject(error) : resolve())
      })
      crash.set(id, () => end(new Error('killed')))
      return { stop: async () => end(), done }
    },
  })
  const memory = await openMemory('embedded:', { fleet: 'bench' })
  const wanted = fullWanted()
  await memory.write(keys.wanted, wanted)
  const agents = fleetUnits(wanted).filter(({ unit }) => unit.kind === 'agent')
  let version = ''
  const unitsOf = () => agents.map((unit) => ({ ...unit, specHash: `${unit.specHash}${version}` }))
  const keeper = new Keeper({ memory, engine, unitsOf, keeps: () => true, owner: 'bench', log: () => {} }, () => {})
  const beat = () => Promise.all(agents.map((unit) => memory.write(keys.agent(unit.id), recordOf(unit))))
  const run = async (before: (turn: number) => Promise<void>): Promise<Spread> => {
    const ms: number[] = []
    let cpuMs = 0
    for (let turn = 0; turn < passes; turn++) {
      await before(turn)
      await beat()
      const cpu = process.cpuUsage()
      const began = performance.now()
      await keeper.pass(async () => true)
      ms.push(performance.now() - began)
      const { user, system } = process.cpuUsage(cpu)
      cpuMs += (user + system) / 1_000
      await keeper.settled()
    }
    return { ...spread(ms), cpu: round(cpuMs / passes) }
  }
  await run(async () => undefined) // to start them, and to warm up
  const rest = await run(async () => undefined)
  const rolling = await run(async (turn) => {
    version = `v${turn}`
    await memory.write(keys.wanted, wanted)
  })
  const healing = await run(async (turn) => {
    for (let n = turn % 10; n < agents.length; n += 10) crash.get((agents[n] as UnitSpec).id)?.()
  })
  await engine.close()
  await memory.close()
  return { agents: agents.length, passes, rest, rolling, healing }
}

/** 50 agents of each of our ten roles. */
function fullWanted(): Wanted {
  const wanted = testWanted({ engine: 'embedded' })
  return { ...wanted, counts: Object.fromEntries(roleNames(wanted.spec).map((role) => [role, 50])) }
}

/** 5 KB, as a role's tools are on average: the schemas of what they take and give are most of it. */
const TOOL = {
  name: 'a_tool',
  description: 'As long a description as a tool of one of our roles has, more or less, in one sentence.',
  inputSchema: z.toJSONSchema(TradePlanSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>,
  outputSchema: z.toJSONSchema(VerdictSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>,
}

function recordOf({ id, unit }: UnitSpec): AgentRecord {
  if (unit.kind !== 'agent') throw new Error(`${id} is no agent`)
  const { role, replica } = unit
  return {
    ...{ id: id as AgentRecord['id'], role, replica, state: 'healthy', url: `http://127.0.0.1:1/${id}`, tasksDone: 7 },
    ...{ tools: [TOOL], startedAt: now(), at: now() },
  }
}

function spread(ms: number[]): Omit<Spread, 'cpu'> {
  const sorted = [...ms].sort((a, b) => a - b)
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number)
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

const round = (ms: number): number => Math.round(ms * 100) / 100

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const passes = await reconcilerPass()
  const kinds = {
    'nothing to do': passes.rest,
    'a rolling replacement': passes.rolling,
    'a tenth crashed': passes.healing,
  }
  const figures = Object.entries(kinds).map(([kind, { p50 }]) =>
    figure(`a pass over ${passes.agents} embedded agents, ${kind}, p50`, 'ms', p50, { bar: { atMost: BAR_MS } }),
  )
  process.stdout.write(`${JSON.stringify({ ...passes, figures })}\n`)
}
