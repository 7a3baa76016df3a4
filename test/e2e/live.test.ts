import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { executorKey, keyAddress } from '../../agent/sandbox/keys.ts'
import { build, Cli, errorOf, eventually, ndjson } from '../fixtures/cli.ts'
import { processesOf } from '../fixtures/processes.ts'
import { type RealChain, startRealChain } from '../fixtures/real-chain.ts'

const run = process.pid.toString(36)
const DRY = `test-dry-${run}`
const LIVE = `test-live-${run}`
const OWNER = `0x${'c01d'.repeat(10)}`
const key = executorKey('live', 1)
const hot = keyAddress(key)

let cli: Cli
let chain: RealChain
/** Any node of any chain: the profile and the node's URL. */
let at: string[]
const file = (name: string, text: string): string => {
  writeFileSync(path.join(cli.folder, name), text, { mode: 0o600 })
  return path.join(cli.folder, name)
}

beforeAll(async () => {
  build()
  cli = new Cli()
  chain = await startRealChain(`live-${run}`, 1)
  at = ['--chain', `@${file('url', `${chain.url}/?key=s3cret\n`)}`, '--chain-id', '1', '--chains-dir', chain.chainsDir]
  await chain.rpc.request('anvil_setBalance', [hot, '0xde0b6b3a7640000'])
  chain.live(1_500)
})
afterAll(async () => {
  await cli.close([DRY, LIVE])
  await chain.stop()
})

const up = (fleet: string, ...more: string[]) => ['up', '--engine', 'embedded', '--fleet', fleet, ...at, ...more]

test('a dry run needs nothing but a node: what it finds ends validated and unsent', async () => {
  await cli.json(['check', '--engine', 'embedded', ...at])
  const started = await cli.run(up(DRY, '--json', '--detach', '--timeout', '40s'))
  expect(started.code, started.stderr).toBe(0)
  await eventually(
    'a trade ends as a dry run',
    async () => {
      const { trades } = await cli.json(['trades', '--fleet', DRY])
      return trades.some((trade: { state: string }) => trade.state === 'dry_run')
    },
    25_000,
  )
  const status = await cli.json(['status', '--fleet', DRY])
  expect(status).toMatchObject({ live: false, profitWei: '0', trades: { executed: 0, reverted: 0 } })
  expect(await cli.json(['ledger', '--fleet', DRY])).toMatchObject({ ledger: [], total: { netWei: '0' } })
  expect(await chain.rpc.request('eth_getTransactionCount', [hot, 'latest'])).toBe('0x0')
  const live = await cli.run(up(DRY, '--json', '--live', '--key-file', file('k', key), '--executor-address', OWNER))
  expect([live.code, errorOf(live).code]).toEqual([2, 'fleet_conflict'])
  await cli.json(['down', '--volumes', '--fleet', DRY])
}, 90_000)

