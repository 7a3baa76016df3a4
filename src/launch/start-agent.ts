import { startAgent } from '../../agent/runtime.ts'
import { replicaId } from '../protocol/fleet.ts'
import { parse } from '../protocol/json.ts'
import { LimitsSchema, RiskSchema } from '../protocol/limits.ts'
import type { ProcessParts } from './service.ts'

/** Where every agent mounts what all of them share. */
const PROJECT = '/project'

/** Starts one agent of the fleet. Returns how to end it. */
export async function startAgentProcess(parts: ProcessParts): Promise<() => Promise<void>> {
  const { role, replica, memory, log, version, signal } = parts
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
    projectDir: PROJECT,
    mcp: {
      host: '0.0.0.0',
      port: Number(parts.setting('AGENT_PORT')),
      token: parts.secret('agentToken'),
      advertise: `${role}-${replica}`,
    },
    version,
    log,
    signal,
    graceMs: parts.graceMs,
    ...(role === 'executor' ? { keys: () => executorKeys(parts) } : {}),
    ...(parts.hasSecret('submitUrl') ? { submitUrl: async () => parts.secret('submitUrl') } : {}),
    ...(parts.hasSecret('rpcUrl') ? { rpcUrl: async () => parts.secret('rpcUrl') } : {}),
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
