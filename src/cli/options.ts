import type { Argv } from 'yargs'
import type { FleetOptions } from '../client/launcher.ts'
import { FleetError } from '../protocol/errors.ts'
import type { Profile } from '../protocol/fleet.ts'
import { type Address, address } from '../protocol/units.ts'

/** What every command understands, as yargs wants it. The environment's ARBDECK_… and .env stand behind each. */
export const GLOBAL_OPTIONS = {
  engine: {
    type: 'string',
    choices: ['auto', 'docker', 'swarm', 'embedded'],
    default: 'auto',
    describe: 'where agents run',
  },
  fleet: { type: 'string', default: 'arbdeck', describe: 'name of the fleet; several live side by side' },
  profile: {
    type: 'string',
    choices: ['mini', 'standard', 'full'],
    describe: '10, 21 or 111 agents [mini embedded, standard on Docker]',
  },
  chain: { type: 'string', describe: 'sandbox, the URL of a node, or @FILE that holds it [sandbox]' },
  'chain-id': { type: 'string', describe: 'what the node must answer; needed with --live' },
  live: { type: 'boolean', default: false, describe: 'really send on a chain that is not the sandbox' },
  'hub-port': { type: 'string', describe: 'port of the hub on 127.0.0.1 [3000]' },
  'key-file': { type: 'string', describe: 'keys of the executors, one a line (not for the sandbox)' },
  'executor-address': { type: 'string', describe: 'the deployed ArbExecutor (not for the sandbox)' },
  'submit-url': {
    type: 'string',
    describe: 'private RPC that transactions go to, or @FILE that holds its URL [the node]',
  },
  'chains-dir': { type: 'string', describe: 'folder of chain profiles [config/chains]' },
  manifest: { type: 'string', describe: 'the fleet manifest [config/fleet.yaml]' },
  'secrets-dir': { type: 'string', describe: 'folder of the files that roles of the manifest name as their secrets' },
  seed: { type: 'string', describe: "seed of the sandbox's traders: the same one, the same market [1]" },
  json: { type: 'boolean', default: false, describe: 'stdout carries JSON alone' },
  debug: { type: 'boolean', default: false, describe: 'stack traces, and more in the log' },
} as const

type RawOptions = Partial<Record<keyof typeof GLOBAL_OPTIONS, unknown>>

/** Checks the global options once. @throws FleetError `usage` */
export function fleetOptions(argv: RawOptions): FleetOptions {
  const text = (name: keyof typeof GLOBAL_OPTIONS): string | undefined => {
    const value = argv[name]
    return value === undefined || value === '' ? undefined : String(value)
  }
  const options: FleetOptions = {
    engine: (text('engine') ?? 'auto') as FleetOptions['engine'],
    fleet: fleetName(text('fleet') ?? 'arbdeck'),
    profile: text('profile') as Profile | undefined,
    chain: chainText(text('chain')),
    chainId: wholeNumber('--chain-id', text('chain-id'), 1, Number.MAX_SAFE_INTEGER),
    live: argv.live === true,
    hubPort: wholeNumber('--hub-port', text('hub-port'), 1, 65_535),
    keyFile: text('key-file'),
    executorAddress: addressText('--executor-address', text('executor-address')),
    submitUrl: submitText(text('submit-url')),
    chainsDir: text('chains-dir'),
    manifest: text('manifest'),
    secretsDir: text('secrets-dir'),
    seed: text('seed'),
    debug: argv.debug === true,
    json: argv.json === true,
  }
  if (options.engine === 'swarm')
    throw new FleetError('unsupported', 'the swarm engine is not built yet', {
      remedy: 'Use --engine docker or --engine embedded.',
    })
  refuseUnfitting(options)
  return options
}

