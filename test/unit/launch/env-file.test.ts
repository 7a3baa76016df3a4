import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadEnvFile } from '../../../src/launch/env-file.ts'
import { portIsFree } from '../../../src/launch/port.ts'

const before = process.cwd()
let folder = ''
beforeEach(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'ad-env-')))
  process.chdir(folder)
})
afterEach(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
  for (const name of ['ARBDECK_TEST_ONE', 'ARBDECK_TEST_TWO']) delete process.env[name]
})

test('no .env is no fault', () => {
  expect(loadEnvFile()).toBeUndefined()
})

test('.env of the working directory is read; what the environment says already wins', () => {
  process.env.ARBDECK_TEST_ONE = 'from the environment'
  writeFileSync('.env', '# ours\nARBDECK_TEST_ONE=from the file\nARBDECK_TEST_TWO="two words"\n')
  expect(loadEnvFile()).toBeUndefined()
  expect(process.env.ARBDECK_TEST_ONE).toBe('from the environment')
  expect(process.env.ARBDECK_TEST_TWO).toBe('two words')
})

test('.env that cannot be read is a fault that names it', () => {
  mkdirSync('.env')
  expect(loadEnvFile()).toMatchObject({
    code: 'config_invalid',
    exitCode: 2,
    message: expect.stringContaining(path.join(folder, '.env')),
  })
})

test('a port is free until somebody listens on it, and when they no longer do', async () => {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  expect(await portIsFree(port)).toBe(false)
  await new Promise((resolve) => server.close(resolve))
  expect(await portIsFree(port)).toBe(true)
  expect(await portIsFree(port), 'asking does not take it').toBe(true)
})
