import { setTimeout as pause } from 'node:timers/promises'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { asFleetError } from '../../../src/protocol/errors.ts'
import { keys } from '../../../src/protocol/keys.ts'
import type { Rpc } from '../../dex/rpc.ts'
import { atEachHead } from '../../dex/state/each-head.ts'
import type { RoleContext } from '../../role.ts'

const RETRY_MS = 1_000

/** Changes when the chain is described anew: reading all of it at every head would cost more than the work. */
const descriptionOf = async ({ memory }: RoleContext): Promise<number | undefined> =>
  (await memory.read(keys.chain))?.version

export type HeadWork = (rpc: Rpc, chain: ChainInfo, signal: AbortSignal) => Promise<void>

/**
 * Works at every head of the chain that is there, and follows it to another chain instance. What fails is logged and tried
 * again with the next head.
 * @returns how to stop it, after what is under way
 */
export function everyHead(name: string, context: RoleContext, work: HeadWork): () => Promise<void> {
  const ending = new AbortController()
  const { signal } = ending
  let said = ''
  const complain = (thrown: unknown): void => {
    const { message } = asFleetError(thrown)
    if (message !== said && !signal.aborted) context.log('warn', `${name}: ${message}`)
    said = message
  }
  const follow = async (): Promise<void> => {
    const described = await descriptionOf(context)
    const chain = await context.chain()
    const rpc = await context.rpc()
    await atEachHead(rpc, signal, async () => {
      if ((await descriptionOf(context)) !== described) return true
      await work(rpc, chain, signal).then(() => {
        said = ''
      }, complain)
      return undefined
    })
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await follow()
      } catch (thrown) {
        complain(thrown)
        await pause(RETRY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }
  const running = run()
  return async () => {
    ending.abort()
    await running
  }
}

/** Works on one after another; one that fails keeps no other from its turn. @throws what failed first, at the end */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const failed: unknown[] = []
  for (const item of items) await work(item).catch((thrown: unknown) => failed.push(thrown))
  if (failed.length > 0) throw failed[0]
}
