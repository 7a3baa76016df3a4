import { z } from 'zod'
import { FleetError } from '../../src/protocol/errors.ts'
import { ProjectPathSchema } from '../../src/protocol/file-lock.ts'
import type { Project } from '../project/project.ts'
import type { RoleContext, RoleTool } from '../role.ts'

const MS = 1_000

/** The shared project for MCP clients: read freely, write with a lock's token. */
export const projectTools: readonly RoleTool[] = [
  {
    name: 'list_files',
    description: 'Files of the project that all agents share.',
    input: z.object({ under: z.union([ProjectPathSchema, z.literal('')]).default('') }),
    run: async ({ under }, context) => ({ files: await projectOf(context).files.list(under as string) }),
  },
  {
    name: 'read_file',
    description: 'A file of the shared project, as text.',
    input: z.object({ path: ProjectPathSchema }),
    run: async ({ path }, context) => projectOf(context).files.read(path as string),
  },
  {
    name: 'lock_file',
    description:
      'Locks a file of the shared project; waits in a queue for others. Gives the token that write_file and unlock_file want.',
    input: z.object({
      path: ProjectPathSchema,
      waitSeconds: z.number().min(0).max(50).default(10),
      holdSeconds: z.number().min(1).max(600).default(60),
    }),
    async run(input, context) {
      const { path, waitSeconds, holdSeconds } = input as { path: string; waitSeconds: number; holdSeconds: number }
      const request = { waitMs: waitSeconds * MS, holdMs: holdSeconds * MS }
      const { token } = await projectOf(context).locks.acquire(path, request)
      return { path, token, owner: context.id, endsAt: new Date(Date.now() + holdSeconds * MS).toISOString() }
    },
  },
  {
    name: 'write_file',
    description: 'Writes a file of the shared project as a whole; refused unless the token holds its lock.',
    input: z.object({ path: ProjectPathSchema, token: z.int().min(1), content: z.string() }),
    async run(input, context) {
      const { path, token, content } = input as { path: string; token: number; content: string }
      return projectOf(context).files.write(path, token, content)
    },
  },
  {
    name: 'unlock_file',
    description: 'Gives a lock back, so that the next in its queue has it.',
    input: z.object({ path: ProjectPathSchema, token: z.int().min(1) }),
    async run(input, context) {
      const { path, token } = input as { path: string; token: number }
      await projectOf(context).locks.release(path, token)
      return { path, released: true }
    },
  },
]

function projectOf({ project }: RoleContext): Project {
  if (project) return project
  throw noProject()
}

export const noProject = (): FleetError =>
  new FleetError('unsupported', 'this agent has no shared project', {
    remedy: 'Start it by arbdeck up, which mounts one.',
  })
