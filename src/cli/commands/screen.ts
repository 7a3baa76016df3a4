import { FleetError } from '../../protocol/errors.ts'
import { type Command, textOf } from '../command.ts'
import { runUp, upCommand } from './up.ts'

const isTerminal = (): boolean => Boolean(process.stdin.isTTY && process.stdout.isTTY && process.env.TERM !== 'dumb')

/** `arbdeck` alone and `arbdeck tui`. Without a terminal the first does what `up` does; the second says how to get one. */
export const screenCommand: Command = {
  name: ['$0', 'tui'],
  describe: 'the screen; starts the fleet when it does not run',
  options: upCommand.options ?? {},
  run: async (context, argv) => {
    const { out } = context
    const named = (argv._ as unknown[] | undefined)?.[0] === 'tui'
    if (isTerminal() && !out.json) return context.showScreen(context.options)
    if (named)
      throw new FleetError(
        'terminal_missing',
        out.json ? 'the screen cannot be shown with --json' : 'the screen needs a terminal on stdin and stdout',
        {
          remedy: 'Run it in a terminal (docker: -it, ssh: -t), or use arbdeck up, which streams what happens.',
        },
      )
    out.remark('No terminal here: streaming events instead of the screen (as arbdeck up does).')
    return runUp(context, {
      detach: argv.detach === true,
      until: textOf(argv, 'until'),
      for: textOf(argv, 'for'),
      timeout: textOf(argv, 'timeout'),
    })
  },
}
