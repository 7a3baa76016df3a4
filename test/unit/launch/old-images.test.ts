import { expect, test } from 'vitest'
import { removeOldImages } from '../../../src/launch/old-images.ts'
import type { OldImages } from '../../../src/ports/engine/provision.ts'
import { FleetError } from '../../../src/protocol/errors.ts'

test('images of ours that are older than a week are removed, never those of this build, and it is said', async () => {
  const asked: OldImages[] = []
  const lines: string[] = []
  const pruneImages = async (old: OldImages) => {
    asked.push(old)
    return ['arbdeck-agent:old']
  }
  await removeOldImages({ pruneImages }, ['arbdeck-agent:new', 'redis:7'], (line) => lines.push(line))
  expect(asked).toEqual([
    { kinds: ['agent', 'sandbox'], olderThanMs: 604_800_000, keep: ['arbdeck-agent:new', 'redis:7'] },
  ])
  expect(lines).toEqual(['removed arbdeck-agent:old: more than a week old, and no container uses it'])
})

test('a daemon that removes none is no reason not to go on', async () => {
  const lines: string[] = []
  const pruneImages = () => Promise.reject(new FleetError('engine_refused', 'it is busy', { remedy: 'Wait.' }))
  await removeOldImages({ pruneImages }, [], (line) => lines.push(line))
  expect(lines).toEqual(['old images stay: it is busy'])
})
