import type { Cap, Deployment } from '../../protocol/deployment.ts'
import { FleetError } from '../../protocol/errors.ts'
import { type Command, textOf, wordsOf } from '../command.ts'
import { addressText, rawAmount } from '../options.ts'
import { coin } from '../text.ts'

export const deployExecutorCommand: Command = {
  name: 'deploy-executor',
  describe: 'deploy the contract that trades on a chain that is not the sandbox',
  options: {
    owner: { type: 'string', describe: 'who takes what it earns and names its executors; keep its key cold' },
    executors: { type: 'string', describe: 'who may trade, 0x…,0x… [the addresses of --key-file]' },
    cap: {
      type: 'array',
      nargs: 1,
      describe: 'most that one trade may put in: TOKEN=RAW, once a token [maxInputRawPerTrade of the manifest]',
    },
    'dry-run': { type: 'boolean', default: false, describe: 'say what it would cost, and send nothing' },
    'hot-owner': { type: 'boolean', default: false, describe: 'let the owner be one of the keys that trade or pay' },
  },
  run: async (context, argv) => {
    const owner = addressText('--owner', textOf(argv, 'owner'))
    if (owner === undefined) throw missing('--owner', 'Name the address that may take what the contract earns.')
    if (context.options.chain === undefined) throw missing('--chain', 'Name a node: --chain URL or --chain @FILE.')
    if (context.options.chainId === undefined) throw missing('--chain-id', 'Say which chain you mean: --chain-id 1.')
    const executors = textOf(argv, 'executors')
      ?.split(',')
      .filter((text) => text.trim() !== '')
    const deployment = await context.launcher.deployExecutor(
      context.options,
      {
        owner,
        executors: executors?.flatMap((text) => addressText('--executors', text.trim()) ?? []),
        caps: wordsOf(argv, 'cap')
          .flatMap((text) => text.split(','))
          .map(capOf),
        dryRun: argv['dry-run'] === true,
        hotOwner: argv['hot-owner'] === true,
      },
      (line) => context.out.remark(line),
    )
    for (const warning of deployment.warnings) context.out.remark(`warning: ${warning}`)
    context.out.document({ deployment }, () => reportOf(deployment))
    return 0
  },
}

/** `WETH=200000000000000000000` or `WETH=2e20`. */
function capOf(text: string): Cap {
  const [token = '', amount, ...rest] = text.trim().split('=')
  const capRaw = rest.length === 0 && token !== '' ? rawAmount(`--cap ${token}`, amount) : undefined
  if (capRaw !== undefined) return { token, capRaw }
  throw new FleetError('usage', `--cap ${text} is not TOKEN=RAW`, {
    remedy: "Give a symbol or address and an amount in the token's smallest unit: --cap WETH=2e20.",
  })
}

function reportOf(d: Deployment): string {
  const done = d.dryRun ? 'would be' : 'is'
  return [
    `ArbExecutor ${done} at ${d.address} on ${d.chain} (chain ${d.chainId})`,
    ...(d.tx ? [`  transaction  ${d.tx}, block ${d.block}`] : []),
    `  gas          ${d.gasUsed}, ${d.dryRun ? 'at most ' : ''}${coin(d.gasWei)}, from ${d.from}, which held ${coin(d.balanceWei)}`,
    `  code hash    ${d.codeHash}${d.dryRun ? '' : ', as it should be'}`,
    `  owner        ${d.owner}`,
    `  executors    ${d.executors.join(', ')}`,
    `  caps         ${d.caps.map((cap) => `${cap.symbol} ${cap.capRaw}`).join(', ') || 'none: it will refuse every trade'}`,
    ...(d.dryRun ? [] : ['', 'Set the limits of a manifest and its setForChain, then:', `  ${d.next}`]),
  ].join('\n')
}

const missing = (name: string, remedy: string): FleetError =>
  new FleetError('usage', `deploy-executor needs ${name}`, { remedy })
