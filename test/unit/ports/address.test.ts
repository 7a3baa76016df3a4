import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { describeAddress, findDockerAddress } from '../../../src/ports/engine/docker/address.ts'
import { openEngine } from '../../../src/ports/engine/open.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-address-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('which daemon is meant', () => {
  const find = (env: Record<string, string>, host?: string) =>
    describeAddress(findDockerAddress(host, { HOME: folder, ...env }))

  test('an address given goes before DOCKER_HOST, DOCKER_HOST before the context, and at last the usual socket', () => {
    writeContext('far', 'tcp://far.example:2375')
    expect(find({})).toBe('unix:///var/run/docker.sock')
    expect(find({ DOCKER_CONTEXT: 'far' })).toBe('tcp://far.example:2375')
    expect(find({ DOCKER_CONTEXT: 'far', DOCKER_HOST: 'unix:///run/mine.sock' })).toBe('unix:///run/mine.sock')
    expect(find({ DOCKER_HOST: 'unix:///run/mine.sock' }, 'tcp://near:2375')).toBe('tcp://near:2375')
    writeFileSync(path.join(folder, '.docker', 'config.json'), JSON.stringify({ currentContext: 'far' }))
    expect(find({})).toBe('tcp://far.example:2375')
    expect(find({ DOCKER_CONTEXT: 'default' })).toBe('unix:///var/run/docker.sock')
  })

  test('TLS is spoken where it is asked for, and on its usual port', () => {
    const tls = (env: Record<string, string>) => {
      const address = findDockerAddress(undefined, { HOME: folder, ...env })
      return address.kind === 'tcp' && address.tls !== null
    }
    expect(tls({ DOCKER_HOST: 'tcp://far:2376' })).toBe(true)
    expect(tls({ DOCKER_HOST: 'tcp://far:2375' })).toBe(false)
    expect(tls({ DOCKER_HOST: 'tcp://far:9999', DOCKER_TLS_VERIFY: '1' })).toBe(true)
    expect(tls({ DOCKER_HOST: 'tcp://far:9999', DOCKER_CERT_PATH: folder })).toBe(false)
    expect(find({ DOCKER_HOST: 'tcp://far', DOCKER_TLS_VERIFY: '1' })).toBe('tcp://far:2376')
    const trust = (env: Record<string, string>) =>
      findDockerAddress(undefined, { HOME: folder, DOCKER_HOST: 'tcp://far:9999', ...env })
    expect(trust({ DOCKER_TLS: '1' })).toMatchObject({ tls: { trust: 'anyone' } })
    expect(trust({ DOCKER_TLS: '1', DOCKER_TLS_VERIFY: '1' })).toMatchObject({ tls: { trust: 'ca.pem' } })
  })

  test('addresses of every form are taken whole', () => {
    const address = (DOCKER_HOST: string) => findDockerAddress(undefined, { HOME: folder, DOCKER_HOST })
    expect(address('tcp://[::1]:2375')).toMatchObject({ host: '::1', port: 2375 })
    expect(find({ DOCKER_HOST: 'tcp://[::1]:2375' })).toBe('tcp://[::1]:2375')
    expect(find({ DOCKER_HOST: 'ssh://me@far:22022' })).toBe('ssh://me@far:22022')
    expect(address('ssh://me@far/run/user/1000/docker.sock')).toMatchObject({
      target: 'me@far',
      port: null,
      socketPath: '/run/user/1000/docker.sock',
    })
  })

  test.each(['ftp://far', 'ssh://-oProxyCommand=x', 'tcp://'])('%s is refused', (host) => {
    expect(() => findDockerAddress(host, {})).toThrowError(expect.objectContaining({ code: 'config_invalid' }))
  })

  test('a context that is not there, or cannot be read, is a fault of the configuration', () => {
    expect(() => find({ DOCKER_CONTEXT: 'none' })).toThrowError(expect.objectContaining({ code: 'config_invalid' }))
    mkdirSync(path.join(folder, '.docker'), { recursive: true })
    writeFileSync(path.join(folder, '.docker', 'config.json'), '{')
    expect(() => find({})).toThrowError(expect.objectContaining({ code: 'config_invalid' }))
  })

  test('an engine that nobody knows, and embedded outside its host, are refused', async () => {
    await expect(openEngine('podman:', { fleet: 'test' })).rejects.toMatchObject({ code: 'config_invalid' })
    await expect(openEngine('embedded:', { fleet: 'test' })).rejects.toMatchObject({ code: 'unsupported' })
  })

  function writeContext(name: string, host: string): void {
    const meta = path.join(folder, '.docker', 'contexts', 'meta', createHash('sha256').update(name).digest('hex'))
    mkdirSync(meta, { recursive: true })
    writeFileSync(path.join(meta, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }))
  }
})
