import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskBus } from '../../src/ports/bus/bus.ts'
import { type DeadLetter, openBus } from '../../src/ports/bus/open.ts'
import { describeDocker } from '../fixtures/docker.ts'
import { endsByItself } from '../fixtures/ends.ts'
import { taskMessage } from '../fixtures/records.ts'
import { freePort, startRabbit, type TestServer } from '../fixtures/servers.ts'
import { idOf, RETRY_FOR_TESTS, testTaskBus } from './bus.ts'

const retry = RETRY_FOR_TESTS

testTaskBus('embedded', async () => {
  const dead: DeadLetter[] = []
  const bus = await openBus('embedded:', { fleet: 'test', retry, onDeadLetter: (letter) => dead.push(letter) })
  return { a: bus, b: bus, dead, close: () => bus.close() }
})

describe('opening the bus', () => {
  test('refuses an address that no adapter knows, that holds a password, or has none to go with it', async () => {
    for (const url of ['redis://host', 'nonsense', 'amqp://me:secret@host', 'amqp://host', 'embedded:/file']) {
      await expect(openBus(url, { fleet: 'test' })).rejects.toMatchObject({ code: 'config_invalid' })
    }
  })

  test('says so when nobody listens', async () => {
    const url = `amqp://127.0.0.1:${await freePort()}`
    await expect(openBus(url, { fleet: 'test', password: 'x' })).rejects.toMatchObject({
      code: 'bus_unreachable',
      transient: true,
    })
  })

  test('a closed bus says so', async () => {
    const bus = await openBus('embedded:', { fleet: 'test' })
    await bus.close()
    await expect(bus.publish('planner', taskMessage(1))).rejects.toMatchObject({ code: 'bus_unreachable' })
  })
})

describeDocker('the bus on a real RabbitMQ', () => {
  let server: TestServer
  const open = (fleet: string, waitMs = 0, dead: DeadLetter[] = []) =>
    openBus(server.url, {
      fleet,
      password: server.password,
      waitMs,
      retry,
      onDeadLetter: (letter) => dead.push(letter),
    })
  beforeAll(async () => {
    server = await startRabbit()
    await (await open('test-first', 60_000)).close()
  }, 90_000)
  afterAll(() => server?.remove())

  testTaskBus('rabbitmq', async () => {
    const dead: DeadLetter[] = []
    const [a, b] = await Promise.all([open('test-bus', 0, dead), open('test-bus', 0, dead)])
    return { a, b, dead, close: async () => void (await Promise.all([a.close(), b.close()])) }
  })

  test('close lets the process end', async () => {
    expect(await endsByItself('bus', server)).toBe(0)
  })

  test('a broker that is out of memory refuses what is published, and still takes acknowledgements', async () => {
    const bus = await open('test-full')
    await bus.publish('planner', taskMessage(1))
    await server.exec('rabbitmqctl', '-q', 'set_vm_memory_high_watermark', '0.00001')
    await expect(bus.publish('planner', taskMessage(2))).rejects.toMatchObject({
      code: 'bus_unreachable',
      transient: true,
      message: expect.stringContaining('memory'),
    })
    let handled = 0
    const consumer = await bus.consume('planner', async () => {
      handled += 1
    })
    await expect.poll(() => handled, { timeout: 5_000 }).toBeGreaterThan(0)
    await consumer.stop()
    await server.exec('rabbitmqctl', '-q', 'set_vm_memory_high_watermark', 'absolute', '400MiB')
    await expect
      .poll(
        () =>
          bus.publish('planner', taskMessage(3)).then(
            () => true,
            () => false,
          ),
        { timeout: 15_000 },
      )
      .toBe(true)
    await bus.close()
  }, 45_000)

  test('a wrong password is refused at once, whatever the waiting time', async () => {
    const start = performance.now()
    await expect(openBus(server.url, { fleet: 'test', password: 'wrong', waitMs: 20_000 })).rejects.toMatchObject({
      code: 'bus_unreachable',
      transient: false,
    })
    expect(performance.now() - start).toBeLessThan(8_000)
  })

  test('fleets on one broker do not see each other', async () => {
    const mine = await open('test-mine')
    const other = await open('test-other')
    await mine.publish('planner', taskMessage(1))
    expect(await other.depth('planner')).toBe(0)
    expect(await mine.depth('planner')).toBe(1)
    await Promise.all([mine.close(), other.close()])
  })

  test('the broker keeps dead letters, with the reason', async () => {
    const bus = await open('test-dead')
    const broker = await connect({
      hostname: '127.0.0.1',
      port: portOf(server),
      username: 'arbdeck',
      password: server.password,
    })
    const channel = await broker.createChannel()
    const consumer = await bus.consume('planner', async () => undefined)
    channel.sendToQueue('arbdeck.test-dead.planner', Buffer.from('no JSON'))
    const letter = () => channel.get('arbdeck.test-dead.planner.dead', { noAck: true })
    let got = await letter()
    for (let i = 0; i < 50 && got === false; i++) {
      await sleep(50)
      got = await letter()
    }
    expect(got && [got.content.toString(), got.properties.headers?.['arbdeck-reason']]).toEqual([
      'no JSON',
      expect.stringContaining('not JSON'),
    ])
    await consumer.stop(0)
    await broker.close()
    await bus.close()
  })

  describe('faults', () => faultTests(() => ({ server, open })))
})

