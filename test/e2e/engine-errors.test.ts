import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { build, Cli, errorOf, type Finished, type RunOptions } from '../fixtures/cli.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'

const run = process.pid.toString(36)
const FLEET = `test-engine-${run}`
const NOWHERE = { DOCKER_HOST: 'unix:///nonexistent.sock' }
const NOBODY = 65_534

let cli: Cli
const servers: net.Server[] = []
beforeAll(() => {
  build()
  cli = new Cli()
})
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
})
afterAll(() => cli.close([FLEET]), 120_000)

/** Runs a command that must fail: its exit code and the error that its last line is. */
async function fails(args: readonly string[], options: RunOptions = {}) {
  const done: Finished = await cli.run([...args, '--json'], options)
  return { code: done.code, error: errorOf(done), done }
}

describe('a Docker daemon that cannot be used', () => {
  const socket = () => path.join(cli.folder, 'docker.sock')
  const at = () => ({ env: { DOCKER_HOST: `unix://${socket()}` } })
  const listen = (server: net.Server) => {
    servers.push(server)
    return new Promise<void>((resolve) => server.listen(socket(), resolve))
  }

  test.each(['up', 'status', 'ps', 'down', 'scale executor=2', 'logs'])('%s: there is no socket', async (command) => {
    const { code, error } = await fails([...command.split(' '), '--engine', 'docker'], { env: NOWHERE })
    expect(code).toBe(3)
    expect(error).toMatchObject({ code: 'engine_unreachable', remedy: expect.stringContaining('--engine embedded') })
    expect(error.message).toMatch(/unix:\/\/\/nonexistent\.sock \(from DOCKER_HOST\): there is no such socket/)
  })

  test('the socket is not this user’s to use', async () => {
    await listen(net.createServer())
    chmodSync(socket(), 0)
    chmodSync(cli.folder, 0o711)
    const home = path.join(cli.folder, 'nobody')
    mkdirSync(home)
    const root = process.getuid?.() === 0
    if (root) chownSync(home, NOBODY, NOBODY)
    const { code, error } = await fails(['up', '--engine', 'docker'], {
      env: { ...at().env, XDG_STATE_HOME: home, HOME: home },
      cwd: home, // the checkout's .env may not be this user's to read
      ...(root ? { uid: NOBODY } : {}),
    })
    expect(code).toBe(3)
    expect(error).toMatchObject({ code: 'engine_unreachable', remedy: expect.stringMatching(/group/) })
    expect(error.message).toMatch(/this user may not use the socket/)
  })

  test('nobody is behind the socket any more', async () => {
    const leave = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))"
    spawnSync(process.execPath, ['-e', leave, socket()])
    const { code, error } = await fails(['up', '--engine', 'docker'], at())
    expect(code).toBe(3)
    expect(error).toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('nobody listens there'),
    })
    spawnSync('rm', ['-f', socket()])
  })

  test('the daemon is too old', async () => {
    const old = { Version: '17.06', ApiVersion: '1.30', MinAPIVersion: '1.12', Os: 'linux', Arch: 'amd64' }
    await listen(http.createServer((_request, response) => response.end(JSON.stringify(old))))
    const { code, error } = await fails(['up', '--engine', 'docker'], at())
    expect(code).toBe(3)
    expect(error).toMatchObject({ code: 'engine_too_old', remedy: expect.stringMatching(/Upgrade/) })
    expect(error.message).toMatch(/17\.06.*API 1\.30; 1\.\d+/)
  })

  test('auto then takes the embedded engine, and says why', async () => {
    const done = await cli.run(['up', '--fleet', FLEET, '--for', '10ms'], { env: NOWHERE })
    expect(done.code).toBe(0)
    expect(done.stderr).toMatch(/Engine embedded: no Docker daemon answers/)
  }, 60_000)
})

describeDocker('a Docker daemon that lacks something', () => {
  test.each(['REDIS', 'BASE'])(
    'the image of ARBDECK_IMAGE_%s cannot be had, and nothing is left',
    async (name) => {
      const fleet = `test-image-${run}`
      const { code, error } = await fails(['up', '--engine', 'docker', '--fleet', fleet], {
        env: { [`ARBDECK_IMAGE_${name}`]: 'localhost:1/does-not-exist:1' },
      })
      expect(code).toBe(1)
      expect(error).toMatchObject({ code: 'image_unavailable', message: expect.stringContaining('does-not-exist:1') })
      expect(error.remedy).toMatch(/ARBDECK_IMAGE_/)
      const filter = `label=arbdeck.fleet=${fleet}`
      for (const what of [
        ['ps', '-aq'],
        ['volume', 'ls', '-q'],
        ['network', 'ls', '-q'],
      ])
        expect(await docker(...what, '--filter', filter)).toBe('')
    },
    60_000,
  )

  test('the hub’s port is taken', async () => {
    const port = await takePort()
    const fleet = `test-port-${run}`
    const { code, error } = await fails(['up', '--engine', 'docker', '--fleet', fleet, '--hub-port', String(port)])
    expect(code).toBe(1)
    expect(error).toMatchObject({ code: 'port_taken', remedy: expect.stringContaining('--hub-port') })
  }, 60_000)
})

async function takePort(): Promise<number> {
  const server = net.createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
