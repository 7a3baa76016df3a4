import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openBus } from '../ports/bus/open.ts'
import type { History } from '../ports/history/history.ts'
import { openHistory } from '../ports/history/open.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { openMemory } from '../ports/memory/open.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { type RoleName, RoleNameSchema } from '../protocol/fleet.ts'
import type { LogLevel } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import { secretFiles } from '../protocol/secrets.ts'
import { dropRoot } from './drop-root.ts'

/** Processes of a fleet start in any order: each waits so long for what it needs. */
const WAIT_MS = 180_000
/** From the request to end to the kill, unless ARBDECK_GRACE_SECONDS says another. */
const GRACE_SECONDS = 10
const SECRETS_LOOK_MS = 250

export type ServiceProcess = 'controller' | 'hub' | 'bot' | 'sandbox' | 'agent'

/** `JobParts` of a process that lives with its fleet. */
export interface ProcessParts extends JobParts {
  name: ServiceProcess
}

/** What a process of the fleet is started with: settings from the environment, secrets from files, one logger. */
export interface JobParts {
  role: RoleName
  replica: number
  fleet: string
  version: string
  memory: SharedMemory
  log(level: LogLevel, message: string): void
  setting(name: string): string
  optional(name: string): string | undefined
  secret(file: keyof typeof secretFiles): string
  hasSecret(file: keyof typeof secretFiles): boolean
  openBus(): ReturnType<typeof openBus>
  /** Opened when it is first used: most processes never do. */
  history(): History
  /** Aborts when the process should end. */
  signal: AbortSignal
  /** From then to its kill. */
  graceMs: number
}

/**
 * Runs one process of a fleet in a container until it is told to end; the exit code.
 * @param start starts it, and resolves with how to end it
 */
export function runService(
  name: ServiceProcess,
  args: string[],
  version: string,
  start: (parts: ProcessParts) => Promise<() => Promise<void>>,
): Promise<number> {
  return runJob(name, args, version, async (job) => {
    const parts = { ...job, name }
    // Told to end while it still waits for what it needs: there is nothing to end in order yet.
    const end = await Promise.race([start(parts), aborted(parts.signal)])
    if (!end) return
    parts.log('info', `${name} started`)
    await aborted(parts.signal)
    await Promise.race([end(), late(parts.graceMs)])
  })
}

/** Runs what ends by itself, in a container of a fleet; the exit code. */
export async function runJob(
  name: ServiceProcess | 'wanted-init',
  args: string[],
  version: string,
  job: (parts: JobParts) => Promise<void>,
): Promise<number> {
  if (name === 'controller') dropRoot('/var/run/docker.sock')
  const log = (level: LogLevel, message: string) =>
    void process.stdout.write(`${JSON.stringify({ at: now(), level, message })}\n`)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
  process.on('unhandledRejection', (thrown) =>
    log('error', `unhandled: ${thrown instanceof Error ? thrown.stack : thrown}`),
  )
  try {
    const opening = openParts(name, args, version, log, stop.signal)
    const parts = await Promise.race([opening, aborted(stop.signal)])
    if (parts) await job(parts)
    return 0
  } catch (thrown) {
    const error = asFleetError(thrown)
    log('error', `${error.message}. ${error.remedy}`)
    return error.exitCode
  }
}

async function openParts(
  name: ServiceProcess | 'wanted-init',
  args: string[],
  version: string,
  log: ProcessParts['log'],
  signal: AbortSignal,
): Promise<JobParts> {
  const { values } = parseArgs({
    args,
    options: { role: { type: 'string', default: 'admin' }, replica: { type: 'string', default: '1' } },
  })
  const optional = (key: string) => process.env[key] || undefined
  const setting = (key: string) => optional(key) ?? missing(`the environment variable ${key} is not set`)
  const folder = optional('ARBDECK_SECRETS') ?? missing('the environment variable ARBDECK_SECRETS is not set')
  const read = (file: keyof typeof secretFiles): string | undefined => {
    try {
      return readFileSync(path.join(folder, secretFiles[file]), 'utf8').trim()
    } catch {
      return undefined
    }
  }
  const secret = (file: keyof typeof secretFiles) =>
    read(file) ?? missing(`there is no secret ${secretFiles[file]} in ${folder}`)
  const fleet = setting('ARBDECK_FLEET')
  // Written last into every volume, by arbdeck up before there is a container, by compose's secrets-init beside it.
  await eventually(() => read('redisPassword') !== undefined, signal)
  const newBus = () =>
    openBus(setting('BUS_URL'), {
      fleet,
      password: secret('rabbitmqPassword'),
      waitMs: WAIT_MS,
      onDeadLetter: (letter) => log('error', `gave up a message for ${letter.role}: ${letter.reason}`),
    })
  // An agent needs both, and its start is waited for: the one is opened while the other is.
  let early = name === 'agent' ? newBus() : undefined
  early?.catch(() => undefined)
  return {
    role: RoleNameSchema.parse(values.role),
    replica: Number(values.replica),
    fleet,
    version,
    log,
    setting,
    optional,
    secret,
    hasSecret: (file) => read(file) !== undefined,
    signal,
    graceMs: Number(optional('ARBDECK_GRACE_SECONDS') ?? GRACE_SECONDS) * 1_000,
    memory: await openMemory(setting('MEMORY_URL'), { fleet, password: secret('redisPassword'), waitMs: WAIT_MS }),
    openBus: () => {
      const opened = early ?? newBus()
      early = undefined
      return opened
    },
    history: () => {
      let opening: ReturnType<typeof openHistory> | undefined
      const open = () =>
        (opening ??= openHistory(setting('HISTORY_URL'), { password: secret('postgresPassword'), waitMs: WAIT_MS }))
      return {
        append: async (records) => (await open()).append(records),
        read: async (query) => (await open()).read(query),
        close: async () => void (await (await opening)?.close()),
      }
    },
  }
}

function missing(what: string): never {
  throw new FleetError('config_invalid', what, {
    remedy: 'This process is started by arbdeck up, or by the compose files: not by hand.',
  })
}

/** Waits until it holds, as long as a process waits for anything. */
async function eventually(holds: () => boolean, signal: AbortSignal): Promise<void> {
  for (let left = WAIT_MS; !holds() && left > 0 && !signal.aborted; left -= SECRETS_LOOK_MS) await late(SECRETS_LOOK_MS)
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

const late = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
