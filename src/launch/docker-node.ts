import { RpcError } from '../../agent/dex/rpc/error.ts'
import { openRpc, type Rpc } from '../../agent/dex/rpc.ts'
import { CHAIN_NETWORK } from '../fleet/networks.ts'
import { type Outpost, openOutpost } from '../ports/engine/docker/outpost.ts'
import { FleetError } from '../protocol/errors.ts'
import type { Hex } from '../protocol/units.ts'
import type { DockerParts } from './docker-parts.ts'

const ANSWER_MS = 4_000
const DEFAULT_PORT: Readonly<Record<string, number>> = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 }

/** True for a URL that names the machine it is read on. */
export const isHere = (url: string): boolean =>
  /^(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\])$/.test(new URL(url).hostname)

/**
 * The URLs of nodes as the fleet's containers reach them: in one that names the operator's machine, its address in their
 * network takes the place of localhost, after the same node was seen to answer there.
 * @param image has `node`
 * @throws FleetError `chain_unreachable` when no container can reach it, with the address to listen on
 */
export async function urlsForContainers(
  parts: Pick<DockerParts, 'connection' | 'fleet'>,
  urls: { chain: string | null; submit: string | undefined },
  image: string,
): Promise<{ chain: string | null; submit: string | undefined }> {
  const { chain, submit } = urls
  if (![chain, submit].some((url) => url && isHere(url))) return urls
  const outpost = await openOutpost(parts.connection, parts.fleet, { network: CHAIN_NETWORK, image })
  try {
    return {
      chain: chain && (await asSeenFrom(outpost, chain, sameNode)),
      submit: submit && (await asSeenFrom(outpost, submit, answers)),
    }
  } finally {
    await outpost.remove()
  }
}

/** Whether what answers through the container (`there`) is what `url` names here. */
type Proof = (there: Rpc, url: string) => Promise<boolean>

async function asSeenFrom(outpost: Outpost, url: string, proof: Proof): Promise<string> {
  if (!isHere(url)) return url
  for (const way of outpost.ways) if (await leadsTo(outpost, url, way, proof)) return withHost(url, way)
  throw unreachable(url, outpost.ways)
}

async function leadsTo(outpost: Outpost, url: string, way: string, proof: Proof): Promise<boolean> {
  const { protocol, port } = new URL(url)
  const relay = await outpost.relay(way, Number(port) || (DEFAULT_PORT[protocol] ?? 0))
  try {
    const there = await openRpc(withHost(url, '127.0.0.1', relay.port), { timeoutMs: ANSWER_MS })
    try {
      return await proof(there, url)
    } finally {
      there.close()
    }
  } catch {
    return false // nobody there, or somebody who is no node
  } finally {
    relay.close()
  }
}

/** Another node may listen on the same port of another address: one block tells them apart. */
async function sameNode(there: Rpc, url: string): Promise<boolean> {
  const here = await openRpc(url, { timeoutMs: ANSWER_MS })
  try {
    const number = await here.request<Hex>('eth_blockNumber')
    const hashes = await Promise.all([here, there].map((rpc) => hashOf(rpc, number)))
    return hashes[0] !== undefined && hashes[0] === hashes[1]
  } finally {
    here.close()
  }
}

const hashOf = async (rpc: Rpc, number: Hex): Promise<Hex | undefined> =>
  (await rpc.request<{ hash: Hex } | null>('eth_getBlockByNumber', [number, false]))?.hash

/** A private RPC need not know the chain, only answer. */
async function answers(there: Rpc): Promise<boolean> {
  try {
    await there.request('eth_chainId')
    return true
  } catch (thrown) {
    return thrown instanceof RpcError
  }
}

/** The same URL at another host. */
export function withHost(url: string, host: string, port?: number): string {
  const changed = new URL(url)
  changed.hostname = host
  if (port !== undefined) changed.port = String(port)
  return changed.href
}

function unreachable(url: string, [first]: readonly string[]): FleetError {
  const { protocol, host, port } = new URL(url)
  return new FleetError(
    'chain_unreachable',
    `the node at ${protocol}//${host} answers here, but not to the fleet's containers: it listens on localhost alone, or a firewall keeps them out`,
    {
      remedy: `Let it listen on ${first}${port ? `:${port}` : ''} as well (anvil --host ${first}; geth --http.addr or --ws.addr ${first}), where containers reach this machine, or use --engine embedded.`,
    },
  )
}
