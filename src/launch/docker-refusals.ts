import type { FleetOptions } from '../client/launcher.ts'
import { type DockerAddress, describeAddress } from '../ports/engine/docker/address.ts'
import { isLocal } from '../ports/engine/docker/relay.ts'
import { FleetError } from '../protocol/errors.ts'
import { isHere } from './docker-node.ts'
import type { DockerParts } from './docker-parts.ts'

export function chainOf(options: FleetOptions, parts: DockerParts, running: boolean): string {
  if (options.chain !== undefined || !running) return options.chain ?? 'sandbox'
  const before = parts.state.fleetFile()?.chain ?? 'sandbox'
  if (before === 'sandbox') return before
  throw new FleetError('fleet_conflict', `the fleet ${options.fleet} runs on ${before}`, {
    remedy: 'Name its node again with --chain, or take the fleet down first.',
  })
}

/** @throws FleetError `unsupported` for a node that containers cannot reach, whatever it listens on */
export function refuseUnreachableNode(url: string | undefined, daemon: DockerAddress): void {
  if (url === undefined || !URL.canParse(url)) return
  const ipc = new URL(url).protocol === 'ipc:'
  if (!ipc && (isLocal(daemon) || !isHere(url))) return
  throw new FleetError(
    'unsupported',
    ipc
      ? 'containers cannot reach a node over ipc'
      : `the node listens on localhost of this machine, and the daemon at ${describeAddress(daemon)} is on another`,
    {
      remedy: 'Name the node by http or ws and an address that containers reach, or use --engine embedded.',
    },
  )
}
