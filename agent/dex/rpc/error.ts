import { FleetError } from '../../../src/protocol/errors.ts'

/** What a node answered instead of a result: its code, message and, for a revert (code 3), the revert bytes. */
export class RpcError extends Error {
  readonly code: number
  readonly data: unknown
  readonly method: string

  constructor(method: string, error: { code?: number; message?: string; data?: unknown }) {
    super(error.message ?? 'the node gave no reason')
    this.name = 'RpcError'
    this.code = error.code ?? 0
    this.data = error.data
    this.method = method
  }
}

/** @param name scheme and host of the node */
export function unreachableNode(name: string, why: string, cause?: unknown): FleetError {
  return new FleetError('chain_unreachable', `the node at ${name} cannot be reached: ${why}`, {
    remedy: 'Check that the node runs and that --chain names it; arbdeck keeps trying.',
    transient: true,
    cause,
  })
}

export interface Answer {
  id?: number | null
  result?: unknown
  error?: { code?: number; message?: string; data?: unknown }
  method?: string
  params?: { subscription?: string; result?: unknown }
}
