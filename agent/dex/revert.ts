import { Interface } from 'ethers'
import type { Hex } from '../../src/protocol/units.ts'

/** Errors of ArbExecutor, and the two that Solidity itself raises. */
const KNOWN = new Interface([
  'error NotOwner(address caller)',
  'error NotPendingOwner(address caller)',
  'error NotExecutor(address caller)',
  'error DeadlinePassed(uint256 deadlineBlock, uint256 blockNumber)',
  'error AlreadyExecuted(bytes32 opportunityId)',
  'error Reentered()',
  'error NotArmed(address caller)',
  'error NotInitiator(address initiator)',
  'error WrongLoan(address token, uint256 amount)',
  'error ProfitBelowFloor(int256 gained, uint256 floor)',
  'error PartialFill(address pool, uint256 taken, uint256 offered)',
  'error UnknownHop(uint256 hop)',
  'error TokenRefused(address token)',
  'error StandingApproval(address lender, uint256 amount)',
  'error Error(string reason)',
  'error Panic(uint256 code)',
])

/** Aave V3 says its reasons as numbers. */
const AAVE: Readonly<Record<string, string>> = {
  '13': 'the receiver of the flash loan did not return true',
  '26': 'amount is zero',
  '27': 'reserve is inactive',
  '28': 'reserve is frozen',
  '29': 'reserve is paused',
  '91': 'flash loans of this reserve are disabled',
}

const PANIC: Readonly<Record<string, string>> = {
  '1': 'assertion failed',
  '17': 'arithmetic overflow or underflow',
  '18': 'division by zero',
  '33': 'value outside its enumeration',
  '50': 'index out of bounds',
}

/**
 * A revert in words, with its figures: `ProfitBelowFloor: gained -120, floor 5000`. Never throws.
 * @param bytes what the call returned when it reverted; absent or `0x` where a contract gave no reason
 */
export function decodeRevert(bytes: Hex | undefined): string {
  if (bytes === undefined || bytes === '0x') return 'reverted without a reason'
  const error = parse(bytes)
  if (error === undefined) return `reverted with unknown bytes ${bytes.slice(0, 74)}`
  const figures = error.fragment.inputs.map((input, index) => [input.name, inWords(error.args[index])] as const)
  const first = figures[0]?.[1] ?? ''
  if (error.name === 'Error')
    return AAVE[first] ? `Aave ${first}: ${AAVE[first]}` : first || 'reverted without a reason'
  if (error.name === 'Panic') return `Panic ${first}: ${PANIC[first] ?? 'unknown'}`
  return figures.length === 0 ? error.name : `${error.name}: ${figures.map((pair) => pair.join(' ')).join(', ')}`
}

/** Addresses in lower case, as everywhere. */
function inWords(value: unknown): string {
  const text = String(value)
  return /^0x[0-9a-fA-F]{40}$/.test(text) ? text.toLowerCase() : text
}

function parse(bytes: Hex) {
  try {
    return KNOWN.parseError(bytes) ?? undefined
  } catch {
    return undefined // right selector, mangled arguments
  }
}
