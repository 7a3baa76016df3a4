import { AsyncLocalStorage } from 'node:async_hooks'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import type { BusMessage } from '../../../src/protocol/task.ts'

interface Call {
  method: string
  params: readonly unknown[]
  ms: number
}

const LAST = 'eth_sendRawTransaction'

/** Which calls of the node each trade makes while its messages are handled. Noting them slows all down: only until `end`. */
export class ChainCalls {
  readonly #trade = new AsyncLocalStorage<string>()
  readonly #calls = new Map<string, Call[]>()
  #ended = false

  end(): void {
    this.#ended = true
    this.#trade.disable()
  }

  wrapBus(bus: TaskBus): TaskBus {
    return {
      publish: (role, message) => bus.publish(role, message),
      consume: (role, handle, options) =>
        bus.consume(
          role,
          (message, delivery) =>
            this.#ended
              ? handle(message, delivery)
              : this.#trade.run(tradeOf(message), () => handle(message, delivery)),
          options,
        ),
      depth: (role) => bus.depth(role),
      close: () => bus.close(),
    }
  }

  wrapRpc(rpc: Rpc): Rpc {
    return {
      request: <T>(method: string, params: readonly unknown[] = []): Promise<T> => {
        const answer = rpc.request<T>(method, params)
        const trade = this.#ended ? undefined : this.#trade.getStore()
        if (trade !== undefined) this.#note(trade, { method, params, ms: 0 }, answer)
        return answer
      },
      subscribe: (params, onMessage) => rpc.subscribe(params, onMessage),
      close: () => rpc.close(),
    }
  }

  /**
   * The calls of a trade that was sent, up to that, made again one after another: their times, summed. Milliseconds. What was
   * sent cannot be sent again: of that the time that it took. Undefined when they are not known.
   */
  async alone(id: string, rpc: Rpc): Promise<number | undefined> {
    const calls = this.#calls.get(id) ?? []
    const sent = calls.findIndex(({ method }) => method === LAST)
    if (sent < 0) return undefined
    let sum = calls[sent]?.ms as number
    for (const { method, params } of calls.slice(0, sent)) {
      const began = performance.now()
      await rpc.request(method, params).catch(() => undefined) // a refusal takes its time too
      sum += performance.now() - began
    }
    return sum
  }

  #note(trade: string, call: Call, answer: Promise<unknown>): void {
    const began = performance.now()
    const calls = this.#calls.get(trade) ?? []
    this.#calls.set(trade, calls)
    calls.push(call)
    const done = (): void => {
      call.ms = performance.now() - began
    }
    answer.then(done, done)
  }
}

const tradeOf = (message: BusMessage): string =>
  message.kind === 'opportunity' ? message.opportunity.id : message.opportunityId
