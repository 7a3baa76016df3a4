import type { Command } from '../command.ts'
import { table } from '../text.ts'

export const checkCommand: Command = {
  name: 'check',
  describe: 'what this machine has and lacks, each with its remedy',
  run: async (context) => {
    const prerequisites = await context.launcher.check(context.options)
    const rows = prerequisites.map((p) => [p.state, p.name, p.detail, p.remedy ?? ''])
    context.out.document({ prerequisites }, () => table(['', 'WHAT', 'FOUND', 'REMEDY'], rows))
    return prerequisites.some((p) => p.state === 'fail') ? 1 : 0
  },
}

export const buildCommand: Command = {
  name: 'build',
  describe: 'build the images of the Docker engine',
  run: async (context) => {
    const images = await context.launcher.build(context.options, (line) => context.out.remark(line))
    context.out.document({ images }, () => images.join('\n'))
    return 0
  },
}