test('live: deployed, refused until all is in place, then it says what it risks, trades, and the ledger adds up', async () => {
  const keyFile = file('keys', `${key}\n`)
  const { deployment } = await cli.json(['deploy-executor', ...at, '--owner', OWNER, '--key-file', keyFile])
  expect(deployment).toMatchObject({ owner: OWNER, executors: [hot], from: hot, dryRun: false })
  const good = readFileSync(new URL('../../config/fleet.yaml', import.meta.url), 'utf8')
  const limits = (text: string) => good.replace('limits:\n', `limits:\n  ${text}\n`)
  const manifest = file('fleet.yaml', limits('setForChain: 1').replace('"100000000000"', '"20000000000"'))
  const live = (over: Record<string, string> = {}) =>
    Object.entries({ '--key-file': keyFile, '--executor-address': deployment.address, '--manifest': manifest, ...over })
      .flat()
      .concat('--live')

  const stranger = file('stranger', executorKey('live', 2))
  for (const [over, message] of [
    [{ '--manifest': file('elsewhere.yaml', limits('setForChain: 10')) }, /for chain 10, not for chain 1/],
    [{ '--executor-address': chain.market.weth }, /other code/],
    [{ '--key-file': stranger }, /does not know 0x/],
    [
      { '--manifest': file('dear.yaml', limits('setForChain: 1').replace('"100000000000"', '"900000000000"')) },
      /may cost 1\.35/,
    ],
  ] as const) {
    const refused = await cli.run(up(LIVE, '--json', ...live(over)))
    expect([refused.code, errorOf(refused).code]).toEqual([2, 'config_invalid'])
    expect(errorOf(refused).message).toMatch(message)
  }

  const started = await cli.run(up(LIVE, '--json', '--detach', '--timeout', '40s', ...live()))
  expect(started.code, started.stderr).toBe(0)
  const risk = ndjson(started.stdout).flatMap((event) =>
    event.from === 'up' && event.level === 'warn' ? [event.message] : [],
  )
  expect(risk[0]).toMatch(/^LIVE on played, chain 1, through ws:\/\/127/)
  expect(risk.join('\n')).toContain(`key ${hot} holds 0.9`)
  await eventually(
    'a trade is executed',
    async () => (await cli.json(['status', '--fleet', LIVE])).trades.executed > 0,
    30_000,
  )
  await cli.json(['halt', '--fleet', LIVE])
  await eventually(
    'the ledger has all that status counts',
    async () => {
      const [{ profitWei, trades }, { ledger, total }] = await Promise.all([
        cli.json(['status', '--fleet', LIVE]),
        cli.json(['ledger', '--by', 'venue', '--fleet', LIVE]),
      ])
      const net = ledger.reduce((sum: bigint, venue: { netWei: string }) => sum + BigInt(venue.netWei), 0n)
      return (
        total.trades >= trades.executed + trades.reverted && total.netWei === profitWei && net === BigInt(profitWei)
      )
    },
    20_000,
  )
  // What was signed before the halt may still come in: then the two are read again.
  await eventually(
    'the table has a line for each row, between its header and its end',
    async () => {
      const { ledger: rows } = await cli.json(['ledger', '--fleet', LIVE])
      const { stdout } = await cli.run(['ledger', '--csv', '--fleet', LIVE])
      for (const row of rows) if (row.state === 'executed') expect(row.profitWei).toBe(row.predictedWei)
      return rows.length > 0 && stdout.split('\r\n').length === rows.length + 2
    },
    20_000,
  )

  const state = path.join(cli.state, 'arbdeck', LIVE)
  expect(statSync(path.join(state, 'executor-keys')).mode & 0o777).toBe(0o600)
  const seen = [
    started.stdout,
    (await cli.run(['logs', '--tail', '1000', '--fleet', LIVE, '--json'])).stdout,
    ...['fleet.json', 'memory.journal'].map((name) => readFileSync(path.join(state, name), 'utf8')),
    ...processesOf(LIVE).flatMap((pid) =>
      ['cmdline', 'environ'].map((what) => readFileSync(`/proc/${pid}/${what}`, 'utf8')),
    ),
  ]
  expect(seen.join('\n')).not.toContain(key.slice(2))
  expect(seen.join('\n')).not.toContain('s3cret')

  await killAndRestart(live())
  await cli.json(['down', '--fleet', LIVE])
  expect(existsSync(path.join(state, 'executor-keys'))).toBe(false)
}, 180_000)

/** Nothing that money depends on goes with a host that is killed: sums, nonces, and the books that must add up. */
async function killAndRestart(live: readonly string[]): Promise<void> {
  const state = path.join(cli.state, 'arbdeck', LIVE)
  const before = await cli.json(['status', '--fleet', LIVE])
  for (const pid of processesOf(LIVE)) process.kill(pid, 'SIGKILL')
  await eventually('the host is gone', () => processesOf(LIVE).length === 0)
  expect((await cli.run(['down', '--fleet', LIVE])).code).toBe(3)
  expect(existsSync(path.join(state, 'executor-keys'))).toBe(false)
  const again = await cli.run(up(LIVE, '--json', '--detach', '--timeout', '40s', ...live))
  expect(again.code, again.stderr).toBe(0)
  const after = await cli.json(['status', '--fleet', LIVE])
  const { executed, reverted } = before.trades
  expect(after).toMatchObject({ halt: { set: true }, trades: { executed, reverted }, profitWei: before.profitWei })
  expect(after.trades.refused).toBeGreaterThanOrEqual(before.trades.refused)
  const account = readFileSync(path.join(state, 'memory.journal'), 'utf8')
    .match(/"account\/1\/0x[^\n]*/g)
    ?.at(-1)
  expect(account).toContain('executed')
  await cli.json(['resume', '--fleet', LIVE])
  await eventually(
    'it trades on',
    async () => (await cli.json(['status', '--fleet', LIVE])).trades.executed > executed,
    40_000,
  )
  await cli.json(['halt', '--fleet', LIVE])
  await eventually(
    'the ledger has all that status counts, from before and after',
    async () => {
      const [{ profitWei, trades }, { total }] = await Promise.all([
        cli.json(['status', '--fleet', LIVE]),
        cli.json(['ledger', '--fleet', LIVE]),
      ])
      return total.trades >= trades.executed + trades.reverted && total.netWei === profitWei
    },
    20_000,
  )
}
