import { rmSync } from 'node:fs'
import { serveControl } from '../client/host.ts'
import { StateFolder } from '../client/state.ts'
import { specHash } from '../fleet/spec.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import type { Profile } from '../protocol/fleet.ts'
import { now } from '../protocol/schemas.ts'
import type { Address, Hex } from '../protocol/units.ts'
import { CHAIN_FILE, chooseChain } from './chain-choice.ts'
import { marketOf } from './chain-market.ts'
import { startEmbeddedFleet } from './embedded-fleet.ts'
import { KEYS_FILE } from './key-file.ts'
import { readManifest } from './manifest.ts'
import { dropPurse, SUBMIT_FILE } from './purse.ts'
import { refuseTakenPort } from './refusals.ts'

export interface HostArgs {
  fleet: string
  profile: Profile | undefined
  chainId: number | undefined
  chainsDir: string
  executor: Address | undefined
  live: boolean
  hubPort: number
  manifest: string
  seed: string
  /** Ends at the end of stdin: the process that started it is gone. */
  attached: boolean
  version: string
}

/** What the host tells the process that started it, a JSON line each, on stdout. */
export type HostSays = { serving: true } | ReturnType<FleetError['toJSON']>

/**
 * The process of an embedded fleet. The chain's URL comes by a file of the state folder, since
 * arguments can be read by everybody. Resolves with the exit code when the fleet has ended.
 */
export async function runHost(args: HostArgs): Promise<number> {
  const state = new StateFolder(args.fleet)
  let release = () => {}
  try {
    const lock = state.lock()
    if ('pid' in lock)
      throw new FleetError('fleet_busy', `the fleet ${args.fleet} runs already, in process ${lock.pid}`, {
        remedy: 'Attach to it, or take it down first.',
        transient: true,
      })
    release = lock.release
    const ended = await serveFleet(args, state)
    release()
    dropPurse(state)
    return ended
  } catch (thrown) {
    release()
    if (!(thrown instanceof FleetError && thrown.code === 'fleet_busy')) dropPurse(state)
    const error = asFleetError(thrown)
    await tell(error.toJSON())
    return error.exitCode
  }
}

const linesOf = (text: string | undefined): Hex[] | undefined => text?.trim().split('\n') as Hex[] | undefined

async function serveFleet(args: HostArgs, state: StateFolder): Promise<number> {
  const chain = await chooseChain(state.read(CHAIN_FILE)?.trim() ?? 'sandbox', args.chainId)
  await refuseTakenPort(args.hubPort)
  const spec = readManifest(args.manifest)
  const purse = { keys: linesOf(state.read(KEYS_FILE)), submitUrl: state.read(SUBMIT_FILE)?.trim() }
  const market = await marketOf(chain, { ...args, privately: purse.submitUrl !== undefined })
  const socketPath = state.socketPath('control.sock')

  let finish: (code: number) => void = () => {}
  const ending = new Promise<number>((resolve) => {
    finish = resolve
  })
  let volumes = false
  const { fleet, profile, hubPort, seed, version, live } = args
  const running = await startEmbeddedFleet({
    state,
    chain,
    market,
    purse,
    version,
    wanted: { fleet, profile, spec, hubPort, seed, live, chainIdGiven: args.chainId !== undefined },
    onEnd: async (how) => {
      volumes = how.volumes
      setImmediate(() => finish(0))
    },
  })
  const control = await serveControl(running.client, socketPath)
  state.writeFleetFile({
    version: 1,
    fleet,
    engine: 'embedded',
    docker: null,
    hubUrl: hubPort === 0 ? null : `http://127.0.0.1:${hubPort}`,
    memoryUrl: null,
    chain: chain.name,
    chainId: chain.chainId,
    live: live || chain.url === null,
    manifestHash: specHash(spec),
    controlSocket: socketPath,
    startedAt: now(),
  })
  await tell({ serving: true })
  endWith(args.attached, finish)

  const code = await ending
  await control.close()
  await running.stop()
  rmSync(state.file('fleet.json'), { force: true })
  state.dropSocket(socketPath)
  if (volumes) state.remove()
  return code
}

/** Signals, and, when somebody holds our stdin, its end. A second signal does not wait. */
function endWith(attached: boolean, finish: (code: number) => void): void {
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
  for (const [signal, code] of Object.entries(codes)) process.on(signal as keyof typeof codes, () => finish(code))
  if (!attached) return
  process.stdin.on('end', () => finish(0))
  process.stdin.on('error', () => finish(0))
  process.stdin.resume()
}

/** The one who started us may be gone by now: then nobody needs to hear. */
function tell(what: HostSays): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.once('error', () => resolve())
    process.stdout.write(`${JSON.stringify(what)}\n`, () => resolve())
  })
}
