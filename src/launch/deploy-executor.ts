import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { RpcReceipt } from '../../agent/dex/chain-types.ts'
import { RpcError } from '../../agent/dex/rpc/error.ts'
import { openRpc, type Rpc } from '../../agent/dex/rpc.ts'
import { createdAddress, signCreation } from '../../agent/dex/trade/deploy.ts'
import { paidFor } from '../../agent/dex/trade/receipt.ts'
import { readAccount, readHead, sendRaw } from '../../agent/dex/trade/send.ts'
import { type Artefacts, loadArtefacts } from '../../agent/sandbox/artefacts.ts'
import { coin } from '../cli/text.ts'
import type { FleetOptions } from '../client/launcher.ts'
import { type ChainProfile, profileOf } from '../fleet/chain-profile.ts'
import type { Deployment, DeployOrder } from '../protocol/deployment.ts'
import { FleetError } from '../protocol/errors.ts'
import { type Address, type GasUnits, gasUnits, type Hex, type Wei, wei } from '../protocol/units.ts'
import { chooseChain } from './chain-choice.ts'
import { proveExecutor, proveProfile } from './chain-market.ts'
import { type DeployPlan, planDeployment } from './deploy-plan.ts'
import { type KeyFile, readKeyFile } from './key-file.ts'
import { readManifest } from './manifest.ts'

const WAIT_MS = 180_000
const LOOK_MS = 500

interface Site {
  rpc: Rpc
  profile: ChainProfile
  artefacts: Artefacts
  plan: DeployPlan
  from: Address
  /** Undefined: a dry run without a key. */
  key: Hex | undefined
}

/**
 * Deploys ArbExecutor, or with `dryRun` only says what it would cost.
 * @param say what happens meanwhile: the transaction's hash, before it is waited for
 * @throws FleetError `usage`, `config_invalid`, `chain_mismatch`, `chain_unreachable`, `chain_refused`, `timeout`
 */
export async function deployExecutor(
  options: FleetOptions,
  order: DeployOrder,
  parts: { defaultManifest: string; defaultChains: string },
  say: (line: string) => void,
): Promise<Deployment> {
  const chain = await chooseChain(options.chain ?? 'sandbox', options.chainId)
  if (chain.url === null)
    throw new FleetError('usage', 'deploy-executor needs a chain that is not the sandbox', {
      remedy: 'Name its node with --chain URL or --chain @FILE; the sandbox deploys the contract itself.',
    })
  const profile = profileOf(chain.chainId, path.resolve(options.chainsDir ?? parts.defaultChains))
  const { limits } = readManifest(options.manifest ?? parts.defaultManifest)
  const keyFile = keysFor(options, order)
  if (keyFile?.exposed) say(`others on this machine can read ${options.keyFile}: chmod 600 it`)
  const plan = planDeployment(order, { profile, limits, keys: keyFile?.addresses ?? [] })
  const rpc = await openRpc(chain.url, { timeoutMs: 15_000 })
  try {
    await proveProfile(rpc, profile)
    const from = keyFile?.addresses[0] ?? order.owner
    const site: Site = { rpc, profile, artefacts: loadArtefacts(), plan, from, key: keyFile?.keys[0] }
    const done = await deploy(site, order, say)
    return { ...done, next: nextCommand(options, done.address) }
  } finally {
    rpc.close()
  }
}

function keysFor(options: FleetOptions, { dryRun }: DeployOrder): KeyFile | undefined {
  if (options.keyFile !== undefined) return readKeyFile(options.keyFile)
  if (dryRun) return undefined
  throw new FleetError('usage', 'deploy-executor needs --key-file', {
    remedy: 'Name a file with private keys, one a line: the first pays. --dry-run does without.',
  })
}

