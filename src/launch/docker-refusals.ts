import type { FleetOptions } from '../client/launcher.ts'
import { FleetError } from '../protocol/errors.ts'
import type { ChainChoice } from './chain-choice.ts'
import type { DockerParts } from './docker-parts.ts'

export function chainOf(options: FleetOptions, parts: DockerParts, running: boolean): string {
  if (options.chain !== undefined || !running) return options.chain ?? 'sandbox'
  const before = parts.state.fleetFile()?.chain ?? 'sandbox'
  if (before === 'sandbox') return before
  throw new FleetError('fleet_conflict', `the fleet ${options.fleet} runs on ${before}`, {
    remedy: 'Name its node again with --chain, or take the fleet down first.',
  })
}

export function refuseUnreachableChain(chain: ChainChoice): void {
  if (chain.url === null) return
  const { protocol, hostname } = new URL(chain.url)
  const here = /^(localhost|127\.|\[::1\])/.test(hostname)
  if (protocol !== 'ipc:' && !here) return
  throw new FleetError(
    'unsupported',
    protocol === 'ipc:'
      ? 'containers cannot reach a node over ipc'
      : 'containers cannot reach a node that listens on localhost',
    {
      remedy: 'Name the node by http or ws and an address that containers reach, or use --engine embedded.',
    },
  )
}
