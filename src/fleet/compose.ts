import type { UnitSpec } from '../ports/engine/engine.ts'
import {
  type Counts,
  type FleetSpec,
  ProfileSchema,
  roleNames,
  roleSpec,
  type ServiceName,
  type Wanted,
} from '../protocol/fleet.ts'
import { now } from '../protocol/schemas.ts'
import { secretsInit, wantedInit } from './compose-init.ts'
import { buildOf, type ComposeInputs, composeTags, variable } from './compose-inputs.ts'
import { anchored, beyond, inCommon } from './compose-shared.ts'
import { specHash } from './spec.ts'
import { fleetUnits } from './units.ts'
import { type YamlMap, yamlText } from './yaml-text.ts'

export const COMPOSE_PARTS = ['infra', 'mcp-servers', 'mcp-agents', 'bot'] as const
export type ComposePart = (typeof COMPOSE_PARTS)[number]

/** The controller comes with the last file, and goes with the first when they are taken down the other way round. */
const PART_OF: Record<ServiceName, ComposePart> = {
  redis: 'infra',
  rabbitmq: 'infra',
  postgres: 'infra',
  sandbox: 'infra',
  hub: 'mcp-servers',
  controller: 'bot',
  bot: 'bot',
}

const TITLES: Record<ComposePart, string> = {
  infra: 'What the fleet stands on: Redis, RabbitMQ, Postgres and the practice chain.',
  'mcp-servers': 'The hub: one MCP endpoint in front of every agent.',
  'mcp-agents': 'The agents. COMPOSE_PROFILES in .env says how many: mini, standard or full.',
  bot: 'The bot, which finds what to trade, and the controller, which keeps the fleet whole.',
}

const HUB_PORT = variable('ARBDECK_HUB_PORT')

/** Every file of compose/ by its name. Pure: the same inputs are the same texts. */
export function composeFiles(inputs: ComposeInputs): Map<string, string> {
  const units = fleetUnits(everything(inputs))
  const files = COMPOSE_PARTS.map((part) => [`docker-compose.${part}.yml`, partFile(inputs, part, units)] as const)
  return new Map([...files, ['.env.example', envExample(inputs)]])
}

/** The fleet with every unit that any profile has. Images are what compose puts in from .env. */
function everything({ fleet, spec, seed }: ComposeInputs): Wanted {
  const most = (role: string) =>
    Math.max(...ProfileSchema.options.map((profile) => roleSpec(spec, role).counts[profile]))
  return {
    fleet,
    engine: 'docker',
    profile: 'full',
    counts: Object.fromEntries(roleNames(spec).map((role) => [role, most(role)])) as Counts,
    spec,
    specHash: specHash(spec),
    chain: 'sandbox',
    chainId: 31_337,
    live: true,
    hubPort: 0,
    seed,
    images: {
      ...composeTags(fleet),
      redis: variable('ARBDECK_IMAGE_REDIS'),
      rabbitmq: variable('ARBDECK_IMAGE_RABBITMQ'),
      postgres: variable('ARBDECK_IMAGE_POSTGRES'),
    },
    writtenBy: 'generate',
    at: now(),
  }
}

function partFile(inputs: ComposeInputs, part: ComposePart, units: readonly UnitSpec[]): string {
  const init = `secrets-init-${part}`
  const all = new Map(units.map((unit) => [unit.id, serviceFor(inputs, unit, init)]))
  const of = (id: string) => all.get(id) as YamlMap
  const mine = units.filter((unit) => (unit.unit.kind === 'agent' ? 'mcp-agents' : PART_OF[unit.unit.service]) === part)
  const { anchors, services } = part === 'mcp-agents' ? agents(inputs, mine, of) : plain(inputs, mine, of)
  const inits = {
    [init]: secretsInit(inputs, of('bot')),
    ...(part === 'bot' ? { 'wanted-init': wantedInit(inputs, of('bot'), of('controller')) } : {}),
  }
  const used = [...mine.map((unit) => of(unit.id)), ...Object.values(inits)]
  const body = {
    ...anchors,
    services: { ...inits, ...services },
    networks: Object.fromEntries(namesIn(used, 'networks').map((name) => [name, inputs.networkOf(name)])),
    volumes: Object.fromEntries(namesIn(used, 'volumes').map((name) => [name, { name, labels: inputs.fleetLabels }])),
  }
  return `${header(inputs, part)}${yamlText(body as unknown as YamlMap)}`
}

/** The unit as compose runs it: after the secrets are there, and, where this file has it, after Redis is healthy. */
function serviceFor(inputs: ComposeInputs, unit: UnitSpec, init: string): YamlMap {
  const service = inputs.serviceOf(unit, variable('ARBDECK_DOCKER_SOCKET'))
  const redis = { [inputs.serviceName('redis')]: { condition: 'service_healthy' } }
  return {
    ...service,
    ...howToGet(inputs, unit),
    ...(unit.id === 'hub' ? hubsPort(service) : {}),
    depends_on: {
      [init]: { condition: 'service_completed_successfully' },
      ...(unit.id === 'sandbox' ? redis : {}),
    },
  }
}

