// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPairV2, IPoolManager, IPoolV3} from './Interfaces.sol';

// How a hop is written, and what its pool is told.
//
// A hop is two words: pool or V4 manager (bits 0-159), fee in pips (160-183), kind (184-191), zeroForOne (192), tick
// spacing of a V4 pool (193-216); then the token that it pays out.

uint256 constant PAIR = 2;
uint256 constant POOL = 3;
uint256 constant MANAGED = 4;

uint160 constant LOWEST_LIMIT = 4295128740;
uint160 constant HIGHEST_LIMIT = 1461446703485210103287273052203988822378723970341;

function poolOf(uint256 hop) pure returns (address) {
    return address(uint160(hop));
}

function tokenOf(uint256 word) pure returns (address) {
    return address(uint160(word));
}

function kindOf(uint256 hop) pure returns (uint256) {
    return (hop >> 184) & 0xff;
}

function isZeroForOne(uint256 hop) pure returns (bool) {
    return (hop >> 192) & 1 == 1;
}

function isManagedBy(address manager, uint256 hop) pure returns (bool) {
    return kindOf(hop) == MANAGED && poolOf(hop) == manager;
}

/// Constant product: out = in·γ·R / (r + in·γ), rounded down. What overflows here is refused by the pair.
function pairOut(uint256 hop, uint256 amountIn) view returns (uint256) {
    (uint256 reserveIn, uint256 reserveOut, ) = IPairV2(poolOf(hop)).getReserves();
    if (!isZeroForOne(hop)) (reserveIn, reserveOut) = (reserveOut, reserveIn);
    unchecked {
        uint256 afterFee = amountIn * (1e6 - uint24(hop >> 160));
        return (afterFee * reserveOut) / (reserveIn * 1e6 + afterFee);
    }
}

/// @param input not empty: the pair calls `to` after it has paid and before it is paid
function swapPair(uint256 hop, uint256 amountOut, address to, bytes memory input) {
    bool zeroForOne = isZeroForOne(hop);
    IPairV2(poolOf(hop)).swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, to, input);
}

/// Exactly `amountIn` goes in; the pool calls back for it when it has paid.
function swapPool(uint256 hop, uint256 amountIn, address to, bytes memory input) {
    bool zeroForOne = isZeroForOne(hop);
    uint160 limit = zeroForOne ? LOWEST_LIMIT : HIGHEST_LIMIT;
    IPoolV3(poolOf(hop)).swap(to, zeroForOne, int256(amountIn), limit, input);
}

/// Inside the manager's callback: nothing is moved yet. A pool without hooks.
/// @return spent what the pool took, which is less than `amountIn` where its liquidity ends
/// @return got what it owes
function swapManaged(uint256 hop, address tokenIn, address tokenOut, uint256 amountIn)
    returns (uint256 spent, uint256 got)
{
    bool zeroForOne = isZeroForOne(hop);
    (address currency0, address currency1) = zeroForOne ? (tokenIn, tokenOut) : (tokenOut, tokenIn);
    int256 delta = IPoolManager(poolOf(hop)).swap(
        IPoolManager.PoolKey(currency0, currency1, uint24(hop >> 160), int24(uint24(hop >> 193)), address(0)),
        IPoolManager.SwapParams(zeroForOne, -int256(amountIn), zeroForOne ? LOWEST_LIMIT : HIGHEST_LIMIT),
        ''
    );
    (int256 deltaIn, int256 deltaOut) = (int128(delta >> 128), int128(delta));
    if (!zeroForOne) (deltaIn, deltaOut) = (deltaOut, deltaIn);
    return (uint256(-deltaIn), uint256(deltaOut));
}
