import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { FleetClient } from '../client/client.ts'
import type { FleetOptions, Up } from '../client/launcher.ts'
import { notRunning, SocketClient } from '../client/socket.ts'
import { type FleetFile, StateFolder } from '../client/state.ts'
import { specHash } from '../fleet/spec.ts'
import { type ErrorDocument, FleetError } from '../protocol/errors.ts'
import type { FleetEvent } from '../protocol/event.ts'
import { CHAIN_FILE, chooseChain } from './chain-choice.ts'
import { KEYS_FILE } from './key-file.ts'
import { readManifest } from './manifest.ts'
import { dropPurse, openPurse, type Purse, SUBMIT_FILE } from './purse.ts'
import { refuseOther } from './refusals.ts'
import { whole } from './whole.ts'

export interface EmbeddedLauncherParts {
  /** The built entry that knows the command `host`. */
  entry: string
  defaultManifest: string
  /** Folder of chain profiles unless --chains-dir names another. */
  defaultChains: string
}

const HUB_PORT = 3_000
const END_MS = 20_000

/** Attaches to an embedded fleet of this machine. @throws FleetError `fleet_not_running`, `state_stale` */
export async function attachEmbedded(fleet: string): Promise<FleetClient> {
  const state = new StateFolder(fleet)
  const file = state.holder() === undefined ? undefined : state.fleetFile()
  if (!file?.controlSocket) throw notRunning(fleet)
  return SocketClient.open(fleet, file.controlSocket)
}

/** Starts a fleet in a host process of its own, or attaches to the one that runs. */
export async function upEmbedded(
  options: FleetOptions & { detach: boolean },
  parts: EmbeddedLauncherParts,
  why: string,
  say: (event: FleetEvent) => void,
  signal: AbortSignal,
): Promise<Up> {
  const state = new StateFolder(options.fleet)
  const manifest = options.manifest ?? parts.defaultManifest
  const spec = readManifest(manifest)
  const running = state.holder() === undefined ? undefined : await waitServing(state, signal)
  if (running) {
    refuseOther(options, running, specHash(spec))
    const client = await attachEmbedded(options.fleet)
    if (options.profile) await client.scale([], options.profile)
    const ready = whole(client, signal)
    return {
      client,
      started: false,
      why: `The fleet ${options.fleet} runs already (embedded); attached to it.`,
      ready,
      leave: async () => {},
    }
  }
  const chainsDir = path.resolve(options.chainsDir ?? parts.defaultChains)
  const chain = await chooseChain(options.chain ?? 'sandbox', options.chainId)
  tellPurse(state, await openPurse({ options, chain, spec, chainsDir }, say))
  const host = await startHost(state, { ...options, chainsDir }, parts.entry, manifest, signal)
  const client = await attachEmbedded(options.fleet)
  let leaving = false
  // Whoever leaves before it is ready ends the host: no failure of the start.
  const ready = Promise.race([wholeWithHistory(client, signal), diedEarly(host)]).catch((thrown: unknown) => {
    if (!leaving) throw thrown
  })
  ready.catch(() => {})
  const leave = async () => {
    leaving = true
    if (!options.detach) await endHost(host)
    else await client.end({ remove: true, volumes: false }).catch(() => {})
  }
  if (options.detach) ready.then(() => release(host)).catch(() => {})
  return { client, started: true, why, ready, leave }
}

/** Ends an embedded fleet, or what is left of it. @throws FleetError `fleet_not_running` when there is nothing to end */
export async function downEmbedded(fleet: string, how: { remove: boolean; volumes: boolean }): Promise<void> {
  const state = new StateFolder(fleet)
  const pid = state.holder()
  if (pid === undefined) {
    // A host that was killed has left them.
    dropPurse(state)
    if (!state.exists() || !how.volumes) throw notRunning(fleet)
    state.remove()
    return
  }
  const client = await attachEmbedded(fleet).catch(() => undefined)
  await client?.end(how).catch(() => undefined)
  await client?.close()
  if (!client) process.kill(pid, 'SIGTERM')
  const until = Date.now() + END_MS
  while (state.holder() === pid && Date.now() < until) await pause(50)
  if (state.holder() === pid) process.kill(pid, 'SIGKILL')
  if (how.volumes) state.remove()
}

