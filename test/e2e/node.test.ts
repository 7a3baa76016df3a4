import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRpc, type Rpc } from '../../agent/dex/rpc.ts'
import { type Anvil, startAnvil } from '../../agent/sandbox/anvil.ts'
import { build, Cli, errorOf, eventually, type Finished, type RunOptions } from '../fixtures/cli.ts'
import { processesOf } from '../fixtures/processes.ts'

const run = process.pid.toString(36)
const FLEET = `test-node-${run}`

let cli: Cli
beforeAll(() => {
  build()
  cli = new Cli()
})
afterAll(() => cli.close([FLEET]), 120_000)

/** Runs a command that must fail: its exit code and the error that its last line is. */
async function fails(args: readonly string[], options: RunOptions = {}) {
  const done: Finished = await cli.run([...args, '--json'], options)
  return { code: done.code, error: errorOf(done), done }
}

const stateFile = (...names: string[]) => path.join(cli.state, 'arbdeck', FLEET, ...names)

describe('a node of one’s own', () => {
  const up = ['up', '--engine', 'embedded', '--fleet', FLEET]
  let node: Anvil
  let url: string
  beforeAll(async () => {
    node = await startAnvil({ fleet: `node-of-${run}` })
    url = `http://someone:s3cret@127.0.0.1:${node.port}/?key=k3y`
  })
  afterAll(() => node.stop())

  test('one that does not answer', async () => {
    const { code, error, done } = await fails([...up, '--chain', 'http://someone:s3cret@127.0.0.1:1/k3y'])
    expect(code).toBe(3)
    expect(error).toMatchObject({ code: 'chain_unreachable', message: expect.stringContaining('http://127.0.0.1:1') })
    expect(done.stderr).not.toMatch(/s3cret|k3y/)
  })

  test('one of another chain', async () => {
    const { code, error } = await fails([...up, '--chain', url, '--chain-id', '1'])
    expect(code).toBe(2)
    expect(error).toMatchObject({ code: 'chain_mismatch', remedy: expect.stringContaining('--chain-id 31337') })
    expect(error.message).toMatch(/chain 31337, not on chain 1/)
    expect(error.message).not.toMatch(/s3cret|k3y/)
  })

  test('the right one: the fleet comes up healthy and watches its heads without trading; the URL is seen nowhere', async () => {
    const file = path.join(cli.folder, 'url')
    writeFileSync(file, `${url}\n`)
    const rpc = await openRpc(`http://127.0.0.1:${node.port}`, { timeoutMs: 5_000 })
    const chains = await profileOfEmptyChain(rpc)
    const chosen = ['--chain', `@${file}`, '--chain-id', '31337']
    const unknown = await fails([...up, ...chosen])
    expect(unknown).toMatchObject({
      code: 2,
      error: { code: 'config_invalid', remedy: expect.stringContaining('--chains-dir') },
    })
    const started = await cli.run([...up, '--json', '--detach', ...chosen, '--chains-dir', chains])
    expect(started.code, started.stderr).toBe(0)
    const status = await cli.json(['status', '--fleet', FLEET])
    expect(status).toMatchObject({ live: false, chain: { id: 31_337, sandbox: false }, trades: { executed: 0 } })
    for (const role of status.roles) expect(role.healthy, role.role).toBe(1)
    expect(status.services.map((service: { name: string }) => service.name)).not.toContain('sandbox')
    await rpc.request('evm_mine')
    await rpc.request('evm_mine')
    rpc.close()
    await eventually(
      'the head is seen',
      async () => (await cli.json(['status', '--fleet', FLEET])).chain.head === 2,
      20_000,
    )
    const logs = await cli.run(['logs', '--tail', '1000', '--fleet', FLEET, '--json'])
    const commands = processesOf(FLEET).flatMap((pid) =>
      ['cmdline', 'environ'].map((what) => readFileSync(`/proc/${pid}/${what}`, 'utf8')),
    )
    const all = [
      started.stdout,
      JSON.stringify(status),
      logs.stdout,
      readFileSync(stateFile('fleet.json'), 'utf8'),
      readFileSync(stateFile('memory.journal'), 'utf8'),
      ...commands,
    ]
    expect(all.join('\n')).not.toMatch(/s3cret|k3y/)
    await cli.json(['down', '--volumes', '--fleet', FLEET])
  }, 90_000)
})

/** A profile that names one token, which is there: code that answers every call with 18. */
async function profileOfEmptyChain(rpc: Rpc): Promise<string> {
  const token = `0x${'e7'.repeat(20)}`
  await rpc.request('anvil_setCode', [token, '0x601260005260206000f3'])
  const folder = path.join(cli.folder, 'chains')
  mkdirSync(folder, { recursive: true })
  const lines = [
    'version: 1',
    'chainId: 31337',
    'name: own',
    'wrappedNative: WETH',
    'bases: [WETH]',
    `tokens: { WETH: { address: "${token}", decimals: 18 } }`,
    'factories: []',
    'lenders: []',
    'finalityBlocks: 2',
    'l1Fee: none',
  ]
  writeFileSync(path.join(folder, 'own.yaml'), lines.join('\n'))
  return folder
}
