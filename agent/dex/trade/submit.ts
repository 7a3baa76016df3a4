import type { Hex } from '../../../src/protocol/units.ts'
import { toHex } from '../chain-types.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import { type SignedTx, sendRaw } from './send.ts'

/**
 * A way to the block builders. It hands over signed bytes and does nothing else; handing over the same bytes again is no
 * error. Another way (a bundle relay) joins as one file.
 */
export interface Submitter {
  name: string
  /** True where the node shows what waits: a transaction that it does not know is then in no pool. */
  visible: boolean
  /** True where a transaction is dropped after its last block: nothing of it waits any longer then. */
  readonly expires: boolean
  /**
   * @param lastBlock the last block in which it is of use; kept to where the way knows such a thing
   * @throws RpcError when it is refused; FleetError `chain_unreachable` when it is not known whether it arrived
   */
  submit(signed: SignedTx, lastBlock?: number): Promise<Hex>
}

/** The pool of the node: everybody sees what waits in it. */
export const publicMempool = (rpc: Rpc): Submitter => ({
  name: 'public mempool',
  visible: true,
  expires: false,
  submit: (signed) => sendRaw(rpc, signed),
})

const METHOD_NOT_FOUND = -32_601
/** How nodes say the same under another code; the last one is anvil. */
const NO_SUCH_METHOD = /method .*(not|unsupported)|unknown method|did not match any variant/i

const isUnknownMethod = (error: unknown): boolean =>
  error instanceof RpcError && (error.code === METHOD_NOT_FOUND || NO_SUCH_METHOD.test(error.message))

/**
 * A node that keeps what it is given from the public pool. eth_sendPrivateTransaction where it has that, which also drops
 * the transaction after its last block; else eth_sendRawTransaction, since some that have both keep only the first from the
 * pool. Never falls back to another node.
 */
export function privateRpc(rpc: Rpc): Submitter {
  let plain = false
  return {
    name: 'private RPC',
    visible: false,
    get expires() {
      return !plain
    },
    async submit(signed, lastBlock) {
      if (plain) return sendRaw(rpc, signed)
      try {
        const limit = lastBlock === undefined ? {} : { maxBlockNumber: toHex(lastBlock) }
        await rpc.request('eth_sendPrivateTransaction', [{ tx: signed.raw, ...limit }])
        return signed.hash
      } catch (error) {
        if (!isUnknownMethod(error)) throw error
        plain = true
        return sendRaw(rpc, signed)
      }
    },
  }
}