/** Combinations that cannot be meant. */
function refuseUnfitting(options: FleetOptions): void {
  const sandbox = (options.chain ?? 'sandbox') === 'sandbox'
  const wrong = (message: string, remedy: string) => new FleetError('usage', message, { remedy })
  if (sandbox && options.live)
    throw wrong(
      '--live is for chains that are not the sandbox',
      'The sandbox always trades; leave --live out, or name a node with --chain URL.',
    )
  if (options.live && options.chainId === undefined)
    throw wrong('--live needs --chain-id', 'Say which chain you mean, for example --chain-id 1.')
  if (options.live && options.keyFile === undefined)
    throw wrong('--live needs --key-file', "Name a file with the executors' private keys, one a line.")
  if (options.live && options.executorAddress === undefined)
    throw wrong(
      '--live needs --executor-address',
      'Deploy the contract with arbdeck deploy-executor; it prints its address.',
    )
  if (sandbox && (options.keyFile || options.executorAddress || options.submitUrl))
    throw wrong(
      '--key-file, --executor-address and --submit-url are for chains that are not the sandbox',
      'The sandbox makes practice keys and deploys the contract itself; leave them out.',
    )
}

/** An address in any case, lower-cased. @throws FleetError `usage` */
export function addressText(name: string, text: string | undefined): Address | undefined {
  if (text === undefined) return undefined
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return address(text)
  throw new FleetError('usage', `${name} ${text} is not an address`, { remedy: 'Give 0x and 40 hex digits.' })
}

function fleetName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) return name
  throw new FleetError('usage', `"${name}" cannot be the name of a fleet`, {
    remedy: 'Use up to 31 lower-case letters, digits and hyphens, not beginning with a hyphen.',
  })
}

function chainText(chain: string | undefined): string | undefined {
  if (chain === undefined || chain === 'sandbox' || chain.startsWith('@') || /^(https?|wss?|ipc):/.test(chain))
    return chain
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(chain)?.[0]
  throw new FleetError(
    'usage',
    scheme ? `--chain cannot use ${scheme}` : '--chain is neither sandbox, a URL nor @FILE',
    {
      remedy: 'Use sandbox, http(s)://…, ws(s)://…, ipc:/path, or @FILE with the URL inside.',
    },
  )
}

/** It may hold a secret: what is refused is not repeated. */
function submitText(url: string | undefined): string | undefined {
  if (url === undefined || url.startsWith('@') || /^(https?|wss?):/.test(url)) return url
  throw new FleetError('usage', '--submit-url is neither a URL nor @FILE', {
    remedy: 'Use http(s)://…, ws(s)://…, or @FILE with the URL inside.',
  })
}

export function wholeNumber(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new FleetError('usage', `${name} ${text} is not a whole number from ${min} to ${max}`, {
    remedy: `Give ${name} a number in that range.`,
  })
}

/** Node's timers count milliseconds in 31 bits. */
const DURATION_MAX_MS = 24 * 24 * 3_600_000
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `30s`, `5m`, `1h`, `500ms`; milliseconds. @throws FleetError `usage` */
export function duration(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (!match)
    throw new FleetError('usage', `${name} ${text} is not a duration`, {
      remedy: 'Write a number and ms, s, m or h: 30s, 5m.',
    })
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
  if (ms <= DURATION_MAX_MS) return ms
  throw new FleetError('usage', `${name} ${text} is too long`, { remedy: 'Give at most 576h (24 days).' })
}

/** An amount in a token's smallest unit: digits, or 1e13. @throws FleetError `usage` */
export function rawAmount(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  const match = /^(\d+)(?:[eE]\+?(\d{1,2}))?$/.exec(text)
  if (!match)
    throw new FleetError('usage', `${name} ${text} is not a whole amount`, {
      remedy: "Give it in the token's smallest unit, such as 10000000000000 or 1e13.",
    })
  return BigInt(match[1] as string) * 10n ** BigInt(match[2] ?? '0')
}

/** The file that the offline commands read. */
export const snapshotFile = (yargs: Argv): Argv =>
  yargs.positional('snapshot', {
    type: 'string',
    describe: 'file of pools and their states, one JSON object a line',
  })
