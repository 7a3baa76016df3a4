import { ProjectFiles } from './files.ts'
import { FileLocks, type LocksParts } from './locks.ts'

/** The folder that all agents of a fleet share, and the locks of its files. */
export interface Project {
  files: ProjectFiles
  locks: FileLocks
}

/** @param root the folder, as this process sees it */
export function openProject(root: string, parts: LocksParts): Project {
  const locks = new FileLocks(parts)
  return { locks, files: new ProjectFiles(root, locks) }
}

const WAIT_MS = 20_000
const HOLD_MS = 30_000

/** Writes a file under its lock: locks it, makes the content, writes, gives the lock back. */
export async function writeLocked(project: Project, path: string, make: () => Promise<string>): Promise<void> {
  const lock = await project.locks.acquire(path, { waitMs: WAIT_MS, holdMs: HOLD_MS })
  try {
    await project.files.write(path, lock.token, await make())
  } finally {
    await lock.release()
  }
}
