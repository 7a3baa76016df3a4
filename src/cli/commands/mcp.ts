import { FleetError } from '../../protocol/errors.ts'
import { type Command, textOf } from '../command.ts'
import { table } from '../text.ts'
import { withFleet } from './fleet.ts'

export const toolsCommand: Command = {
  name: 'tools',
  describe: 'the MCP tools behind the hub',
  run: (context) =>
    withFleet(context, async (client) => {
      const tools = await client.tools()
      context.out.document({ tools }, () =>
        table(
          ['TOOL', 'WHAT IT DOES'],
          tools.map((tool) => [tool.name, tool.description]),
        ),
      )
      return 0
    }),
}

export const callCommand: Command = {
  name: 'call <tool> [input]',
  describe: 'call one MCP tool through the hub',
  positionals: (yargs) =>
    yargs
      .positional('tool', { type: 'string', demandOption: true, describe: 'role__tool, such as admin__fleet_status' })
      .positional('input', { type: 'string', describe: 'its arguments as a JSON object' }),
  run: (context, argv) => {
    const input = jsonObject(textOf(argv, 'input') ?? '{}')
    return withFleet(context, async (client) => {
      const result = await client.call(String(argv.tool), input)
      context.out.document(result, () => JSON.stringify(result, null, 2))
      return 0
    })
  },
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // said below
  }
  throw new FleetError('usage', 'the input of a tool is not a JSON object', {
    remedy: `Quote it for the shell, for example '{"last": 5}'.`,
  })
}
