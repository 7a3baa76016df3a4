import { z } from 'zod'

/** One line of a plan: what would be done, or must wait, to what, and why. */
export const PlanLineSchema = z.object({
  kind: z.enum(['create', 'pull', 'build', 'start', 'replace', 'stop', 'wait']),
  /** A unit's id; of `create`, `pull` and `build` the name of a network, a volume or an image. */
  id: z.string(),
  cause: z.string(),
})
export type PlanLine = z.infer<typeof PlanLineSchema>
