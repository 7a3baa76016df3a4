import { openBus } from '../../../src/ports/bus/open.ts'
import { figure } from './figures.ts'
import { benchPipeline, type PipelineFigures } from './submitted.ts'

const TRADES = 60
const BARS_MS = { embedded: 60, rabbitmq: 150 }

/** A broker of one's own (amqp://…), for the second of the two figures; without it there is the first alone. */
const broker = process.env.ARBDECK_BENCH_AMQP

const embedded = await benchPipeline({ trades: TRADES })
const figures = [figureOf('embedded bus', embedded, BARS_MS.embedded)]
let rabbitmq: PipelineFigures | undefined
if (broker !== undefined) {
  const { protocol, host, username: user, password } = new URL(broker)
  const bus = await openBus(`${protocol}//${host}`, { fleet: `bench-${process.pid}`, user, password })
  rabbitmq = await benchPipeline({ trades: TRADES, bus })
  await bus.close()
  figures.push(figureOf('RabbitMQ', rabbitmq, BARS_MS.rabbitmq))
}
process.stdout.write(JSON.stringify({ embedded, ...(rabbitmq && { rabbitmq }), figures }))
process.exit()

function figureOf(bus: string, { submitted, chainCalls }: PipelineFigures, atMost: number) {
  return figure(`block seen to transaction submitted, ${bus}, p50`, 'ms', submitted.p50, {
    bar: { atMost },
    reference: {
      what: 'the sum of its chain calls, made one after another on an idle node, p50',
      value: chainCalls.p50,
    },
  })
}
