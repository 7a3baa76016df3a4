import { randomUUID } from 'node:crypto'
import { mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { FleetError } from '../../src/protocol/errors.ts'
import { ProjectPathSchema } from '../../src/protocol/file-lock.ts'
import type { FileLocks } from './locks.ts'

/** While a write is on its way nobody takes the lock for so long. */
const COMMIT_MS = 10_000
/** What is left of that when the file is put in its place. */
const MARGIN_MS = 2_000
const MOST_BYTES = 1_000_000
const MOST_FILES = 1_000
/** Files on their way; no path of the project begins like it. */
const STAGING = '.arbdeck-staging'

export interface ProjectFile {
  path: string
  bytes: number
  modifiedAt: string
}

/** The shared project: one folder that every agent of the fleet mounts. Reading is free, writing wants the file's lock. */
export class ProjectFiles {
  readonly #root: string
  readonly #locks: FileLocks

  constructor(root: string, locks: FileLocks) {
    this.#root = root
    this.#locks = locks
  }

  /** @throws FleetError `not_found`; `unsupported` above a megabyte */
  async read(file: string): Promise<ProjectFile & { content: string }> {
    const at = this.#inside(file)
    const found = await stat(at).catch(() => undefined)
    if (!found?.isFile()) throw notThere(file)
    if (found.size > MOST_BYTES) throw tooLarge(file, found.size)
    const content = await readFile(at, 'utf8')
    return { path: file, bytes: found.size, modifiedAt: found.mtime.toISOString(), content }
  }

  /** At most a thousand, by path. */
  async list(under = ''): Promise<ProjectFile[]> {
    const at = under === '' ? this.#root : this.#inside(under)
    const entries = await readdir(at, { withFileTypes: true, recursive: true }).catch(() => [])
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(this.#root, path.join(entry.parentPath, entry.name)))
      .filter((name) => !name.startsWith(STAGING))
      .sort()
      .slice(0, MOST_FILES)
    const all = await Promise.all(files.map((name) => this.#about(name)))
    return all.filter((one) => one !== undefined)
  }

  /**
   * Puts the file in its place as a whole: whoever reads sees the old one or the new one.
   * @throws FleetError `conflict` when the token does not hold the file's lock; `disk_full`
   */
  async write(file: string, token: number, content: string): Promise<ProjectFile> {
    const at = this.#inside(file)
    if (Buffer.byteLength(content) > MOST_BYTES) throw tooLarge(file, Buffer.byteLength(content))
    await this.#locks.confirm(file, token, 0) // before anything is written
    const staged = await this.#stage(content)
    try {
      const until = performance.now() + COMMIT_MS - MARGIN_MS
      await this.#locks.confirm(file, token, COMMIT_MS)
      mkdirSync(path.dirname(at), { recursive: true })
      this.#inside(file)
      // Paused for long in between, another may hold the lock by now.
      if (performance.now() > until) throw late(file)
      renameSync(staged, at)
    } finally {
      rmSync(staged, { force: true })
    }
    return (await this.#about(file)) as ProjectFile
  }

  async #stage(content: string): Promise<string> {
    const folder = path.join(this.#root, STAGING)
    const staged = path.join(folder, randomUUID())
    try {
      await mkdir(folder, { recursive: true })
      const handle = await open(staged, 'wx', 0o644)
      try {
        await handle.writeFile(content)
        await handle.sync()
      } finally {
        await handle.close()
      }
      return staged
    } catch (cause) {
      rmSync(staged, { force: true })
      throw unwritable(cause)
    }
  }

  async #about(file: string): Promise<ProjectFile | undefined> {
    const found = await stat(path.join(this.#root, file)).catch(() => undefined)
    return found && { path: file, bytes: found.size, modifiedAt: found.mtime.toISOString() }
  }

  /** Where a path of the project is. @throws FleetError `usage` when it leads out of it, also by a link */
  #inside(file: string): string {
    const told = ProjectPathSchema.safeParse(file)
    if (!told.success)
      throw new FleetError('usage', `"${file}" is no path of the project`, {
        remedy: told.error.issues[0]?.message ?? 'Want a relative path such as reports/trades.md.',
      })
    const at = path.join(this.#root, file)
    const root = realpathSync(this.#root)
    for (let folder = at; folder !== this.#root; folder = path.dirname(folder)) {
      const real = realOf(folder)
      if (real !== undefined && real !== root && !real.startsWith(`${root}${path.sep}`)) throw outside(file)
    }
    return at
  }
}

function realOf(at: string): string | undefined {
  try {
    return realpathSync(at)
  } catch {
    return undefined
  }
}

const notThere = (file: string): FleetError =>
  new FleetError('not_found', `the project has no file ${file}`, { remedy: 'list_files shows what it has.' })

const tooLarge = (file: string, bytes: number): FleetError =>
  new FleetError('unsupported', `${file} would be ${bytes} bytes, above ${MOST_BYTES}`, {
    remedy: 'Split it into smaller files.',
  })

const outside = (file: string): FleetError =>
  new FleetError('usage', `${file} leads out of the project by a link`, { remedy: 'Name a file inside the project.' })

const late = (file: string): FleetError =>
  new FleetError('conflict', `${file} was not written: it took too long after its lock was confirmed`, {
    remedy: 'Write it again.',
    transient: true,
  })

function unwritable(cause: unknown): FleetError {
  const code = (cause as NodeJS.ErrnoException).code
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new FleetError(full ? 'disk_full' : 'conflict', `the project cannot be written: ${(cause as Error).message}`, {
    remedy: full ? 'Free some space on the disk that holds the fleet.' : 'See who owns the project’s folder.',
    cause,
  })
}
