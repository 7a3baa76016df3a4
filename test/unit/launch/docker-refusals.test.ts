import { expect, test } from 'vitest'
import { isHere, withHost } from '../../../src/launch/docker-node.ts'
import { refuseUnreachableNode } from '../../../src/launch/docker-refusals.ts'

const local = { kind: 'unix', socketPath: '/var/run/docker.sock', from: 'a test' } as const
const remote = { kind: 'ssh', target: 'op@far', port: null, socketPath: null, from: 'a test' } as const
const refused = (url: string, daemon: typeof local | typeof remote) => () => refuseUnreachableNode(url, daemon)

test('localhost means the operator’s machine: refused only when the daemon is on another', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '0.0.0.0', '[::1]']) {
    expect(refused(`ws://${host}:8545`, local)).not.toThrow()
    expect(refused(`ws://${host}:8545`, remote)).toThrow(/the daemon at ssh:\/\/op@far is on another/)
  }
  for (const host of ['localhost.example', 'node', '10.0.0.1']) {
    expect(isHere(`http://${host}/`)).toBe(false)
    expect(refused(`http://${host}`, remote)).not.toThrow()
  }
})

test('a socket is refused on every daemon, with the remedy', () => {
  for (const daemon of [local, remote])
    expect(refused('ipc:/run/node.ipc', daemon)).toThrowError(
      expect.objectContaining({ code: 'unsupported', remedy: expect.stringContaining('http or ws') }),
    )
})

test('only the host of a URL is changed', () => {
  expect(withHost('wss://user:pw@localhost:8546/v3/key?a=b', '172.17.0.1')).toBe(
    'wss://user:pw@172.17.0.1:8546/v3/key?a=b',
  )
  expect(withHost('http://127.0.0.1/key', '127.0.0.1', 4_000)).toBe('http://127.0.0.1:4000/key')
})
