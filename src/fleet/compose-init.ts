import { z } from 'zod'
import type { FleetSpec } from '../protocol/fleet.ts'
import { stringify } from '../protocol/json.ts'
import { buildOf, type ComposeInputs, composeTags, variable } from './compose-inputs.ts'
import { roleFills } from './role-volumes.ts'
import { makeSecrets, secretVolumes } from './secrets.ts'
import type { Yaml, YamlMap } from './yaml-text.ts'

/** What secrets-init does beside the fleet's own secrets: modes of volumes' folders, and files of the operator's. */
export const GivenFillsSchema = z.array(
  z.object({
    volume: z.string(),
    mode: z.int().optional(),
    files: z.array(z.object({ name: z.string(), mode: z.int(), uid: z.int(), gid: z.int() })),
  }),
)
export type GivenFill = z.output<typeof GivenFillsSchema>[number]

/** Where secrets-init finds the volumes, by their names, and what the manifest's roles want from outside. */
export const VOLUMES_FOLDER = '/volumes'
export const GIVEN_FOLDER = '/given'

const SECRETS_DIR = variable('ARBDECK_SECRETS_DIR', "set it in compose/.env to the folder with the roles' secrets")
/** Of one that lives for a moment. */
const MEMORY = '128m'

/**
 * Fills the volumes with secrets, once a fleet: root with the right to write other users' files, no network, and nothing
 * secret in its description. Every file has one, because none knows which of them is the first.
 *
 * @param like a service of our own image, hardened as this is to be
 */
export function secretsInit(inputs: ComposeInputs, like: YamlMap): YamlMap {
  const { fleet, spec } = inputs
  const { user: _user, container_name: _name, environment: _environment, ...hardened } = like
  const { networks: _networks, depends_on: _after, pull_policy: _pull, ...rest } = hardened
  const fills = outsideFills(fleet, spec)
  const names = secretVolumes(fleet, makeSecrets(), { limits: spec.limits }).map((fill) => fill.volume)
  const volumes = [...names, ...fills.map((fill) => fill.volume)]
  const given = { type: 'bind', source: SECRETS_DIR, target: GIVEN_FOLDER, read_only: true }
  return {
    ...rest,
    build: buildOf(inputs, 'agent'),
    command: ['secrets-init'],
    user: '0:0',
    cap_add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
    network_mode: 'none',
    mem_limit: MEMORY,
    memswap_limit: MEMORY,
    environment: {
      ARBDECK_FLEET: fleet,
      ARBDECK_LIMITS: text(stringify(spec.limits)),
      ARBDECK_RISK: text(stringify(spec.risk)),
      ARBDECK_FILLS: text(stringify(fills)),
    },
    labels: { ...inputs.fleetLabels, ...inputs.errandLabels },
    volumes: [
      ...volumes.map((name) => ({
        type: 'volume',
        source: name,
        target: `${VOLUMES_FOLDER}/${name}`,
      })),
      ...(fills.some((fill) => fill.files.length > 0) ? [given] : []),
    ],
    restart: 'no',
  }
}

/** What the manifest's roles want filled; the contents come from a folder of the operator's. */
function outsideFills(fleet: string, spec: FleetSpec): GivenFill[] {
  const wanted = Object.entries(spec.roles).filter(([, role]) => role.secrets.length > 0)
  const empty = wanted.map(
    ([role, { secrets }]) => [role, new Map(secrets.map((name) => [name, Buffer.alloc(0)]))] as const,
  )
  return roleFills(fleet, spec, new Map(empty)).map(({ volume, mode, files }) => ({
    volume,
    ...(mode === undefined ? {} : { mode }),
    files: files.map(({ content: _content, ...file }) => file),
  }))
}

/**
 * Writes the wanted fleet, at first use: it waits for Redis as long as it takes.
 *
 * @param like a service of our own image
 * @param controller whose secrets and network it has
 */
export function wantedInit(inputs: ComposeInputs, like: YamlMap, controller: YamlMap): YamlMap {
  const { container_name: _name, ...rest } = like
  const { fleet, spec, seed, images } = inputs
  const mounts = controller.volumes as unknown as readonly { type: string }[]
  const refs = { ...images, ...composeTags(fleet) }
  return {
    ...rest,
    command: ['wanted-init'],
    environment: {
      ...(like.environment as YamlMap),
      ARBDECK_PROFILE: variable('COMPOSE_PROFILES'),
      ARBDECK_HUB_PORT: variable('ARBDECK_HUB_PORT'),
      ARBDECK_SEED: text(seed),
      ARBDECK_MANIFEST: text(manifestText(spec)),
      ...Object.fromEntries(
        Object.keys(refs).map((name): [string, string] => {
          const key = `ARBDECK_IMAGE_${name.toUpperCase()}`
          return [key, name in images ? variable(key) : refs[name as keyof typeof refs]]
        }),
      ),
    },
    labels: { ...inputs.fleetLabels, ...inputs.errandLabels },
    networks: Object.fromEntries(Object.keys(controller.networks as YamlMap).map((name) => [name, {}])),
    volumes: mounts.filter((mount) => mount.type === 'volume') as unknown as Yaml,
    restart: 'on-failure',
  }
}

/** JSON, a role a line: what changed is seen in the difference of two files. */
function manifestText(spec: FleetSpec): string {
  const { roles, ...rest } = spec
  const lines = Object.entries(roles).map(([role, value]) => `  ${stringify(role)}: ${stringify(value)}`)
  return `{"roles": {\n${lines.join(',\n')}\n},\n${Object.entries(rest)
    .map(([key, value]) => `${stringify(key)}: ${stringify(value)}`)
    .join(',\n')}}`
}

/** `$` is compose's own: written twice it is one. */
const text = (value: string): string => value.replaceAll('$', '$$$$')
