import type { Argv, Options } from 'yargs'
import type { FleetOptions, Launcher } from '../client/launcher.ts'
import type { Offline } from '../client/offline.ts'
import type { Output } from './output.ts'

/** What a command is handed. */
export interface CommandContext {
  launcher: Launcher
  /** What is computed from snapshots; loaded when it is asked for. */
  offline(): Promise<Offline>
  options: FleetOptions
  out: Output
  /** Aborts at SIGINT, SIGTERM, SIGHUP, or when the npm that started us is gone; its reason is the exit code. */
  signal: AbortSignal
  /** The engine was said by flag or environment, not left to `auto`. */
  showScreen(options: FleetOptions): Promise<number>
}

/** One command: parse, call one function, print. */
export interface Command {
  /** yargs form: `scale <changes..>`. */
  name: string | readonly string[]
  describe: string | false
  options?: Record<string, Options>
  positionals?: (yargs: Argv) => Argv
  /** @returns the exit code */
  run(context: CommandContext, argv: CommandArgs): Promise<number>
}

export type CommandArgs = Readonly<Record<string, unknown>>

export const textOf = (argv: CommandArgs, name: string): string | undefined => {
  const value = argv[name]
  return value === undefined || value === '' ? undefined : String(value)
}
export const wordsOf = (argv: CommandArgs, name: string): string[] => {
  const value = argv[name]
  return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String)
}
