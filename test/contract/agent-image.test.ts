import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCaller } from '../../src/mcp/caller.ts'
import { openMemory } from '../../src/ports/memory/open.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { AgentRecordSchema } from '../../src/protocol/fleet.ts'
import { stringify } from '../../src/protocol/json.ts'
import { keys } from '../../src/protocol/keys.ts'
import { secretFiles } from '../../src/protocol/secrets.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'
import { setting } from '../fixtures/env.ts'
import { freePort, startRabbit, startRedis, type TestServer } from '../fixtures/servers.ts'
import { testWanted } from '../fixtures/wanted.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const MIB = 1024 * 1024
/** What each library is known by in the bundle. */
const MARKS = {
  'the MCP library': 'StreamableHTTPServerTransport',
  ethers: 'invalid BigNumberish',
  pg: 'SCRAM-SHA-256',
  ws: 'permessage-deflate',
}

let image: string
let base: string
beforeAll(() => {
  execFileSync(process.execPath, [path.join(root, 'src/build.mjs')], { stdio: 'ignore' })
  const build = readFileSync(path.join(root, 'dist/current'), 'utf8').trim()
  image = path.join(root, 'dist', build, 'image')
  base = setting('ARBDECK_IMAGE_BASE', 'node:20.19-bookworm-slim')
}, 60_000)

describe('the bundle of the agents', () => {
  const text = (name: string) => readFileSync(path.join(image, 'agent', name), 'utf8')
  const imports = (name: string) =>
    [...text(name).matchAll(/\b(?:import|export)\b[^'"()]*?from\s*"([^"]+)"|\bimport\s*"([^"]+)"/g)].map(
      ([, from, bare]) => from ?? bare ?? '',
    )
  /** The file and what it loads with it. */
  const closure = (name: string, found = new Set<string>()): Set<string> => {
    found.add(name)
    for (const one of imports(name)
      .filter((from) => from.startsWith('./'))
      .map((from) => from.slice(2)))
      if (!found.has(one)) closure(one, found)
    return found
  }
  const later = (start: string) => readdirSync(path.join(image, 'agent')).find((name) => name.startsWith(start)) ?? ''

  test('starts from one file', () => {
    expect(imports('agent.js').filter((from) => !from.startsWith('node:'))).toEqual([])
  })

  test('loads neither the MCP library, nor ethers, pg or ws, for a role that has no chain', () => {
    const all = readdirSync(path.join(image, 'agent')).map(text).join('\n')
    for (const role of ['ui-coder', 'planner', 'coordinator', 'admin']) {
      const loaded = [...closure('agent.js'), ...closure(later(role))].map(text).join('\n')
      for (const [library, mark] of Object.entries(MARKS)) {
        expect(all.includes(mark), `${library} is somewhere in the bundle, and known by ${mark}`).toBe(true)
        expect(loaded.includes(mark), `a ${role} loads ${library}`).toBe(false)
      }
    }
  })
})

describeDocker('the image of the agents', () => {
  const tag = `arbdeck-test-image:${process.pid}`
  const server = `arbdeck-test-bare-${process.pid}`
  const agent = `arbdeck-test-agent-${process.pid}`
  const made: TestServer[] = []
  let secrets: string
  beforeAll(async () => {
    const context = mkdtempSync(path.join(tmpdir(), 'arbdeck-context-'))
    execFileSync('cp', ['-r', `${image}/.`, path.join(context, 'app')])
    writeFileSync(path.join(context, 'app', 'package.json'), '{"type":"module"}\n')
    writeFileSync(path.join(context, 'Dockerfile'), readFileSync(path.join(root, 'agent/Dockerfile')))
    execFileSync('chmod', ['-R', 'a+rX', context])
    await docker('build', '-q', '-t', tag, '--build-arg', `BASE=${base}`, context)
    rmSync(context, { recursive: true })
    made.push(...(await Promise.all([startRedis(), startRabbit()])))
    secrets = secretsFolder(made)
  }, 90_000)
  afterAll(async () => {
    await docker('rm', '--force', server, agent)
    await Promise.all(made.map((one) => one.remove()))
    await docker('rmi', '--force', tag)
    if (secrets) rmSync(secrets, { recursive: true })
  }, 60_000)

  test('is its base and 12 MB at most', async () => {
    const size = async (of: string) => Number(await docker('image', 'inspect', '--format', '{{.Size}}', of))
    expect((await size(tag)) - (await size(base))).toBeLessThan(12_000_000)
  })

  test('runs an agent that takes 3 times the memory of a bare HTTP server at most, and still answers over MCP', async () => {
    const port = await freePort()
    const [redis, rabbit] = made as [TestServer, TestServer]
    const env = {
      ARBDECK_SECRETS: '/secrets',
      ARBDECK_FLEET: 'test-image',
      ARBDECK_LIVE: 'true',
      AGENT_PORT: String(port),
      MEMORY_URL: redis.url,
      BUS_URL: rabbit.url,
      HISTORY_URL: 'postgres://127.0.0.1:1/none',
      NODE_OPTIONS: '--max-old-space-size=76',
    }
    const run = ['run', '-d', '--init', '--network', 'host']
    const given = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])
    await docker(...run, '--name', server, '--entrypoint', 'node', base, '-e', BARE)
    const command = ['agent', '--role', 'ui_coder', '--replica', '1']
    await docker(...run, '--name', agent, '--read-only', '-v', `${secrets}:/secrets:ro`, ...given, tag, ...command)

    const memory = await openMemory(redis.url, { fleet: 'test-image', password: redis.password })
    await expect
      .poll(async () => (await readAs(memory, keys.agent('ui_coder-1'), AgentRecordSchema))?.value.state, {
        timeout: 30_000,
      })
      .toBe('healthy')
    await memory.close()
    await pause(2_000)
    const ratio = (await bytesOf(agent)) / (await bytesOf(server))
    expect(ratio, 'memory of the agent, to the bare server').toBeLessThan(3)

    const caller = openCaller({ url: `http://127.0.0.1:${port}/mcp`, token: 'token', name: 'test', version: '0' })
    const reply = await caller.request('tools/call', { name: 'render_report', arguments: {} })
    expect(reply).toMatchObject({ kind: 'result', result: { structuredContent: { executions: 0 } } })
    await caller.close()
  })
})

const BARE = "require('http').createServer((_, r) => r.end()).listen(0)"

/** Of the whole container, as the kernel charges it. */
async function bytesOf(container: string): Promise<number> {
  const [, used = '', unit = ''] = /^([\d.]+)([KMG])iB/.exec(
    await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', container),
  ) as RegExpExecArray
  return Number(used) * { K: 1 / 1024, M: 1, G: 1024 }[unit as 'M'] * MIB
}

/** What an agent may know, for the image's own user. */
function secretsFolder([redis, rabbit]: readonly TestServer[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-secrets-'))
  mkdirSync(folder, { recursive: true })
  const contents = {
    [secretFiles.redisPassword]: redis?.password ?? '',
    [secretFiles.rabbitmqPassword]: rabbit?.password ?? '',
    [secretFiles.agentToken]: 'token',
    [secretFiles.limits]: stringify(testWanted({}).spec.limits),
  }
  for (const [name, content] of Object.entries(contents)) writeFileSync(path.join(folder, name), content)
  chmodSync(folder, 0o755)
  return folder
}
