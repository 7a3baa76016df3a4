import yargs, { type Argv } from 'yargs'
import type { FleetOptions, Launcher } from '../client/launcher.ts'
import type { Offline } from '../client/offline.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { nearest } from '../protocol/nearest.ts'
import type { Command, CommandArgs, CommandContext } from './command.ts'
import { deployExecutorCommand } from './commands/deploy-executor.ts'
import {
  downCommand,
  haltCommand,
  psCommand,
  restartCommand,
  resumeCommand,
  statusCommand,
  stopCommand,
} from './commands/fleet.ts'
import { generateCommand } from './commands/generate.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { locksCommand } from './commands/locks.ts'
import { logsCommand } from './commands/logs.ts'
import { callCommand, toolsCommand } from './commands/mcp.ts'
import { quoteCommand } from './commands/quote.ts'
import { auditCommand, eventsCommand, opportunitiesCommand, tasksCommand, tradesCommand } from './commands/records.ts'
import { scaleCommand } from './commands/scale.ts'
import { scanCommand } from './commands/scan.ts'
import { schemaCommand } from './commands/schema.ts'
import { screenCommand } from './commands/screen.ts'
import { buildCommand, checkCommand } from './commands/setup.ts'
import { upCommand } from './commands/up.ts'
import { fleetOptions, GLOBAL_OPTIONS } from './options.ts'
import { flushed, Output } from './output.ts'

const COMMANDS: readonly Command[] = [
  screenCommand,
  upCommand,
  statusCommand,
  psCommand,
  scaleCommand,
  logsCommand,
  opportunitiesCommand,
  tradesCommand,
  tasksCommand,
  eventsCommand,
  auditCommand,
  ledgerCommand,
  locksCommand,
  toolsCommand,
  callCommand,
  haltCommand,
  resumeCommand,
  restartCommand,
  stopCommand,
  downCommand,
  checkCommand,
  buildCommand,
  generateCommand,
  deployExecutorCommand,
  scanCommand,
  quoteCommand,
  schemaCommand,
]

export interface CliParts {
  version: string
  launcher: Launcher
  /** Loaded by the commands that want it. */
  offline(): Promise<Offline>
  /** Aborts when the command should end; its reason is the exit code. */
  signal: AbortSignal
  showScreen(options: FleetOptions): Promise<number>
  /** What is wrong with the .env file, if anything. */
  envFault?: FleetError | undefined
}

/**
 * Reads the command line, runs one command, prints, and gives the exit code.
 * Every failure ends here: one line (JSON with --json) on stderr, no stack trace without --debug.
 */
export async function runCli(args: readonly string[], parts: CliParts): Promise<number> {
  const json =
    args.includes('--json') || args.includes('--json=true') || ['true', '1'].includes(process.env.ARBDECK_JSON ?? '')
  const out = new Output(json, args.includes('--debug'))
  let exitCode = 0
  try {
    if (parts.envFault) throw parts.envFault
    const parser = COMMANDS.reduce(
      (y, command) => addCommand(y, command, parts, out, (code) => (exitCode = code)),
      base(parts.version, out),
    )
    await parser.parseAsync([...args])
  } catch (thrown) {
    const error = asFleetError(thrown)
    out.error(error)
    exitCode = error.exitCode
  }
  await flushed()
  return exitCode
}

function base(version: string, out: Output): Argv {
  return yargs()
    .scriptName('arbdeck')
    .usage(
      '$0 [command] [options]\n\nA control plane for a fleet of MCP agents that find, check and execute flash-loan arbitrage.\nAlone it shows the screen.',
    )
    .parserConfiguration({
      'flatten-duplicate-arrays': true,
      'boolean-negation': false,
      'camel-case-expansion': false,
      'parse-positional-numbers': false,
    })
    .env('ARBDECK')
    .options(GLOBAL_OPTIONS)
    .version(version)
    .help()
    .alias('help', 'h')
    .wrap(process.stdout.isTTY ? Math.min(120, process.stdout.columns ?? 80) : 100)
    .epilogue(
      'npm start runs the practice fleet: real Uniswap and Aave contracts on a chain of your own, no Docker, no money.',
    )
    .exitProcess(false)
    .fail((message: string | undefined, error: Error | undefined) => {
      throw error ?? usageError(message ?? 'the command line is not understood', out)
    })
}

