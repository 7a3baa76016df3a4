import { FleetError } from '../../protocol/errors.ts'
import type { LogLevel, LogLine } from '../../protocol/records.ts'
import { type Command, textOf, wordsOf } from '../command.ts'
import { duration, wholeNumber } from '../options.ts'
import { streamLines } from '../stream.ts'
import { timeOf } from '../text.ts'
import { withRoles } from './fleet.ts'

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export const logsCommand: Command = {
  name: 'logs [sources..]',
  describe: 'logs of agents and services, merged in time order',
  positionals: (yargs) =>
    yargs.positional('sources', {
      type: 'string',
      array: true,
      describe: 'executor-1, executor, hub, …; nothing: all',
    }),
  options: {
    role: { type: 'string', describe: 'all agents of a role' },
    follow: { type: 'boolean', alias: 'f', default: false, describe: 'go on as lines come' },
    since: { type: 'string', describe: 'not older than: 5m, 1h' },
    tail: { type: 'string', describe: 'how many of the newest lines [100]' },
    grep: { type: 'string', describe: 'only lines that match this regular expression' },
    level: { type: 'string', choices: LEVELS, describe: 'only lines of this level or above' },
  },
  run: (context, argv) => {
    const role = textOf(argv, 'role')
    const sinceMs = duration('--since', textOf(argv, 'since'))
    const fits = lineFilter(textOf(argv, 'grep'), textOf(argv, 'level') as LogLevel | undefined)
    const query = {
      sources: wordsOf(argv, 'sources'),
      follow: argv.follow === true,
      tail: wholeNumber('--tail', textOf(argv, 'tail'), 0, 100_000) ?? 100,
      ...(role === undefined ? {} : { role }),
      ...(sinceMs === undefined ? {} : { since: new Date(Date.now() - sinceMs).toISOString() }),
    }
    return withRoles(context, role === undefined ? [] : [role], (client) =>
      streamLines(context, client.logs(query, context.signal), {
        fits,
        json: (line) => ({ type: 'log', ...line }),
        text: (line) => `${timeOf(line.at)} ${line.source.padEnd(15)} ${line.level.padEnd(5)} ${line.message}`,
      }),
    )
  },
}

function lineFilter(grep: string | undefined, level: LogLevel | undefined): (line: LogLine) => boolean {
  const pattern = grep === undefined ? undefined : regularExpression(grep)
  const least = level === undefined ? 0 : LEVELS.indexOf(level)
  return (line) => LEVELS.indexOf(line.level) >= least && (pattern === undefined || pattern.test(line.message))
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (cause) {
    throw new FleetError('usage', `--grep ${text} is not a regular expression`, {
      remedy: 'Escape its special characters with a backslash.',
      cause,
    })
  }
}
