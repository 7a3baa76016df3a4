/** Errors of ArbExecutor. */
export const OUR_ERRORS: readonly string[] = [
  'NotOwner(address caller)',
  'NotPendingOwner(address caller)',
  'NoOwner()',
  'UnequalLists(uint256 tokens, uint256 inputCaps)',
  'Reentered()',
  'TokenRefused(address token)',
  'NativeRefused(address to)',
  'NotExecutor(address caller)',
  'DeadlinePassed(uint256 deadlineBlock, uint256 blockNumber)',
  'AlreadyExecuted(bytes32 opportunityId)',
  'InputAboveCap(address token, uint256 amount, uint256 inputCap)',
  'BadRoute(uint256 words)',
  'UnknownLender(uint256 lender)',
  'CapitalTooSmall(uint256 held, uint256 needed)',
  'WrongLoan(address token, uint256 amount)',
  'StandingApproval(address lender, uint256 amount)',
  'TipNotNative(address token)',
  'NotArmed(address caller)',
  'NotInitiator(address initiator)',
  'NoCallback(address pool)',
  'PartialFill(address pool, uint256 taken, uint256 offered)',
  'UnknownHop(uint256 hop)',
  'ProfitBelowFloor(int256 gained, uint256 floor)',
]

/** Errors of Uniswap V4, by declaration, with what they mean. */
export const V4_ERRORS: Readonly<Record<string, string>> = {
  'AlreadyUnlocked()': 'the manager is unlocked by somebody already',
  'CurrencyNotSettled()': 'a token was not paid, or not taken, to the wei',
  'CurrenciesOutOfOrderOrEqual(address currency0, address currency1)': 'the two tokens of the key are not in order',
  'InvalidCaller()': 'the caller may not do this',
  'ManagerLocked()': 'the manager is not unlocked',
  'NonzeroNativeValue()': 'native currency was sent along with a token',
  'NotEnoughLiquidity()': 'there is not enough liquidity',
  'PoolNotInitialized()': 'there is no pool of this key',
  'PriceLimitAlreadyExceeded(uint160 sqrtPriceCurrentX96, uint160 sqrtPriceLimitX96)': 'the price is past the limit',
  'PriceLimitOutOfBounds(uint160 sqrtPriceLimitX96)': 'the price limit is not a price',
  'SafeCastOverflow()': 'an amount is too large',
  'SwapAmountCannotBeZero()': 'the amount is zero',
  'WrappedError(address target, bytes4 selector, bytes reason, bytes details)': 'a token reverted',
}

/** Aave V3 says its reasons as numbers. */
const AAVE: Readonly<Record<string, string>> = {
  '13': 'the receiver of the flash loan did not return true',
  '26': 'amount is zero',
  '27': 'reserve is inactive',
  '28': 'reserve is frozen',
  '29': 'reserve is paused',
  '49': 'the lists of the flash loan do not match',
  '82': 'reserve is not listed',
  '91': 'flash loans of this reserve are disabled',
}

/** Balancer V2 says them as numbers too, after `BAL#`. */
const BALANCER: Readonly<Record<string, string>> = {
  '101': 'a list is not sorted',
  '102': 'tokens are not sorted',
  '103': 'lists are not of the same length',
  '104': 'a token is zero',
  '400': 'the vault was entered again',
  '402': 'the vault is paused',
  '418': 'a token refused a transfer',
  '515': 'the loan was not paid back',
  '528': 'the vault has less than the loan',
  '602': 'the fee of the loan was not paid',
}

/** Uniswap V3's initials. */
const V3: Readonly<Record<string, string>> = {
  AS: 'amount is zero',
  F0: 'the flash loan of token0 was not paid back',
  F1: 'the flash loan of token1 was not paid back',
  IIA: 'the pool was paid too little',
  L: 'the pool has no liquidity',
  LOK: 'the pool is locked: it is in a swap or loan already, or has no price yet',
  SPL: 'the price is past the limit',
  TF: 'a token refused a transfer',
}

/** Of a Uniswap V2 pair, after `UniswapV2: ` or the name of a fork. */
const V2: Readonly<Record<string, string>> = {
  INSUFFICIENT_INPUT_AMOUNT: 'the pair was paid nothing',
  INSUFFICIENT_LIQUIDITY: 'the pair has less than was asked for',
  INSUFFICIENT_OUTPUT_AMOUNT: 'nothing was asked for',
  INVALID_TO: 'its own token cannot receive',
  K: 'the pair was paid too little',
  LOCKED: 'the pair is locked: it is in a swap or loan already',
  TRANSFER_FAILED: 'a token refused a transfer',
}

/** Solidity's panics. */
export const PANIC: Readonly<Record<string, string>> = {
  '1': 'assertion failed',
  '17': 'arithmetic overflow or underflow',
  '18': 'division by zero',
  '33': 'value outside its enumeration',
  '50': 'index out of bounds',
  '65': 'too much memory',
}

/** Where a reason's words are found, by how the reason is written. */
const REASONS: readonly (readonly [RegExp, string, Readonly<Record<string, string>>])[] = [
  [/^(\d{1,3})$/, 'Aave ', AAVE],
  [/^BAL#(\d{3})$/, 'Balancer ', BALANCER],
  [/^([A-Z][A-Z0-9]{0,2})$/, 'Uniswap V3 ', V3],
  [/^[A-Za-z0-9]{3,20}: ([A-Z_]+)$/, '', V2],
]

/** A reason that a known contract gives as a code, with its meaning; any other as it is. */
export function reasonInWords(reason: string): string {
  for (const [written, whose, words] of REASONS) {
    const code = written.exec(reason)?.[1]
    const meaning = code === undefined ? undefined : words[code]
    if (meaning !== undefined) return `${whose}${whose === '' ? reason : code}: ${meaning}`
  }
  return reason || 'reverted without a reason'
}
