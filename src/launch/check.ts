import { accessSync, constants, statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import path from 'node:path'
import { anvilBinary } from '../../agent/sandbox/anvil.ts'
import type { FleetOptions, Prerequisite } from '../client/launcher.ts'
import { stateBase } from '../client/state.ts'
import { asFleetError } from '../protocol/errors.ts'
import { chooseChain } from './chain-choice.ts'
import { describeDaemon } from './docker-launch.ts'
import { portIsFree } from './port.ts'

const GIB = 2 ** 30

/** What this machine has and lacks. Never throws: what fails is a row. */
export async function checkMachine(options: FleetOptions): Promise<Prerequisite[]> {
  return Promise.all([
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
    row('chain', async () => {
      const chain = await chooseChain(options.chain ?? 'sandbox', options.chainId)
      return { detail: chain.name === 'sandbox' ? 'the sandbox' : `${chain.name} answers, chain ${chain.chainId}` }
    }),
  ])
}

async function row(
  name: string,
  look: () => Promise<{ detail: string; state?: Prerequisite['state']; remedy?: string }>,
  fault: Prerequisite['state'] = 'fail',
): Promise<Prerequisite> {
  try {
    const found = await look()
    return { name, state: found.state ?? 'ok', detail: found.detail, remedy: found.remedy ?? null }
  } catch (thrown) {
    const error = asFleetError(thrown)
    return { name, state: fault, detail: error.message, remedy: error.remedy }
  }
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
