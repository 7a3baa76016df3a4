import { openBus } from '../../../src/ports/bus/open.ts'
import { figure } from './figures.ts'
import { benchPipeline } from './submitted.ts'

const TRADES = 20
const BARS_MS = { embedded: 60, rabbitmq: 150 }

/** A broker of one's own (amqp://…), for the second of the two figures; without it there is the first alone. */
const broker = process.env.ARBDECK_BENCH_AMQP

const embedded = await benchPipeline({ trades: TRADES })
const figures = [
  figure('block seen to transaction submitted, embedded bus, p50', 'ms', embedded.submitted.p50, {
    bar: { atMost: BARS_MS.embedded },
  }),
]
if (broker !== undefined) {
  const { protocol, host, username: user, password } = new URL(broker)
  const bus = await openBus(`${protocol}//${host}`, { fleet: `bench-${process.pid}`, user, password })
  const { submitted } = await benchPipeline({ trades: TRADES, bus })
  await bus.close()
  figures.push(
    figure('block seen to transaction submitted, RabbitMQ, p50', 'ms', submitted.p50, {
      bar: { atMost: BARS_MS.rabbitmq },
    }),
  )
}
process.stdout.write(JSON.stringify({ ...embedded, figures }))
process.exit()
