import { z } from 'zod'
import type { ToolInfo } from '../protocol/fleet.ts'
import { type ImageLink, wordsOf } from './image-link.ts'

const MAX_TOOLS = 256
const MAX_CHARS = 512 * 1024
const MAX_PAGES = 16
const METHOD_NOT_FOUND = -32_601

const PageSchema = z.object({ tools: z.array(z.unknown()), nextCursor: z.string().optional() })
const JsonSchema = z.record(z.string(), z.unknown())
const ToolSchema = z.object({
  name: z.string().min(1).max(256),
  description: z.string().max(16_384).default(''),
  inputSchema: JsonSchema,
  outputSchema: JsonSchema.optional(),
})

/** The tools of an image, as far as they can be listed for others: `note` says what was left out. */
export async function listTools(
  link: ImageLink,
  signal: AbortSignal,
): Promise<{ tools: ToolInfo[]; note: string | undefined } | { why: string }> {
  const given: unknown[] = []
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const reply = await link.request('tools/list', cursor === undefined ? {} : { cursor }, { signal })
    if (reply.kind === 'error' && reply.code === METHOD_NOT_FOUND) break
    if (reply.kind !== 'result') return { why: wordsOf(reply) }
    const parsed = PageSchema.safeParse(reply.result)
    if (!parsed.success) return { why: 'what it answers is no list of tools' }
    given.push(...parsed.data.tools)
    cursor = parsed.data.nextCursor
    if (cursor === undefined) break
  }
  const tools = fitting(given)
  const left = given.length - tools.length
  if (given.length === 0) return { tools, note: 'it has no tools' }
  return { tools, note: left === 0 ? undefined : `${left} of its tools are left out: malformed, or too much` }
}

function fitting(given: readonly unknown[]): ToolInfo[] {
  const tools: ToolInfo[] = []
  let chars = 0
  for (const one of given) {
    const parsed = ToolSchema.safeParse(one)
    if (!parsed.success || tools.length >= MAX_TOOLS) continue
    const { outputSchema, ...tool } = parsed.data
    const whole: ToolInfo = { ...tool, ...(outputSchema && { outputSchema }) }
    chars += JSON.stringify(whole).length
    if (chars <= MAX_CHARS) tools.push(whole)
  }
  return tools
}
