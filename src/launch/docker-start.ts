import { setTimeout as pause } from 'node:timers/promises'
import type { FleetClient } from '../client/client.ts'
import type { FleetOptions } from '../client/launcher.ts'
import { forgetCompose } from '../fleet/adoption.ts'
import { ensureImages, imageChoice } from '../fleet/images.ts'
import { fleetNetworks } from '../fleet/networks.ts'
import { type RoleSecrets, roleFills } from '../fleet/role-volumes.ts'
import { secretVolumes } from '../fleet/secrets.ts'
import { specHash } from '../fleet/spec.ts'
import { fleetUnits } from '../fleet/units.ts'
import { describeAddress } from '../ports/engine/docker/address.ts'
import { isLocal } from '../ports/engine/docker/relay.ts'
import type { UnitSpec } from '../ports/engine/engine.ts'
import type { ChainInfo } from '../protocol/chain.ts'
import { FleetError } from '../protocol/errors.ts'
import type { FleetSpec, Wanted } from '../protocol/fleet.ts'
import { keys, leases } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'
import type { ChainChoice } from './chain-choice.ts'
import { describeMarket } from './chain-market.ts'
import { endFleet, INFRASTRUCTURE, type Say } from './docker-end.ts'
import { urlsForContainers } from './docker-node.ts'
import {
  type DockerParts,
  dockerClient,
  findOrMakeSecrets,
  imageSources,
  openDockerMemory,
  usualHubPort,
} from './docker-parts.ts'
import { removeOldImages } from './old-images.ts'
import { portIsFree } from './port.ts'
import type { Purse } from './purse.ts'
import { pullRoleImages, refuseMissingSecrets } from './role-parts.ts'
import { type WantedInputs, writeWanted } from './wanted.ts'

const INFRA_MS = 120_000
const REDIS_PORT = 6_379

export interface Start {
  options: FleetOptions
  parts: DockerParts
  spec: FleetSpec
  chain: ChainChoice
  /** What `chain` is; undefined: the sandbox says it, or a fleet that runs has it. */
  market: ChainInfo | undefined
  /** What it sends with on a chain that is not the sandbox. */
  purse: Purse
  /** What roles name in `secrets`, as given now. */
  roleSecrets: RoleSecrets
  entry: string
  /** Whether it runs already. */
  running: boolean
}

