import { expect, test } from 'vitest'
import type { FleetOptions } from '../../../src/client/launcher.ts'
import type { FleetFile } from '../../../src/client/state.ts'
import { refuseOther } from '../../../src/launch/refusals.ts'

const running: FleetFile = {
  version: 1,
  fleet: 'test',
  engine: 'embedded',
  docker: null,
  hubUrl: null,
  memoryUrl: null,
  chain: 'http://node-a:8545',
  chainId: 777,
  manifestHash: 'abc',
  controlSocket: null,
  startedAt: '2026-01-01T00:00:00.000Z',
}
const asked = (options: Partial<FleetOptions>) => () =>
  refuseOther(
    { fleet: 'test', chain: undefined, chainId: undefined, manifest: undefined, ...options } as FleetOptions,
    running,
    'def',
  )

test('what is not asked for by name is taken as it runs', () => {
  expect(asked({})).not.toThrow()
  expect(asked({ chain: 'http://node-a:8545/secret', chainId: 777 })).not.toThrow()
})

test('another manifest, node, or chain id than what runs is a conflict', () => {
  expect(asked({ manifest: 'other.yaml' })).toThrow(/manifest/)
  expect(asked({ chain: 'http://node-b:8545' })).toThrow(/chain/)
  expect(asked({ chain: 'sandbox' })).toThrow(/chain/)
  expect(asked({ chainId: 1 })).toThrow(/777/)
})
