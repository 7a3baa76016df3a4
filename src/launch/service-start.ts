import { readAs } from '../ports/memory/typed.ts'
import { unreachable } from '../protocol/errors.ts'
import {
  LimitsSchema,
  RiskSchema,
  replicaId,
  type ServiceRecord,
  type Wanted,
  WantedSchema,
} from '../protocol/fleet.ts'
import { parse } from '../protocol/json.ts'
import { HEARTBEAT, keys } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'
import { announce } from './announce.ts'
import type { ProcessParts } from './service.ts'

type End = () => Promise<void>

/** Starts the process that `parts.name` names; loads only what it needs. Returns how to end it. */
export function startProcess(parts: ProcessParts): Promise<End> {
  switch (parts.name) {
    case 'agent':
      return agent(parts)
    case 'sandbox':
      return sandbox(parts)
    case 'hub':
      return hub(parts)
    case 'bot':
      return bot(parts)
    case 'controller':
      return controller(parts)
    default:
      return unreachable(parts.name)
  }
}

async function agent(parts: ProcessParts): Promise<End> {
  const { role, replica, memory, log, version, signal } = parts
  const { startAgent } = await import('../../agent/runtime.ts')
  const bus = await parts.openBus()
  const history = parts.history()
  const running = await startAgent({
    id: replicaId(role, replica),
    role,
    replica,
    memory,
    bus,
    history,
    limits: parse(LimitsSchema, parts.secret('limits'), 'the limits file'),
    ...(parts.hasSecret('risk') && { risk: parse(RiskSchema, parts.secret('risk'), 'the risk file') }),
    live: parts.setting('ARBDECK_LIVE') === 'true',
    mcp: {
      host: '0.0.0.0',
      port: Number(parts.setting('AGENT_PORT')),
      token: parts.secret('agentToken'),
      advertise: `${role}-${replica}`,
    },
    version,
    log,
    signal,
    ...(role === 'executor' ? { keys: () => executorKeys(parts) } : {}),
    ...(parts.hasSecret('submitUrl') ? { submitUrl: async () => parts.secret('submitUrl') } : {}),
    ...rpcUrlOf(parts),
  })
  return async () => {
    await running.stop()
    await Promise.allSettled([bus.close(), history.close(), memory.close()])
  }
}

async function executorKeys(parts: ProcessParts) {
  const given = parts.hasSecret('executorKeys') ? parts.secret('executorKeys') : ''
  if (given !== '') return given.split('\n') as `0x${string}`[]
  const { executorKey, SANDBOX_EXECUTORS } = await import('../../agent/sandbox/keys.ts')
  const seed = parts.secret('practiceSeed')
  return Array.from({ length: SANDBOX_EXECUTORS }, (_, i) => executorKey(seed, i + 1))
}

const rpcUrlOf = (parts: ProcessParts) =>
  parts.hasSecret('rpcUrl') ? { rpcUrl: async () => parts.secret('rpcUrl') } : {}

async function sandbox(parts: ProcessParts): Promise<End> {
  const { startSandbox } = await import('../../agent/sandbox/sandbox.ts')
  const { memory, fleet, log } = parts
  const running = await startSandbox({
    memory,
    fleet,
    log,
    seed: parts.setting('ARBDECK_SEED'),
    practiceSeed: parts.secret('practiceSeed'),
    host: '0.0.0.0',
    port: Number(parts.setting('SANDBOX_PORT')),
    publicUrl: parts.setting('SANDBOX_URL'),
    anvilBinary: parts.setting('ARBDECK_ANVIL'),
    artefactsFile: parts.setting('ARBDECK_ARTEFACTS'),
  })
  await announce(memory, 'sandbox', running.url)
  return async () => {
    await running.stop()
    await memory.close()
  }
}

async function hub(parts: ProcessParts): Promise<End> {
  const { startHub } = await import('../hub/hub.ts')
  const { memory, log, version } = parts
  const bus = await parts.openBus()
  const history = parts.history()
  const port = Number(parts.setting('HUB_PORT'))
  const running = await startHub({
    memory,
    bus,
    history,
    host: '0.0.0.0',
    port,
    advertise: `http://mcp-coordinator:${port}`,
    operatorToken: parts.secret('operatorToken'),
    agentToken: parts.secret('agentToken'),
    version,
    log,
  })
  await announce(memory, 'hub', running.url)
  return async () => {
    await running.close()
    await Promise.allSettled([bus.close(), history.close(), memory.close()])
  }
}

async function bot(parts: ProcessParts): Promise<End> {
  const [{ startBot }, { openChainAccess }, { openRpc }] = await Promise.all([
    import('../../agent/market/bot.ts'),
    import('../../agent/chain-access.ts'),
    import('../../agent/dex/rpc.ts'),
  ])
  const { memory, log, signal } = parts
  const bus = await parts.openBus()
  const { spec } = await wantedOf(parts)
  const access = openChainAccess({ memory, openRpc, signal, ...rpcUrlOf(parts) })
  const running = startBot({
    id: `bot-${process.env.HOSTNAME ?? process.pid}`,
    memory,
    bus,
    chain: access.chain,
    ...rpcUrlOf(parts),
    spec,
    log,
  })
  return async () => {
    await running.stop()
    access.close()
    await Promise.allSettled([bus.close(), memory.close()])
  }
}

async function controller(parts: ProcessParts): Promise<End> {
  const [{ runReconciler }, { openEngine }, { fleetUnits }] = await Promise.all([
    import('../fleet/reconcile.ts'),
    import('../ports/engine/open.ts'),
    import('../fleet/units.ts'),
  ])
  const { memory, log, fleet, signal } = parts
  const engine = await openEngine(parts.setting('ENGINE_URL'), { fleet })
  const owner = `controller-${process.env.HOSTNAME ?? process.pid}`
  const keeping = runReconciler(
    { memory, engine, owner, log, unitsOf: fleetUnits, keeps: (id) => id !== 'controller' },
    signal,
  )
  const beating = setInterval(() => void beat(parts), HEARTBEAT.everyMs)
  await beat(parts)
  await announce(memory, 'controller')
  return async () => {
    clearInterval(beating)
    await keeping
    await Promise.allSettled([engine.close(), memory.close()])
  }
}

async function beat({ memory, log }: ProcessParts): Promise<void> {
  const record: ServiceRecord = { name: 'controller', state: 'healthy', at: now() }
  await memory
    .write(keys.service('controller'), record, { ttlMs: HEARTBEAT.ttlMs })
    .catch((thrown: Error) => log('warn', thrown.message))
}

async function wantedOf({ memory, signal }: ProcessParts): Promise<Wanted> {
  for (;;) {
    const wanted = await readAs(memory, keys.wanted, WantedSchema)
    if (wanted) return wanted.value
    signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
