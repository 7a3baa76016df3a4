import { lookup } from 'node:dns/promises'
import { cpus } from 'node:os'
import { readAs } from '../ports/memory/typed.ts'
import { unreachable } from '../protocol/errors.ts'
import { type ServiceRecord, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { HEARTBEAT, keys } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'
import { announce } from './announce.ts'
import type { ProcessParts } from './service.ts'

type End = () => Promise<void>

/** Starts the process that `parts.name` names; loads only what it needs. Returns how to end it. */
export function startProcess(parts: ProcessParts): Promise<End> {
  switch (parts.name) {
    case 'agent':
      return import('./start-agent.ts').then(({ startAgentProcess }) => startAgentProcess(parts))
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
    host: (await lookup(parts.setting('SANDBOX_HOST'), { family: 4 })).address,
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
  const [{ runReconciler, startsAtOnce }, { leaveToCompose }, { runAutoscaler }, { openEngine }, { fleetUnits }] =
    await Promise.all([
      import('../fleet/reconcile.ts'),
      import('../fleet/adoption.ts'),
      import('../fleet/autoscaler.ts'),
      import('../ports/engine/open.ts'),
      import('../fleet/units.ts'),
    ])
  const { memory, log, fleet, signal } = parts
  const engine = await openEngine(parts.setting('ENGINE_URL'), { fleet })
  // There is one by its container's name: after its own crash it takes the lease up where it left it.
  const owner = 'controller'
  const keeping = runReconciler(
    {
      ...{ memory, engine, owner, log, unitsOf: fleetUnits },
      keeps: (id) => id !== 'controller',
      // Its own machine is the daemon's.
      concurrency: startsAtOnce(cpus().length),
    },
    signal,
  )
  const beating = setInterval(() => void beat(parts), HEARTBEAT.everyMs)
  await beat(parts)
  await announce(memory, 'controller')
  // Last: without a broker agents are kept all the same, and scaled when it is there.
  const bus = parts.openBus()
  const scaling = bus.then((open) => runAutoscaler({ memory, engine, owner, log, bus: open }, signal))
  scaling.catch((thrown: Error) => log('warn', `autoscaling is off: ${thrown.message}`))
  return async () => {
    clearInterval(beating)
    await keeping
    const [open] = await Promise.allSettled([bus, scaling])
    if (open.status === 'fulfilled') await open.value.close()
    await leaveToCompose(memory).catch((thrown: Error) => log('warn', thrown.message))
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
