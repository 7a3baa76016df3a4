import path from 'node:path'
import type { FleetClient } from '../client/client.ts'
import type { FleetOptions, Up } from '../client/launcher.ts'
import { notRunning } from '../client/socket.ts'
import { ensureImages, imageChoice } from '../fleet/images.ts'
import { specHash } from '../fleet/spec.ts'
import { describeAddress } from '../ports/engine/docker/address.ts'
import { connectDocker } from '../ports/engine/docker/connect.ts'
import { isLocal } from '../ports/engine/docker/relay.ts'
import { chooseChain, urlOf } from './chain-choice.ts'
import { marketOf } from './chain-market.ts'
import { endFleet, type Say } from './docker-end.ts'
import { dockerClient, findSecrets, imageSources, openDocker, openDockerMemory, usualHubPort } from './docker-parts.ts'
import { chainOf, refuseUnreachableNode } from './docker-refusals.ts'
import { startFleet } from './docker-start.ts'
import { readManifest } from './manifest.ts'
import { removeOldImages } from './old-images.ts'
import { openPurse } from './purse.ts'
import { refuseOther, refuseTakenPort } from './refusals.ts'
import { readRoleSecrets } from './role-parts.ts'
import { whole } from './whole.ts'

/** @throws FleetError `engine_unreachable`, `fleet_not_running` */
export async function attachDocker(options: FleetOptions): Promise<FleetClient> {
  const parts = await openDocker(options.fleet)
  const secrets = await findSecrets(parts)
  if (!secrets) throw notRunning(options.fleet, undefined, 'docker')
  const memory = await openDockerMemory(parts, secrets, 2_000)
  return dockerClient(parts, memory, secrets, (how) => endFleet(parts, how, () => {}))
}

/** Network, images, secrets, infrastructure, services; the controller starts the agents. Repeatable: what is there stays. */
export async function upDocker(
  options: FleetOptions,
  launcher: { entry: string; defaultManifest: string; defaultChains: string },
  why: string,
  say: Say,
  signal: AbortSignal,
): Promise<Up> {
  const spec = readManifest(options.manifest ?? launcher.defaultManifest)
  const roleSecrets = readRoleSecrets(spec, options.secretsDir)
  const parts = await openDocker(options.fleet)
  const before = await parts.engine.list()
  const running = before.some((unit) => unit.id === 'controller' && unit.state === 'running')
  const file = parts.state.fleetFile()
  if (running && file) refuseOther(options, file, specHash(spec))
  const here = isLocal(parts.connection.address) // elsewhere the daemon itself says which port is taken
  if (here && !before.some((unit) => unit.id === 'hub'))
    await refuseTakenPort(options.hubPort ?? usualHubPort(options.fleet))
  const node = chainOf(options, parts, running)
  if (node !== 'sandbox') refuseUnreachableNode(urlOf(node), parts.connection.address)
  const chain = await chooseChain(node, options.chainId)

  const chainsDir = path.resolve(options.chainsDir ?? launcher.defaultChains)
  const purse = await openPurse({ options, chain, spec, chainsDir }, say)
  refuseUnreachableNode(purse.submitUrl, parts.connection.address)
  const market = running
    ? undefined
    : await marketOf(chain, { chainsDir, executor: options.executorAddress, privately: purse.submitUrl !== undefined })
  const start = { options, parts, spec, chain, market, purse, roleSecrets, entry: launcher.entry, running }
  const client = await startFleet(start, say, signal)
  const ready = whole(client, signal)
  return {
    client,
    started: !running,
    why: running ? `The fleet ${options.fleet} runs already (docker); attached to it.` : why,
    ready,
    leave: async () => {},
  }
}

/** @throws FleetError `fleet_not_running` when nothing of it is there */
export async function downDocker(
  options: FleetOptions,
  how: { remove: boolean; volumes: boolean },
  say: Say,
): Promise<void> {
  const parts = await openDocker(options.fleet)
  const there = (await parts.engine.list()).length > 0
  if (!there && !(how.volumes && parts.state.exists())) throw notRunning(options.fleet, undefined, 'docker')
  await endFleet(parts, how, say)
  await parts.engine.close()
}

export async function buildDocker(
  options: FleetOptions,
  entry: string,
  onLine: (line: string) => void,
): Promise<string[]> {
  const parts = await openDocker(options.fleet)
  const images = await ensureImages(
    parts.provisioner,
    imageChoice(process.env),
    imageSources(entry),
    { sandbox: true },
    onLine,
  )
  await removeOldImages(parts.provisioner, Object.values(images), onLine)
  await parts.engine.close()
  return Object.values(images)
}

/** Whether a daemon answers; why it does not is not asked. */
export async function dockerAnswers(): Promise<boolean> {
  return connectDocker().then(
    () => true,
    () => false,
  )
}

/** Whether a daemon answers and knows containers of the fleet. */
export async function dockerHas(fleet: string): Promise<boolean> {
  try {
    const { engine } = await openDocker(fleet)
    const there = (await engine.list()).length > 0
    await engine.close()
    return there
  } catch {
    return false
  }
}

export async function describeDaemon(): Promise<string> {
  const { version, apiVersion, address } = await connectDocker()
  return `Docker ${version} (API ${apiVersion}) at ${describeAddress(address)}`
}
