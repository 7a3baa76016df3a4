import { openChainAccess } from '../../agent/chain-access.ts'
import { openRpc } from '../../agent/dex/rpc.ts'
import { startBot } from '../../agent/market/bot.ts'
import { startAgent } from '../../agent/runtime.ts'
import { executorKey, SANDBOX_EXECUTORS } from '../../agent/sandbox/keys.ts'
import { startSandbox } from '../../agent/sandbox/sandbox.ts'
import type { StateFolder } from '../client/state.ts'
import { startHub } from '../hub/hub.ts'
import type { TaskBus } from '../ports/bus/bus.ts'
import type { RunningUnit } from '../ports/engine/embedded.ts'
import type { UnitSpec } from '../ports/engine/engine.ts'
import type { History } from '../ports/history/history.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { FleetError } from '../protocol/errors.ts'
import { type RoleName, replicaId, type ServiceName, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { keys } from '../protocol/keys.ts'
import type { LogLevel } from '../protocol/records.ts'
import { announce } from './announce.ts'
import type { ChainChoice } from './chain-choice.ts'
import type { Purse } from './purse.ts'

const HOST = '127.0.0.1'

/** What the units of an embedded fleet share. */
export interface EmbeddedParts {
  memory: SharedMemory
  bus: TaskBus
  history: History
  tokens: { operator: string; agent: string; practiceSeed: string }
  chain: ChainChoice
  purse: Purse
  state: StateFolder
  version: string
}

type Log = (level: LogLevel, message: string) => void

/** Starts one unit in this process. */
export async function startEmbeddedUnit(unit: UnitSpec, log: Log, parts: EmbeddedParts): Promise<RunningUnit> {
  const wanted = await readAs(parts.memory, keys.wanted, WantedSchema)
  if (!wanted)
    throw new FleetError('not_found', 'shared memory does not say which fleet is wanted', {
      remedy: 'Run arbdeck up again.',
    })
  const port = Number(unit.env.PORT)
  return unit.unit.kind === 'agent'
    ? startOneAgent(unit.unit, port, log, wanted.value, parts)
    : startService(unit.unit.service, port, log, wanted.value, parts)
}

async function startOneAgent(
  { role, replica }: { role: RoleName; replica: number },
  port: number,
  log: Log,
  wanted: Wanted,
  parts: EmbeddedParts,
): Promise<RunningUnit> {
  const life = new AbortController()
  const { memory, bus, history, tokens, chain, version } = parts
  const agent = await startAgent({
    id: replicaId(role, replica),
    role,
    replica,
    memory,
    bus,
    history,
    limits: wanted.spec.limits,
    risk: wanted.spec.risk,
    live: wanted.live,
    projectDir: parts.state.folder('project'),
    mcp: { host: HOST, port, token: tokens.agent },
    version,
    log,
    signal: life.signal,
    ...(role === 'executor' ? sendingParts(parts) : {}),
    ...rpcUrlOf(chain),
  })
  return { stop: (graceMs) => agent.stop(graceMs), done: agent.done }
}

function sendingParts({ purse: { keys, submitUrl }, tokens }: EmbeddedParts) {
  return {
    keys: async () => keys ?? practiceKeys(tokens.practiceSeed),
    ...(submitUrl === undefined ? {} : { submitUrl: async () => submitUrl }),
  }
}

const practiceKeys = (seed: string) => Array.from({ length: SANDBOX_EXECUTORS }, (_, i) => executorKey(seed, i + 1))

function rpcUrlOf(chain: ChainChoice): { rpcUrl?: () => Promise<string> } {
  const { url } = chain
  return url === null ? {} : { rpcUrl: async () => url }
}

async function startService(
  service: ServiceName,
  port: number,
  log: Log,
  wanted: Wanted,
  parts: EmbeddedParts,
): Promise<RunningUnit> {
  const { memory, bus, history, tokens, state, version } = parts
  switch (service) {
    case 'sandbox': {
      const { fleet, seed } = wanted
      const ipcPath = state.socketPath('anvil.ipc')
      const sandbox = await startSandbox({
        memory,
        seed,
        practiceSeed: tokens.practiceSeed,
        fleet,
        ipcPath,
        log,
      })
      await announce(memory, service, sandbox.url)
      return running(async () => {
        await sandbox.stop()
        state.dropSocket(ipcPath)
      })
    }
    case 'hub': {
      const hub = await startHub({
        memory,
        bus,
        history,
        host: HOST,
        port,
        operatorToken: tokens.operator,
        agentToken: tokens.agent,
        version,
        log,
      })
      await announce(memory, service, hub.url)
      return running(() => hub.close())
    }
    case 'bot': {
      const life = new AbortController()
      const access = openChainAccess({ memory, openRpc, signal: life.signal, ...rpcUrlOf(parts.chain) })
      const bot = startBot({
        id: `bot-${process.pid}`,
        memory,
        bus,
        chain: () => access.chain(),
        ...rpcUrlOf(parts.chain),
        spec: wanted.spec,
        log,
      })
      return running(async () => {
        life.abort()
        await bot.stop()
        access.close()
      })
    }
    default:
      throw new FleetError('internal', `${service} is not a unit of an embedded fleet`, { remedy: 'Report it.' })
  }
}

/** A unit that ends only when it is stopped. */
function running(stop: () => Promise<void>): RunningUnit {
  let finish = () => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  return {
    stop: async () => {
      await stop()
      finish()
    },
    done,
  }
}
