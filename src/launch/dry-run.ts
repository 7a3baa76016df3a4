import type { FleetOptions } from '../client/launcher.ts'
import { StateFolder } from '../client/state.ts'
import { imageChoice, missingImages } from '../fleet/images.ts'
import { fleetNetworks } from '../fleet/networks.ts'
import { planUnits } from '../fleet/plan-now.ts'
import { roleFills } from '../fleet/role-volumes.ts'
import { specHash } from '../fleet/spec.ts'
import { fleetUnits } from '../fleet/units.ts'
import { networkName } from '../ports/engine/docker/names.ts'
import type { UnitSpec } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readJournal } from '../ports/memory/persist.ts'
import { readAs } from '../ports/memory/typed.ts'
import { type FleetSpec, roleNames, roleSpec, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { parse } from '../protocol/json.ts'
import { keys } from '../protocol/keys.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import { type ChainChoice, chooseChain, urlOf } from './chain-choice.ts'
import {
  type DockerParts,
  imageSources,
  keptSecrets,
  openDocker,
  openDockerMemory,
  usualHubPort,
} from './docker-parts.ts'
import { chainOf, refuseUnreachableNode } from './docker-refusals.ts'
import { attachEmbedded } from './embedded-launch.ts'
import { embeddedUnits } from './embedded-units.ts'
import { persistOf } from './kept-memory.ts'
import { readManifest } from './manifest.ts'
import { refuseOther, refuseTakenPort } from './refusals.ts'
import { readRoleSecrets } from './role-parts.ts'
import { type WantedInputs, wantedAfter } from './wanted.ts'

interface Parts {
  entry: string
  defaultManifest: string
  defaultChains: string
}

const NOT_THERE = 'wanted and not there'

/** What `up` would do on Docker. Looks at the daemon, and at shared memory where that runs; makes and writes nothing. */
export async function planDockerUp(options: FleetOptions, launcher: Parts): Promise<PlanLine[]> {
  const spec = readManifest(options.manifest ?? launcher.defaultManifest)
  readRoleSecrets(spec, options.secretsDir)
  const parts = await openDocker(options.fleet)
  let memory: SharedMemory | undefined
  try {
    const observed = await parts.engine.list()
    const running = observed.some(({ id, state }) => id === 'controller' && state === 'running')
    const file = parts.state.fleetFile()
    if (running && file) refuseOther(options, file, specHash(spec))
    if (!observed.some(({ id }) => id === 'hub')) await refuseTakenPort(options.hubPort ?? usualHubPort(options.fleet))
    const node = chainOf(options, parts, running)
    if (node !== 'sandbox') refuseUnreachableNode(urlOf(node), parts.connection.address)
    const chain = await chooseChain(node, options.chainId)
    memory = await memoryThatRuns(parts)
    const before = memory && (await readAs(memory, keys.wanted, WantedSchema))?.value
    const made = await imageLines(parts, spec, launcher.entry, chain)
    const inputs = { ...inputsOf(options, spec, chain), images: made.images, engine: 'docker' as const, running }
    const wanted = wantedAfter(before, { ...inputs, usualHubPort: usualHubPort(options.fleet) })
    const units = fleetUnits(wanted)
    const plan = await planUnits({ engine: parts.engine, memory }, wanted, units)
    return [...made.lines, ...(await standLines(parts, wanted, units)), ...plan]
  } finally {
    await Promise.allSettled([memory?.close(), parts.engine.close()])
  }
}

/** What `up` would do on the embedded engine. */
export async function planEmbeddedUp(options: FleetOptions, launcher: Parts): Promise<PlanLine[]> {
  const spec = readManifest(options.manifest ?? launcher.defaultManifest)
  const state = new StateFolder(options.fleet)
  const running = state.holder() === undefined ? undefined : state.fleetFile()
  if (running) {
    refuseOther(options, running, specHash(spec))
    const client = await attachEmbedded(options.fleet)
    return client.plan([], options.profile).finally(() => client.close())
  }
  const hubPort = options.hubPort ?? usualHubPort(options.fleet)
  await refuseTakenPort(hubPort)
  const chain = await chooseChain(options.chain ?? 'sandbox', options.chainId)
  const kept = readJournal(persistOf(state, chain).file).get(keys.wanted)
  const before = kept && parse(WantedSchema, kept.text, `${keys.wanted} in ${state.dir}`)
  const inputs = { ...inputsOf(options, spec, chain), hubPort, usualHubPort: 0 }
  const wanted = wantedAfter(before, { ...inputs, images: {}, engine: 'embedded', running: false })
  const folder: PlanLine = { kind: 'create', id: state.dir, cause: 'the state folder of the fleet is not there' }
  const plan = await planUnits({}, wanted, embeddedUnits(wanted))
  return [...(state.exists() ? [] : [folder]), ...plan]
}

function inputsOf(options: FleetOptions, spec: FleetSpec, chain: ChainChoice) {
  const { fleet, profile, hubPort, seed, chainId, live } = options
  return {
    ...{ fleet, profile, hubPort, seed, spec, chain: chain.name, chainId: chain.chainId },
    chainIdGiven: chainId !== undefined,
    ...(live ? { live } : {}),
  } satisfies Partial<WantedInputs>
}

/** Undefined where Redis does not run, or this machine does not know its password: then nobody has said what is wanted. */
async function memoryThatRuns(parts: DockerParts): Promise<SharedMemory | undefined> {
  const secrets = keptSecrets(parts)
  const redis = (await parts.engine.list()).find(({ id }) => id === 'redis')
  if (!secrets || redis?.state !== 'running') return undefined
  return openDockerMemory(parts, secrets, 2_000)
}

async function imageLines({ provisioner }: DockerParts, spec: FleetSpec, entry: string, chain: ChainChoice) {
  const sandbox = { sandbox: chain.name === 'sandbox' }
  const { images, pulls, builds } = await missingImages(
    provisioner,
    imageChoice(process.env),
    imageSources(entry),
    sandbox,
  )
  const ofRoles = new Set(roleNames(spec).flatMap((role) => roleSpec(spec, role).image?.ref ?? []))
  for (const ref of ofRoles) if (!(await provisioner.hasImage(ref))) pulls.push(ref)
  const lines: PlanLine[] = [
    ...pulls.map((id) => ({ kind: 'pull' as const, id, cause: 'the daemon has no such image' })),
    ...builds.map(({ tag }) => ({ kind: 'build' as const, id: tag, cause: 'no image of just these files is there' })),
  ]
  return { images, lines }
}

/** Networks and volumes that are not there. */
async function standLines(parts: DockerParts, wanted: Wanted, units: readonly UnitSpec[]): Promise<PlanLine[]> {
  const { connection, fleet } = parts
  const { docker } = connection
  const [networks, volumes] = await Promise.all([
    connection.ask('list networks', () => docker.listNetworks()),
    connection.ask('list volumes', () => docker.listVolumes()),
  ])
  const there = new Set([...networks.map(({ Name }) => Name), ...volumes.Volumes.map(({ Name }) => Name)])
  const mounted = units.flatMap(({ mounts }) => mounts.map(({ volume }) => volume))
  const filled = roleFills(fleet, wanted.spec, new Map()).map(({ volume }) => volume)
  const names = [...fleetNetworks(wanted).map(({ name }) => networkName(fleet, name)), ...mounted, ...filled]
  return [...new Set(names)].filter((name) => !there.has(name)).map((id) => ({ kind: 'create', id, cause: NOT_THERE }))
}
