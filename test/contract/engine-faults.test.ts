import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findDockerAddress } from '../../src/ports/engine/docker/address.ts'
import { connectDocker } from '../../src/ports/engine/docker/connect.ts'
import { dockerError } from '../../src/ports/engine/docker/errors.ts'
import { openEngine } from '../../src/ports/engine/open.ts'
import { until } from './engine.ts'

let folder: string
let socketPath: string
let servers: Server[]

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-faults-'))
  socketPath = path.join(folder, 'docker.sock')
  servers = []
})
afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  rmSync(folder, { recursive: true, force: true })
})

/** Something on a socket that answers every request with this JSON. */
async function fakeDaemon(answer: unknown): Promise<void> {
  const server = createHttpServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
}

const open = (host = `unix://${socketPath}`) =>
  openEngine(`docker://${host.slice('unix://'.length)}`, { fleet: 'test' })

describe('a daemon that cannot be used', () => {
  test('a missing socket says so and how to get one', async () => {
    await expect(open()).rejects.toMatchObject({
      code: 'engine_unreachable',
      transient: true,
      message: expect.stringMatching(/unix:\/\/.*docker\.sock \(from the address given\): there is no such socket/),
      remedy: expect.stringMatching(/Install Docker or start it.*--engine embedded/),
    })
  })

  test('a socket that nobody serves any more says so', async () => {
    writeFileSync(
      path.join(folder, 'leave.cjs'),
      "require('net').createServer().listen(process.argv[2], () => process.kill(process.pid, 'SIGKILL'))",
    )
    const { spawnSync } = await import('node:child_process')
    spawnSync(process.execPath, [path.join(folder, 'leave.cjs'), socketPath])
    await expect(open()).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('nobody listens there'),
      remedy: expect.stringContaining('start Docker again'),
    })
  })

  test('a socket that this user may not use says so', () => {
    // Root may use every socket, and tests may run as root: the kernel's answer is given here.
    const refused = Object.assign(new Error('connect EACCES'), { code: 'EACCES', syscall: 'connect' })
    const address = findDockerAddress(undefined, { HOME: folder })
    expect(dockerError(refused, { what: 'ask', address })).toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('this user may not use the socket'),
      remedy: expect.stringContaining('usermod -aG docker'),
    })
  })

  test('one that is too old says which it is and which is needed', async () => {
    await fakeDaemon({ Version: '17.05.0-ce', ApiVersion: '1.30', Arch: 'amd64' })
    await expect(open()).rejects.toMatchObject({
      code: 'engine_too_old',
      message: expect.stringMatching(/17\.05\.0-ce .* API 1\.30; 1\.41/),
    })
  })

  test('one that is not Docker says so', async () => {
    await fakeDaemon({ hello: 'world' })
    await expect(open()).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('is not Docker'),
    })
  })

  test('one that accepts and never answers is given up', async () => {
    const mute = createServer().listen(socketPath)
    await until(() => mute.listening)
    const began = Date.now()
    await expect(open()).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('no answer within'),
    })
    expect(Date.now() - began).toBeLessThan(10_000)
    mute.close()
  })

  test('a host name that nobody knows says so', async () => {
    await expect(connectDocker({ host: 'tcp://no-such-host.invalid:2375' })).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('host name is not known'),
    })
  })

  test('TLS files that are missing are a fault of the configuration', async () => {
    const none = path.join(folder, 'none')
    const env = { DOCKER_HOST: 'tcp://127.0.0.1:2376', DOCKER_CERT_PATH: none, DOCKER_TLS_VERIFY: '1' }
    await expect(connectDocker({ env })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('DOCKER_HOST'),
    })
  })

  test('over ssh, what the ssh command complains of is in the error', async () => {
    const before = process.env.PATH
    writeFileSync(path.join(folder, 'ssh'), '#!/bin/sh\necho "Permission denied (publickey)." >&2\nexit 255\n')
    chmodSync(path.join(folder, 'ssh'), 0o755)
    process.env.PATH = `${folder}:${before}`
    try {
      await expect(connectDocker({ host: 'ssh://me@far.invalid' })).rejects.toMatchObject({
        code: 'engine_unreachable',
        message: expect.stringContaining('Permission denied (publickey)'),
      })
    } finally {
      process.env.PATH = before
    }
  })

  test('over ssh, requests go through docker system dial-stdio on the other side', async () => {
    await fakeDaemon({ Version: '27.0', ApiVersion: '1.46', Arch: 'aarch64' })
    const before = process.env.PATH
    const relay = `#!${process.execPath}\nconst s = require('net').connect(${JSON.stringify(socketPath)}); process.stdin.pipe(s); s.pipe(process.stdout); require('fs').writeFileSync(${JSON.stringify(path.join(folder, 'args'))}, process.argv.slice(2).join(' '))\n`
    writeFileSync(path.join(folder, 'ssh'), relay)
    chmodSync(path.join(folder, 'ssh'), 0o755)
    process.env.PATH = `${folder}:${before}`
    try {
      const connection = await connectDocker({ host: "ssh://me@far.invalid:2222/run/my docker's.sock" })
      expect(connection).toMatchObject({ version: '27.0', apiVersion: '1.46', arch: 'arm64' })
      const { readFileSync } = await import('node:fs')
      expect(readFileSync(path.join(folder, 'args'), 'utf8')).toContain(
        String.raw`-p 2222 -T me@far.invalid docker --host 'unix:///run/my docker'\''s.sock' system dial-stdio`,
      )
    } finally {
      process.env.PATH = before
    }
  })
})

describe('what the daemon refuses', () => {
  const address = findDockerAddress('unix:///run/x.sock', {})
  const refused = (status: number, words: string) =>
    Object.assign(new Error(`(HTTP code ${status}) server error - ${words} `), { statusCode: status })

  test.each(['write /var/lib/x: no space left on device', 'mkdir /x: disk quota exceeded'])(
    'a full disk is one: %s',
    (words) => {
      const error = dockerError(refused(500, words), { what: 'start hub', address })
      expect(error).toMatchObject({ code: 'disk_full', remedy: expect.stringContaining('docker system prune') })
    },
  )

  test('an image of ours that vanished is one that up makes again', () => {
    const image = 'arbdeck-agent:0123456789abcdef'
    const error = dockerError(refused(404, `No such image: ${image}`), { what: 'create planner-1', address, image })
    expect(error).toMatchObject({
      code: 'image_unavailable',
      message: expect.stringContaining(image),
      remedy: expect.stringContaining('arbdeck up'),
    })
  })

  test('an image without a registry is one, and names the variable', () => {
    const error = dockerError(refused(404, 'No such image: postgres:16-alpine'), {
      what: 'create postgres',
      address,
      image: 'postgres:16-alpine',
    })
    expect(error).toMatchObject({
      code: 'image_unavailable',
      remedy: expect.stringContaining('ARBDECK_IMAGE_POSTGRES'),
    })
  })

  test('anything else keeps the daemon’s own words', () => {
    const error = dockerError(refused(400, 'Minimum memory limit allowed is 6MB'), { what: 'create hub', address })
    expect(error).toMatchObject({
      code: 'engine_refused',
      message: 'could not create hub: Minimum memory limit allowed is 6MB',
      transient: false,
    })
  })
})
