import type { Channel } from 'amqplib'
import type { RoleName } from '../../protocol/fleet.ts'
import type { Tries } from './retry.ts'

/** The oldest go when there are more. */
const MOST_DEAD_LETTERS = 10_000

/** Names of a role's two queues. */
export const queuesOf = (fleet: string, role: RoleName): { live: string; dead: string } => ({
  live: `arbdeck.${fleet}.${role}`,
  dead: `arbdeck.${fleet}.${role}.dead`,
})

/**
 * Declares both queues: durable classic ones. Quorum queues were tried and left: on one node they replicate nothing, and
 * those of RabbitMQ 3.10 did not always find a leader again after the broker was killed. Every declarer must say the same.
 * @returns how many messages wait
 */
export async function declareQueues(channel: Channel, fleet: string, role: RoleName): Promise<number> {
  const { live, dead } = queuesOf(fleet, role)
  const classic = { 'x-queue-type': 'classic' }
  await channel.assertQueue(dead, { durable: true, arguments: { ...classic, 'x-max-length': MOST_DEAD_LETTERS } })
  return (await channel.assertQueue(live, { durable: true, arguments: classic })).messageCount
}

/** How `Tries` travels in a message's headers. */
export const triesToHeaders = (tries: Tries): Record<string, number> => ({
  'arbdeck-returns': tries.returns,
  'arbdeck-failures': tries.failures,
  'arbdeck-published': tries.publishedAt,
})

export function triesFromHeaders(headers: Record<string, unknown> | undefined): Tries {
  const count = (name: string) => {
    const value = Number(headers?.[name] ?? 0)
    return Number.isSafeInteger(value) && value >= 0 ? value : 0
  }
  return {
    returns: count('arbdeck-returns'),
    failures: count('arbdeck-failures'),
    publishedAt: count('arbdeck-published'),
  }
}
