import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { FleetError } from '../../src/protocol/errors.ts'

export interface AnvilOptions {
  /** Default 30 million. */
  blockGasLimit?: number
  /** Socket to open beside the port; at most 100 bytes. */
  ipcPath?: string
  /** Default 127.0.0.1. */
  host?: string
  /** Default 0: a free one. */
  port?: number
  /** Default 31337. */
  chainId?: number
  /** A dumped state, plain JSON, to begin with; default an empty chain. */
  stateFile?: string
  /** Default: the binary of the npm package for this platform. */
  binary?: string
  /** Whose it is: stands in the process's arguments. Letters, digits, `-`, `_`, `.`. */
  fleet?: string
  /** Aborting stops it. */
  signal?: AbortSignal
}

export interface Anvil {
  readonly host: string
  readonly port: number
  readonly ipcPath: string | undefined
  /** Of the process that was spawned: anvil itself, or the shell that watches over it. */
  readonly pid: number
  /** Resolves when it has ended, however it ended, with what it said last. Never rejects. */
  readonly ended: Promise<AnvilEnd>
  /** Asks it to end and waits; may be repeated. */
  stop(): Promise<void>
}

interface AnvilEnd {
  code: number | null
  signal: NodeJS.Signals | null
  /** Its last lines on stderr. */
  said: string
}

/** What every platform's socket addresses hold, with some room. */
const IPC_PATH_BYTES = 100
const STOP_GRACE_MS = 1_000
const START_MS = 20_000

/**
 * Runs anvil and its arguments ("$0" is a label). Descriptor 3 is a pipe that the parent holds: its end, however the parent
 * died, ends anvil, also when this shell was killed. A signal is passed on, and anvil's own end awaited. In its first moment
 * anvil may not hear a signal, so it is not only asked; and this shell must be ready for one before anvil starts.
 */
const WATCHED = [
  "trap 'asked=1; kill $anvil 2>/dev/null' TERM INT",
  'end() { kill $anvil; for i in 1 2 3 4 5; do sleep 0.1; kill -0 $anvil || exit 0; done; kill -9 $anvil; }',
  '"$@" 3<&- & anvil=$!',
  '(cat; end) <&3 >/dev/null 2>&1 & watch=$!',
  'exec 3<&-',
  '[ -z "$asked" ] || kill $anvil',
  'while :; do wait $anvil; code=$?; kill -0 $anvil 2>/dev/null || break; done',
  'kill $watch 2>/dev/null; exit $code',
].join('\n')

/** @throws FleetError `unsupported` naming the package that has no anvil for this platform */
export function anvilBinary(): string {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${arch}`
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/anvil${process.platform === 'win32' ? '.exe' : ''}`)
  } catch (cause) {
    throw new FleetError('unsupported', `The sandbox needs anvil, and the package ${name} is not installed`, {
      remedy: `Run npm install --no-save ${name}, or use --chain with the URL of a node; linux-x64 is the platform that is proven.`,
      cause,
    })
  }
}

