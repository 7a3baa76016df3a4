import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FleetOptions, Generated } from '../client/launcher.ts'
import { makeFolder } from '../client/make-folder.ts'
import { composeFiles } from '../fleet/compose.ts'
import { imageChoice } from '../fleet/images.ts'
import { fleetNetworks } from '../fleet/networks.ts'
import { USUAL_SOCKET } from '../ports/engine/docker/address.ts'
import { composeService, composeServiceName } from '../ports/engine/docker/compose.ts'
import { LABELS, networkName } from '../ports/engine/docker/names.ts'
import { networkSettings } from '../ports/engine/docker/networks.ts'
import { FleetError } from '../protocol/errors.ts'
import { usualHubPort } from './docker-parts.ts'
import { readManifest } from './manifest.ts'

/**
 * Writes the compose files of a fleet, or with `check` only tells which are not as they would be written.
 * @throws FleetError `config_invalid`, `unsupported`
 */
export function generateCompose(
  options: FleetOptions,
  { output, check }: { output: string | undefined; check: boolean },
  parts: { entry: string; defaultManifest: string },
): Generated[] {
  if ((options.chain ?? 'sandbox') !== 'sandbox')
    throw new FleetError('unsupported', 'the compose files run the practice market, not another chain', {
      remedy: 'Leave --chain out, or run the fleet with arbdeck up --chain.',
    })
  const root = fileURLToPath(new URL('../..', `file://${parts.entry}`))
  const folder = path.resolve(output ?? path.join(root, 'compose'))
  const files = composeFiles(inputsOf(options, folder, root, parts.defaultManifest))
  return [...files].map(([name, text]) => {
    const file = path.join(folder, name)
    const there = textOf(file)
    if (there === text) return { file, state: 'current' }
    if (check) return { file, state: there === undefined ? 'missing' : 'stale' }
    write(file, text)
    return { file, state: 'written' }
  })
}

/** @throws FleetError `conflict` */
function write(file: string, text: string): void {
  try {
    makeFolder(path.dirname(file))
    writeFileSync(file, text)
  } catch (cause) {
    throw new FleetError('conflict', `${file} cannot be written: ${(cause as Error).message}`, {
      remedy: 'Name a folder that you may write to with --output.',
      cause,
    })
  }
}

function inputsOf(options: FleetOptions, folder: string, root: string, defaultManifest: string) {
  const { fleet } = options
  const manifest = options.manifest ?? defaultManifest
  const fleetLabels = { [LABELS.fleet]: fleet }
  return {
    fleet,
    spec: readManifest(manifest),
    manifest: withSlashes(path.relative(root, path.resolve(manifest))),
    seed: options.seed ?? '1',
    profile: options.profile ?? 'standard',
    hubPort: options.hubPort ?? usualHubPort(fleet),
    // Those of this machine's .env have no place in a file for everyone.
    images: imageChoice({}),
    dockerSocket: USUAL_SOCKET,
    contexts: withSlashes(path.relative(folder, path.join(root, 'dist', 'images'))),
    serviceOf: (unit: Parameters<typeof composeService>[1], socket: string) => composeService(fleet, unit, socket),
    serviceName: composeServiceName,
    networkOf: (name: string) => networkOf(fleet, name),
    fleetLabels,
    errandLabels: { [LABELS.errand]: 'compose' },
    imageLabels: (kind: string) => ({ [LABELS.image]: kind }),
  }
}

function networkOf(fleet: string, name: string) {
  const reach = fleetNetworks({ chain: 'sandbox' }).find((network) => network.name === name)?.reach ?? 'closed'
  const { internal, options } = networkSettings(reach)
  return {
    name: networkName(fleet, name),
    driver: 'bridge',
    internal,
    driver_opts: options,
    labels: { [LABELS.fleet]: fleet },
  }
}

const withSlashes = (way: string): string => way.split(path.sep).join('/')

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
