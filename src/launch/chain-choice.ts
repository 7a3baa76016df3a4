import { readFileSync } from 'node:fs'
import { openRpc } from '../../agent/dex/rpc.ts'
import { FleetError } from '../protocol/errors.ts'

/** In the state folder of an embedded fleet: `--chain` as it was given, when it is not the sandbox. A secret. */
export const CHAIN_FILE = 'chain'

export const SANDBOX_CHAIN_ID = 31_337

/** Where the fleet trades. `url` is a secret: only `name` is shown. */
export interface ChainChoice {
  /** `sandbox`, or scheme and host of the node. */
  name: string
  chainId: number
  url: string | null
}

/**
 * Reads `--chain` and asks the node who it is.
 * @throws FleetError `usage`, `chain_unreachable`, `chain_mismatch`
 */
export async function chooseChain(chain: string, chainId: number | undefined): Promise<ChainChoice> {
  if (chain === 'sandbox') return { name: 'sandbox', chainId: SANDBOX_CHAIN_ID, url: null }
  const url = urlOf(chain)
  const name = publicName(url)
  const answered = await askChainId(url, name)
  if (chainId !== undefined && chainId !== answered) {
    throw new FleetError('chain_mismatch', `the node at ${name} is on chain ${answered}, not on chain ${chainId}`, {
      remedy: `Name another node, or --chain-id ${answered} if that chain is meant.`,
    })
  }
  return { name, chainId: answered, url }
}

/** What a chain is shown as; two nodes with the same name are one. @throws FleetError `usage`, `config_invalid` */
export const chainName = (chain: string): string => (chain === 'sandbox' ? chain : publicName(urlOf(chain)))

/** A URL, or the one in `@FILE`. @throws FleetError `config_invalid` */
export const urlOf = (chain: string): string => (chain.startsWith('@') ? urlInFile(chain.slice(1)) : chain)

/** Scheme and host: all of an RPC URL that is ever printed. */
function publicName(url: string): string {
  if (!URL.canParse(url) || !/^(https?|wss?|ipc):$/.test(new URL(url).protocol)) {
    throw new FleetError('usage', 'the chain is not a URL that a node can have', {
      remedy: 'Use http(s)://…, ws(s)://… or ipc:/path.',
    })
  }
  const { protocol, host } = new URL(url)
  return protocol === 'ipc:' ? 'ipc' : `${protocol}//${host}`
}

function urlInFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new FleetError('config_invalid', `the file ${file} with the node's URL cannot be read`, {
      remedy: 'Name a file that holds the URL and nothing else.',
      cause,
    })
  }
}

async function askChainId(url: string, name: string): Promise<number> {
  const refuse = (cause: unknown) =>
    new FleetError('chain_unreachable', `the node at ${name} does not answer`, {
      remedy: 'Check the address and that the node runs, or use --chain sandbox.',
      cause,
    })
  try {
    const rpc = await openRpc(url, { timeoutMs: 5_000 })
    try {
      const answer = Number(await rpc.request<unknown>('eth_chainId'))
      if (!Number.isSafeInteger(answer) || answer < 1) throw new Error('what it says of its chain id is no number')
      return answer
    } finally {
      rpc.close()
    }
  } catch (thrown) {
    throw refuse(thrown instanceof FleetError ? thrown.message : thrown)
  }
}
