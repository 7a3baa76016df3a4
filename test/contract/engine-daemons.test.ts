import { createHash } from 'node:crypto'
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectDocker } from '../../src/ports/engine/docker/connect.ts'
import { isLocal, openRelay } from '../../src/ports/engine/docker/relay.ts'
import { openDockerEngine } from '../../src/ports/engine/docker.ts'
import { openDockerProvisioner } from '../../src/ports/engine/docker-provision.ts'
import { describeDaemon, startDaemon, type TestDaemon } from '../fixtures/daemon.ts'
import { until } from './engine.ts'
import { BASE_IMAGE, scriptUnit } from './engine-units.ts'

const FLEET = 'test-daemons'

describeDaemon('a daemon on another machine, by TLS', () => {
  let daemon: TestDaemon
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-tls-'))
    daemon = await startDaemon()
    await daemon.load(BASE_IMAGE)
  }, 60_000)
  afterAll(async () => {
    await daemon?.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const host = () => `tcp://${daemon.ip}:2476`
  const byHost = (more: Record<string, string>) =>
    connectDocker({ env: { HOME: folder, DOCKER_HOST: host(), DOCKER_CERT_PATH: daemon.certs, ...more } })

  test('it is reached as the docker command reaches it, and is not taken for this machine', async () => {
    const { address, version } = await byHost({ DOCKER_TLS_VERIFY: '1' })
    expect(version).toMatch(/^\d+\.\d+/)
    expect(isLocal(address)).toBe(false)
  })

  test('a context carries its own certificates', async () => {
    const hash = createHash('sha256').update('far').digest('hex')
    const contexts = path.join(folder, '.docker', 'contexts')
    const [meta, tls] = [path.join(contexts, 'meta', hash), path.join(contexts, 'tls', hash, 'docker')]
    for (const each of [meta, tls]) mkdirSync(each, { recursive: true })
    const write = (SkipTLSVerify: boolean) =>
      writeFileSync(
        path.join(meta, 'meta.json'),
        JSON.stringify({ Name: 'far', Endpoints: { docker: { Host: host(), SkipTLSVerify } } }),
      )
    for (const name of ['cert.pem', 'key.pem']) cpSync(path.join(daemon.certs, name), path.join(tls, name))
    const env = { HOME: folder, DOCKER_CONTEXT: 'far' }
    write(true)
    expect((await connectDocker({ env })).address.from).toBe('the Docker context far')
    write(false)
    await expect(connectDocker({ env })).rejects.toMatchObject({ code: 'engine_unreachable' }) // no authority knows it
    cpSync(path.join(daemon.certs, 'ca.pem'), path.join(tls, 'ca.pem'))
    await connectDocker({ env })
  })

  test('who does not trust it, or whom it does not trust, is told so; who speaks no TLS, too', async () => {
    const other = path.join(folder, 'other')
    mkdirSync(other)
    cpSync(path.join(daemon.certs, 'ca.pem'), path.join(other, 'ca.pem'))
    await expect(byHost({ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: other })).rejects.toMatchObject({
      code: 'engine_unreachable',
      remedy: expect.stringContaining('DOCKER_CERT_PATH'),
    })
    cpSync(path.join(daemon.certs, 'server.pem'), path.join(other, 'ca.pem')) // not who signed it
    await expect(byHost({ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: other })).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('they do not trust each other'),
    })
    await expect(byHost({})).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('speaks TLS'),
      remedy: expect.stringContaining('DOCKER_TLS_VERIFY=1'),
    })
  })

  test('its fleet is run, and a port inside is reached through a container, whole and both ways', async () => {
    const connection = await byHost({ DOCKER_TLS_VERIFY: '1' })
    const [engine, provisioner] = [
      await openDockerEngine({ fleet: FLEET, connection }),
      await openDockerProvisioner({ fleet: FLEET, connection }),
    ]
    await provisioner.ensureNetwork('mcpnet', 'closed')
    const echo =
      "require('node:http').createServer((q, s) => q.pipe(s)).listen(6379, () => console.log('ready')); process.on('SIGTERM', () => process.exit(0))"
    await engine.start({ ...scriptUnit('bot', 'serve'), command: ['node', '-e', echo], networks: ['mcpnet'] })
    await engine.start({ ...scriptUnit('hub', 'serve'), networks: ['mcpnet'] })
    await until(async () => {
      const lines = []
      for await (const line of engine.logs('bot', { tail: 5, follow: false }, new AbortController().signal))
        lines.push(line.message)
      return lines.includes('ready')
    })
    const relay = await openRelay(connection, `${FLEET}-mcp-coordinator`, 'bot', 6_379)
    const big = 'x'.repeat(500_000)
    const ask = async (body: string) => (await fetch(`http://127.0.0.1:${relay.port}`, { method: 'POST', body })).text()
    expect(await Promise.all([ask(big), ask('small'), ask('third')])).toEqual([big, 'small', 'third'])
    relay.close()
    for (const id of ['bot', 'hub']) await engine.stop(id, { graceMs: 1_000, remove: true })
    await provisioner.removeNetworks()
    await engine.close()
  }, 60_000)
})

describeDaemon('a daemon whose disk is full', () => {
  let daemon: TestDaemon
  beforeAll(async () => {
    daemon = await startDaemon({ diskMb: 400 })
    await daemon.load(BASE_IMAGE)
  }, 60_000)
  afterAll(() => daemon?.remove())

  test('every errand that needs room says so and how to get some; what needs none goes on', async () => {
    const { host } = daemon
    const engine = await openDockerEngine({ fleet: FLEET, host })
    const provisioner = await openDockerProvisioner({ fleet: FLEET, host })
    await engine.start(scriptUnit('executor-1', 'serve'))
    const free = fill(path.join(daemon.dataRoot, 'filler'))
    const file = { name: 'a', content: Buffer.alloc(100_000), mode: 0o400, uid: 10_001, gid: 10_001 }
    const recipe = { name: 'Dockerfile', mode: 0o644, content: Buffer.from(`FROM ${BASE_IMAGE}\nCOPY a /a\n`) }
    const big = { name: 'a', mode: 0o644, content: Buffer.alloc(3_000_000) }
    const build = { tag: 'arbdeck-x:1', kind: 'x', dockerfile: 'Dockerfile', buildArgs: {}, files: [recipe, big] }
    const errands = {
      start: () => engine.start(scriptUnit('executor-2', 'serve')),
      fill: () => provisioner.fillVolumes([{ volume: `${FLEET}-a`, files: [file] }], BASE_IMAGE),
      build: () => provisioner.buildImage(build, () => undefined),
    }
    for (const [name, errand] of Object.entries(errands))
      await expect(errand(), name).rejects.toMatchObject({
        code: 'disk_full',
        remedy: expect.stringMatching(/docker system df.*docker system prune/),
      })
    expect((await engine.list()).map(({ id, state }) => [id, state])).toEqual([['executor-1', 'running']])
    free()
    await errands.start()
    await errands.fill()
    await engine.close()
  }, 60_000)

  /** Takes all that is left. @returns gives it back */
  function fill(file: string): () => void {
    const handle = openSync(file, 'w')
    try {
      for (;;) writeSync(handle, Buffer.alloc(4_096))
    } catch {
      return () => rmSync(file)
    } finally {
      closeSync(handle)
    }
  }
})