/**
 * Starts anvil without mining: blocks come from evm_mine alone. It keeps the last 64 states and blocks, and it cannot
 * outlive this process (without /bin/sh, as in the image: it cannot outlive the container, or a clean exit).
 *
 * @throws FleetError `unsupported` without a binary, `config_invalid` for too long an ipcPath, `port_taken`, `chain_unreachable` when it does not come up
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const host = options.host ?? '127.0.0.1'
  if (Buffer.byteLength(options.ipcPath ?? '') > IPC_PATH_BYTES) throw pathTooLong(options.ipcPath ?? '')
  const flags = anvilFlags({ ...options, host })
  const binary = options.binary ?? anvilBinary()
  const watched = existsSync('/bin/sh')
  const label = `arbdeck-anvil${options.fleet === undefined ? '' : `:${options.fleet}`}`
  const child = watched
    ? spawn('/bin/sh', ['-c', WATCHED, label, binary, ...flags], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
    : spawn(binary, flags, { stdio: ['ignore', 'pipe', 'pipe'], argv0: label })
  const { ended, said } = watchOver(child)
  const stop = stopper(child, ended)
  const onAbort = () => void stop()
  options.signal?.addEventListener('abort', onAbort, { once: true })
  void ended.then(() => options.signal?.removeEventListener('abort', onAbort))
  try {
    options.signal?.throwIfAborted()
    const port = await listening(child, ended, said, host, options.port ?? 0)
    return { host, port, ipcPath: options.ipcPath, pid: child.pid ?? 0, ended, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function anvilFlags(options: AnvilOptions & { host: string }): string[] {
  return [
    ...['--host', options.host, '--port', String(options.port ?? 0), '--chain-id', String(options.chainId ?? 31337)],
    ...[
      '--accounts',
      '0',
      '--no-mining',
      '--order',
      'fees',
      '--gas-limit',
      String(options.blockGasLimit ?? 30_000_000),
    ],
    ...['--prune-history', '64', '--transaction-block-keeper', '64'],
    // No web page may drive the node; and it says whose node it is.
    ...['--allow-origin', `http://${options.fleet ?? 'sandbox'}.invalid`],
    ...(options.ipcPath === undefined ? [] : ['--ipc', options.ipcPath]),
    ...(options.stateFile === undefined ? [] : ['--load-state', options.stateFile]),
  ]
}

function watchOver(child: ChildProcess): { ended: Promise<AnvilEnd>; said: () => string } {
  let tail = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-2_000)
  })
  const onExit = () => force(child)
  process.once('exit', onExit)
  const ended = new Promise<AnvilEnd>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, said: error.message }))
    child.once('exit', () => child.stdio[3]?.destroy()) // lets go of the pipe's reader, and with it of stdout
    child.once('close', (code, signal) => resolve({ code, signal, said: tail.trim() }))
  }).finally(() => {
    process.removeListener('exit', onExit)
    for (const stream of child.stdio) stream?.destroy()
  })
  return { ended, said: () => tail.trim() }
}

function stopper(child: ChildProcess, ended: Promise<AnvilEnd>): () => Promise<void> {
  return async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const late = setTimeout(() => force(child), STOP_GRACE_MS)
    await ended.finally(() => clearTimeout(late))
  }
}

/** The end of the pipe makes the shell's watch end anvil, half a second later for good; the shell itself must live for that. */
function force(child: ChildProcess): void {
  if (child.stdio[3]) child.stdio[3].destroy()
  else child.kill('SIGKILL')
}

/** @returns the port that it prints; stdout is drained from then on */
function listening(
  child: ChildProcess,
  ended: Promise<AnvilEnd>,
  said: () => string,
  host: string,
  wantedPort: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = ''
    const slow = setTimeout(() => reject(notUp(`anvil did not listen within ${START_MS / 1000} s`, said())), START_MS)
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.length < 100_000) text += chunk
      const port = /Listening on \S+:(\d+)/.exec(text)?.[1]
      if (port === undefined) return
      clearTimeout(slow)
      resolve(Number(port))
    })
    void ended.then((end) => {
      clearTimeout(slow)
      if (/address already in use/i.test(end.said)) reject(portTaken(host, wantedPort))
      else reject(notUp('anvil ended before it listened', end.said || `exit code ${end.code}, signal ${end.signal}`))
    })
  })
}

function portTaken(host: string, port: number): FleetError {
  return new FleetError('port_taken', `The sandbox cannot listen on ${host}:${port}: another process does`, {
    remedy: 'End that process, or let the sandbox take a free port.',
  })
}

function pathTooLong(path: string): FleetError {
  return new FleetError('config_invalid', `The socket path ${path} is longer than ${IPC_PATH_BYTES} bytes`, {
    remedy: 'Use a shorter state folder or fleet name.',
  })
}

function notUp(what: string, why: string): FleetError {
  return new FleetError('chain_unreachable', `${what}: ${why}`, {
    remedy: 'Run the anvil binary by hand with --version; it needs glibc 2.35 or later.',
  })
}
