import { type Channel, type ChannelModel, type ConfirmChannel, connect, type RecoveringChannelModel } from 'amqplib'
import { FleetError } from '../../protocol/errors.ts'
import { hostOf, within } from '../opening.ts'

const CLOSE_TIMEOUT_MS = 2_000

export interface RabbitAddress {
  url: URL
  user: string
  password: string
}

const ignore = (): void => undefined

/** One connection that comes back by itself, for ever, with a growing and jittered pause. */
export class RabbitLink {
  readonly #model: RecoveringChannelModel
  readonly at: string
  /** True while the broker takes nothing because it is out of memory or disk. */
  blocked = false

  private constructor(model: RecoveringChannelModel, at: string) {
    this.#model = model
    this.at = at
    // Without a listener an 'error' ends the process; the loss itself is seen where it matters: at the channels.
    model.on('error', ignore)
    model.on('blocked', () => {
      this.blocked = true
    })
    for (const event of ['unblocked', 'disconnect']) {
      model.on(event, () => {
        this.blocked = false
      })
    }
  }

  /** Connects once. @throws FleetError `bus_unreachable`, transient unless the password is refused */
  static async open({ url, user, password }: RabbitAddress, purpose: string): Promise<RabbitLink> {
    const at = `${hostOf(url)}:${url.port || (url.protocol === 'amqps:' ? 5671 : 5672)}`
    const broker = {
      protocol: url.protocol.slice(0, -1),
      hostname: hostOf(url),
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      username: user,
      password,
      vhost: decodeURIComponent(url.pathname.slice(1)) || '/',
      heartbeat: 10,
    }
    try {
      const model = await connect(broker, {
        noDelay: true,
        timeout: 5_000,
        clientProperties: { connection_name: `arbdeck ${purpose}` },
        recovery: { initialMaxRetries: 0, maxRetries: Infinity, initialDelay: 200, maxDelay: 5_000, jitter: 0.3 },
      })
      return new RabbitLink(model, at)
    } catch (cause) {
      throw unreachableBus(at, cause)
    }
  }

  /** Waits for the connection, however long. The channel's loss is its 'close' event; its 'error' is heard. */
  async channel(): Promise<Channel> {
    return heard(await this.#model.createChannel())
  }

  async confirmChannel(): Promise<ConfirmChannel> {
    return heard(await this.#model.createConfirmChannel())
  }

  async close(): Promise<void> {
    await within(CLOSE_TIMEOUT_MS, this.#model.close(), () => new Error('no answer')).catch(ignore)
  }
}

function heard<C extends Channel | ChannelModel>(emitter: C): C {
  emitter.on('error', ignore)
  emitter.on('handler-error', ignore)
  return emitter
}

export function unreachableBus(at: string, cause: unknown): FleetError {
  const error = cause as { message?: string; code?: unknown }
  const why = error?.message || String(error?.code ?? 'no answer')
  if (/ACCESS.REFUSED|403/.test(why)) {
    return new FleetError('bus_unreachable', `RabbitMQ at ${at} refuses the user or its password`, {
      remedy: 'The password in the secrets folder is not that of this broker: take the fleet down and up again.',
      cause,
    })
  }
  if (/PRECONDITION.FAILED/.test(why)) {
    return new FleetError('bus_unreachable', `RabbitMQ at ${at} holds a queue of another kind: ${why}`, {
      remedy: 'Another version of arbdeck made it: run `arbdeck down --volumes` and `arbdeck up` again.',
      cause,
    })
  }
  return new FleetError('bus_unreachable', `RabbitMQ did not answer at ${at}: ${why}`, {
    remedy: 'It is tried again; see `arbdeck status` and `arbdeck logs rabbitmq` whether RabbitMQ runs.',
    transient: true,
    cause,
  })
}

/** Closes what may be closed already, or hang: after this it is not used again. */
export async function closeQuietly(channel: Channel): Promise<void> {
  try {
    await within(CLOSE_TIMEOUT_MS, channel.close(), () => new Error('no answer'))
  } catch {
    // It was closed, or is being closed: that is what was wanted.
  }
}
