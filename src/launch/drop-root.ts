import { statSync } from 'node:fs'

const OUR_ID = 10_001

/** Gives up root for our numeric user, keeping the group of the Docker socket alone. Does nothing when not root. */
export function dropRoot(socket: string): void {
  if (process.getuid?.() !== 0) return
  const group = statSync(socket).gid
  process.setgroups?.([group])
  process.setgid?.(OUR_ID)
  process.setuid?.(OUR_ID)
}
