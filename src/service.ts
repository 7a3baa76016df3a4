import { runContainerProcess } from './launch/processes.ts'

declare const ARBDECK_VERSION: string

// The entry of the images: nothing of the CLI or the screen is in its bundle.
process.exit((await runContainerProcess(process.argv.slice(2), ARBDECK_VERSION)) ?? 2)
