import type { FleetClient } from '../../client/client.ts'
import { parseScale } from '../../client/scale.ts'
import { WholeWait } from '../../client/whole-wait.ts'
import { FleetError } from '../../protocol/errors.ts'
import type { FleetEvent } from '../../protocol/event.ts'
import type { Profile } from '../../protocol/fleet.ts'
import { now } from '../../protocol/schemas.ts'
import { type Command, type CommandArgs, type CommandContext, textOf, wordsOf } from '../command.ts'
import { eventText } from '../event-text.ts'
import { duration } from '../options.ts'
import { withRoles } from './fleet.ts'

const WAIT_MS = 120_000

export const scaleCommand: Command = {
  name: 'scale [changes..]',
  describe: 'set wanted counts: executor=3 planner=+1 reviewer=-1, or all with --profile',
  positionals: (yargs) =>
    yargs.positional('changes', { type: 'string', array: true, describe: 'ROLE=N, ROLE=+N or ROLE=-N' }),
  options: {
    wait: { type: 'boolean', default: false, describe: 'until exactly so many exist and are healthy' },
    timeout: { type: 'string', describe: 'with --wait: give up after this long, with exit 4 [120s]' },
    progress: { type: 'boolean', default: false, describe: 'with --wait --json: an event a line, then the counts' },
  },
  run: (context, argv) => {
    const profile = profileOf(context, argv)
    const words = wordsOf(argv, 'changes')
    const changes = words.length === 0 && profile !== undefined ? [] : parseScale(words)
    const timeoutMs = duration('--timeout', textOf(argv, 'timeout')) ?? WAIT_MS
    const named = changes.map(({ role }) => role)
    return withRoles(context, named, async (client) => {
      const scale = () => client.scale(changes, profile)
      const waits = argv.wait === true
      const counts = waits
        ? await scaleAndWait(context, client, scale, { timeoutMs, progress: argv.progress === true })
        : await scale()
      const shown = profile === undefined ? named : Object.keys(counts)
      const text = () =>
        shown.map((role) => `${role}: ${counts[role]}${waits ? ', all healthy' : ' wanted'}`).join('\n')
      if (argv.progress === true) context.out.line({ type: 'summary', at: now(), counts }, text)
      else context.out.document({ counts }, text)
      return 0
    })
  },
}

/** With counts by name, a profile of the environment is not meant: that is for `up`. */
function profileOf({ options }: CommandContext, argv: CommandArgs): Profile | undefined {
  const fromEnvironment = options.profile !== undefined && process.env.ARBDECK_PROFILE === options.profile
  return fromEnvironment && wordsOf(argv, 'changes').length > 0 ? undefined : options.profile
}

/** @throws FleetError `timeout` saying what is still missing; `engine_refused` naming what cannot be started, and why */
async function scaleAndWait<T>(
  { out, signal }: CommandContext,
  client: FleetClient,
  scale: () => Promise<T>,
  { timeoutMs, progress }: { timeoutMs: number; progress: boolean },
): Promise<T> {
  const show = (event: FleetEvent) => {
    if (progress) out.line(event, () => eventText(event))
    else out.remark(eventText(event))
  }
  const waiting = new WholeWait(client, show)
  try {
    await waiting.begin()
    const done = await scale()
    const open = await waiting.whole(timeoutMs, signal)
    if (open === 'whole' || signal.aborted) return done
    throw new FleetError(open.failed ? 'engine_refused' : 'timeout', open.words, {
      remedy: open.failed
        ? 'The rest runs, and these are tried again; see arbdeck status and arbdeck logs for why they fail.'
        : 'See arbdeck ps and arbdeck logs, or give a longer --timeout.',
    })
  } finally {
    waiting.end()
  }
}
