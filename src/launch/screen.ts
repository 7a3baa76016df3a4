import type { FleetOptions, Launcher, Up } from '../client/launcher.ts'

/** Shows the screen, starting the fleet when it does not run; what was started here ends with it when it is embedded. */
export async function showScreen(launcher: Launcher, options: FleetOptions, signal: AbortSignal): Promise<number> {
  // A warning printed by Node would stand in the middle of the picture.
  process.removeAllListeners('warning')
  const { runScreen } = await import('../../components/screen.tsx')
  let up: Up | undefined
  let failure: unknown
  const end = await runScreen({
    stdout: process.stdout,
    stdin: process.stdin,
    fleet: options.fleet,
    signal,
    connect: async (onProgress, stop) => {
      up = await launcher.up({ ...options, detach: false }, onProgress, AbortSignal.any([stop, signal]))
      up.ready.catch((thrown: unknown) => {
        failure = thrown
      })
      return up.client
    },
  })
  await up?.leave()
  await up?.client.close()
  if (failure !== undefined && end.signal === null && !signal.aborted) throw failure
  if (end.signal !== null) return { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[end.signal as string] ?? 1
  return typeof signal.reason === 'number' ? signal.reason : 0
}
