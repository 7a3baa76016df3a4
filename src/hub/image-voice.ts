import type { SharedMemory } from '../ports/memory/memory.ts'
import type { AgentRecord, AgentState, ReplicaId, RoleName, ToolInfo } from '../protocol/fleet.ts'
import { HEARTBEAT, keys, streams } from '../protocol/keys.ts'
import type { ImageRole } from '../protocol/role-spec.ts'
import { now } from '../protocol/schemas.ts'
import { ImageLink, wordsOf } from './image-link.ts'
import { listTools } from './image-tools.ts'
import { sleep } from './look.ts'
import type { Log } from './registry.ts'

export interface VoiceOptions {
  memory: SharedMemory
  log: Log
  version: string
  id: ReplicaId
  role: RoleName
  replica: number
  image: ImageRole
  /** `http://HOST:PORT/PATH` */
  url: string
  /** Until its first answer it may take so long; then it is unhealthy. */
  startMs: number
}

/** Speaks in shared memory for one replica of an image, which knows nothing of us. */
export interface ImageVoice {
  /** Its one session: tools are called through it. */
  readonly link: ImageLink
  /** Speaks no more; with `forget` what was said is taken back, else it ends by itself. */
  stop(forget: boolean): Promise<void>
}

const PING_MS = 3_000
/** One ping may be late: it computes. */
const SILENT_PINGS = 2
/** Its tools are asked for again at least so often, also when it does not tell of changes. */
const LIST_EVERY_MS = 20_000
const EVENTS_KEPT = 5_000

export function openVoice(options: VoiceOptions): ImageVoice {
  const { memory, log, id, role, replica, image, url, version } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let listedAt = Number.NEGATIVE_INFINITY
  const link = new ImageLink({
    ...{ url, transport: image.transport, version },
    onToolsChanged: () => {
      listedAt = Number.NEGATIVE_INFINITY
    },
  })
  const beganAt = performance.now()
  let record: AgentRecord = {
    ...{ id, role, replica, url, tools: [], tasksDone: 0, byHub: true, startedAt: now(), at: now() },
    state: 'starting',
  }
  let silent = 0
  let writing: Promise<void> = Promise.resolve()

  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      if (signal.aborted) return
      record = { ...record, at: now() }
      // While shared memory is away nobody could read it; the next beat tries again.
      await memory.write(keys.agent(id), record, { ttlMs: HEARTBEAT.ttlMs }).catch(() => undefined)
    })
    return writing
  }

  const become = async (state: AgentState, note: string | undefined, tools: readonly ToolInfo[]): Promise<void> => {
    const { note: _old, ...rest } = record
    const before = record.state
    record = { ...rest, state, tools: [...tools], ...(note === undefined ? {} : { note }) }
    if (before !== state && state === 'healthy') record.startedAt = now()
    await write()
    if (before === state) return
    log(state === 'healthy' ? 'info' : 'warn', `${id} is ${state}${note === undefined ? '' : `: ${note}`}`)
    const event = { type: 'agent', id, role, state, at: now(), ...(note === undefined ? {} : { note }) }
    await memory
      .stream(streams.events)
      .append(event, EVENTS_KEPT)
      .catch(() => undefined)
  }

  const failed = async (why: string, late: boolean): Promise<void> => {
    silent = late ? silent + 1 : SILENT_PINGS
    if (silent < SILENT_PINGS) return
    listedAt = Number.NEGATIVE_INFINITY
    // Whoever waits for a tool of it learns now that it is gone.
    await link.close()
    const young = record.state === 'starting' && performance.now() - beganAt < options.startMs
    await become(young ? 'starting' : 'unhealthy', why, record.tools)
  }

  const look = async (): Promise<void> => {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PING_MS)])
    const answer = await link.request('ping', {}, { signal: patience })
    // An error is an answer too: it lives.
    if (answer.kind !== 'result' && answer.kind !== 'error') return failed(wordsOf(answer), answer.kind === 'aborted')
    silent = 0
    if (performance.now() - listedAt < LIST_EVERY_MS) return
    listedAt = performance.now()
    const listed = await listTools(link, AbortSignal.any([signal, AbortSignal.timeout(PING_MS)]))
    if ('why' in listed) return failed(`its tools cannot be listed: ${listed.why}`, false)
    await become('healthy', listed.note, listed.tools)
  }

  const timer = setInterval(write, HEARTBEAT.everyMs)
  const looking = (async () => {
    await write()
    while (!signal.aborted) {
      await look()
      await sleep(HEARTBEAT.everyMs, signal)
    }
  })()
  return {
    link,
    stop: async (forget) => {
      clearInterval(timer)
      stopping.abort()
      await link.close()
      await Promise.all([looking, writing])
      if (forget) await memory.write(keys.agent(id), undefined).catch(() => undefined)
    },
  }
}
