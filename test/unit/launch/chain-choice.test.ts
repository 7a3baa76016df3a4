import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chooseChain } from '../../../src/launch/chain-choice.ts'
import { asFleetError, type FleetError } from '../../../src/protocol/errors.ts'

const SECRET = 'hunter2'
const folder = mkdtempSync(path.join(tmpdir(), 'ad-chain-'))
const asked: string[] = []
let port = 0
const node = http.createServer((request, response) => {
  asked.push(request.url ?? '')
  response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: '0x2105' }))
})

beforeAll(async () => {
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
  port = (node.address() as AddressInfo).port
})
afterAll(() => {
  node.closeAllConnections()
  node.close()
  rmSync(folder, { recursive: true, force: true })
})

const secretUrl = () => `http://${SECRET}:${SECRET}@127.0.0.1:${port}/v2/${SECRET}?key=${SECRET}`
const refusal = async (chain: string, chainId?: number): Promise<FleetError> =>
  chooseChain(chain, chainId).then(() => expect.fail('it was taken'), asFleetError)
const file = (name: string, text: string): string => {
  writeFileSync(path.join(folder, name), text)
  return path.join(folder, name)
}

test('the sandbox needs no node', async () => {
  expect(await chooseChain('sandbox', undefined)).toEqual({ name: 'sandbox', chainId: 31337, url: null })
  expect(asked).toEqual([])
})

test('a node is asked who it is; its name is scheme and host, its URL stays whole', async () => {
  const chosen = await chooseChain(secretUrl(), undefined)
  expect(chosen).toEqual({ name: `http://127.0.0.1:${port}`, chainId: 8453, url: secretUrl() })
  expect(asked).toContain(`/v2/${SECRET}?key=${SECRET}`)
  expect(chosen.name).not.toContain(SECRET)
})

test('the URL may be in a file, with the line end that editors leave', async () => {
  const named = file('url', `${secretUrl()}\n`)
  expect(await chooseChain(`@${named}`, 8453)).toMatchObject({ chainId: 8453, url: secretUrl() })
})

test('a file that cannot be read is named', async () => {
  const missing = path.join(folder, 'nothing')
  expect(await refusal(`@${missing}`)).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining(missing),
  })
})

test('a node of another chain is refused, and both chains are named', async () => {
  const error = await refusal(secretUrl(), 1)
  expect(error).toMatchObject({
    code: 'chain_mismatch',
    exitCode: 2,
    remedy: expect.stringContaining('--chain-id 8453'),
  })
  expect(error.message).toMatch(/chain 8453.*chain 1\b/)
})

test('a node that does not answer is unreachable', async () => {
  const closed = http.createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port: free } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  expect(await refusal(`http://127.0.0.1:${free}/${SECRET}`)).toMatchObject({
    code: 'chain_unreachable',
    exitCode: 3,
    message: expect.stringContaining(`http://127.0.0.1:${free} `),
  })
})

test('no refusal tells the secret parts of a URL', async () => {
  const refusals = await Promise.all([
    refusal(secretUrl(), 1),
    refusal(`http://${SECRET}:${SECRET}@127.0.0.1:1/${SECRET}`),
    refusal(`ws://${SECRET}@127.0.0.1:1/${SECRET}`),
    refusal(`ftp://${SECRET}@127.0.0.1/${SECRET}`),
    refusal(`@${file('wrong', `${SECRET} is not a URL`)}`),
    refusal(`@${file('empty', '')}`),
  ])
  for (const error of refusals) expect(JSON.stringify(error)).not.toContain(SECRET)
  expect(refusals.map((error) => error.code)).toEqual([
    'chain_mismatch',
    'chain_unreachable',
    'chain_unreachable',
    'usage',
    'usage',
    'usage',
  ])
})