const portOf = (server: TestServer): number => Number(new URL(server.url).port)

function faultTests(context: () => { server: TestServer; open(fleet: string): Promise<TaskBus> }): void {
  const cutConnections = (server: TestServer) =>
    server.exec('rabbitmqctl', '-q', 'close_all_connections', 'cut by a test')

  test('connections cut while a message is in hand: its signal aborts, it comes again, consumers and publishers go on', async () => {
    const { server, open } = context()
    const bus = await open('test-cut')
    const got: [string, boolean][] = []
    let aborted = false
    await bus.consume('planner', async (message, { signal, redelivered }) => {
      got.push([idOf(message), redelivered])
      if (got.length > 1) return
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      aborted = true
    })
    await bus.publish('planner', taskMessage(1))
    await expect.poll(() => got.length, { timeout: 5_000 }).toBe(1)
    await cutConnections(server)
    await expect
      .poll(() => got, { timeout: 15_000 })
      .toEqual([
        [idOf(taskMessage(1)), false],
        [idOf(taskMessage(1)), true],
      ])
    expect(aborted).toBe(true)
    await bus.publish('planner', taskMessage(2))
    await expect.poll(() => got.length, { timeout: 5_000 }).toBe(3)
    await bus.close()
  }, 40_000)

  test('broker killed and started again under load: every acknowledged message arrives, consumers come back', async () => {
    const { server, open } = context()
    const bus = await open('test-crash')
    const got = new Set<string>()
    const acknowledged = new Set<string>()
    await bus.consume(
      'planner',
      async (message) => {
        await sleep(2)
        got.add(idOf(message))
      },
      { prefetch: 4 },
    )
    let publishing = true
    const load = (async () => {
      for (let n = 0; publishing; n++) {
        await bus.publish('planner', taskMessage(n)).then(
          () => acknowledged.add(idOf(taskMessage(n))),
          () => undefined,
        )
        await sleep(5)
      }
    })()
    await expect.poll(() => got.size, { timeout: 10_000 }).toBeGreaterThan(20)
    await server.stop('kill')
    await sleep(500)
    await server.start()
    const before = acknowledged.size
    await expect.poll(() => acknowledged.size, { timeout: 40_000 }).toBeGreaterThan(before + 20)
    publishing = false
    await load
    await expect.poll(() => [...acknowledged].filter((id) => !got.has(id)), { timeout: 20_000 }).toEqual([])
    await bus.close()
  }, 90_000)

  test('calls fail within a bounded time while the broker is away, and consume works once it is back', async () => {
    const { server, open } = context()
    const bus = await open('test-away')
    await bus.publish('planner', taskMessage(1))
    await server.stop('kill')
    const start = performance.now()
    const unreachable = { code: 'bus_unreachable', transient: true }
    await Promise.all([
      expect(bus.publish('planner', taskMessage(2))).rejects.toMatchObject(unreachable),
      expect(bus.depth('planner')).rejects.toMatchObject(unreachable),
      expect(bus.consume('planner', async () => undefined)).rejects.toMatchObject(unreachable),
    ])
    expect(performance.now() - start).toBeLessThan(15_000)
    await server.start()
    const got: string[] = []
    const consume = () =>
      bus
        .consume('planner', async (message) => void got.push(idOf(message)))
        .then(
          () => true,
          () => false,
        )
    await expect.poll(consume, { timeout: 40_000 }).toBe(true)
    await expect.poll(() => got, { timeout: 15_000 }).toContain(idOf(taskMessage(1)))
    await bus.close()
  }, 90_000)
}