/** Ours are built here, by one service of each file: no registry is asked for what would only bear the same name. */
function howToGet(inputs: ComposeInputs, { image }: UnitSpec): YamlMap {
  const { agent, sandbox } = composeTags(inputs.fleet)
  if (image === sandbox) return { build: buildOf(inputs, 'sandbox') }
  return image === agent ? { pull_policy: 'never' } : {}
}

/** Without one of its own in .env, the hub's port would be the one in here. */
function hubsPort(service: YamlMap): YamlMap {
  const { ports, labels } = service as unknown as { ports: string[]; labels: Record<string, string> }
  const spec = 'arbdeck.spec'
  return {
    ports: ports.map((port) => port.replace(/^(127\.0\.0\.1):\d*:/, `$1:${HUB_PORT}:`)),
    labels: { ...labels, [spec]: (labels[spec] ?? '').replace(/ 0$/, ` ${HUB_PORT}`) },
  }
}

interface PartBody {
  anchors: YamlMap
  services: YamlMap
}

function plain({ serviceName }: ComposeInputs, units: readonly UnitSpec[], of: (id: string) => YamlMap): PartBody {
  return { anchors: {}, services: Object.fromEntries(units.map((unit) => [serviceName(unit.id), of(unit.id)])) }
}

/** What all agents say is said once, what a role's agents say once a role. */
function agents(
  { spec, serviceName }: ComposeInputs,
  units: readonly UnitSpec[],
  of: (id: string) => YamlMap,
): PartBody {
  const all = inCommon(units.map((unit) => of(unit.id)))
  const anchors: Record<string, YamlMap> = { 'x-agent': anchored('agent', all) }
  const services: Record<string, YamlMap> = {}
  for (const role of roleNames(spec)) {
    const mine = units.filter((unit) => unit.unit.kind === 'agent' && unit.unit.role === role)
    if (mine.length === 0) continue
    const common = inCommon(mine.map((unit) => of(unit.id)))
    anchors[`x-${role}`] = anchored(role, beyond(common, all, 'agent'), 'agent')
    mine.forEach((unit, i) => {
      services[serviceName(unit.id)] = { ...beyond(of(unit.id), common, role), ...profilesOf(spec, role, i + 1) }
    })
  }
  return { anchors, services }
}

/** The profiles that have so many replicas of a role; a service without any is always there. */
function profilesOf(spec: FleetSpec, role: string, replica: number): YamlMap {
  const profiles = ProfileSchema.options.filter((profile) => roleSpec(spec, role).counts[profile] >= replica)
  return profiles.length === ProfileSchema.options.length ? {} : { profiles }
}

/** Names of networks, or of volumes, that services use, in order. */
function namesIn(services: readonly YamlMap[], key: 'networks' | 'volumes'): string[] {
  const names = services.flatMap((service): string[] => {
    if (key === 'networks') return Object.keys((service[key] ?? {}) as object)
    const mounts = (service[key] ?? []) as unknown as { type: string; source: string }[]
    return mounts.filter((mount) => mount.type === 'volume').map((mount) => mount.source)
  })
  return [...new Set(names)].sort()
}

function header({ manifest, fleet }: ComposeInputs, part: ComposePart): string {
  return comment([
    `${TITLES[part]}`,
    `Written by arbdeck generate from ${manifest}: change that and write this anew.`,
    '',
    '  npm ci && cp compose/.env.example compose/.env',
    `  docker compose -f compose/docker-compose.${part}.yml up -d --build`,
    '',
    `The fleet ${fleet} is four such files: ${COMPOSE_PARTS.join(', ')}. They may be brought up in any order.`,
  ])
}

function envExample({ fleet, profile, hubPort, images, dockerSocket }: ComposeInputs): string {
  return [
    comment([
      'Copy this to .env and change the copy. Written by arbdeck generate.',
      '',
      'How many agents at first: mini (10), standard (21) or full (111). Later: npx arbdeck scale.',
    ]),
    `COMPOSE_PROFILES=${profile}\n\n`,
    comment(['Port of the hub on 127.0.0.1.']),
    `ARBDECK_HUB_PORT=${hubPort}\n\n`,
    comment(["Where the daemon's socket is, for the controller."]),
    `ARBDECK_DOCKER_SOCKET=${dockerSocket}\n\n`,
    ...Object.entries(images).map(([name, ref]) => `ARBDECK_IMAGE_${name.toUpperCase()}=${ref}\n`),
    '\n',
    comment(['The four files are one project, and none of them takes the others for left-overs.']),
    `COMPOSE_PROJECT_NAME=${fleet}\nCOMPOSE_IGNORE_ORPHANS=true\n`,
  ].join('')
}

const comment = (lines: readonly string[]): string => lines.map((line) => `${`# ${line}`.trimEnd()}\n`).join('')
