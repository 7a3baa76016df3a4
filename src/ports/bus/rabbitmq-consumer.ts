import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ConsumeMessage } from 'amqplib'
import { within } from '../opening.ts'
import type { Consumer, Delivery } from './bus.ts'
import { closeQuietly, type RabbitLink } from './rabbitmq-link.ts'
import { triesFromHeaders } from './rabbitmq-queues.ts'
import type { Outcome, Tries } from './retry.ts'

const SETUP_TIMEOUT_MS = 10_000
const CANCEL_TIMEOUT_MS = 2_000

export interface ConsumerParts {
  link: RabbitLink
  queue: string
  prefetch: number
  declare(channel: Channel): Promise<unknown>
  handle(text: string, tries: Tries, delivery: Delivery): Promise<Outcome>
  /** What to do with a message whose last consumer was gone before it was done. */
  lost(tries: Tries): Outcome
  /** Puts a message where its outcome says; when that fails it stays with us and goes back to the queue. */
  forward(text: string, outcome: Outcome): Promise<void>
  left(): void
}

/** Takes messages of one queue, on a channel that is made anew when it is lost, until it is stopped. */
export class RabbitConsumer implements Consumer {
  readonly #parts: ConsumerParts
  readonly #inHand = new Set<Promise<void>>()
  /** No new messages, no more pauses. */
  readonly #draining = new AbortController()
  /** What is still in hand is no longer ours. */
  readonly #ended = new AbortController()
  #consuming: { channel: Channel; consumerTag: string } | undefined
  #stopping: Promise<void> | undefined
  #started: (error?: unknown) => void = () => undefined
  /** Resolves when messages are taken for the first time; rejects when the first try failed. */
  readonly started: Promise<void>

  constructor(parts: ConsumerParts) {
    this.#parts = parts
    this.started = new Promise((resolve, reject) => {
      this.#started = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.started.catch(() => undefined)
    void this.#run()
  }

  stop(graceMs = 10_000): Promise<void> {
    this.#stopping ??= this.#stop(graceMs)
    return this.#stopping
  }

  async #run(): Promise<void> {
    const { signal } = this.#draining
    for (let pauseMs = 100; !signal.aborted; pauseMs = Math.min(pauseMs * 2, 5_000)) {
      try {
        await this.#session()
        pauseMs = 100
      } catch (error) {
        this.#started(error)
      }
      await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
    }
  }

  /** Consumes on one channel until that is lost or closed. */
  async #session(): Promise<void> {
    const channel = await this.#parts.link.channel()
    const lost = new AbortController()
    const closed = new Promise<void>((resolve) => channel.once('close', () => resolve()))
    try {
      if (this.#draining.signal.aborted) return
      const consumerTag = await within(
        SETUP_TIMEOUT_MS,
        this.#consume(channel, lost.signal),
        () => new Error('no answer'),
      )
      if (this.#draining.signal.aborted) return
      this.#consuming = { channel, consumerTag }
      this.#started()
      await closed
    } finally {
      this.#consuming = undefined
      lost.abort()
      await closeQuietly(channel)
    }
  }

  async #consume(channel: Channel, lost: AbortSignal): Promise<string> {
    await this.#parts.declare(channel)
    await channel.prefetch(this.#parts.prefetch)
    const { consumerTag } = await channel.consume(this.#parts.queue, (message) => {
      // null: the broker ended it, since the queue is gone or has moved.
      if (message === null) void closeQuietly(channel)
      else if (!this.#draining.signal.aborted) this.#take(channel, message, lost)
    })
    return consumerTag
  }

  #take(channel: Channel, message: ConsumeMessage, lost: AbortSignal): void {
    const work = this.#work(channel, message, lost).finally(() => this.#inHand.delete(work))
    this.#inHand.add(work)
  }

  /** Acknowledges only what is handled, or safe elsewhere. What is not acknowledged comes again. */
  async #work(channel: Channel, message: ConsumeMessage, lost: AbortSignal): Promise<void> {
    const text = message.content.toString('utf8')
    const tries = triesFromHeaders(message.properties.headers)
    const signal = AbortSignal.any([lost, this.#ended.signal])
    const outcome = message.fields.redelivered
      ? this.#parts.lost(tries) // counted first; then it comes again as a message of its own
      : await this.#parts.handle(text, tries, {
          redelivered: tries.returns > 0,
          publishedAt: tries.publishedAt,
          signal,
        })
    if (signal.aborted) return
    if (outcome.kind === 'again') {
      await this.#pause(outcome.pauseMs, lost)
      if (this.#draining.signal.aborted) return // it goes back with the rest
    }
    try {
      await this.#parts.forward(text, outcome)
      if (!signal.aborted) channel.ack(message)
    } catch {
      // The broker is away, or refuses it: the message is still in the queue, and comes again.
      await this.#pause(1_000, lost)
      if (!signal.aborted) nackQuietly(channel, message)
    }
  }

  async #pause(ms: number, lost: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal: AbortSignal.any([lost, this.#draining.signal]) }).catch(() => undefined)
  }

  async #stop(graceMs: number): Promise<void> {
    this.#draining.abort()
    this.#started() // whoever waits for the start need not wait any longer
    const consuming = this.#consuming
    if (consuming) {
      const cancelled = consuming.channel.cancel(consuming.consumerTag)
      await within(CANCEL_TIMEOUT_MS, cancelled, () => new Error('no answer')).catch(() => undefined)
    }
    const timer = new AbortController()
    const timeUp = sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)
    await Promise.race([Promise.all(this.#inHand), timeUp])
    timer.abort()
    this.#ended.abort()
    // Closing the channel gives back what was not acknowledged.
    if (consuming) await closeQuietly(consuming.channel)
    this.#parts.left()
  }
}

function nackQuietly(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.nack(message, false, true)
  } catch {
    // The channel is gone, and with it our hold on the message.
  }
}
