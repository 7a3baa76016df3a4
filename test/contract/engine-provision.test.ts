import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDockerProvisioner } from '../../src/ports/engine/docker-provision.ts'
import type { ContextFile, Provisioner } from '../../src/ports/engine/provision.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'
import { BASE_IMAGE, testFleet } from './engine-units.ts'

const text = (name: string, content: string): ContextFile => ({ name, mode: 0o644, content: Buffer.from(content) })
const silent = () => undefined

describeDocker('what a fleet stands on, on Docker', () => {
  let fleet: string
  let provisioner: Provisioner

  beforeEach(async () => {
    fleet = testFleet()
    provisioner = await openDockerProvisioner({ fleet })
  })
  afterEach(async () => {
    await provisioner.removeVolumes()
    await provisioner.removeNetworks()
    const images = await docker('image', 'ls', '--quiet', '--filter', `label=arbdeck.image=${fleet}`)
    if (images !== '') await docker('image', 'rm', '--force', ...new Set(images.split('\n')))
  })

  const labelled = (kind: 'volume' | 'network') =>
    docker(kind, 'ls', '--quiet', '--filter', `label=arbdeck.fleet=${fleet}`)

  test('networks and volumes are made once, labelled, and removed without touching what is not the fleet’s', async () => {
    await docker('volume', 'create', `${fleet}-stranger`)
    await Promise.all([provisioner.ensureNetwork('mcpnet', 'closed'), provisioner.ensureNetwork('mcpnet', 'closed')])
    await provisioner.ensureNetwork('mcpnet', 'closed')
    await provisioner.ensureVolume(`${fleet}-redis`)
    await provisioner.ensureVolume(`${fleet}-redis`)
    expect((await labelled('network')).split('\n')).toHaveLength(1)
    expect(await labelled('volume')).toBe(`${fleet}-redis`)
    await expect(provisioner.ensureVolume(`${fleet}-stranger`)).rejects.toMatchObject({ code: 'engine_refused' })
    for (let twice = 0; twice < 2; twice++) {
      await provisioner.removeNetworks()
      await provisioner.removeVolumes()
    }
    expect(await labelled('network')).toBe('')
    expect(await labelled('volume')).toBe('')
    expect(await docker('volume', 'rm', `${fleet}-stranger`)).toBe(`${fleet}-stranger`)
  })

  test('a network that leads elsewhere is made anew, unless containers run on it', async () => {
    const leads = () => docker('network', 'inspect', `${fleet}-chain`, '--format', '{{.Internal}} {{len .Options}}')
    await provisioner.ensureNetwork('chain', 'closed')
    expect(await leads()).toBe('true 1')
    await provisioner.ensureNetwork('chain', 'open')
    expect(await leads()).toBe('false 0')
    const run = ['run', '--detach', '--rm', '--label', `arbdeck.fleet=${fleet}`, '--network', `${fleet}-chain`]
    const container = await docker(...run, BASE_IMAGE, 'node', '-e', 'setInterval(() => {}, 1000)')
    await expect(provisioner.ensureNetwork('chain', 'published')).rejects.toMatchObject({
      code: 'fleet_conflict',
      remedy: expect.stringContaining(`arbdeck down --fleet ${fleet}`),
    })
    await docker('rm', '--force', container)
    await provisioner.ensureNetwork('chain', 'published')
    expect(await leads()).toBe('false 1')
  })

  test('files come back as they were written, with owner and mode, and no container stays', async () => {
    const secret = randomBytes(32).toString('hex')
    const big = randomBytes(300_000)
    const owned = { uid: 10001, gid: 10001, mode: 0o400 }
    const fills = [
      { volume: `${fleet}-a`, files: [{ name: 'token', content: Buffer.from(secret), ...owned }] },
      { volume: `${fleet}-b`, files: [{ name: 'big', content: big, uid: 0, gid: 0, mode: 0o444 }] },
    ]
    const containers = () => docker('ps', '--all', '--quiet', '--filter', `label=arbdeck.fleet=${fleet}`)
    await provisioner.fillVolumes(fills, BASE_IMAGE)
    await provisioner.fillVolumes(fills, BASE_IMAGE)
    expect(await containers()).toBe('')
    const look =
      "const s = require('fs').statSync('/v/token'); console.log(s.uid, s.gid, (s.mode & 0o777).toString(8), require('fs').readdirSync('/v').length)"
    expect(await docker('run', '--rm', '-v', `${fleet}-a:/v:ro`, BASE_IMAGE, 'node', '-e', look)).toBe(
      '10001 10001 400 1',
    )
    const back = await provisioner.readVolume(`${fleet}-a`, ['token', 'none'], BASE_IMAGE)
    expect([...back].map(([name, content]) => [name, content.toString()])).toEqual([['token', secret]])
    expect((await provisioner.readVolume(`${fleet}-b`, ['big'], BASE_IMAGE)).get('big')?.equals(big)).toBe(true)
    await expect(provisioner.readVolume(`${fleet}-none`, ['token'], BASE_IMAGE)).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(await labelled('volume')).not.toContain('none')
  })

  test('an image is built from files, found by its tag, and pruned when it is old and unused', async () => {
    const lines: string[] = []
    const build = (tag: string, words: string) =>
      provisioner.buildImage(
        {
          tag,
          kind: fleet,
          dockerfile: 'Dockerfile',
          buildArgs: { BASE: BASE_IMAGE },
          files: [
            text(
              'Dockerfile',
              'ARG BASE\nFROM $BASE\nCOPY app/ /app/\nUSER 10001:10001\nENTRYPOINT ["node", "/app/main.js"]\n',
            ),
            text(`app/${'long-folder-name/'.repeat(8)}file.js`, 'x'),
            text('app/main.js', `console.log(${JSON.stringify(words)})`),
          ],
        },
        (line) => lines.push(line),
      )
    const [older, newer] = [`arbdeck-${fleet}:1`, `arbdeck-${fleet}:2`]
    expect(await provisioner.hasImage(older)).toBe(false)
    await build(older, 'first')
    await build(newer, 'second')
    expect(await docker('run', '--rm', newer)).toBe('second')
    expect(lines.some((line) => line.includes('COPY app/ /app/'))).toBe(true)
    const prune = (olderThanMs: number) => provisioner.pruneImages({ kinds: [fleet], keep: [newer], olderThanMs })
    expect(await prune(60_000)).toEqual([])
    expect(await prune(0)).toEqual([older])
    expect([await provisioner.hasImage(older), await provisioner.hasImage(newer)]).toEqual([false, true])
  })

  test.each([
    ['a base that cannot be had', 'FROM no-such-host.invalid/node:20', /ARBDECK_IMAGE_BASE/],
    ['a step that fails', `FROM ${BASE_IMAGE}\nCOPY none /none`, /arbdeck build/],
    ['a Dockerfile that is none', 'FRUM x', /arbdeck build/],
  ])('a build with %s is an error, though the request itself succeeded', async (_what, recipe, remedy) => {
    const base = /FROM (no-such\S+)/.exec(recipe)?.[1] ?? BASE_IMAGE
    const build = {
      tag: `arbdeck-${fleet}:1`,
      kind: fleet,
      dockerfile: 'Dockerfile',
      buildArgs: { BASE: base },
      files: [text('Dockerfile', recipe)],
    }
    await expect(provisioner.buildImage(build, silent)).rejects.toMatchObject({
      code: 'image_unavailable',
      remedy: expect.stringMatching(remedy),
    })
  })

  test('an image that no registry gives is an error that names the variable', async () => {
    await expect(provisioner.pull('no-such-host.invalid/redis:7', silent)).rejects.toMatchObject({
      code: 'image_unavailable',
      remedy: expect.stringContaining('ARBDECK_IMAGE_REDIS'),
    })
  })

  test('what machine it is', async () => {
    expect(await provisioner.about()).toMatchObject({
      arch: expect.stringMatching(/^[a-z0-9]+$/),
      cpus: expect.any(Number),
    })
  })
})
