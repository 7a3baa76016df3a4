import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openHubClient } from '../../src/client/hub.ts'
import type { History } from '../../src/ports/history/history.ts'
import { openHistory } from '../../src/ports/history/open.ts'
import { OPERATOR, TestFleet } from '../fixtures/hub.ts'

let history: History
let fleet: TestFleet
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  history = await openHistory('pglite:')
})
afterAll(() => history.close())
beforeEach(async () => {
  fleet = await TestFleet.open(history)
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await fleet.close()
})

function hubClient(url: string) {
  const client = openHubClient({ url, token: OPERATOR })
  closing.push(client.close)
  return client
}
const until = (check: () => Promise<unknown> | unknown) => expect.poll(check, { timeout: 5_000, interval: 20 })

/** A hub that sees two builders and an executor. */
async function threeAgents() {
  const agents = [await fleet.agent('builder-1'), await fleet.agent('builder-2'), await fleet.agent('executor-1')]
  return { agents, hub: await fleet.startHub() }
}

describe('replicas', () => {
  test('take turns, and the one with fewer calls in hand comes first', async () => {
    const { hub } = await threeAgents()
    const client = hubClient(hub.url)
    const ids = []
    for (let i = 0; i < 10; i++) ids.push(((await client.call('builder__who', {})) as { id: string }).id)
    expect(ids.filter((id) => id === 'builder-1')).toHaveLength(5)
    const slow = client.call('builder__slow', {}) as Promise<{ id: string }>
    await new Promise((resolve) => setTimeout(resolve, 50))
    const during = [await client.call('builder__who', {}), await client.call('builder__who', {})] as { id: string }[]
    const busy = (await slow).id
    expect(during.map(({ id }) => id)).not.toContain(busy)
  })

  test('are left out while they are not well, and standby ones come last', async () => {
    await fleet.agent('builder-1', { state: 'unhealthy' })
    await fleet.agent('builder-2', { state: 'draining' })
    await fleet.agent('builder-3', { state: 'standby' })
    const client = hubClient((await fleet.startHub()).url)
    expect(await client.call('builder__who', {})).toEqual({ id: 'builder-3' })
    await fleet.agent('builder-4')
    await until(() => client.call('builder__who', {})).toEqual({ id: 'builder-4' })
    for (let i = 0; i < 5; i++) expect(await client.call('builder__who', {})).toEqual({ id: 'builder-4' })
  })

  test('one that is killed is replaced by the other at the next call, which does not fail', async () => {
    const { agents, hub } = await threeAgents()
    const client = hubClient(hub.url)
    await client.call('builder__who', {})
    await client.call('builder__who', {})
    await agents[0]?.serving.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (let i = 0; i < 4; i++) expect(await client.call('builder__who', {})).toEqual({ id: 'builder-2' })
  })

  test('a call that may have run is not made again on another', async () => {
    const { agents, hub } = await threeAgents()
    const client = hubClient(hub.url)
    const outcome = client.call('builder__slow', {}).catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await agents[0]?.serving.close()
    expect(await outcome).toMatchObject({ code: 'agent_unreachable', message: expect.stringContaining('may have run') })
    expect(await client.call('builder__who', {})).toEqual({ id: 'builder-2' })
  })

  test('a role whose only agent is gone says so', async () => {
    const { agents, hub } = await threeAgents()
    await agents[2]?.serving.close()
    await expect(hubClient(hub.url).call('executor__who', {})).rejects.toMatchObject({
      code: 'agent_unreachable',
      message: expect.stringContaining('executor-1 could not be reached'),
    })
  })

  test('a tool that goes on saying how far it is may take longer', async () => {
    const patient = {
      name: 'patient',
      description: 'takes 400 ms',
      inputSchema: { type: 'object' },
      call: async (_args: unknown, _signal: AbortSignal, progress: (done: number) => void) => {
        for (let step = 1; step <= 8; step++) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          progress(step)
        }
        return { ok: true }
      },
    }
    await fleet.agent('builder-1', { tools: [patient] })
    const client = hubClient((await fleet.startHub({ callTimeoutMs: 250 })).url)
    expect(await client.call('builder__patient', {})).toEqual({ ok: true })
  })

  test('a tool that says nothing for too long is told to stop', async () => {
    await fleet.agent('builder-1')
    const client = hubClient((await fleet.startHub({ callTimeoutMs: 100 })).url)
    await expect(client.call('builder__slow', {})).rejects.toMatchObject({ code: 'timeout' })
  })
})
