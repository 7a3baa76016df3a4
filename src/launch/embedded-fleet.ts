import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DirectClient } from '../client/direct.ts'
import { openHubClient } from '../client/hub.ts'
import type { StateFolder } from '../client/state.ts'
import { runAutoscaler } from '../fleet/autoscaler.ts'
import { runReconciler } from '../fleet/reconcile.ts'
import { openBus } from '../ports/bus/open.ts'
import { openEmbeddedEngine } from '../ports/engine/embedded.ts'
import type { Engine, UnitSpec } from '../ports/engine/engine.ts'
import { openHistory } from '../ports/history/open.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { openMemory } from '../ports/memory/open.ts'
import { readAs } from '../ports/memory/typed.ts'
import type { ChainInfo } from '../protocol/chain.ts'
import { FleetError } from '../protocol/errors.ts'
import { type ServiceRecord, ServiceRecordSchema } from '../protocol/fleet.ts'
import { HEARTBEAT, keys } from '../protocol/keys.ts'
import type { LogLevel } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import type { ChainChoice } from './chain-choice.ts'
import { describeMarket } from './chain-market.ts'
import { startEmbeddedUnit } from './embedded-start.ts'
import { embeddedUnits } from './embedded-units.ts'
import { persistOf } from './kept-memory.ts'
import { laterHistory } from './later-history.ts'
import type { Purse } from './purse.ts'
import { partsLeftOut } from './role-parts.ts'
import { type WantedInputs, writeWanted } from './wanted.ts'

export interface EmbeddedOptions {
  state: StateFolder
  wanted: Omit<WantedInputs, 'images' | 'engine' | 'chain' | 'chainId' | 'running' | 'usualHubPort'>
  chain: ChainChoice
  /** What `chain` is; undefined: the sandbox says it. */
  market: ChainInfo | undefined
  /** What it sends with on a chain that is not the sandbox. */
  purse: Purse
  version: string
  /** Asked to end the fleet over the control socket. */
  onEnd(how: { remove: boolean; volumes: boolean }): Promise<void>
}

export interface EmbeddedFleet {
  client: DirectClient
  /** Ends agents, services and the node, and closes what is stored. */
  stop(): Promise<void>
}

const STOP_GRACE_MS = 3_000
/** In the state folder: what of shared memory outlives the host. */

/** Starts a fleet in this process: embedded bus and memory, PGlite, anvil as a child. Resolves before it is healthy. */
export async function startEmbeddedFleet(options: EmbeddedOptions): Promise<EmbeddedFleet> {
  const { state, chain, version } = options
  const { fleet } = options.wanted
  mkdirSync(state.file('logs'), { recursive: true, mode: 0o700 })
  const memory = await openMemory('embedded:', { fleet, persist: persistOf(state, chain) })
  const bus = await openBus('embedded:', { fleet })
  await writeWanted(memory, {
    ...options.wanted,
    engine: 'embedded',
    chain: chain.name,
    chainId: chain.chainId,
    images: {},
    usualHubPort: 0,
    running: false,
  })
  const { market } = options
  if (market) await memory.write(keys.chain, market)

  const life = new AbortController()
  const history = laterHistory(openHistory(`pglite:${state.file('history')}`, { template: historyTemplate() }))
  const tokens = {
    operator: state.token('token'),
    agent: state.token('agent-token'),
    practiceSeed: state.token('practice-seed'),
  }
  const engine = openEmbeddedEngine({
    stateDir: state.dir,
    startUnit: (unit, log) =>
      startEmbeddedUnit(unit, log, { memory, bus, history, tokens, chain, purse: options.purse, state, version }),
  })
  const log = (level: LogLevel, message: string) => void say(memory, level, message)
  if (market) log('info', describeMarket(market, chain.name))
  for (const left of partsLeftOut(options.wanted.spec)) log('warn', left)
  const reconciler = { memory, engine, unitsOf: embeddedUnits, keeps: () => true, owner: `host-${process.pid}`, log }
  const keeping = runReconciler(reconciler, life.signal)
  const scaling = runAutoscaler({ ...reconciler, bus }, life.signal)
  const beating = beatController(memory, life.signal)

  const client = new DirectClient({
    fleet,
    engineName: 'embedded',
    engine,
    memory,
    records: { records: (query) => history.read(query) },
    hub: hubCaller(memory, tokens.operator),
    by: 'operator',
    unitsOf: embeddedUnits,
    keepWhole: async () => undefined,
    end: options.onEnd,
    close: async () => undefined,
  })

  return {
    client,
    stop: async () => {
      life.abort()
      await Promise.allSettled([keeping, scaling, beating])
      await stopAll(engine, await engine.list())
      await Promise.allSettled([engine.close(), bus.close(), memory.close(), history.close()])
    },
  }
}

/** The empty database that the build made; undefined when this does not run from a build. */
function historyTemplate(): string | undefined {
  const file = fileURLToPath(new URL('../history/empty.tar.gz', import.meta.url))
  return existsSync(file) ? file : undefined
}

/** Agents first, then what they need; the node last. */
async function stopAll(engine: Engine, units: readonly { id: string; unit: UnitSpec['unit'] }[]): Promise<void> {
  const stop = (ids: string[]) =>
    Promise.allSettled(ids.map((id) => engine.stop(id, { graceMs: STOP_GRACE_MS, remove: false })))
  await stop(units.filter((u) => u.unit.kind === 'agent').map((u) => u.id))
  await stop(['bot', 'hub'])
  await stop(['sandbox'])
}

/** The host keeps the fleet itself, so it says that the controller lives. */
async function beatController(memory: SharedMemory, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const record: ServiceRecord = { name: 'controller', state: 'healthy', at: now() }
    await memory.write(keys.service('controller'), record, { ttlMs: HEARTBEAT.ttlMs }).catch(() => undefined)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, HEARTBEAT.everyMs)
      function done() {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}

/** Tools are called through the hub like everybody else does, so that every call is audited. */
function hubCaller(memory: SharedMemory, token: string) {
  const withHub = async <T>(use: (hub: ReturnType<typeof openHubClient>) => Promise<T>): Promise<T> => {
    const hub = await readAs(memory, keys.service('hub'), ServiceRecordSchema)
    if (!hub?.value.url)
      throw new FleetError('hub_unreachable', 'the hub does not run', {
        remedy: 'Wait for it, or see arbdeck logs hub.',
        transient: true,
      })
    const client = openHubClient({ url: hub.value.url, token })
    try {
      return await use(client)
    } finally {
      await client.close()
    }
  }
  return {
    tools: () => withHub((hub) => hub.tools()),
    call: (tool: string, input: Record<string, unknown>) => withHub((hub) => hub.call(tool, input)),
  }
}

async function say(memory: SharedMemory, level: LogLevel, message: string): Promise<void> {
  if (level === 'debug') return
  await memory.stream('events').append({ type: 'note', at: now(), level, from: 'controller', message })
}
