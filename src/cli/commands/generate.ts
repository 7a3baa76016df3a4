import path from 'node:path'
import { FleetError } from '../../protocol/errors.ts'
import { type Command, textOf } from '../command.ts'
import { table } from '../text.ts'

export const generateCommand: Command = {
  name: 'generate',
  describe: 'write the compose files from the manifest',
  options: {
    check: { type: 'boolean', default: false, describe: 'write nothing; fail when what is written is stale' },
    output: { type: 'string', describe: 'folder that they go to [compose]' },
  },
  run: async (context, argv) => {
    const check = argv.check === true
    const files = await context.launcher.generate(context.options, { output: textOf(argv, 'output'), check })
    const named = files.map(({ file, state }) => ({ file: path.relative('', file), state }))
    const old = named.filter(({ state }) => state === 'stale' || state === 'missing')
    if (old.length > 0)
      throw new FleetError(
        'files_stale',
        `not as arbdeck generate writes them: ${old.map(({ file }) => file).join(', ')}`,
        {
          remedy: 'Run arbdeck generate, and commit what it writes.',
        },
      )
    context.out.document({ files: named }, () =>
      table(
        ['FILE', ''],
        named.map(({ file, state }) => [file, state]),
      ),
    )
    return 0
  },
}
