import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { bundleScript } from '../../fixtures/bundle.ts'
import { soon } from '../../fixtures/world.ts'

let script = ''
const pids: number[] = []
beforeAll(async () => {
  script = await bundleScript(new URL('../../fixtures/end-in-order.ts', import.meta.url))
})
afterEach(() => {
  for (const pid of pids.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it ended as it should
    }
  }
})

/** Without npm's own variables, which would make it watch its parents. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')))

interface Started {
  child: ChildProcess
  said: string[]
  exit: Promise<unknown[]>
}

async function start(command: readonly string[], more: Record<string, string> = {}): Promise<Started> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => said.push(...text.trimEnd().split('\n')))
  const exit = once(child, 'exit')
  await soon('it is ready', () => said.length > 0, 5_000)
  pids.push(child.pid ?? 0, Number(said[0]?.split(' ')[1]))
  return { child, said, exit }
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s asks for an end in order, with code %i', async (signal, code) => {
  const { child, said, exit } = await start([process.execPath, script])
  child.kill(signal)
  expect(await exit).toEqual([code, null])
  expect(said).toContain(`ends ${code}`)
})

test('a second signal ends at once what does not end in order', async () => {
  const { child, said, exit } = await start([process.execPath, script, 'hangs'])
  child.kill('SIGTERM')
  await soon('it was told', () => said.includes('ends 143'))
  expect(child.exitCode).toBeNull()
  child.kill('SIGINT')
  expect(await exit).toEqual([130, null])
})

const AS_NPM_DOES = ['sh', '-c', '"$0" "$1" & wait'] as const

test('started by npm, it ends when the npm that started it is gone', async () => {
  const { child, said } = await start([...AS_NPM_DOES, process.execPath, script], { npm_command: 'start' })
  child.kill('SIGKILL')
  await soon('it ends', () => said.includes('ends 143'), 3_000)
})

test('started by anybody else, it outlives who started it', async () => {
  const { child, said, exit } = await start([...AS_NPM_DOES, process.execPath, script])
  child.kill('SIGKILL')
  await exit
  await new Promise((resolve) => setTimeout(resolve, 800))
  expect(said).toHaveLength(1)
  process.kill(pids.at(-1) ?? 0, 'SIGTERM')
  await soon('it ends', () => said.includes('ends 143'))
})
