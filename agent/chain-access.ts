import { setTimeout as pause } from 'node:timers/promises'
import type { SharedMemory } from '../src/ports/memory/memory.ts'
import { readAs } from '../src/ports/memory/typed.ts'
import { type ChainInfo, ChainInfoSchema, HeadSchema } from '../src/protocol/chain.ts'
import { FleetError } from '../src/protocol/errors.ts'
import { decode } from '../src/protocol/json.ts'
import { keys } from '../src/protocol/keys.ts'
import type { Rpc } from './dex/rpc.ts'

export interface ChainAccess {
  /** The chain as shared memory describes it now; waits until it is described. */
  chain(): Promise<ChainInfo>
  /** A connection to that chain, kept open; opened anew when another chain instance takes its place. */
  rpc(): Promise<Rpc>
  /** A connection to the private RPC that transactions are handed to, opened when it is first asked for. */
  submitRpc?(): Promise<Rpc>
  close(): void
}

export interface ChainAccessOptions {
  memory: SharedMemory
  /** `openRpc` of dex/rpc.ts, handed in so that agents without a chain load nothing of it. */
  openRpc(url: string): Promise<Rpc>
  /** The secret `rpc-url`, for a chain whose description has no URL. */
  rpcUrl?: () => Promise<string>
  /** The secret `submit-url`. */
  submitUrl?: () => Promise<string>
  /** Ends all waiting. */
  signal: AbortSignal
}

const LOOK_AGAIN_MS = 250

export function openChainAccess({ memory, openRpc, rpcUrl, submitUrl, signal }: ChainAccessOptions): ChainAccess {
  let open: { instance: string; rpc: Promise<Rpc> } | undefined
  let submitting: Promise<Rpc> | undefined

  const chain = async (): Promise<ChainInfo> => {
    for (;;) {
      const known = await describedChain(memory)
      if (known) return known
      if (signal.aborted) throw ended()
      await pause(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  const close = (): void => {
    // A connection that never came up has nothing to close.
    open?.rpc.then((rpc) => rpc.close()).catch(() => undefined)
    open = undefined
  }

  const submitRpc = (url: () => Promise<string>) => (): Promise<Rpc> => {
    const opening = submitting ?? url().then(openRpc)
    submitting = opening
    opening.catch(() => {
      submitting = undefined
    })
    return opening
  }

  const rpc = async (): Promise<Rpc> => {
    const info = await chain()
    if (open?.instance === info.chainInstance) return open.rpc
    close()
    const url = info.url ?? (await rpcUrl?.())
    if (url === undefined) throw noUrl()
    const opening = { instance: info.chainInstance, rpc: openRpc(url) }
    opening.rpc.catch(() => {
      if (open === opening) open = undefined
    })
    open = opening
    return opening.rpc
  }

  const closeAll = (): void => {
    close()
    submitting?.then((rpc) => rpc.close()).catch(() => undefined)
  }

  return { chain, rpc, ...(submitUrl && { submitRpc: submitRpc(submitUrl) }), close: closeAll }
}

/**
 * The newest block that the bot has worked through on this chain instance; null when none is known. It may lag the
 * chain: it can only let a trade live too long, and what decides on money asks the node.
 */
export async function knownHead(memory: SharedMemory, chainInstance: string): Promise<number | null> {
  const head = await readAs(memory, keys.head, HeadSchema)
  return head?.value.chainInstance === chainInstance ? head.value.number : null
}

/** The chain instance that is there now; null before there is one. */
export async function knownInstance(memory: SharedMemory): Promise<string | null> {
  return (await describedChain(memory))?.chainInstance ?? null
}

interface Known {
  /** A read that has not come back: who asks meanwhile waits for it too. */
  reading: Promise<ChainInfo | undefined> | undefined
  last: { version: number; chain: ChainInfo } | undefined
}

/** By what was read from: all agents of a process know it together. */
const descriptions = new WeakMap<SharedMemory, Known>()

/**
 * The chain's description as shared memory has it; undefined before there is one. It is long and asked for at each step of
 * each trade: it is read each time, and checked once a version. Nobody may change what he is given.
 */
function describedChain(memory: SharedMemory): Promise<ChainInfo | undefined> {
  const all: Known = descriptions.get(memory) ?? { reading: undefined, last: undefined }
  descriptions.set(memory, all)
  all.reading ??= readChain(memory, all).finally(() => {
    all.reading = undefined
  })
  return all.reading
}

async function readChain(memory: SharedMemory, all: Known): Promise<ChainInfo | undefined> {
  const entry = await memory.read(keys.chain)
  if (entry === undefined) return undefined
  if (all.last?.version === entry.version) return all.last.chain
  const chain = decode(ChainInfoSchema, entry.value, `${keys.chain} in shared memory`)
  all.last = { version: entry.version, chain }
  return chain
}

const ended = (): FleetError =>
  new FleetError('chain_unreachable', 'the agent ended while it waited for the chain', {
    remedy: 'Start the fleet again; the sandbox, or up --chain URL, describes the chain.',
    transient: true,
  })

const noUrl = (): FleetError =>
  new FleetError('config_invalid', 'the chain has no URL that this agent may use', {
    remedy: 'Start the fleet with --chain URL or --chain @FILE; roles that reach the chain are handed it as a secret.',
  })
