import { accessSync, constants, statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import path from 'node:path'
import { anvilBinary } from '../../agent/sandbox/anvil.ts'
import type { FleetOptions, Prerequisite } from '../client/launcher.ts'
import { stateBase } from '../client/state.ts'
import { checkChain } from './check-chain.ts'
import { row } from './check-row.ts'
import { describeDaemon } from './docker-launch.ts'
import { portIsFree } from './port.ts'

const GIB = 2 ** 30

/** What this machine has and lacks. Never throws: what fails is a row. */
export async function checkMachine(options: FleetOptions, parts: { defaultChains: string }): Promise<Prerequisite[]> {
  const machine = Promise.all(machineRows(options))
  return [...(await machine), ...(await checkChain(options, options.chainsDir ?? parts.defaultChains))]
}

function machineRows(options: FleetOptions): Promise<Prerequisite>[] {
  return [
    row('node', async () => ({ detail: process.version })),
    row('docker', async () => ({ detail: await describeDaemon() }), options.engine === 'docker' ? 'fail' : 'warn'),
    row('anvil', async () => ({ detail: path.basename(anvilBinary()) })),
    row('hub port', async () => {
      const port = options.hubPort ?? 3_000
      return (await portIsFree(port))
        ? { detail: `${port} is free` }
        : { detail: `${port} is taken`, state: 'warn' as const, remedy: 'Choose another with --hub-port.' }
    }),
    row('memory', async () => enough('free', freemem(), GIB)),
    row('disk', async () => diskRow()),
    row('state folder', async () => {
      const base = existing(stateBase())
      accessSync(base, constants.W_OK)
      return { detail: stateBase() }
    }),
  ]
}

function enough(
  what: string,
  bytes: number,
  least: number,
): { detail: string; state?: Prerequisite['state']; remedy?: string } {
  const detail = `${(bytes / GIB).toFixed(1)} GiB ${what}`
  return bytes >= least
    ? { detail }
    : {
        detail,
        state: 'warn',
        remedy: `At least ${least / GIB} GiB is comfortable: end other programs or free some space.`,
      }
}

function diskRow() {
  const { bavail, bsize } = statfsSync(existing(stateBase()))
  return enough('free on disk', bavail * bsize, GIB)
}

/** The folder, or the nearest one above it that is there. */
function existing(folder: string): string {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      accessSync(at)
      return at
    } catch {
      if (path.dirname(at) === at) return at
    }
  }
}
