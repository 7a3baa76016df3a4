import { openRpc, type Rpc } from '../../agent/dex/rpc.ts'
import { readAccount } from '../../agent/dex/trade/send.ts'
import { coin } from '../cli/text.ts'
import type { FleetOptions, Prerequisite } from '../client/launcher.ts'
import { type ChainProfile, profileOf } from '../fleet/chain-profile.ts'
import { asFleetError } from '../protocol/errors.ts'
import { type ChainChoice, chooseChain } from './chain-choice.ts'
import { contractsOf, proveExecutor, proveProfile } from './chain-market.ts'
import { row } from './check-row.ts'
import { readKeyFile } from './key-file.ts'

/** What there is to trade on: node, profile, code, and, where they are given, contract and keys. Never throws. */
export async function checkChain(options: FleetOptions, chainsDir: string): Promise<Prerequisite[]> {
  let chain: ChainChoice
  let rpc: Rpc
  try {
    chain = await chooseChain(options.chain ?? 'sandbox', options.chainId)
    if (chain.url === null) return [await row('chain', async () => ({ detail: 'the sandbox' }))]
    rpc = await openRpc(chain.url, { timeoutMs: 10_000 })
  } catch (thrown) {
    return [await row('chain', () => Promise.reject(thrown))]
  }
  try {
    const answers = await row('chain', async () => ({ detail: `${chain.name} answers, chain ${chain.chainId}` }))
    return [answers, ...(await profileRows(rpc, chain.chainId, chainsDir)), ...(await ownRows(rpc, options))]
  } finally {
    rpc.close()
  }
}

async function profileRows(rpc: Rpc, chainId: number, chainsDir: string): Promise<Prerequisite[]> {
  let profile: ChainProfile
  try {
    profile = profileOf(chainId, chainsDir)
  } catch (thrown) {
    return [await row('chain profile', () => Promise.reject(asFleetError(thrown)))]
  }
  const { name, tokens, factories, lenders } = profile
  const found = `${name}: ${Object.keys(tokens).length} tokens, ${factories.length} factories, ${lenders.length} lenders`
  return Promise.all([
    row('chain profile', async () => ({ detail: found })),
    row('chain code', async () => {
      await proveProfile(rpc, profile)
      return { detail: `code at all ${contractsOf(profile).length} addresses of the profile` }
    }),
  ])
}

function ownRows(rpc: Rpc, { executorAddress, keyFile }: FleetOptions): Promise<Prerequisite[]> {
  const rows: Promise<Prerequisite>[] = []
  if (executorAddress !== undefined)
    rows.push(
      row('executor', async () => {
        await proveExecutor(rpc, executorAddress)
        return { detail: `${executorAddress} has our code` }
      }),
    )
  if (keyFile !== undefined)
    rows.push(
      row('keys', async () => {
        const { addresses, exposed } = readKeyFile(keyFile)
        const accounts = await Promise.all(addresses.map(async (at) => ({ at, ...(await readAccount(rpc, at)) })))
        const detail = accounts.map(({ at, balanceWei }) => `${at} ${coin(balanceWei)}`).join(', ')
        if (accounts.some((account) => account.balanceWei === 0n))
          return { detail, state: 'fail', remedy: 'Fund every key: it pays for the gas of its trades.' }
        return exposed ? { detail, state: 'warn', remedy: `Others can read ${keyFile}: chmod 600 it.` } : { detail }
      }),
    )
  return Promise.all(rows)
}
