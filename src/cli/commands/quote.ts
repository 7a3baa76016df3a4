import { createInterface } from 'node:readline'
import { asFleetError, type ErrorDocument, FleetError } from '../../protocol/errors.ts'
import { stringify } from '../../protocol/json.ts'
import type { QuoteOrder, QuoteReport } from '../../protocol/offline.ts'
import { raw } from '../../protocol/units.ts'
import { type Command, type CommandArgs, type CommandContext, textOf } from '../command.ts'
import { addressText, rawAmount, snapshotFile } from '../options.ts'
import { flushed } from '../output.ts'

const FLUSH_EVERY = 256

export const quoteCommand: Command = {
  name: 'quote <snapshot>',
  describe: "offline: the exact amount that a pool's contract would give",
  positionals: snapshotFile,
  options: {
    pool: { type: 'string', describe: 'its address; of a V4 pool its id' },
    'token-in': { type: 'string', describe: 'address of the token that goes in' },
    'amount-in': { type: 'string', describe: 'what goes in (raw units; 1e18 is allowed)' },
    'amount-out': { type: 'string', describe: 'what is to come out (raw units), instead of --amount-in' },
    batch: {
      type: 'boolean',
      default: false,
      describe:
        'reads {"pool","tokenIn","amountIn"} or {…,"amountOut"} a line from stdin and answers a line each, in order: ' +
        '{"amountIn","amountOut"}, or {"error"}; exits 1 when there was an error',
    },
  },
  run: async (context, argv) => {
    const snapshot = textOf(argv, 'snapshot') ?? ''
    if (argv.batch === true) return batch(context, argv, snapshot)
    const order = orderOf(
      {
        pool: textOf(argv, 'pool'),
        tokenIn: textOf(argv, 'token-in'),
        amountIn: textOf(argv, 'amount-in'),
        amountOut: textOf(argv, 'amount-out'),
      },
      OPTIONS,
    )
    const offline = await context.offline()
    const answer = (await offline.openQuotes(snapshot))(order)
    context.out.document(answer, () => `${answer.amountIn} in gives ${answer.amountOut} out (raw units)`)
    return 0
  },
}

interface Asked {
  pool: string | undefined
  tokenIn: string | undefined
  amountIn: string | undefined
  amountOut: string | undefined
}
/** How they are called where they were asked. */
type Names = Record<keyof Asked, string>
const OPTIONS: Names = { pool: '--pool', tokenIn: '--token-in', amountIn: '--amount-in', amountOut: '--amount-out' }
const KEYS: Names = { pool: '"pool"', tokenIn: '"tokenIn"', amountIn: '"amountIn"', amountOut: '"amountOut"' }

/** @throws FleetError `usage` */
function orderOf({ pool, tokenIn, amountIn, amountOut }: Asked, names: Names): QuoteOrder {
  if (pool === undefined) throw usage(`a quote needs ${names.pool}`, 'Give the address of a pool of the snapshot.')
  if (!/^0x([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/.test(pool))
    throw usage(`${names.pool} ${pool} is not an address`, 'Give 0x and 40 hex digits, or the 64 of a V4 pool.')
  const token = addressText(names.tokenIn, tokenIn)
  if (token === undefined) throw usage(`a quote needs ${names.tokenIn}`, 'Give the address of the token that goes in.')
  if ((amountIn === undefined) === (amountOut === undefined)) {
    const both = `${names.amountIn} ${amountIn === undefined ? 'or' : 'and'} ${names.amountOut}`
    throw usage(
      amountIn === undefined ? `a quote needs ${both}` : `a quote cannot have both ${both}`,
      'Give either what goes in or what is to come out.',
    )
  }
  const exactIn = amountIn !== undefined
  const name = exactIn ? names.amountIn : names.amountOut
  const amount = rawAmount(name, exactIn ? amountIn : amountOut) as bigint
  if (amount === 0n) throw usage(`${name} is 0`, 'Give an amount above 0.')
  return { pool, tokenIn: token, amount: raw(amount), exactIn }
}

async function batch(context: CommandContext, argv: CommandArgs, snapshot: string): Promise<number> {
  const stray = Object.values(OPTIONS).find((name) => textOf(argv, name.slice(2)) !== undefined)
  if (stray !== undefined) throw usage(`--batch does not go with ${stray}`, 'Put it into the lines of stdin.')
  const quote = await (await context.offline()).openQuotes(snapshot)
  let [lines, failed] = [0, false]
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (context.signal.aborted) break
    const answer = answerTo(line, quote)
    failed ||= 'error' in answer
    context.out.line(answer, () => stringify(answer))
    lines += 1
    if (lines % FLUSH_EVERY === 0) await flushed()
  }
  return typeof context.signal.reason === 'number' ? context.signal.reason : failed ? 1 : 0
}

function answerTo(line: string, quote: (order: QuoteOrder) => QuoteReport): QuoteReport | ErrorDocument {
  try {
    return quote(orderOf(askedIn(line), KEYS))
  } catch (thrown) {
    return asFleetError(thrown).toJSON()
  }
}

/** @throws FleetError `malformed` */
function askedIn(line: string): Asked {
  const wrong = (what: string) =>
    new FleetError('malformed', `${what}: ${line.slice(0, 80)}`, {
      remedy: 'Write {"pool":"0x…","tokenIn":"0x…","amountIn":"…"} on one line, amounts as strings.',
    })
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    throw wrong('the line is not JSON')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong('the line is not an object')
  const given = json as Record<string, unknown>
  const text = (name: keyof Asked): string | undefined => {
    const value = given[name]
    if (value === undefined || typeof value === 'string') return value
    if (Number.isSafeInteger(value)) return String(value)
    throw wrong(`${name} is neither text nor a whole number that JSON carries exactly`)
  }
  return { pool: text('pool'), tokenIn: text('tokenIn'), amountIn: text('amountIn'), amountOut: text('amountOut') }
}

const usage = (message: string, remedy: string): FleetError => new FleetError('usage', message, { remedy })
