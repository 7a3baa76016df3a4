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
}
