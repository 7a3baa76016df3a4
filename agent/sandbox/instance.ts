import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { parseEther, toQuantity } from 'ethers'
import type { ChainInfo } from '../../src/protocol/chain.ts'
import { now } from '../../src/protocol/schemas.ts'
import type { Address } from '../../src/protocol/units.ts'
import { openRpc, type Rpc } from '../dex/rpc.ts'
import { type Anvil, type AnvilOptions, startAnvil } from './anvil.ts'
import { loadArtefacts } from './artefacts.ts'
import { deployMarket, type Market } from './market.ts'
import { ordersAt, sendOrders } from './traders.ts'

const CHAIN_ID = 31337
/** Nothing is ever dropped here; the fleet waits all the same, as it must elsewhere. */
const FINALITY_BLOCKS = 2
const FUNDS_WEI = parseEther('1000')
/** The same in every block: traders bid it exactly, so whoever bids more comes first. */
const BASE_FEE_WEI = 1_000_000_000n

export interface InstanceOptions {
  anvil: AnvilOptions
  /** Of the traders. */
  seed: string
  owner: Address
  executors: readonly Address[]
  /** How others reach the node; default what anvil listens on. */
  publicUrl?: string
  artefactsFile?: string
}

/** One anvil with its market: it lives until it is stopped or dies. */
export interface Instance {
  readonly info: ChainInfo
  readonly market: Market
  readonly anvil: Anvil
  /** Lets the traders trade and mines one block. @returns its number */
  mine(): Promise<number>
  stop(): Promise<void>
}

/** Boots a fresh chain, deploys the market on it and funds the executors. Block 1 is the deployment. */
export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const { ipcPath } = options.anvil
  if (ipcPath !== undefined) await rm(ipcPath, { force: true })
  const anvil = await startAnvil({ ...options.anvil, chainId: CHAIN_ID })
  let rpc: Rpc | undefined
  try {
    const url = ipcPath === undefined ? `ws://${dialable(anvil.host)}:${anvil.port}` : `ipc:${ipcPath}`
    rpc = await openRpc(url)
    const market = await deployMarket(rpc, {
      owner: options.owner,
      executors: options.executors,
      artefacts: loadArtefacts(options.artefactsFile),
    })
    await fund(rpc, options.executors)
    return instanceOf(anvil, rpc, market, describe(market, options, url))
  } catch (error) {
    rpc?.close()
    await anvil.stop()
    throw error
  }
}

const dialable = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host)

async function fund(rpc: Rpc, executors: readonly Address[]): Promise<void> {
  await Promise.all(executors.map((each) => rpc.request('anvil_setBalance', [each, toQuantity(FUNDS_WEI)])))
}

function describe(market: Market, options: InstanceOptions, url: string): ChainInfo {
  const { weth, bases, tokens, pools, lenders, executor, codeHashes } = market
  return {
    chainInstance: `${CHAIN_ID}-${randomBytes(8).toString('hex')}`,
    chainId: CHAIN_ID,
    sandbox: true,
    url: options.publicUrl ?? url,
    ...{ weth, bases, tokens, pools, lenders, executor, codeHashes },
    l1Fee: 'none',
    finalityBlocks: FINALITY_BLOCKS,
    submit: 'public',
    seed: options.seed,
    at: now(),
  }
}

function instanceOf(anvil: Anvil, rpc: Rpc, market: Market, info: ChainInfo): Instance {
  void anvil.ended.then(() => rpc.close()) // so that no call waits for it
  const mine = async (): Promise<number> => {
    const block = Number(await rpc.request<string>('eth_blockNumber', [])) + 1
    await rpc.request('anvil_setNextBlockBaseFeePerGas', [toQuantity(BASE_FEE_WEI)])
    await sendOrders(rpc, market, ordersAt(info.seed ?? '', block, market.deployed), BASE_FEE_WEI)
    await rpc.request('evm_mine', [])
    return block
  }
  const stop = async (): Promise<void> => {
    rpc.close()
    await anvil.stop()
    if (anvil.ipcPath !== undefined) await rm(anvil.ipcPath, { force: true })
  }
  return { info, market, anvil, mine, stop }
}