async function startHost(
  state: StateFolder,
  options: FleetOptions & { detach: boolean },
  entry: string,
  manifest: string,
  signal: AbortSignal,
): Promise<ChildProcess> {
  state.make()
  mkdirSync(state.file('logs'), { recursive: true, mode: 0o700 })
  tellChain(state, options.chain ?? 'sandbox')
  const errors = openSync(state.file('logs', 'host.err'), 'a', 0o600)
  const host = spawn(process.execPath, [entry, ...hostArgs(options, manifest)], {
    stdio: [options.detach ? 'ignore' : 'pipe', 'pipe', errors],
    detached: true, // a Ctrl-C of the terminal goes to us alone; we end it in order
  })
  const stop = () => void host.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  try {
    await firstWord(host, state)
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return host
}

/** By a file that only its owner reads: an RPC URL is a secret. */
function tellChain(state: StateFolder, chain: string): void {
  if (chain === 'sandbox') rmSync(state.file(CHAIN_FILE), { force: true })
  else state.write(CHAIN_FILE, `${chain.startsWith('@') ? `@${path.resolve(chain.slice(1))}` : chain}\n`)
}

/** Likewise: it goes with the host. */
function tellPurse(state: StateFolder, { keys, submitUrl }: Purse): void {
  state.make()
  const texts = { [KEYS_FILE]: keys?.join('\n'), [SUBMIT_FILE]: submitUrl }
  for (const [name, text] of Object.entries(texts)) {
    if (text === undefined) rmSync(state.file(name), { force: true })
    else state.write(name, `${text}\n`)
  }
}

function hostArgs(options: FleetOptions & { detach: boolean }, manifest: string): string[] {
  const hubPort = options.hubPort ?? (options.fleet === 'arbdeck' ? HUB_PORT : 0)
  const args = [
    'host',
    '--fleet',
    options.fleet,
    '--hub-port',
    String(hubPort),
    '--manifest',
    manifest,
    '--seed',
    options.seed ?? '1',
  ]
  if (options.profile) args.push('--profile', options.profile)
  if (options.chainId !== undefined) args.push('--chain-id', String(options.chainId))
  if (options.chainsDir !== undefined) args.push('--chains-dir', options.chainsDir)
  if (options.executorAddress !== undefined) args.push('--executor-address', options.executorAddress)
  if (options.live) args.push('--live')
  if (!options.detach) args.push('--attached')
  return args
}

/** Resolves when the host serves; rejects with what it says is wrong. */
function firstWord(host: ChildProcess, state: StateFolder): Promise<void> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: host.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      const said = JSON.parse(line) as { serving: true } | ErrorDocument
      lines.close()
      if ('serving' in said) resolve()
      else reject(FleetError.from(said))
    })
    host.once('error', reject)
    host.once('exit', (code, killed) =>
      reject(
        new FleetError('internal', `the fleet's host ended (${killed ?? code}) before it served`, {
          remedy: `See ${state.file('logs', 'host.err')}.`,
        }),
      ),
    )
  })
}

function diedEarly(host: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    host.once('exit', (code, killed) =>
      reject(
        new FleetError('internal', `the fleet's host ended (${killed ?? code})`, {
          remedy: 'See arbdeck logs, and host.err in the logs folder of the fleet.',
        }),
      ),
    )
  })
}

/** A history that cannot be opened is an error of the start: nothing would be recorded. */
async function wholeWithHistory(client: FleetClient, signal: AbortSignal): Promise<void> {
  await whole(client, signal)
  if (!signal.aborted) await client.trades({ last: 1 })
}

/** Lets a detached host go on alone. */
function release(host: ChildProcess): void {
  host.stdout?.destroy()
  host.removeAllListeners()
  host.unref()
}

/** Closing its stdin asks it to end; it is killed when it does not. */
async function endHost(host: ChildProcess): Promise<void> {
  if (host.exitCode !== null || host.signalCode !== null) return
  const ended = new Promise<void>((resolve) => host.once('exit', () => resolve()))
  host.stdin?.end()
  const late = setTimeout(() => host.kill('SIGKILL'), END_MS)
  await ended
  clearTimeout(late)
}

/** A host that has just taken the lock serves in a moment. */
async function waitServing(state: StateFolder, signal: AbortSignal): Promise<FleetFile | undefined> {
  while (state.holder() !== undefined && !signal.aborted) {
    const file = state.fleetFile()
    if (file) return file
    await pause(50)
  }
  return undefined
}
