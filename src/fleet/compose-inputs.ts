import type { UnitSpec } from '../ports/engine/engine.ts'
import type { FleetSpec, Profile } from '../protocol/fleet.ts'
import type { ImageChoice, Images } from './images.ts'
import type { YamlMap } from './yaml-text.ts'

export interface ComposeInputs {
  fleet: string
  spec: FleetSpec
  /** As the header names it. */
  manifest: string
  seed: string
  /** What .env.example says, for a person to change in .env. */
  profile: Profile
  hubPort: number
  images: ImageChoice
  dockerSocket: string
  /** Way from the compose files to the folder of the build contexts (src/build.mjs), with `/`. */
  contexts: string
  /** The container that the engine would create for the unit, in compose's words. */
  serviceOf(unit: UnitSpec, socket: string): YamlMap
  serviceName(id: string): string
  /** A network of the fleet, by its name without the fleet's prefix, in compose's words. */
  networkOf(name: string): YamlMap
  /** Labels by which volumes are the fleet's. */
  fleetLabels: Readonly<Record<string, string>>
  /** Labels of what lives for one errand only. */
  errandLabels: Readonly<Record<string, string>>
  /** Labels of an image that was built, by what it is for. */
  imageLabels(kind: string): Readonly<Record<string, string>>
}

/** What compose puts in from .env; with `orElse`, it stops with these words when it is not there. */
export const variable = (name: string, orElse?: string): string =>
  `\${${name}${orElse === undefined ? '' : `:?${orElse}`}}`

/** Every file asks for it, so that without .env none does anything. */
const BASE_IMAGE = variable('ARBDECK_IMAGE_BASE', 'copy compose/.env.example to compose/.env first')
/** Our own images as compose files name them: a fixed tag, because compose knows no hash of what is in them. */
export const composeTags = (fleet: string): Pick<Images, 'agent' | 'sandbox'> => {
  const tag = fleet === 'arbdeck' ? 'compose' : `compose-${fleet}`
  return { agent: `arbdeck-agent:${tag}`, sandbox: `arbdeck-sandbox:${tag}` }
}

/** One service a file builds what all services of the file run. */
export function buildOf({ contexts, imageLabels }: ComposeInputs, kind: 'agent' | 'sandbox'): YamlMap {
  return { context: `${contexts}/${kind}`, args: { BASE: BASE_IMAGE }, labels: imageLabels(kind) }
}
