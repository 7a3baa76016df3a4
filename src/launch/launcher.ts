import type { FleetClient } from '../client/client.ts'
import type { FleetOptions, Launcher } from '../client/launcher.ts'
import { StateFolder } from '../client/state.ts'
import { FleetError } from '../protocol/errors.ts'
import { roleNames } from '../protocol/fleet.ts'
import { checkMachine } from './check.ts'
import { attachDocker, buildDocker, dockerAnswers, dockerHas, downDocker, upDocker } from './docker-launch.ts'
import { attachEmbedded, downEmbedded, upEmbedded } from './embedded-launch.ts'
import { readManifest } from './manifest.ts'

export interface LauncherParts {
  /** The built entry that knows the command `host`. */
  entry: string
  defaultManifest: string
  /** Folder of chain profiles unless --chains-dir names another. */
  defaultChains: string
  version: string
}

/** Chooses the engine and hands on. `--engine` > ARBDECK_ENGINE > the engine that the fleet runs on > Docker if it answers > embedded. */
export function openLauncher(parts: LauncherParts): Launcher {
  return {
    attach: async (options) => attach(options),
    up: async (options, onEvent, signal) => {
      const { engine, why } = await chooseEngine(options)
      return engine === 'docker'
        ? upDocker(options, parts, why, onEvent, signal)
        : upEmbedded(options, parts, why, onEvent, signal)
    },
    planUp: async (options) => {
      const [{ engine, why }, { planDockerUp, planEmbeddedUp }] = await Promise.all([
        chooseEngine(options),
        import('./dry-run.ts'),
      ])
      return { why, plan: await (engine === 'docker' ? planDockerUp : planEmbeddedUp)(options, parts) }
    },
    down: async (options, how, onEvent) => {
      const engine = options.engine === 'auto' ? await engineToEnd(options.fleet) : options.engine
      return engine === 'docker' ? downDocker(options, how, onEvent) : downEmbedded(options.fleet, how)
    },
    rolesOf: (options) => roleNames(readManifest(options.manifest ?? parts.defaultManifest)),
    check: (options) => checkMachine(options, parts),
    deployExecutor: async (options, order, onLine) =>
      (await import('./deploy-executor.ts')).deployExecutor(options, order, parts, onLine),
    generate: async (options, how) => (await import('./generate.ts')).generateCompose(options, how, parts),
    build: (options, onLine) => buildDocker(options, parts.entry, onLine),
  }
}

async function attach(options: FleetOptions): Promise<FleetClient> {
  const engine =
    options.engine === 'auto'
      ? (runningEngine(options.fleet) ?? ((await dockerAnswers()) ? 'docker' : 'embedded'))
      : options.engine
  return engine === 'docker' ? attachDocker(options) : attachEmbedded(options.fleet)
}

/** Also for a fleet whose state folder is damaged or lost: `down` is what mends that. */
async function engineToEnd(fleet: string): Promise<'docker' | 'embedded'> {
  try {
    const running = runningEngine(fleet)
    if (running !== undefined) return running
  } catch {
    // Damaged: the daemon will tell.
  }
  return (await dockerHas(fleet)) ? 'docker' : 'embedded'
}

/** The engine that the named fleet runs on already, as its state folder says. */
function runningEngine(fleet: string): 'docker' | 'embedded' | undefined {
  const state = new StateFolder(fleet)
  if (state.holder() !== undefined) return 'embedded'
  return state.fleetFile()?.engine === 'docker' ? 'docker' : undefined
}

async function chooseEngine(options: FleetOptions): Promise<{ engine: 'docker' | 'embedded'; why: string }> {
  const running = runningEngine(options.fleet)
  if (options.engine !== 'auto') {
    if (running !== undefined && running !== options.engine) {
      throw new FleetError(
        'fleet_conflict',
        `the fleet ${options.fleet} runs on ${running} already, not on ${options.engine}`,
        {
          remedy: `Take it down first (arbdeck down --fleet ${options.fleet}), or choose another name with --fleet.`,
        },
      )
    }
    return { engine: options.engine === 'docker' ? 'docker' : 'embedded', why: `Engine ${options.engine}, as told.` }
  }
  if (running !== undefined)
    return { engine: running, why: `Engine ${running}: the fleet ${options.fleet} runs on it already.` }
  if (await dockerAnswers())
    return { engine: 'docker', why: 'Engine docker: a daemon answers. --engine embedded runs without it.' }
  return { engine: 'embedded', why: 'Engine embedded: no Docker daemon answers.' }
}
