import { formatAmount, formatCount } from '../../../components/format.ts'
import { cut, fit, plain } from '../../../components/text.ts'
import { FleetError } from '../../protocol/errors.ts'
import type { ScanReport, TokenNames } from '../../protocol/offline.ts'
import { type Address, raw } from '../../protocol/units.ts'
import { type Command, type CommandArgs, textOf } from '../command.ts'
import { rawAmount, snapshotFile, wholeNumber } from '../options.ts'

/** Rows of a table that a person reads; `--json` has all. */
const MOST_ROWS = 30
const WIDTH = 80

export const scanCommand: Command = {
  name: 'scan <snapshot>',
  describe: 'offline: every profitable cycle through a base token in a pool snapshot',
  positionals: snapshotFile,
  options: {
    base: { type: 'string', describe: 'token that cycles begin and end with: its address, or its symbol' },
    'max-hops': { type: 'string', describe: 'longest cycle, 2 to 4 [4]' },
    'min-profit': { type: 'string', describe: 'least gross profit of a trade (raw units; 1e13 is allowed) [1]' },
    greedy: {
      type: 'boolean',
      default: false,
      describe: 'take trades one by one, best first, each on the state that the last one left',
    },
  },
  run: async (context, argv) => {
    const order = orderOf(argv)
    const offline = await context.offline()
    const { report, base, names } = await offline.scan(order, context.signal)
    context.out.document(report, () => textOfScan(report, base, names, order.greedy))
    return 0
  },
}

function orderOf(argv: CommandArgs) {
  const base = textOf(argv, 'base')
  if (base === undefined) {
    throw new FleetError('usage', 'scan needs --base', { remedy: 'Name the token that cycles begin and end with.' })
  }
  const minProfit = rawAmount('--min-profit', textOf(argv, 'min-profit')) ?? 1n
  return {
    snapshot: textOf(argv, 'snapshot') ?? '',
    base,
    maxHops: wholeNumber('--max-hops', textOf(argv, 'max-hops'), 2, 4) ?? 4,
    // A cycle that earns nothing is no trade.
    minProfitRaw: raw(minProfit > 1n ? minProfit : 1n),
    greedy: argv.greedy === true,
  }
}

function textOfScan(report: ScanReport, base: Address, names: TokenNames, greedy: boolean): string {
  const { pools, tokens, cycles, indexMs, scanMs, trades, totalProfitRaw } = report
  const symbol = symbolOf(names, base)
  const looked = [
    `${formatCount(pools)} pools, ${formatCount(tokens)} tokens, ${formatCount(cycles)} cycles through ${symbol}`,
    `indexed in ${indexMs} ms, scanned in ${scanMs} ms`,
  ]
  if (trades.length === 0) return [...looked, 'No cycle earns that much.'].join('\n')
  const amount = (value: bigint): string => fit(formatAmount(value, names.get(base)?.decimals ?? 0), 14, 'right')
  const head = `${fit('#', 5, 'right')} ${fit('PROFIT', 14, 'right')} ${fit('SIZE', 14, 'right')}  VIA`
  const rows = trades.slice(0, MOST_ROWS).map(({ hops, sizeRaw, profitRaw }, at) => {
    const via = hops.slice(1).map((hop) => symbolOf(names, hop.tokenIn))
    return cut(`${fit(String(at + 1), 5, 'right')} ${amount(profitRaw)} ${amount(sizeRaw)}  ${via.join(' → ')}`, WIDTH)
  })
  const more = trades.length - rows.length
  const total = formatAmount(totalProfitRaw, names.get(base)?.decimals ?? 0)
  return [
    ...looked,
    '',
    head,
    ...rows,
    ...(more > 0 ? [`${fit('', 5)} and ${formatCount(more)} more; --json has them all`] : []),
    '',
    sumInWords(trades.length, `${total} ${symbol}`, greedy),
  ].join('\n')
}

function sumInWords(count: number, total: string, greedy: boolean): string {
  if (count === 1) return `1 trade earns ${total}, gas and flash premium not counted`
  return greedy
    ? `${formatCount(count)} trades one after another earn ${total}, gas and flash premium not counted`
    : `${formatCount(count)} cycles, each on its own, sum up to ${total}; many share pools: --greedy`
}

/** What a token calls itself, which may be anything. */
const symbolOf = (names: TokenNames, token: Address): string =>
  cut(plain(names.get(token)?.symbol ?? `${token.slice(0, 8)}…`), 10)
