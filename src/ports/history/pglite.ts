import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { FleetError } from '../../protocol/errors.ts'
import type { Sql } from './queries.ts'
import { sqlFailure } from './sql-failure.ts'

type Ask = { kind: 'query'; text: string; parameters: unknown[] } | { kind: 'script'; text: string } | { kind: 'close' }

interface Told {
  message: string
  code?: string
}
type Answer = { ready: true } | { id: number; rows: Record<string, unknown>[] } | { id?: number; failed: Told }

interface Waiting {
  resolve(rows: Record<string, unknown>[]): void
  reject(error: Error): void
}

/**
 * Postgres in a thread of this process; in memory without a folder. A folder that is not there yet is made from `template`,
 * an empty database that the build makes. One process at a time may open a folder: its caller holds the fleet's lock.
 * @throws FleetError `state_stale` when the folder is not a database, or a broken one
 */
export async function pglite(folder: string | undefined, template?: string): Promise<Sql> {
  const name = `The history in ${folder ?? 'memory'}`
  const thread = new Thread({ ...(folder !== undefined && { folder: resolve(folder) }), template })
  try {
    await thread.opened
  } catch (cause) {
    await thread.end()
    throw new FleetError('state_stale', `${name} cannot be opened: ${(cause as Error).message}`, {
      remedy: `Run \`arbdeck down --volumes\`, which removes the history, or move ${folder} away.`,
      cause,
    })
  }
  const ask = async (asked: Ask): Promise<Record<string, unknown>[]> => {
    try {
      return await thread.ask(asked)
    } catch (cause) {
      throw sqlFailure(cause, name)
    }
  }
  return {
    query: (text, parameters) => ask({ kind: 'query', text, parameters: [...parameters] }),
    script: async (text) => void (await ask({ kind: 'script', text })),
    close: () => thread.close(),
  }
}

/** Asks the thread, and holds the process only while an answer is owed. */
class Thread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly opened: Promise<unknown>
  #last = 0
  #gone: Error | undefined

  constructor(start: { folder?: string; template: string | undefined }) {
    // The build lays the file beside each bundle.
    this.#worker = new Worker(new URL('./pglite-thread.mjs', import.meta.url), { workerData: start })
    this.opened = this.#owed(0)
    this.#worker.on('message', (answer: Answer) => this.#hear(answer))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(new Error('its thread has ended')))
  }

  ask(asked: Ask): Promise<Record<string, unknown>[]> {
    if (this.#gone) return Promise.reject(this.#gone)
    const id = ++this.#last
    const answer = this.#owed(id)
    this.#worker.postMessage({ id, ...asked })
    return answer
  }

  /** May be repeated. */
  async close(): Promise<void> {
    if (!this.#gone) await this.ask({ kind: 'close' }).catch(() => undefined)
    await this.end()
  }

  async end(): Promise<void> {
    this.#end(new Error('it was closed'))
    await this.#worker.terminate()
  }

  #owed(id: number): Promise<Record<string, unknown>[]> {
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #hear(answer: Answer): void {
    const id = 'id' in answer ? (answer.id ?? 0) : 0
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('failed' in answer)
      waiting?.reject(Object.assign(new Error(answer.failed.message), { code: answer.failed.code }))
    else waiting?.resolve('rows' in answer ? answer.rows : [])
  }

  #end(why: Error): void {
    this.#gone ??= why
    for (const { reject } of this.#waiting.values()) reject(this.#gone)
    this.#waiting.clear()
    this.#worker.unref()
  }
}
