import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { FleetError } from '../protocol/errors.ts'
import { EngineNameSchema } from '../protocol/fleet.ts'
import { Timestamp } from '../protocol/schemas.ts'
import { makeFolder } from './make-folder.ts'
import { processStart } from './process-start.ts'

/** Longest path of a unix socket that every system we run on takes, in bytes. */
const SOCKET_PATH_MAX = 100

/** What a fleet on this machine is: `fleet.json`. No secrets. */
export const FleetFileSchema = z.object({
  version: z.literal(1),
  fleet: z.string(),
  engine: EngineNameSchema,
  /** Address of the Docker daemon; null when embedded. */
  docker: z.string().nullable(),
  hubUrl: z.string().nullable(),
  /** Where clients reach shared memory from this machine; null when embedded. */
  memoryUrl: z.string().nullable(),
  chain: z.string(),
  chainId: z.int().nullable(),
  /** Whether it really sends. */
  live: z.boolean().optional(),
  manifestHash: z.string(),
  controlSocket: z.string().nullable(),
  startedAt: Timestamp,
})
export type FleetFile = z.infer<typeof FleetFileSchema>

/** The folder of one fleet, mode 0700: `$XDG_STATE_HOME/arbdeck/FLEET`. */
export class StateFolder {
  readonly fleet: string
  readonly dir: string

  constructor(fleet: string, base: string = stateBase()) {
    this.fleet = fleet
    this.dir = path.join(base, fleet)
  }

  file(...parts: string[]): string {
    return path.join(this.dir, ...parts)
  }

  exists(): boolean {
    return existsSync(this.dir)
  }

  make(): void {
    try {
      makeFolder(this.dir, 0o700)
      chmodSync(this.dir, 0o700)
    } catch (cause) {
      throw new FleetError('state_stale', `the state folder ${this.dir} cannot be made or used`, {
        remedy: 'Make its parent writable, or set XDG_STATE_HOME to a folder that is.',
        cause,
      })
    }
  }

  /** A folder in it, made when it is not there. */
  folder(name: string): string {
    this.make()
    makeFolder(this.file(name), 0o700)
    return this.file(name)
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Writes a file whole or not at all, mode 0600. */
  write(name: string, text: string): void {
    this.make()
    const next = this.file(`.${name}-${process.pid}`)
    try {
      writeFileSync(next, text, { mode: 0o600 })
      renameSync(next, this.file(name))
    } catch (cause) {
      rmSync(next, { force: true })
      throw diskError(`${this.file(name)} cannot be written`, cause)
    }
  }

  read(name: string): string | undefined {
    try {
      return readFileSync(this.file(name), 'utf8')
    } catch {
      return undefined
    }
  }

  /** `fleet.json`, or undefined when there is none. @throws FleetError `state_stale` when it cannot be understood */
  fleetFile(): FleetFile | undefined {
    const text = this.read('fleet.json')
    if (text === undefined) return undefined
    try {
      return FleetFileSchema.parse(JSON.parse(text))
    } catch (cause) {
      throw new FleetError('state_stale', `${this.file('fleet.json')} is damaged or of another version of arbdeck`, {
        remedy: `Remove the fleet with arbdeck down --fleet ${this.fleet} --volumes, then start it again.`,
        cause,
      })
    }
  }

  writeFleetFile(value: FleetFile): void {
    this.write('fleet.json', `${JSON.stringify(value, null, 2)}\n`)
  }

  /** A token that is made once and kept, mode 0600. */
  token(name: string): string {
    const there = this.read(name)?.trim()
    if (there) return there
    const token = randomBytes(32).toString('base64url')
    this.write(name, `${token}\n`)
    return token
  }

  /** Path of a socket in the folder, or, where that is too long, in a fresh folder of its own under the temp directory. */
  socketPath(name: string): string {
    const here = this.file(name)
    if (Buffer.byteLength(here) <= SOCKET_PATH_MAX) return here
    const tag = createHash('sha256').update(this.dir).digest('hex').slice(0, 8)
    return path.join(mkdtempSync(path.join(tmpdir(), `arbdeck-${tag}-`)), name)
  }

  /** Removes a socket, and the folder that was made for it. */
  dropSocket(socket: string): void {
    rmSync(path.dirname(socket) === this.dir ? socket : path.dirname(socket), { recursive: true, force: true })
  }

  /**
   * Takes the folder for this process. Its owner is the only one that may open PGlite.
   * @returns how to let go, or the process that holds it
   */
  lock(): { release(): void } | { pid: number } {
    this.make()
    for (;;) {
      if (this.#claim('lock')) return { release: () => rmSync(this.file('lock'), { force: true }) }
      const holder = this.holder()
      if (holder !== undefined) return { pid: holder }
      this.#removeStale()
    }
  }

  /** Writes a file that says who we are, unless it is there. It appears with its content: nobody reads half of it. */
  #claim(name: string): boolean {
    const ours = this.file(`.${name}-${process.pid}`)
    try {
      writeFileSync(ours, JSON.stringify({ pid: process.pid, start: processStart(process.pid) }), { mode: 0o600 })
      linkSync(ours, this.file(name))
      return true
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw diskError(`${this.file(name)} cannot be made`, cause)
    } finally {
      rmSync(ours, { force: true })
    }
  }

  /** Looks and removes while nobody else does: else the lock removed could be one that was taken meanwhile. */
  #removeStale(): void {
    if (this.#claim('lock.stale')) {
      if (this.#isStale('lock')) rmSync(this.file('lock'), { force: true })
      rmSync(this.file('lock.stale'), { force: true })
    } else if (this.#isStale('lock.stale')) {
      rmSync(this.file('lock.stale'), { force: true }) // its maker died in that moment
    }
  }

  /** It is there, and its maker is not. */
  #isStale(name: string): boolean {
    const text = this.read(name)
    return text !== undefined && makerOf(text) === undefined
  }

  /** The live process that holds the folder, if any: a pid that is another process by now does not count. */
  holder(): number | undefined {
    const text = this.read('lock')
    return text === undefined ? undefined : makerOf(text)
  }
}

/** The process that wrote a lock, if it still lives. */
function makerOf(text: string): number | undefined {
  try {
    const { pid, start } = z.object({ pid: z.int(), start: z.string().nullable() }).parse(JSON.parse(text))
    return processStart(pid) !== null && processStart(pid) === start ? pid : undefined
  } catch {
    return undefined
  }
}

export function stateBase(): string {
  return path.join(process.env.XDG_STATE_HOME || path.join(homedir(), '.local', 'state'), 'arbdeck')
}

function diskError(what: string, cause: unknown): FleetError {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new FleetError('disk_full', `${what}: the disk is full`, {
      remedy: 'Free some space, then try again.',
      cause,
    })
  return new FleetError('state_stale', what, {
    remedy: 'Check who owns the folder, or set XDG_STATE_HOME to another.',
    cause,
  })
}
