import { fileURLToPath } from 'node:url'
import { runCli } from './cli/cli.ts'
import { loadEnvFile } from './launch/env-file.ts'
import { runContainerProcess } from './launch/processes.ts'

declare const ARBDECK_VERSION: string

const args = process.argv.slice(2)
const entry = fileURLToPath(import.meta.url)
const parts = {
  entry,
  defaultManifest: fileURLToPath(new URL('../../config/fleet.yaml', import.meta.url)),
  defaultChains: fileURLToPath(new URL('../../config/chains', import.meta.url)),
  version: ARBDECK_VERSION,
}

const envFault = loadEnvFile()
process.exitCode = await run()
// Whatever a library still holds open must not keep a finished command alive.
process.exit()

async function run(): Promise<number> {
  if (args[0] === 'host') return (await import('./launch/host-args.ts')).runHostCommand(args.slice(1), parts.version)
  return (await runContainerProcess(args, parts.version)) ?? runCommand()
}

async function runCommand(): Promise<number> {
  const { endingSignal } = await import('./launch/ending.ts')
  const { openLauncher } = await import('./launch/launcher.ts')
  const { showScreen } = await import('./launch/screen.ts')
  const launcher = openLauncher(parts)
  const signal = endingSignal()
  return runCli(args, {
    version: parts.version,
    launcher,
    offline: async () => (await import('./launch/offline.ts')).offline,
    signal,
    envFault,
    showScreen: (options) => showScreen(launcher, options, signal),
  })
}