function addCommand(y: Argv, command: Command, parts: CliParts, out: Output, ended: (code: number) => void): Argv {
  return y.command({
    command: command.name as string | string[],
    describe: command.describe as string,
    builder: (sub: Argv) => {
      const withOptions = command.options ? sub.options(command.options) : sub
      return command.positionals ? command.positionals(withOptions) : withOptions
    },
    handler: async (given: CommandArgs) => {
      const argv = lastOfEach(given, command)
      refuseUnknown(argv, command)
      refuseStray(argv, command, out)
      const context: CommandContext = { ...parts, out, options: fleetOptions(argv) }
      ended(await command.run(context, argv))
    },
  })
}

/**
 * An option given twice takes its last value; an option or positional that takes many keeps them all. What the environment says
 * comes in as `hubPort` and is meant for `hub-port`, unless the flag was given.
 */
function lastOfEach(argv: CommandArgs, command: Command): CommandArgs {
  const arrays = Object.entries(command.options ?? {}).filter(([, option]) => option.type === 'array')
  const lists = new Set(['_', ...positionalsOf(command), ...arrays.map(([name]) => name)])
  const last = ([name, value]: [string, unknown]) => [
    name,
    Array.isArray(value) && !lists.has(name) ? value.at(-1) : value,
  ]
  const named = Object.fromEntries(Object.entries(argv).map(last)) as Record<string, unknown>
  for (const name of [...Object.keys(GLOBAL_OPTIONS), ...Object.keys(command.options ?? {})]) {
    const fromEnvironment = named[name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())]
    if (named[name] === undefined && fromEnvironment !== undefined) named[name] = fromEnvironment
  }
  return named
}

/** Words that no command takes: the default command would swallow a mistyped name. */
function refuseStray(argv: CommandArgs, command: Command, out: Output): void {
  const words = ((argv._ ?? []) as unknown[]).map(String)
  const stray = words.find((word, i) => i > 0 || !namesOf(command).some((name) => name.split(' ')[0] === word))
  if (stray !== undefined && words.indexOf(stray) === 0) throw usageError(`Unknown command: ${stray}`, out)
  if (stray !== undefined)
    throw new FleetError('usage', `${words[0]} does not take "${stray}"`, {
      remedy: `arbdeck ${words[0]} --help says what it takes.`,
    })
}

/** Options that nobody knows. The environment is not looked at: it may hold ARBDECK_ values of other programs. */
function refuseUnknown(argv: CommandArgs, command: Command): void {
  const known = new Set([
    ...Object.keys(GLOBAL_OPTIONS),
    ...Object.keys(command.options ?? {}),
    ...aliasesOf(command),
    ...positionalsOf(command),
    'help',
    'h',
    'version',
    '_',
    '$0',
  ])
  const fromEnvironment = new Set(
    Object.keys(process.env).flatMap((name) => (name.startsWith('ARBDECK_') ? [bare(name.slice(8))] : [])),
  )
  const unknown = Object.keys(argv).find((name) => !known.has(name) && !fromEnvironment.has(bare(name)))
  if (unknown === undefined) return
  const flag = (name: string) => (name.length === 1 ? `-${name}` : `--${name}`)
  const guess = nearest(
    unknown,
    [...known].filter((name) => name.length > 1 && name !== '$0'),
  )
  throw new FleetError('usage', `there is no option ${flag(unknown)}`, {
    remedy: guess ? `Did you mean ${flag(guess)}? arbdeck --help lists all.` : 'arbdeck --help lists all.',
  })
}

/** `image-base`, `IMAGE_BASE` and `imageBase` are one name. */
const bare = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

const aliasesOf = (command: Command): string[] =>
  Object.values(command.options ?? {}).flatMap((option) => option.alias ?? [])
const positionalsOf = (command: Command): string[] =>
  namesOf(command).flatMap((name) =>
    [...name.matchAll(/[<[]([a-z]+)(?:\.\.)?[>\]]/g)].map((match) => match[1] as string),
  )
const namesOf = (command: Command): readonly string[] =>
  typeof command.name === 'string' ? [command.name] : command.name

function usageError(message: string, out: Output): FleetError {
  const unknown = /^Unknown (?:command|argument)s?: (.+)$/.exec(message)?.[1]?.split(',')[0]
  if (unknown === undefined)
    return new FleetError('usage', message.replaceAll(/\s+/g, ' '), {
      remedy: 'arbdeck --help lists commands and options.',
    })
  const words = COMMANDS.flatMap(namesOf)
    .map((name) => name.split(' ')[0] as string)
    .filter((name) => name !== '$0')
  const guess = nearest(unknown, words)
  return new FleetError('usage', `there is no command ${unknown}`, {
    remedy: guess
      ? `Did you mean ${guess}? arbdeck --help lists all.`
      : `arbdeck --help lists all${out.json ? '' : ' commands'}.`,
  })
}
