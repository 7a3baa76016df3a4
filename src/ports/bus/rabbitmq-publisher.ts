import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConfirmChannel } from 'amqplib'
import { FleetError } from '../../protocol/errors.ts'
import type { RoleName } from '../../protocol/fleet.ts'
import { within } from '../opening.ts'
import { closeQuietly, type RabbitLink, unreachableBus } from './rabbitmq-link.ts'
import { declareQueues, queuesOf } from './rabbitmq-queues.ts'

/** A message is tried for this long, across reconnects, before its sender is told that it failed. */
const PUBLISH_TIMEOUT_MS = 10_000
const RETRY_PAUSE_MS = 200

interface Publisher {
  channel: ConfirmChannel
  declared: Map<RoleName, Promise<number>>
  /** Ids of messages that came back because their queue was gone. */
  returned: Set<string>
}

/** Sends with publisher confirms, on a channel that is made anew when it is lost. */
export class RabbitPublisher {
  readonly #openLink: () => Promise<RabbitLink>
  readonly #at: string
  readonly #fleet: string
  #link: RabbitLink | undefined
  #current: Promise<Publisher> | undefined

  /** @param openLink gives the connection, the same one at every call once it is there; called when something is sent */
  constructor(openLink: () => Promise<RabbitLink>, at: string, fleet: string) {
    this.#openLink = openLink
    this.#at = at
    this.#fleet = fleet
  }

  /**
   * Resolves when the broker has it safe. May send twice when the answer to the first was lost.
   * @throws FleetError `bus_unreachable`
   */
  async send(role: RoleName, to: 'live' | 'dead', text: string, headers: Record<string, unknown>): Promise<void> {
    const until = performance.now() + PUBLISH_TIMEOUT_MS
    for (;;) {
      try {
        await within(Math.max(1, until - performance.now()), this.#sendOnce(role, to, text, headers), () => {
          this.#drop()
          return new Error(this.#link?.blocked ? 'it is out of memory or disk' : 'no confirm')
        })
        return
      } catch (cause) {
        const error = cause instanceof FleetError ? cause : unreachableBus(this.#at, cause)
        if (!error.transient || performance.now() + RETRY_PAUSE_MS > until) throw error
        await sleep(RETRY_PAUSE_MS)
      }
    }
  }

  /** @throws FleetError `bus_unreachable` */
  async depth(role: RoleName): Promise<number> {
    const late = () => new Error('no answer')
    try {
      return await within(
        PUBLISH_TIMEOUT_MS / 2,
        this.#open().then(({ channel }) => declareQueues(channel, this.#fleet, role)),
        late,
      )
    } catch (cause) {
      this.#drop()
      throw unreachableBus(this.#at, cause)
    }
  }

  async #sendOnce(role: RoleName, to: 'live' | 'dead', text: string, headers: Record<string, unknown>): Promise<void> {
    const publisher = await this.#open()
    const { channel, declared, returned } = publisher
    const queues = declared.get(role) ?? declareQueues(channel, this.#fleet, role)
    declared.set(role, queues)
    await queues
    const messageId = randomUUID()
    await new Promise<void>((resolve, reject) => {
      const options = { persistent: true, mandatory: true, messageId, contentType: 'application/json', headers }
      channel.publish('', queuesOf(this.#fleet, role)[to], Buffer.from(text), options, (error) => {
        if (error) reject(error instanceof Error ? error : new Error('the broker refused it'))
        else resolve()
      })
    })
    if (returned.delete(messageId)) {
      declared.delete(role)
      throw new Error('its queue was gone')
    }
  }

  /** A channel that does not answer may never do so: the next one to send makes another. */
  #drop(): void {
    this.#current?.then(({ channel }) => closeQuietly(channel)).catch(() => undefined)
    this.#current = undefined
  }

  #open(): Promise<Publisher> {
    this.#current ??= this.#make()
    return this.#current
  }

  #make(): Promise<Publisher> {
    const forget = () => {
      if (this.#current === making) this.#current = undefined
    }
    const making: Promise<Publisher> = this.#channel().then((channel) => {
      const publisher: Publisher = { channel, declared: new Map(), returned: new Set() }
      channel.on('return', (message) => publisher.returned.add(String(message.properties.messageId)))
      channel.on('close', forget)
      return publisher
    })
    making.catch(forget)
    return making
  }

  async #channel(): Promise<ConfirmChannel> {
    this.#link = await this.#openLink()
    return this.#link.confirmChannel()
  }
}
