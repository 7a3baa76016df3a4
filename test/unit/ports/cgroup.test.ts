import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cpuPercent, findCgroup } from '../../../src/ports/engine/docker/cgroup.ts'

const ID = 'ab'.repeat(32)
let root: string
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'arbdeck-cgroup-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(folder: string, files: Record<string, string>): void {
  mkdirSync(path.join(root, folder), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(root, folder, name), text)
}

const V2 = {
  'cpu.stat': 'usage_usec 5000\nuser_usec 1\nsystem_usec 2\n',
  'memory.current': '9000000\n',
  'memory.stat': 'anon 1\nfile 2\ninactive_file 1000000\nactive_file 7\n',
}
const V1_MEMORY = {
  'memory.usage_in_bytes': '9000000\n',
  'memory.stat': 'cache 5\ninactive_file 3\ntotal_cache 5\ntotal_inactive_file 1000000\n',
}

test.each([
  ['version 2, cgroupfs', [[`docker/${ID}`, V2]]],
  ['version 2, systemd', [[`system.slice/docker-${ID}.scope`, V2]]],
  [
    'version 1, cgroupfs',
    [
      [`cpuacct/docker/${ID}`, { 'cpuacct.usage': '5000000\n' }],
      [`memory/docker/${ID}`, V1_MEMORY],
    ],
  ],
  [
    'version 1, systemd, controllers mounted together',
    [
      [`cpu,cpuacct/system.slice/docker-${ID}.scope`, { 'cpuacct.usage': '5000000\n' }],
      [`memory/system.slice/docker-${ID}.scope`, V1_MEMORY],
    ],
  ],
] as const)('of %s: CPU in nanoseconds, and memory without the cache that can be taken back', (_what, folders) => {
  for (const [folder, files] of folders) put(folder, files)
  expect(findCgroup(ID, [path.join(root, 'none'), root])?.()).toEqual({
    cpuNs: 5_000_000,
    memoryBytes: 8_000_000,
    atMs: expect.any(Number),
  })
  expect(findCgroup('cd'.repeat(32), [root])).toBeUndefined()
})

test('a container that has ended gives no reading', () => {
  put(`docker/${ID}`, V2)
  const read = findCgroup(ID, [root])
  rmSync(path.join(root, 'docker'), { recursive: true })
  expect(read?.()).toBeUndefined()
})

test('CPU is 100 for one core, and 0 where there is nothing to compare with', () => {
  expect(cpuPercent({ cpuNs: 1, atMs: 0 }, { cpuNs: 500_000_001, atMs: 1_000 })).toBe(50)
  expect(cpuPercent({ cpuNs: 0, atMs: 0 }, { cpuNs: 5, atMs: 1_000 })).toBe(0)
  expect(cpuPercent({ cpuNs: 9, atMs: 0 }, { cpuNs: 5, atMs: 1_000 })).toBe(0)
  expect(cpuPercent({ cpuNs: 5, atMs: 0 }, { cpuNs: 9, atMs: 0 })).toBe(0)
})
