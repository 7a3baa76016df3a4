// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// What our contracts call of others, and no more.

interface IERC20 {
    function balanceOf(address holder) external view returns (uint256);
    function allowance(address holder, address spender) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IWrappedNative is IERC20 {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

/// Aave V3. The premium handed to the receiver's callback is what is taken on top of the loan.
interface IFlashLender {
    function flashLoanSimple(
        address receiver,
        address asset,
        uint256 amount,
        bytes calldata params,
        uint16 referralCode
    ) external;
    function supply(address asset, uint256 amount, address onBehalfOf, uint16 referralCode) external;
}

/// Balancer V2. Loan and fee must have come back, by transfer, when the callback returns.
interface IVaultV2 {
    function flashLoan(
        address recipient,
        address[] calldata tokens,
        uint256[] calldata amounts,
        bytes calldata callbackInput
    ) external;
}

/// Both kinds of pool name their tokens so.
interface IPoolTokens {
    function token0() external view returns (address);
    function token1() external view returns (address);
}

interface IPairV2 is IPoolTokens {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata callbackInput) external;
    function mint(address to) external returns (uint256 liquidity);
}

interface IPoolV3 is IPoolTokens {
    function slot0()
        external
        view
        returns (uint160 sqrtPriceX96, int24 tick, uint16, uint16, uint16, uint8, bool unlocked);
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata callbackInput
    ) external returns (int256 amount0, int256 amount1);
    function mint(
        address recipient,
        int24 tickLower,
        int24 tickUpper,
        uint128 amount,
        bytes calldata callbackInput
    ) external returns (uint256 amount0, uint256 amount1);
    function flash(address recipient, uint256 amount0, uint256 amount1, bytes calldata callbackInput) external;
}

/// Uniswap V4: one contract that holds every pool. All but `unlock` works inside its callback alone.
interface IPoolManager {
    struct PoolKey {
        address currency0;
        address currency1;
        uint24 fee;
        int24 tickSpacing;
        address hooks;
    }
    struct SwapParams {
        bool zeroForOne;
        /// Negative: exactly that much goes in.
        int256 amountSpecified;
        uint160 sqrtPriceLimitX96;
    }

    function unlock(bytes calldata callbackInput) external returns (bytes memory);
    /// Two int128 in one word, currency0's in the upper half; what the caller owes is negative.
    function swap(PoolKey calldata key, SwapParams calldata params, bytes calldata hookInput) external returns (int256);
    function sync(address currency) external;
    function settle() external payable returns (uint256 paid);
    function take(address currency, address to, uint256 amount) external;
}
