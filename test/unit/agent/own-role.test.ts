import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Role } from '../../../agent/role.ts'
import { ROLES } from '../../../agent/roles/table.ts'
import { openHubClient } from '../../../src/client/hub.ts'
import { parseSpec } from '../../../src/fleet/spec.ts'
import { startHub } from '../../../src/hub/hub.ts'
import type { AgentRecord } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { agent, openPorts, type Ports, TOKEN, until } from '../../fixtures/agents.ts'
import { watchman } from '../../fixtures/own-role.ts'

const root = new URL('../../../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')
const manifest = readFileSync(new URL('config/fleet.yaml', root), 'utf8')
const section = /\n## Adding an agent\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? ''
const blocks = (language: string): string[] =>
  [...section.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) => match[1] as string)

describe('a role of our own', () => {
  let ports: Ports
  const table = ROLES as Record<string, () => Promise<Role>>
  beforeAll(async () => {
    ports = await openPorts()
    // The line that a role takes in agent/roles/table.ts.
    table.watchman = async () => watchman()
  }, 60_000)
  afterEach(() => ports.memory.write(keys.agent('fixer-9'), undefined))
  afterAll(async () => {
    delete table.watchman
    await ports.close()
  })

  test('is a file, a line and an entry of the manifest: then it is served, seen, and called through the hub', async () => {
    const [, entry = ''] = blocks('yaml')
    const spec = parseSpec(`${manifest}\n${entry}`, 'm', Object.keys(ROLES))
    expect(spec.roles.watchman).toMatchObject({ firstPort: 3401, max: 2 })

    const running = await agent(ports, 'watchman')
    const hub = await startHub({
      ...ports,
      ...{ host: '127.0.0.1', port: 0, operatorToken: 'operator', agentToken: TOKEN, version: '0', log: () => {} },
    })
    const client = openHubClient({ url: hub.url, token: 'operator' })
    try {
      await until('its tool is listed', async () =>
        (await client.tools()).some(({ name }) => name === 'watchman__who_is_unwell'),
      )
      const unwell: AgentRecord = {
        ...{ id: 'fixer-9', role: 'fixer', replica: 9, url: 'http://nowhere', tools: [], tasksDone: 0 },
        ...{ state: 'unhealthy', note: 'no memory', startedAt: now(), at: now() },
      }
      await ports.memory.write(keys.agent('fixer-9'), unwell)
      expect(await client.call('watchman__who_is_unwell', {})).toEqual({
        agents: [{ id: 'fixer-9', state: 'unhealthy', note: 'no memory' }],
      })
    } finally {
      await client.close()
      await hub.close()
      await running.stop(100)
    }
  }, 60_000)

  test('of whose name there is no code is refused in words', async () => {
    await expect(agent(ports, 'nightwatch')).rejects.toMatchObject({
      code: 'config_invalid',
      message: 'there is no code for the role nightwatch',
    })
  })
})

describe('the README on adding an agent', () => {
  test('shows the role of these tests, as it stands in agent/roles', () => {
    const fixture = readFileSync(new URL('test/fixtures/own-role.ts', root), 'utf8')
    expect(blocks('ts')).toContain(fixture.replace('../../agent/role.ts', '../role.ts'))
  })

  test('shows entries that the manifest takes', () => {
    const [image, own] = blocks('yaml')
    const spec = parseSpec(`${manifest}\n${own}\n${image}`, 'm', [...Object.keys(ROLES), 'watchman'])
    expect(spec.roles.prices?.image?.ref).toBeTruthy()
    expect(Object.keys(parse(`${image}\n${own}`))).toEqual(['prices', 'watchman'])
  })
})
