import { FleetError } from '../../protocol/errors.ts'
import type { RoleName } from '../../protocol/fleet.ts'
import { stringify } from '../../protocol/json.ts'
import type { BusMessage } from '../../protocol/task.ts'
import { within } from '../opening.ts'
import type { ConsumeOptions, Consumer, MessageHandler, TaskBus } from './bus.ts'
import type { DeadLetter } from './open.ts'
import { RabbitConsumer } from './rabbitmq-consumer.ts'
import { type RabbitAddress, RabbitLink, unreachableBus } from './rabbitmq-link.ts'
import { RabbitPublisher } from './rabbitmq-publisher.ts'
import { declareQueues, queuesOf, triesToHeaders } from './rabbitmq-queues.ts'
import { afterLoss, firstTry, handleOnce, type Outcome, type RetryPolicy } from './retry.ts'

/** Starting to consume waits this long for a broker that is coming back. */
const CONSUME_TIMEOUT_MS = 10_000
const LONGEST_REASON = 500

interface BusParts {
  fleet: string
  policy: RetryPolicy
  onDeadLetter(letter: DeadLetter): void
}

/** The bus on RabbitMQ 3.10 or later: one durable queue a role, and one for its dead letters. */
export class RabbitBus implements TaskBus {
  readonly #address: RabbitAddress
  readonly #parts: BusParts
  readonly #publisher: RabbitPublisher
  readonly #consumers = new Set<RabbitConsumer>()
  /** Of opening: whichever of the two is needed first has it. Most agents never publish, and need no second one. */
  #first: RabbitLink | undefined
  #sending: Promise<RabbitLink> | undefined
  /** Apart from `sending`: a broker that is out of memory stops reading from who publishes, and would not see our acks. */
  #taking: Promise<RabbitLink> | undefined
  #closed = false

  private constructor(address: RabbitAddress, parts: BusParts, first: RabbitLink) {
    this.#address = address
    this.#parts = parts
    this.#first = first
    this.#publisher = new RabbitPublisher(() => this.#sendingLink(), first.at, parts.fleet)
  }

  static async open(address: RabbitAddress, parts: BusParts): Promise<RabbitBus> {
    return new RabbitBus(address, parts, await RabbitLink.open(address, parts.fleet))
  }

  async publish(role: RoleName, message: BusMessage): Promise<void> {
    this.#checkOpen()
    await this.#publisher.send(role, 'live', stringify(message), triesToHeaders(firstTry()))
  }

  async consume(role: RoleName, handle: MessageHandler, options: ConsumeOptions = {}): Promise<Consumer> {
    this.#checkOpen()
    const { fleet, policy } = this.#parts
    const link = await this.#takingLink()
    const consumer = new RabbitConsumer({
      link,
      queue: queuesOf(fleet, role).live,
      prefetch: options.prefetch ?? 1,
      declare: (channel) => declareQueues(channel, fleet, role),
      handle: (text, tries, delivery) => handleOnce(text, tries, handle, delivery, policy),
      lost: (tries) => afterLoss(tries, policy),
      forward: (text, outcome) => this.#forward(role, text, outcome),
      left: () => this.#consumers.delete(consumer),
    })
    this.#consumers.add(consumer)
    try {
      await within(CONSUME_TIMEOUT_MS, consumer.started, () => new Error('no answer'))
      return consumer
    } catch (cause) {
      await consumer.stop(0)
      throw unreachableBus(link.at, cause)
    }
  }

  async depth(role: RoleName): Promise<number> {
    this.#checkOpen()
    return this.#publisher.depth(role)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.stop(0)))
    const links = [this.#first, this.#taking, this.#sending].map(async (link) => (await link)?.close())
    await Promise.allSettled(links)
  }

  /** A message that failed goes to the end of its queue with its count; the original is acknowledged only after that. */
  async #forward(role: RoleName, text: string, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'again') await this.#publisher.send(role, 'live', text, triesToHeaders(outcome.tries))
    if (outcome.kind !== 'dead') return
    const reason = outcome.reason.slice(0, LONGEST_REASON)
    await this.#publisher.send(role, 'dead', text, { 'arbdeck-reason': reason })
    this.#parts.onDeadLetter({ role, text, reason })
  }

  #takingLink(): Promise<RabbitLink> {
    this.#taking ??= this.#anotherLink('consume').catch((error) => {
      this.#taking = undefined
      throw error
    })
    return this.#taking
  }

  #sendingLink(): Promise<RabbitLink> {
    this.#sending ??= this.#anotherLink('publish').catch((error) => {
      this.#sending = undefined
      throw error
    })
    return this.#sending
  }

  async #anotherLink(purpose: string): Promise<RabbitLink> {
    const first = this.#first
    this.#first = undefined
    return first ?? RabbitLink.open(this.#address, `${this.#parts.fleet} ${purpose}`)
  }

  #checkOpen(): void {
    if (!this.#closed) return
    throw new FleetError('bus_unreachable', 'The message bus is closed', { remedy: 'The process is ending.' })
  }
}
