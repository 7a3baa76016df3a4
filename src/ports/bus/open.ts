import { FleetError } from '../../protocol/errors.ts'
import type { RoleName } from '../../protocol/fleet.ts'
import { openWithin, serverUrl } from '../opening.ts'
import type { TaskBus } from './bus.ts'
import { EmbeddedBus } from './embedded.ts'
import { RETRY, type RetryPolicy } from './retry.ts'

/** A message that nobody can handle; the broker keeps it in the dead-letter queue of its role. */
export interface DeadLetter {
  role: RoleName
  /** The message as it travelled. */
  text: string
  reason: string
}

export interface BusOptions {
  /** Fleets that share a broker do not see each other. */
  fleet: string
  /** `arbdeck` unless told or in the URL. */
  user?: string | undefined
  password?: string | undefined
  /** How long to wait for a broker that is not up yet; 0: one try. */
  waitMs?: number | undefined
  /** Hears of each message that a consumer of this bus gave up. Must not throw. */
  onDeadLetter?: ((letter: DeadLetter) => void) | undefined
  retry?: Partial<RetryPolicy> | undefined
}

/**
 * `amqp://host:5672`, `amqps://…`, or `embedded:` (a bus of its own at every call).
 * @throws FleetError `config_invalid`, `bus_unreachable`
 */
export async function openBus(url: string, options: BusOptions): Promise<TaskBus> {
  const policy = { ...RETRY, ...options.retry }
  const onDeadLetter = options.onDeadLetter ?? (() => undefined)
  if (url === 'embedded:') return new EmbeddedBus(policy, onDeadLetter)
  const server = serverUrl(url, {
    name: 'BUS_URL',
    schemes: ['amqp:', 'amqps:'],
    example: 'amqp://host:5672 or embedded:',
  })
  if (options.password === undefined) {
    throw new FleetError('config_invalid', 'The password of the message bus is missing', {
      remedy: 'It is the file of that name in the folder that ARBDECK_SECRETS names.',
    })
  }
  const address = { url: server, user: options.user ?? (server.username || 'arbdeck'), password: options.password }
  const { RabbitBus } = await import('./rabbitmq.ts')
  return openWithin(options.waitMs ?? 0, () => RabbitBus.open(address, { fleet: options.fleet, policy, onDeadLetter }))
}
