import { AbiCoder, ErrorFragment, type Result } from 'ethers'
import type { Hex } from '../../../src/protocol/units.ts'
import { OUR_ERRORS, PANIC, reasonInWords, V4_ERRORS } from './revert-words.ts'

const DECLARED = [...OUR_ERRORS, ...Object.keys(V4_ERRORS), 'Error(string reason)', 'Panic(uint256 code)']
/** By selector, hashed once: ethers' Interface hashes them all at each look. */
const KNOWN = new Map(
  DECLARED.map((error) => ErrorFragment.from(`error ${error}`)).map((each) => [each.selector, each]),
)
const V4_MEANING = new Map(Object.entries(V4_ERRORS).map(([error, meaning]) => [error.split('(')[0], meaning]))

/**
 * A revert in words, with its figures: `ProfitBelowFloor: gained -120, floor 5000`. Knows ArbExecutor's errors, Solidity's,
 * and those that pools and lenders give while a trade runs. Never throws.
 * @param bytes what the call returned when it reverted; absent or `0x` where a contract gave no reason
 */
export function decodeRevert(bytes: Hex | undefined): string {
  if (bytes === undefined || bytes === '0x') return 'reverted without a reason'
  try {
    const fragment = KNOWN.get(bytes.slice(0, 10).toLowerCase())
    if (fragment) {
      const args = AbiCoder.defaultAbiCoder().decode(fragment.inputs, `0x${bytes.slice(10)}`)
      return errorInWords({ name: fragment.name, args, fragment })
    }
  } catch {
    // The right selector with mangled arguments: ethers says so when they are looked at.
  }
  return `reverted with unknown bytes ${bytes.slice(0, 74)}`
}

interface KnownError {
  name: string
  args: Result
  fragment: ErrorFragment
}

function errorInWords(error: KnownError): string {
  const first = error.args.length > 0 ? String(error.args[0]) : ''
  if (error.name === 'Error') return reasonInWords(first)
  if (error.name === 'Panic') return `Panic ${first}: ${PANIC[first] ?? 'unknown'}`
  if (error.name === 'WrappedError') return `Uniswap V4: ${inWords(first)} reverted: ${decodeRevert(error.args[2])}`
  const meaning = V4_MEANING.get(error.name)
  if (meaning !== undefined) return `Uniswap V4 ${error.name}: ${[meaning, ...figuresOf(error)].join(', ')}`
  const figures = figuresOf(error)
  return figures.length === 0 ? error.name : `${error.name}: ${figures.join(', ')}`
}

function figuresOf(error: KnownError): string[] {
  return error.fragment.inputs.map((input, index) => `${input.name} ${inWords(error.args[index])}`)
}

/** Addresses in lower case, as everywhere. */
function inWords(value: unknown): string {
  const text = String(value)
  return /^0x[0-9a-fA-F]{40}$/.test(text) ? text.toLowerCase() : text
}
