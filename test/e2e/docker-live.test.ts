import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { executorKey, keyAddress } from '../../agent/sandbox/keys.ts'
import { secretsVolume } from '../../src/fleet/secrets.ts'
import { secretFiles } from '../../src/protocol/secrets.ts'
import { build, Cli, errorOf, eventually, ndjson } from '../fixtures/cli.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'
import { idsOf, tracesOf } from '../fixtures/docker-traces.ts'
import { type RealChain, startRealChain } from '../fixtures/real-chain.ts'

const FLEET = 'test-docker-live'
const OWNER = `0x${'c01d'.repeat(10)}`
const key = executorKey('docker-live', 1)
const hot = keyAddress(key)

const ids = (...list: string[]) => idsOf(FLEET, ...list)

/** The port of the node of 127.0.0.1, on the address by which containers reach this machine. */
async function listenForContainers(port: number): Promise<net.Server> {
  const gateway = await docker('network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Gateway}}')
  const server = net.createServer((from) => {
    const to = net.connect(port, '127.0.0.1')
    for (const [a, b] of [
      [from, to],
      [to, from],
    ] as const) {
      a.pipe(b)
      a.on('error', () => b.destroy()).on('close', () => b.destroy())
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, gateway, resolve)
  })
  return server
}

describeDocker('--live on Docker, with a node of this machine', () => {
  let cli: Cli
  let chain: RealChain
  let listener: net.Server | undefined
  /** Any node of any chain: the profile and the node's URL. */
  let at: string[]
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(cli.folder, name), text, { mode: 0o600 })
    return path.join(cli.folder, name)
  }
  const q = (...args: string[]) => cli.json([...args, '--fleet', FLEET])
  const up = (...more: string[]) => {
    const args = ['up', '--engine', 'docker', '--profile', 'mini', '--json', '--fleet', FLEET, ...at, ...more]
    return cli.run(args, { limitMs: 200_000 })
  }

  beforeAll(async () => {
    build()
    cli = new Cli()
    chain = await startRealChain(FLEET, 1)
    const url = file('url', `${chain.url}/?key=s3cret\n`)
    at = ['--chain', `@${url}`, '--chain-id', '1', '--chains-dir', chain.chainsDir]
    await chain.rpc.request('anvil_setBalance', [hot, '0xde0b6b3a7640000'])
    chain.live(2_000)
  }, 60_000)
  afterAll(async () => {
    await cli.run(['down', '--volumes', '--engine', 'docker', '--fleet', FLEET], { limitMs: 90_000 }).catch(() => {})
    await cli.close([FLEET])
    listener?.close()
    await chain.stop()
  }, 120_000)

  test('a node that containers cannot reach is refused, with what would let them', async () => {
    const ipc = await up('--chain', 'ipc:/tmp/none.ipc')
    expect([ipc.code, errorOf(ipc).code]).toEqual([2, 'unsupported'])
    expect(errorOf(ipc).remedy).toMatch(/by http or ws/)
    const done = await up()
    expect([done.code, errorOf(done).code]).toEqual([3, 'chain_unreachable'])
    expect(errorOf(done).message).toMatch(/the node at ws:\/\/127\.0\.0\.1:\d+ answers here, but not to the fleet's/)
    expect(errorOf(done).remedy).toMatch(/listen on [\d.]+:\d+ as well/)
    expect(await ids('ps', '-a')).toEqual([])
  }, 120_000)

  test('it trades, each trade earning what was predicted, and key and URL are nowhere to be seen', async () => {
    listener = await listenForContainers(chain.anvil.port)
    const keyFile = file('keys', `${key}\n`)
    const { deployment } = await cli.json(['deploy-executor', ...at, '--owner', OWNER, '--key-file', keyFile])
    const good = readFileSync(new URL('../../config/fleet.yaml', import.meta.url), 'utf8')
    const manifest = file(
      'fleet.yaml',
      good.replace('limits:\n', 'limits:\n  setForChain: 1\n').replace('"100000000000"', '"20000000000"'),
    )
    const live = ['--live', '--key-file', keyFile, '--executor-address', deployment.address, '--manifest', manifest]
    const done = await up(...live, '--until', 'executed=1', '--timeout', '180s')
    expect(done.code, done.stderr).toBe(0)
    const events = ndjson(done.stdout)
    expect(events.find((event) => event.from === 'up' && event.level === 'warn')?.message).toMatch(
      /^LIVE on played, chain 1, through ws:\/\/127/,
    )
    expect(await q('status')).toMatchObject({ engine: 'docker', live: true, chain: { id: 1, sandbox: false } })
    await q('halt')
    await eventually(
      'the ledger has all that status counts, each row earning what was predicted',
      async () => {
        const [{ profitWei, trades }, { ledger, total }] = await Promise.all([q('status'), q('ledger')])
        for (const row of ledger) if (row.state === 'executed') expect(row.profitWei).toBe(row.predictedWei)
        return total.trades >= trades.executed + trades.reverted && total.netWei === profitWei && ledger.length > 0
      },
      30_000,
    )

    const seen = [...(await tracesOf(FLEET)), done.stdout, done.stderr]
    expect(seen.length).toBeGreaterThan(30)
    for (const secret of [key.slice(2), 's3cret']) expect(seen.filter((text) => text.includes(secret))).toEqual([])
  }, 240_000)

  test('after down the keys are gone from the volume', async () => {
    const agent = await docker('inspect', '--format', '{{.Config.Image}}', `${FLEET}-mcp-executor-1`)
    const keysIn = () => {
      const look = `console.log(require('fs').readFileSync('/v/${secretFiles.executorKeys}', 'utf8').length)`
      const volume = `${secretsVolume(FLEET, 'executors')}:/v:ro`
      return docker('run', '--rm', '--user', '0:0', '--entrypoint', 'node', '-v', volume, agent, '-e', look)
    }
    expect(Number(await keysIn())).toBeGreaterThan(64)
    await q('down')
    expect(await keysIn()).toBe('0')
  }, 90_000)
})