async function deploy(site: Site, order: DeployOrder, say: (line: string) => void): Promise<Omit<Deployment, 'next'>> {
  const { rpc, profile, artefacts, plan, from, key } = site
  const data = artefacts.deployment('ArbExecutor', [
    plan.owner,
    (profile.tokens[profile.wrappedNative] as { address: Address }).address,
    plan.executors,
    plan.caps.map((cap) => cap.token),
    plan.caps.map((cap) => cap.capRaw),
  ])
  const [account, gas, fees] = await Promise.all([readAccount(rpc, from), estimate(rpc, from, data), readFees(rpc)])
  const mostWei = wei(gas.limit * fees.maxFeePerGasWei)
  const common = {
    dryRun: order.dryRun,
    chainId: profile.chainId,
    chain: profile.name,
    codeHash: artefacts.codeHash('ArbExecutor'),
    owner: plan.owner,
    executors: [...plan.executors],
    caps: plan.caps,
    from,
    balanceWei: wei(account.balanceWei),
    warnings: plan.warnings,
  }
  const nonce = account.pendingNonce
  const address = createdAddress(from, nonce)
  if (order.dryRun || key === undefined)
    return { ...common, address, tx: null, block: null, gasUsed: gas.expected, gasWei: mostWei }
  if (account.balanceWei < mostWei) throw unfunded(from, account.balanceWei, mostWei)
  const signed = signCreation(key, { chainId: profile.chainId, nonce, data, gasLimit: gas.limit, ...fees })
  await sendRaw(rpc, signed)
  say(`sent ${signed.hash}: the contract will be at ${address}`)
  const receipt = await mined(rpc, signed.hash, address)
  if (receipt.status !== '0x1')
    throw new FleetError(
      'chain_refused',
      `the deployment ${signed.hash} failed in block ${Number(receipt.blockNumber)}`,
      {
        remedy: 'Its gas is lost. Run it again with --dry-run to see whether it would work now.',
      },
    )
  await proveExecutor(rpc, address, artefacts)
  const { gasUsed, gasWei } = paidFor(receipt)
  return { ...common, address, tx: signed.hash, block: Number(receipt.blockNumber), gasUsed, gasWei }
}

async function estimate(rpc: Rpc, from: Address, data: Hex): Promise<{ expected: GasUnits; limit: GasUnits }> {
  try {
    // Without a fee, so that a key without money can be told what it lacks.
    const expected = BigInt(await rpc.request<Hex>('eth_estimateGas', [{ from, data }]))
    return { expected: gasUnits(expected), limit: gasUnits((expected * 6n) / 5n) }
  } catch (cause) {
    if (!(cause instanceof RpcError)) throw cause
    throw new FleetError('chain_refused', `the node refuses the deployment: ${cause.message}`, {
      remedy: 'Check owner, executors and caps.',
      cause,
    })
  }
}

/** Twice the base fee of now: it lasts for six full blocks. */
async function readFees(rpc: Rpc): Promise<{ maxFeePerGasWei: Wei; maxPriorityFeePerGasWei: Wei }> {
  const [head, tip] = await Promise.all([
    readHead(rpc),
    rpc.request<Hex>('eth_maxPriorityFeePerGas').then(BigInt, () => 1_000_000n),
  ])
  return { maxFeePerGasWei: wei(2n * BigInt(head.baseFeePerGas ?? '0x0') + tip), maxPriorityFeePerGasWei: wei(tip) }
}

async function mined(rpc: Rpc, hash: Hex, address: Address): Promise<RpcReceipt> {
  for (const until = Date.now() + WAIT_MS; Date.now() < until; await pause(LOOK_MS)) {
    const receipt = await rpc.request<RpcReceipt | null>('eth_getTransactionReceipt', [hash])
    if (receipt) return receipt
  }
  throw new FleetError('timeout', `the deployment ${hash} was not mined within ${WAIT_MS / 1_000} s`, {
    remedy: `It may still be: look for the transaction; then the contract is at ${address}.`,
  })
}

const unfunded = (from: Address, has: bigint, needs: bigint): FleetError =>
  new FleetError('config_invalid', `${from} holds ${coin(has)}, and the deployment may cost ${coin(needs)}`, {
    remedy: 'Fund the first key of the key file, or put another one first.',
  })

/** An RPC URL is a secret: only the name of a file that holds it is repeated. */
function nextCommand(options: FleetOptions, address: Address): string {
  const chain = options.chain?.startsWith('@') ? options.chain : 'URL'
  const words = ['arbdeck up --live', '--chain', chain, '--chain-id', String(options.chainId ?? 'N')]
  words.push('--key-file', options.keyFile ?? 'FILE', '--executor-address', address)
  words.push('--manifest', options.manifest ?? 'FILE')
  if (options.chainsDir !== undefined) words.push('--chains-dir', options.chainsDir)
  return words.join(' ')
}
