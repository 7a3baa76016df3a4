import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** Ids of the processes whose arguments hold a text, this one apart. */
export function processesOf(text) {
  return argumentsOfAll()
    .filter(([pid, args]) => pid !== process.pid && args.includes(text))
    .map(([pid]) => pid)
}

function argumentsOfAll() {
  if (!existsSync('/proc/self/cmdline')) {
    const lines = execFileSync('ps', ['-axo', 'pid=,args='], { encoding: 'utf8' }).trim().split('\n')
    return lines.map((line) => [Number.parseInt(line, 10), line])
  }
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  return pids.flatMap((pid) => {
    try {
      return [[Number(pid), readFileSync(`/proc/${pid}/cmdline`, 'utf8')]]
    } catch {
      return [] // it ended meanwhile
    }
  })
}

/** Waits until no process has a text in its arguments; what is left after `graceMs` is killed. @returns how many that were */
export async function endAllOf(text, graceMs) {
  const end = Date.now() + graceMs
  while (processesOf(text).length > 0 && Date.now() < end) await pause(50)
  const left = processesOf(text)
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it ended meanwhile
    }
  }
  return left.length
}
