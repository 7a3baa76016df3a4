import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { runCommand } from '../../fixtures/run-command.ts'

const read = (file: string): string => readFileSync(new URL(`../../../config/${file}`, import.meta.url), 'utf8')
const printed = async () => JSON.parse((await runCommand(['schema', 'manifest'])).stdout)

test('config/fleet.schema.json is what arbdeck schema manifest prints', async () => {
  const how =
    'npx arbdeck schema manifest >config/fleet.schema.json && npx biome format --write config/fleet.schema.json'
  expect(JSON.parse(read('fleet.schema.json')), `stale; to write it: ${how}`).toEqual(await printed())
})

test('the committed manifest names it for editors, and is as it says', async () => {
  const text = read('fleet.yaml')
  expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./fleet.schema.json')
  const schema = z.fromJSONSchema(await printed())
  const manifest = parse(text)
  expect(schema.safeParse(manifest).error).toBeUndefined()
  manifest.roles.planner.memoryMb = 'much'
  expect(schema.safeParse(manifest).success).toBe(false)
})

test('it says of every field of a role what it is, and which values it takes', async () => {
  const { properties } = await printed()
  const role = properties.roles.additionalProperties
  expect(role.required.sort()).toEqual(['capabilities', 'counts', 'description', 'max', 'memoryMb', 'priority'])
  for (const [name, field] of Object.entries<{ description?: string }>(role.properties))
    expect(field.description, name).toBeTruthy()
  expect(role.properties.priority.enum).toEqual(['critical', 'high', 'medium', 'low'])
  expect(role.properties.image.properties.transport).toMatchObject({
    enum: ['streamable-http', 'sse'],
    default: 'streamable-http',
  })
  expect(properties.minProfitWei).toMatchObject({ type: 'string', pattern: expect.any(String) })
})