/** Images, network, secrets, infrastructure, services; the controller starts the agents. Repeatable: what is there stays. */
export async function startFleet(start: Start, say: Say, signal: AbortSignal): Promise<FleetClient> {
  const { options, parts, spec, chain } = start
  const { provisioner, fleet } = parts
  const service = (name: string, state: string, note?: string) =>
    say({ type: 'service', at: now(), name, state, ...(note === undefined ? {} : { note }) })
  const building = (line: string) => service('images', 'building', line)
  const images = await ensureImages(
    provisioner,
    imageChoice(process.env),
    imageSources(start.entry),
    { sandbox: chain.name === 'sandbox' },
    building,
  )
  await removeOldImages(provisioner, Object.values(images), building)
  await pullRoleImages(provisioner, spec, building)
  if (!start.running) await refuseMissingSecrets(parts, spec, start.roleSecrets, images.base)
  signal.throwIfAborted()
  for (const { name, reach } of fleetNetworks({ chain: chain.name })) await provisioner.ensureNetwork(name, reach)
  const { purse } = start
  const urls = await urlsForContainers(parts, { chain: chain.url, submit: purse.submitUrl }, images.base)
  signal.throwIfAborted()
  const secrets = await findOrMakeSecrets(parts)
  const volumes = secretVolumes(fleet, secrets, {
    limits: spec.limits,
    risk: spec.risk,
    ...(urls.chain === null ? {} : { rpcUrl: urls.chain }),
    // Of a fleet that runs, the keys of before stay unless others are given.
    ...(purse.keys || !start.running ? { executorKeys: purse.keys ?? [] } : {}),
    ...(urls.submit === undefined ? {} : { submitUrl: urls.submit }),
  })
  await provisioner.fillVolumes([...volumes, ...roleFills(fleet, spec, start.roleSecrets)], images.base)
  signal.throwIfAborted()

  const inputs = {
    fleet,
    engine: 'docker' as const,
    profile: options.profile,
    spec,
    chain: chain.name,
    chainId: chain.chainId,
    hubPort: options.hubPort,
    usualHubPort: usualHubPort(fleet),
    seed: options.seed,
    chainIdGiven: options.chainId !== undefined,
    ...(options.live ? { live: true } : {}),
    running: start.running,
    images,
  }
  // What is free on another machine cannot be seen from here, and nobody there needs the usual port.
  const redisPort = isLocal(parts.connection.address) && (await portIsFree(REDIS_PORT)) ? REDIS_PORT : 0
  const units = new Map(fleetUnits(planned(inputs), { redisPort }).map((unit) => [unit.id, unit]))
  await startAll(parts, units, INFRASTRUCTURE, service)
  await waitHealthy(parts, 'redis', signal)
  service('redis', 'healthy')
  // On a daemon of another machine the controller's container is the way in; without a wanted fleet it waits.
  if (!isLocal(parts.connection.address)) await startAll(parts, units, ['controller'], service)
  const memory = await openDockerMemory(parts, secrets, 10_000)
  const wanted = await writeWanted(memory, inputs)
  await forgetCompose(memory)
  if (start.market) {
    await memory.write(keys.chain, start.market)
    say({ type: 'note', at: now(), level: 'info', from: 'up', message: describeMarket(start.market, chain.name) })
  }

  const lease = await memory.lease(leases.reconciler, `up-${process.pid}`, INFRA_MS)
  const ours = fleetUnits(wanted).filter((unit) => unit.unit.kind === 'service' && !INFRASTRUCTURE.includes(unit.id))
  await startAll(
    parts,
    new Map(ours.map((unit) => [unit.id, unit])),
    ours.map((unit) => unit.id),
    service,
  )
  await lease?.release()
  for (const name of ['rabbitmq', 'postgres']) {
    await waitHealthy(parts, name, signal)
    service(name, 'healthy')
  }
  parts.state.writeFleetFile({
    version: 1,
    fleet,
    engine: 'docker',
    docker: describeAddress(parts.connection.address),
    hubUrl: null,
    memoryUrl: null,
    chain: chain.name,
    chainId: chain.chainId,
    live: wanted.live,
    manifestHash: specHash(spec),
    controlSocket: null,
    startedAt: now(),
  })
  return dockerClient(parts, memory, secrets, (how) => endFleet(parts, how, () => {}))
}

/** Enough of a wanted fleet to describe the infrastructure, which does not depend on the rest. */
function planned(inputs: Omit<WantedInputs, 'profile'>): Wanted {
  const { fleet, engine, spec, chain, chainId, images } = inputs
  const none = Object.fromEntries(Object.keys(spec.roles).map((role) => [role, 0])) as Wanted['counts']
  return {
    ...{ fleet, engine, spec, chain, chainId, images },
    hubPort: 0,
    seed: '',
    profile: 'mini',
    counts: none,
    specHash: specHash(spec),
    live: chain === 'sandbox' || (inputs.live ?? false),
    writtenBy: 'up',
    at: now(),
  }
}

async function startAll(
  { engine }: DockerParts,
  units: ReadonlyMap<string, UnitSpec>,
  ids: readonly string[],
  service: (name: string, state: string) => void,
): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      const unit = units.get(id)
      if (!unit) return
      await engine.start(unit)
      service(id, 'started')
    }),
  )
}

async function waitHealthy({ engine }: DockerParts, id: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + INFRA_MS
  for (;;) {
    signal.throwIfAborted()
    const unit = (await engine.list()).find((u) => u.id === id)
    if (unit?.state === 'running' && unit.health !== 'starting' && unit.health !== 'unhealthy') return
    if (unit?.state === 'exited' || Date.now() > until) {
      throw new FleetError(
        'engine_refused',
        `${id} did not become healthy${unit?.state === 'exited' ? `: it exited with ${unit.exitCode}` : ` within ${INFRA_MS / 1_000} s`}`,
        {
          remedy: `See docker logs of the container of ${id}; arbdeck down --volumes starts afresh.`,
        },
      )
    }
    await pause(200)
  }
}
