import { z } from 'zod'

/** When an agent counts as broken and is replaced. */
export const HealthRuleSchema = z.strictObject({
  startSeconds: z.int().min(1).max(3_600).default(60).describe('From its start to its first heartbeat.'),
  hangSeconds: z
    .int()
    .min(5)
    .max(3_600)
    .default(20)
    .describe('A running agent whose heartbeat is older than this hangs.'),
  unhealthySeconds: z
    .int()
    .min(5)
    .max(3_600)
    .default(120)
    .describe('An agent that says of itself for so long that it is unhealthy is replaced.'),
  memoryPercent: z
    .int()
    .min(10)
    .max(100)
    .default(90)
    .describe(
      'Of its memory limit: an agent that stays above it for a minute leaks, and is replaced before the kernel kills it.',
    ),
})
export type HealthRule = z.infer<typeof HealthRuleSchema>

/**
 * When a role gets more agents, or gives them back. The cause that asks for most wins. What an operator set stays the least,
 * unless `min` is lower.
 */
export const AutoscaleRuleSchema = z.strictObject({
  min: z
    .int()
    .min(0)
    .max(50)
    .optional()
    .describe('Never fewer, whatever an operator has set. Absent: never fewer than an operator set, or the profile.'),
  queuePerAgent: z.number().positive().optional().describe('Messages that wait, per healthy agent.'),
  oldestSeconds: z.number().positive().optional().describe('Age of the oldest task that waits.'),
  cpuPercent: z.number().positive().optional().describe("Mean of the role's agents; 100 is one core."),
  upCooldownSeconds: z
    .int()
    .min(1)
    .default(15)
    .describe(
      'Least time from one change of the role to the next: up, and down (so long the load must have been low, too).',
    ),
  downCooldownSeconds: z.int().min(1).default(120),
  downPercent: z
    .int()
    .min(1)
    .max(95)
    .default(60)
    .describe(
      'Fewer only when the load would stay below this share of the rule with one agent less: what keeps it from flapping.',
    ),
})
export type AutoscaleRule = z.infer<typeof AutoscaleRuleSchema>

/** Any image that speaks MCP over HTTP. */
export const ImageRoleSchema = z.strictObject({
  ref: z.string().min(1).describe('`NAME[:TAG]`, as docker run takes it.'),
  command: z.array(z.string()).default([]).describe("Arguments after the image's entrypoint; none: the image's own."),
  port: z.int().min(1).max(65_535).describe('Where it listens in its container.'),
  transport: z
    .enum(['streamable-http', 'sse'])
    .default('streamable-http')
    .describe('How it speaks MCP: the transport of today, or the older HTTP with server-sent events.'),
  path: z
    .string()
    .startsWith('/', 'want a path that begins with /')
    .default('/mcp')
    .describe('Path of the MCP endpoint; of the event stream with `sse`.'),
  user: z
    .string()
    .regex(/^[1-9]\d*(:[1-9]\d*)?$/, 'want UID or UID:GID, numeric and not 0')
    .default('10001:10001')
    .describe('`UID` or `UID:GID`; numeric, never 0.'),
})
export type ImageRole = z.infer<typeof ImageRoleSchema>

export const RoleSpecSchema = z.strictObject({
  description: z.string().min(1).describe('One line: what the role is for.'),
  priority: z.enum(['critical', 'high', 'medium', 'low']).describe('What is started and mended first.'),
  firstPort: z
    .int()
    .min(0)
    .max(65_535)
    .refine((port) => port === 0 || port >= 1024, 'want a port from 1024 to 65535')
    .default(0)
    .describe(
      'Replica n listens on firstPort + n - 1. Needed by our own roles; an image listens where `image.port` says.',
    ),
  counts: z
    .strictObject({
      mini: z.int().min(0).max(50),
      standard: z.int().min(0).max(50),
      full: z.int().min(0).max(50),
    })
    .describe('Agents of each profile, from `min` to `max`.'),
  min: z.int().min(0).max(50).default(0).describe("Every change keeps it: `scale`, autoscaling, the admin's tool."),
  max: z.int().min(1).max(50).describe('Likewise; as many ports are kept for the role.'),
  memoryMb: z.int().min(32).max(8192).describe('Limit of the container, MiB: more than that and the kernel ends it.'),
  cpus: z.number().min(0.05).max(64).default(1).describe('Cores; more than the machine has is as many as it has.'),
  pids: z.int().min(16).max(4_096).default(64).describe('Processes and threads. Node alone has 11.'),
  capabilities: z.array(z.string().min(1)).min(1).describe('Words by which people and tools find it.'),
  health: HealthRuleSchema.default(() => HealthRuleSchema.parse({})).describe(
    'When an agent of the role counts as broken and is replaced.',
  ),
  graceSeconds: z
    .int()
    .min(0)
    .max(600)
    .default(10)
    .describe('From the request to stop to the kill: what it has for the task in hand.'),
  autoscale: AutoscaleRuleSchema.optional().describe(
    'When the role gets more agents by itself, or gives them back. Absent: never.',
  ),
  volumes: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'want lower-case letters, digits and -'),
        target: z.string().startsWith('/'),
        readOnly: z.boolean().default(false),
      }),
    )
    .default([])
    .describe('Named volumes of the fleet.'),
  environment: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'want letters, digits and _, no digit first'),
      z.string('want text: put the value in quotes'),
    )
    .default({})
    .describe('Nothing secret: it shows in `docker inspect`.'),
  secrets: z
    .array(
      z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'want the name of a file of --secrets-dir, never its value'),
    )
    .default([])
    .describe('Files of --secrets-dir by name, found in /run/secrets of the container.'),
  image: ImageRoleSchema.optional().describe(
    "Any image that speaks MCP. Absent: one of our own roles, by the role's name.",
  ),
})
export type RoleSpec = z.infer<typeof RoleSpecSchema>
