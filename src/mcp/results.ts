import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { type ErrorDocument, FleetError } from '../protocol/errors.ts'
import { stringify, toJson } from '../protocol/json.ts'

/** What a tool gave, as MCP carries it: an object as it is, anything else as `{ value }`, and the same as JSON text. */
export function toResult(value: unknown): CallToolResult {
  const json = toJson(value) ?? null
  const structuredContent = isObject(json) ? json : { value: json }
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
}

/** A failure as a result of the tool: code, message and remedy as JSON text; neither stack nor cause. */
export function toErrorResult(error: FleetError): CallToolResult {
  return { isError: true, content: [{ type: 'text', text: stringify(documentOf(error)) }] }
}

/** An error as it leaves the process: code, message and remedy; the cause may hold what is nobody's business. */
export const documentOf = ({ code, message, remedy }: FleetError): ErrorDocument => ({
  error: { code, message, remedy },
})

/**
 * What a tool gave; text that is not ours comes as `{ content }`.
 * @throws FleetError as the tool said it; `tool_failed` when it failed in words of its own
 */
export function readResult(tool: string, result: Record<string, unknown>): unknown {
  if (result.isError === true) throw readError(tool, result)
  return result.structuredContent ?? { content: result.content }
}

/** The error of a result that says `isError`. */
export function readError(tool: string, result: Record<string, unknown>): FleetError {
  const text = textOf(result.content)
  const document = readErrorDocument(text)
  if (document) return FleetError.from(document)
  return new FleetError('tool_failed', `${tool} failed: ${text || 'it did not say why'}`, {
    remedy: 'Look at what the tool takes (arbdeck tools) and at the log of the agent.',
  })
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return ''
  return content.map((block: unknown) => (isObject(block) && typeof block.text === 'string' ? block.text : '')).join('')
}

/** The error in a JSON text or value of the shape ErrorDocument, if it is one. */
export function readErrorDocument(from: unknown): ErrorDocument | undefined {
  const json = typeof from === 'string' ? tryJson(from) : from
  if (!isObject(json) || !isObject(json.error)) return undefined
  const { code, message, remedy } = json.error
  if (typeof code !== 'string' || typeof message !== 'string' || typeof remedy !== 'string') return undefined
  return json as unknown as ErrorDocument
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
