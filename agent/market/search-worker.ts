import { parentPort, workerData } from 'node:worker_threads'
import { asFleetError } from '../../src/protocol/errors.ts'
import { openRpc } from '../dex/rpc.ts'
import { NewPools } from './new-pools.ts'
import type { ThreadMessage, ThreadStart } from './thread-messages.ts'
import { watchHeads } from './watch-heads.ts'
import { watchedRpc } from './watched-rpc.ts'

// The entry of the search thread: it has the connection, the state and the search; the other side has lease and publication.

const PULSE_MS = 1_000
const PROGRESS_MS = 250

const say = (message: ThreadMessage): void => parentPort?.postMessage(message)

async function run({ chain, url, rpcTimeoutMs, spec, source }: ThreadStart): Promise<void> {
  const rpc = watchedRpc(await openRpc(url, rpcTimeoutMs === undefined ? {} : { timeoutMs: rpcTimeoutMs }))
  setInterval(() => say({ kind: 'pulse', waitingMs: rpc.waitingMs() }), PULSE_MS)
  const log = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => say({ kind: 'log', level, message })
  let newPools: NewPools | undefined
  await watchHeads({
    chain,
    rpc,
    spec,
    log,
    onProgress: throttled(PROGRESS_MS, (loaded: number, of: number) => {
      if (loaded < of)
        say({ kind: 'health', state: 'starting', note: `loading pools ${count(loaded)} of ${count(of)}` })
    }),
    onHealth: (state, note) => say({ kind: 'health', state, ...(note === undefined ? {} : { note }) }),
    onBlock: (head, pools, found, timings) => say({ kind: 'block', head, pools, found, timings }),
    ...(source && {
      async onIdle(follower) {
        newPools ??= new NewPools({
          rpc,
          chain,
          source,
          log,
          followed: () => follower.pools,
          add: (pools) => follower.add(pools),
          onAdded: (pools, tokens) => say({ kind: 'pools', pools, tokens }),
        })
        // Not awaited: the next block must not wait for it.
        void newPools.look(follower.sync.state.head)
      },
    }),
    signal: new AbortController().signal,
  })
}

const count = (value: number): string => value.toLocaleString('en-US')

/** Lets a call through when none was for `ms`. */
function throttled<A extends unknown[]>(ms: number, call: (...args: A) => void): (...args: A) => void {
  let last = Number.NEGATIVE_INFINITY
  return (...args) => {
    if (performance.now() - last < ms) return
    last = performance.now()
    call(...args)
  }
}

run(workerData as ThreadStart).catch((thrown: unknown) => {
  say({ kind: 'fault', error: asFleetError(thrown).toJSON() })
  process.exit() // of this thread: its timers and its connection end with it
})
