import { FleetError } from '../../../src/protocol/errors.ts'
import type { Rpc } from '../rpc.ts'
import { type Answer, RpcError, unreachableNode } from './error.ts'
import type { Dial, Link } from './link.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

interface Call {
  method: string
  resolve(result: unknown): void
  reject(error: Error): void
}

interface Subscription {
  params: readonly unknown[]
  onMessage: (message: unknown) => void
  /** The node's name for it; undefined while the connection is away. */
  id: string | undefined
}

/** JSON-RPC over a socket that is opened again whenever it is lost. Resolves with the first connection. */
export function openSocket(name: string, dial: Dial, timeoutMs: number): Promise<Rpc> {
  const rpc = new SocketRpc(name, dial, timeoutMs)
  return rpc.opened.then(() => rpc)
}

class SocketRpc implements Rpc {
  /** The first connection, or why there was none. */
  readonly opened: Promise<void>
  readonly #name: string
  readonly #dial: Dial
  readonly #timeoutMs: number
  readonly #calls = new Map<number, Call>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #byId = new Map<string, Subscription>()
  readonly #waiting = new Set<() => void>()
  #link: Link | undefined
  #up = false
  #closed = false
  #everUp = false
  #failures = 0
  #nextId = 1
  #heardAt = 0
  #retry: NodeJS.Timeout | undefined
  #settleFirst: (error?: Error) => void = () => undefined

  constructor(name: string, dial: Dial, timeoutMs: number) {
    this.#name = name
    this.#dial = dial
    this.#timeoutMs = timeoutMs
    this.opened = new Promise((resolve, reject) => {
      this.#settleFirst = (error) => (error ? reject(error) : resolve())
    })
    const late = setTimeout(() => this.#giveUpFirst(`no answer within ${timeoutMs} ms`), timeoutMs)
    const clear = () => clearTimeout(late)
    this.opened.then(clear, clear)
    this.#connect()
  }

  async request<T = unknown>(method: string, params: readonly unknown[] = []): Promise<T> {
    const startedAt = Date.now()
    await this.#untilUp(method)
    return new Promise<T>((resolve, reject) => {
      const left = Math.max(1, this.#timeoutMs - (Date.now() - startedAt))
      this.#send(method, params, left, { resolve: resolve as (result: unknown) => void, reject })
    })
  }

  async subscribe(params: readonly unknown[], onMessage: (message: unknown) => void): Promise<() => Promise<void>> {
    await this.#untilUp('eth_subscribe')
    const subscription: Subscription = { params, onMessage, id: undefined }
    await new Promise<void>((resolve, reject) => this.#announce(subscription, resolve, reject))
    this.#subscriptions.add(subscription)
    return async () => {
      this.#subscriptions.delete(subscription)
      const { id } = subscription
      subscription.id = undefined
      if (id !== undefined && this.#up) await this.request('eth_unsubscribe', [id]).catch(() => undefined)
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#retry)
    this.#subscriptions.clear()
    for (const wake of [...this.#waiting]) wake()
    this.#link?.end()
    this.#failCalls('it was closed here')
  }

  /** Waits for the connection to come back, within the time that a call may take. */
  #untilUp(method: string): Promise<void> {
    if (this.#closed) return Promise.reject(closedHere(this.#name))
    if (this.#up) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        if (this.#up) resolve()
        else if (this.#closed) reject(closedHere(this.#name))
        else reject(unreachableNode(this.#name, `${method} waited ${this.#timeoutMs} ms for the connection`))
      }
      const timer = setTimeout(wake, this.#timeoutMs)
      this.#waiting.add(wake)
    })
  }

  #send(method: string, params: readonly unknown[], timeoutMs: number, call: Omit<Call, 'method'>): void {
    if (!this.#up || !this.#link) {
      call.reject(unreachableNode(this.#name, 'the connection was lost'))
      return
    }
    const id = this.#nextId++
    const sentAt = Date.now()
    const timer = setTimeout(() => {
      this.#calls.delete(id)
      call.reject(unreachableNode(this.#name, `${method} was not answered within ${timeoutMs} ms`))
      if (this.#heardAt < sentAt) this.#drop() // silent since: take it for dead, open another
    }, timeoutMs)
    this.#calls.set(id, {
      method,
      resolve: (result) => {
        clearTimeout(timer)
        call.resolve(result)
      },
      reject: (error) => {
        clearTimeout(timer)
        call.reject(error)
      },
    })
    this.#link.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
  }

  /** The id is noted in the same turn as the answer: a notification may be the very next text. */
  #announce(subscription: Subscription, done: () => void, fail: (error: Error) => void): void {
    this.#send('eth_subscribe', subscription.params, this.#timeoutMs, {
      resolve: (id) => {
        subscription.id = String(id)
        this.#byId.set(subscription.id, subscription)
        done()
      },
      reject: fail,
    })
  }

  #connect(): void {
    this.#link = this.#dial({
      onOpen: () => this.#onOpen(),
      onText: (text) => this.#onText(text),
      onClose: (why) => this.#onClose(why),
    })
  }

  #onOpen(): void {
    if (this.#closed) {
      this.#link?.end()
      return
    }
    this.#up = true
    this.#everUp = true
    this.#failures = 0
    this.#settleFirst()
    for (const subscription of this.#subscriptions) {
      // A refusal right after a reconnect (a node that is not ready) drops the link: the next one tries again.
      this.#announce(
        subscription,
        () => undefined,
        () => this.#drop(),
      )
    }
    for (const wake of [...this.#waiting]) wake()
  }

  /** Gives the connection up: calls wait for the next one from now on, not only from when its end is noticed. */
  #drop(): void {
    this.#up = false
    this.#link?.end()
  }

  #onText(text: string): void {
    this.#heardAt = Date.now()
    const answers: Answer | Answer[] = JSON.parse(text)
    for (const answer of Array.isArray(answers) ? answers : [answers]) this.#onAnswer(answer)
  }

  #onAnswer(answer: Answer): void {
    if (answer.method === 'eth_subscription') {
      const subscription = this.#byId.get(String(answer.params?.subscription))
      if (subscription?.id !== undefined) subscription.onMessage(answer.params?.result)
      return
    }
    const call = this.#calls.get(Number(answer.id))
    if (!call) return
    this.#calls.delete(Number(answer.id))
    if (answer.error) call.reject(new RpcError(call.method, answer.error))
    else call.resolve(answer.result)
  }

  #onClose(why: string): void {
    this.#up = false
    this.#link = undefined
    this.#byId.clear()
    for (const subscription of this.#subscriptions) subscription.id = undefined
    this.#failCalls(why)
    if (this.#closed) return
    if (!this.#everUp) {
      this.#giveUpFirst(why)
      return
    }
    this.#failures += 1
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 6))
    this.#retry = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2))
  }

  #giveUpFirst(why: string): void {
    this.#settleFirst(unreachableNode(this.#name, why))
    if (!this.#everUp) this.close()
  }

  #failCalls(why: string): void {
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.reject(unreachableNode(this.#name, `${call.method}: ${why}`))
  }
}

const closedHere = (name: string) =>
  new FleetError('chain_unreachable', `the connection to ${name} was closed by this process`, {
    remedy: 'It is shutting down; start it again.',
  })
