import { readFileSync } from 'node:fs'

const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
const LOOK_MS = 500
/** What does not end in order by then is ended. */
const END_MS = 25_000

/**
 * Aborts when this process should end in order; the reason is the exit code. Beside signals: the death of the npm or npx
 * that started it, since those do not pass SIGTERM on. A second signal ends at once.
 */
export function endingSignal(): AbortSignal {
  const stop = new AbortController()
  stop.signal.addEventListener('abort', () =>
    setTimeout(() => process.exit(Number(stop.signal.reason)), END_MS).unref(),
  )
  for (const [signal, code] of Object.entries(CODES)) {
    process.on(signal as keyof typeof CODES, () => {
      if (stop.signal.aborted) process.exit(code)
      stop.abort(code)
    })
  }
  if (process.env.npm_execpath !== undefined || process.env.npm_command !== undefined)
    watchParents(() => stop.abort(CODES.SIGTERM))
  return stop.signal
}

/** npm may stand a shell between itself and us: the shell then outlives it, with another parent. */
function watchParents(gone: () => void): void {
  const ancestry = () => `${process.ppid} ${parentOf(process.ppid)}`
  const before = ancestry()
  setInterval(() => {
    if (ancestry() !== before) gone()
  }, LOOK_MS).unref()
}

function parentOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
  } catch {
    return undefined
  }
}
