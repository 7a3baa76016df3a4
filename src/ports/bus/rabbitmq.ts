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
import { afterLoss, handleOnce, type Outcome, type RetryPolicy, UNTRIED } from './retry.ts'

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
  readonly #sending: RabbitLink
  readonly #publisher: RabbitPublisher
  readonly #consumers = new Set<RabbitConsumer>()
  /** Apart from `sending`: a broker that is out of memory stops reading from who publishes, and would not see our acks. */
  #taking: Promise<RabbitLink> | undefined
  #closed = false

  private constructor(address: RabbitAddress, parts: BusParts, sending: RabbitLink) {
    this.#address = address
    this.#parts = parts
    this.#sending = sending
    this.#publisher = new RabbitPublisher(sending, parts.fleet)
  }

  static async open(address: RabbitAddress, parts: BusParts): Promise<RabbitBus> {
    return new RabbitBus(address, parts, await RabbitLink.open(address, `${parts.fleet} publish`))
  }

  async publish(role: RoleName, message: BusMessage): Promise<void> {
    this.#checkOpen()
    await this.#publisher.send(role, 'live', stringify(message), triesToHeaders(UNTRIED))
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
    const taking = await this.#taking?.catch(() => undefined)
    await Promise.all([taking?.close(), this.#sending.close()])
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
    this.#taking ??= RabbitLink.open(this.#address, `${this.#parts.fleet} consume`).catch((error) => {
      this.#taking = undefined
      throw error
    })
    return this.#taking
  }

  #checkOpen(): void {
    if (!this.#closed) return
    throw new FleetError('bus_unreachable', 'The message bus is closed', { remedy: 'The process is ending.' })
  }
}
