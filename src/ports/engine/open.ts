import { FleetError } from '../../protocol/errors.ts'
import { openDockerEngine } from './docker.ts'
import { type EmbeddedEngineOptions, openEmbeddedEngine } from './embedded.ts'
import type { Engine } from './engine.ts'

export interface OpenEngineOptions {
  fleet: string
  /** Needed for `embedded:`. */
  embedded?: EmbeddedEngineOptions
}

/**
 * Opens the engine that ENGINE_URL names: `docker:` (the daemon that DOCKER_HOST or the current context names),
 * `docker:///var/run/docker.sock`, `docker://host:2376` (TLS), or `embedded:`.
 *
 * @throws FleetError `engine_unreachable`, `engine_too_old`, `config_invalid`
 */
export async function openEngine(url: string, { fleet, embedded }: OpenEngineOptions): Promise<Engine> {
  const { scheme, rest } = /^(?<scheme>[a-z]+):(?:\/\/)?(?<rest>.*)$/.exec(url)?.groups ?? {}
  if (scheme === 'docker') return openDockerEngine({ fleet, host: dockerHost(rest ?? '') })
  if (scheme === 'embedded' && embedded) return openEmbeddedEngine(embedded)
  if (scheme === 'embedded')
    throw new FleetError('unsupported', 'an embedded fleet runs in its host process and nowhere else', {
      remedy: 'Use arbdeck up --engine embedded.',
    })
  throw new FleetError('config_invalid', `ENGINE_URL is no engine that arbdeck knows: ${url}`, {
    remedy: 'Use docker:///var/run/docker.sock, docker://host:2376 or embedded:.',
  })
}

/** As DOCKER_HOST would say it; undefined: whatever DOCKER_HOST or the current context says. */
export function dockerHost(rest: string): string | undefined {
  if (rest === '') return undefined
  return rest.startsWith('/') ? `unix://${rest}` : `tcp://${rest}`
}
