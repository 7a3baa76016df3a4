import { setTimeout as sleep } from 'node:timers/promises'
import { FleetError } from '../../protocol/errors.ts'
import type { RoleName } from '../../protocol/fleet.ts'
import { stringify } from '../../protocol/json.ts'
import type { BusMessage } from '../../protocol/task.ts'
import type { ConsumeOptions, Consumer, Delivery, MessageHandler, TaskBus } from './bus.ts'
import type { DeadLetter } from './open.ts'
import { afterLoss, firstTry, handleOnce, type Outcome, type RetryPolicy, type Tries } from './retry.ts'

interface Item {
  text: string
  tries: Tries
}

interface Queue {
  role: RoleName
  waiting: Item[]
  dead: { item: Item; reason: string }[]
  consumers: EmbeddedConsumer[]
}

/** The bus inside one process: all who share it hold the same instance. Messages live as long as the process. */
export class EmbeddedBus implements TaskBus {
  readonly #policy: RetryPolicy
  readonly #onDeadLetter: (letter: DeadLetter) => void
  readonly #queues = new Map<RoleName, Queue>()
  #closed = false

  constructor(policy: RetryPolicy, onDeadLetter: (letter: DeadLetter) => void) {
    this.#policy = policy
    this.#onDeadLetter = onDeadLetter
  }

  async publish(role: RoleName, message: BusMessage): Promise<void> {
    const queue = this.#open(role)
    queue.waiting.push({ text: stringify(message), tries: firstTry() })
    this.#deal(queue)
  }

  async consume(role: RoleName, handle: MessageHandler, options: ConsumeOptions = {}): Promise<Consumer> {
    const queue = this.#open(role)
    const consumer = new EmbeddedConsumer({
      prefetch: options.prefetch ?? 1,
      handle: (item, delivery) => handleOnce(item.text, item.tries, handle, delivery, this.#policy),
      lost: (tries) => afterLoss(tries, this.#policy),
      settle: (item, outcome) => this.#settle(queue, item, outcome),
      leave: () => {
        queue.consumers = queue.consumers.filter((other) => other !== consumer)
        this.#deal(queue)
      },
    })
    queue.consumers.push(consumer)
    this.#deal(queue)
    return consumer
  }

  async depth(role: RoleName): Promise<number> {
    return this.#open(role).waiting.length
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#queues.values()].flatMap((queue) => queue.consumers).map((c) => c.stop(0)))
  }

  #open(role: RoleName): Queue {
    if (this.#closed) {
      throw new FleetError('bus_unreachable', 'The message bus is closed', { remedy: 'The process is ending.' })
    }
    const queue = this.#queues.get(role) ?? { role, waiting: [], dead: [], consumers: [] }
    this.#queues.set(role, queue)
    return queue
  }

  /** Gives what waits to whoever has a hand free, in turn. */
  #deal(queue: Queue): void {
    while (queue.waiting.length > 0) {
      const index = queue.consumers.findIndex((consumer) => consumer.hasRoom)
      const consumer = queue.consumers[index]
      const item = queue.waiting[0]
      if (consumer === undefined || item === undefined) return
      queue.waiting.shift()
      queue.consumers.splice(index, 1)
      queue.consumers.push(consumer)
      consumer.take(item)
    }
  }

  #settle(queue: Queue, item: Item, outcome: Outcome): void {
    if (outcome.kind === 'again') queue.waiting.push({ text: item.text, tries: outcome.tries })
    else if (outcome.kind === 'dead') {
      queue.dead.push({ item, reason: outcome.reason })
      this.#onDeadLetter({ role: queue.role, text: item.text, reason: outcome.reason })
    }
    this.#deal(queue)
  }
}

interface ConsumerParts {
  prefetch: number
  handle(item: Item, delivery: Delivery): Promise<Outcome>
  settle(item: Item, outcome: Outcome): void
  /** What to do with a message that was in hand when its consumer was gone. */
  lost(tries: Tries): Outcome
  leave(): void
}

class EmbeddedConsumer implements Consumer {
  readonly #parts: ConsumerParts
  readonly #inHand = new Map<Item, Promise<void>>()
  /** No new messages, no more pauses. */
  readonly #draining = new AbortController()
  /** What is still in hand is no longer ours. */
  readonly #ended = new AbortController()
  #stopping: Promise<void> | undefined

  constructor(parts: ConsumerParts) {
    this.#parts = parts
  }

  get hasRoom(): boolean {
    return !this.#draining.signal.aborted && this.#inHand.size < this.#parts.prefetch
  }

  take(item: Item): void {
    this.#inHand.set(item, this.#work(item))
  }

  stop(graceMs = 10_000): Promise<void> {
    this.#stopping ??= this.#stop(graceMs)
    return this.#stopping
  }

  async #work(item: Item): Promise<void> {
    await Promise.resolve() // publish has resolved, and `take` has put it in hand
    const { returns, publishedAt } = item.tries
    const delivery = { redelivered: returns > 0, publishedAt, signal: this.#ended.signal }
    const outcome = await this.#parts.handle(item, delivery)
    if (outcome.kind === 'again') {
      await sleep(outcome.pauseMs, undefined, { signal: this.#draining.signal }).catch(() => undefined)
    }
    if (this.#inHand.delete(item)) this.#parts.settle(item, outcome)
  }

  async #stop(graceMs: number): Promise<void> {
    this.#draining.abort()
    const timer = new AbortController()
    const handled = Promise.all(this.#inHand.values())
    const timeUp = sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)
    await Promise.race([handled, timeUp])
    timer.abort()
    this.#ended.abort()
    const rest = [...this.#inHand.keys()]
    this.#inHand.clear()
    for (const item of rest) this.#parts.settle(item, this.#parts.lost(item.tries))
    this.#parts.leave()
  }
}
