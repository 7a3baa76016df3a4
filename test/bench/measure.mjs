import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

/** Runs a command in a pseudo-terminal and copies what it writes to stdout. */
const TERMINAL = 'script'
const LIMIT_MS = 120_000
const COLUMNS = 120
const ROWS = 35
const AGENTS = 10

/**
 * Spawns a process in a group of its own, so that a Ctrl-C of the terminal goes to the bench alone, which ends it in order.
 * @param signal aborting asks it to end
 */
function start(command, args, { signal, ...options }) {
  signal.throwIfAborted()
  const began = performance.now()
  const child = spawn(command, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'], ...options })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-2_000)
  })
  child.stdin?.on('error', () => {})
  const stop = () => child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  const late = setTimeout(stop, LIMIT_MS)
  const ended = once(child, 'close').then(([code, killed]) => {
    clearTimeout(late)
    signal.removeEventListener('abort', stop)
    signal.throwIfAborted()
    return { code: code ?? killed, said: said.trim(), ms: performance.now() - began }
  })
  ended.catch(() => {})
  return { child, ended, sinceStart: () => performance.now() - began }
}

/** Milliseconds of `node -e 0`, from spawn to exit. */
export async function nodeBoot({ signal }) {
  const { ended } = start(process.execPath, ['-e', '0'], { signal })
  return (await ended).ms
}

/** Milliseconds of a bare anvil, from spawn to its first answer to eth_chainId. */
export async function anvilBoot({ signal }) {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch
  const binary = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${process.platform}-${arch}/bin/anvil`)
  const { child, ended, sinceStart } = start(binary, ['--port', '0'], { signal })
  try {
    const url = await firstMatch(child, ended, /Listening on ([\d.]+:\d+)/)
    const question = { jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`http://${url}`, { method: 'POST', headers, body: JSON.stringify(question), signal })
    const { result } = await answer.json()
    if (result !== '0x7a69') throw new Error(`anvil answered eth_chainId with ${result}`)
    return sinceStart()
  } finally {
    child.kill('SIGTERM')
    await ended.catch(() => {})
  }
}

/** What the first group of a pattern matches in what a process prints; the rest of it is read and dropped. */
function firstMatch(child, ended, pattern) {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text = (text + chunk).slice(-200_000)
      const found = pattern.exec(text)
      if (found) resolve(found[1])
    })
    ended.then(({ code, said }) => reject(new Error(`ended (${code}) before it printed ${pattern}: ${said}`)), reject)
  })
}

/** Why the screen cannot be measured here; undefined when it can. */
export function whyNoTerminal() {
  const script = spawnSync(TERMINAL, ['--version'], { encoding: 'utf8' })
  if (script.status === 0 && script.stdout.includes('util-linux')) return undefined
  return 'the screen is measured in a terminal of script(1) from util-linux, which is not installed here'
}

/** Milliseconds from spawn to the first frame of the screen in a real terminal; then it is left with q. */
export async function firstPaint({ bin, fleet, env, signal }) {
  const words = [process.execPath, bin, '--engine', 'embedded', '--fleet', fleet].map(quoted).join(' ')
  const command = `stty cols ${COLUMNS} rows ${ROWS}; exec ${words}`
  const terminal = { TERM: 'xterm-256color' }
  const { child, ended, sinceStart } = start(TERMINAL, ['-qfec', command, '/dev/null'], {
    signal,
    env: { ...env, ...terminal },
  })
  await firstMatch(child, ended, frameOf(fleet))
  const ms = sinceStart()
  child.stdin.write('q')
  const { code, said } = await ended
  if (code !== 0) throw new Error(`the screen ended with ${code} after q: ${said}`)
  return ms
}

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`

/** The alternate screen, and in it a frame that was written to its end: the fleet's name, a pane, the line of keys. */
const frameOf = (fleet) =>
  new RegExp(`(\\u001b\\[\\?1049h)[\\s\\S]*fleet ${fleet}[\\s\\S]*╭[\\s\\S]*╰[\\s\\S]*quit[\\s\\S]*\\u001b\\[\\?2026l`)

/** Milliseconds from spawn to the tenth agent that says it is healthy, and until the command has returned. */
export function allHealthy(how) {
  const healthy = new Set()
  return untilEvent(how, 'healthy', (event) => {
    if (event.type === 'agent' && event.state === 'healthy') healthy.add(event.id)
    return healthy.size >= AGENTS
  })
}

/** Milliseconds from spawn to the first trade that is executed and reviewed. */
export function firstExecution(how) {
  return untilEvent(how, 'executed=1', (event) => event.type === 'execution')
}

async function untilEvent({ bin, fleet, env, signal }, condition, holds) {
  const args = ['up', '--engine', 'embedded', '--fleet', fleet, '--json', '--until', condition, '--timeout', '110s']
  const { child, ended, sinceStart } = start(process.execPath, [bin, ...args], { signal, env })
  let ms
  let summary
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line)
    if (ms === undefined && holds(event)) ms = sinceStart()
    if (event.type === 'summary') summary = event
  })
  const { code, said, ms: endMs } = await ended
  if (code !== 0 || summary?.held !== true || ms === undefined)
    throw new Error(`up --until ${condition} ended with ${code}: ${said}`)
  return { ms, endMs }
}
