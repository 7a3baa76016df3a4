// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20, IFlashLender, IPairV2, IPoolV3, IWrappedNative} from './Interfaces.sol';

/// The other side of the practice market: provides all liquidity and trades. Holds play money; never deploy it elsewhere.
contract SandboxDesk {
    error NotOperator(address caller);
    error NotArmed(address caller);

    uint256 private constant Q96 = 1 << 96;

    address private immutable operator;
    address private transient armedPool;

    modifier onlyOperator() {
        if (msg.sender != operator) revert NotOperator(msg.sender);
        _;
    }

    constructor(address operator_) {
        operator = operator_;
    }

    function wrap(address weth) external payable onlyOperator {
        IWrappedNative(weth).deposit{value: msg.value}();
    }

    function lend(address lender, address token, uint256 amount) external onlyOperator {
        IERC20(token).approve(lender, amount);
        IFlashLender(lender).supply(token, amount, address(this), 0);
    }

    function fillPair(address pair, uint256 amount0, uint256 amount1) external onlyOperator {
        IERC20(IPairV2(pair).token0()).transfer(pair, amount0);
        IERC20(IPairV2(pair).token1()).transfer(pair, amount1);
        IPairV2(pair).mint(address(this));
    }

    function fillPool(address pool, int24 tickLower, int24 tickUpper, uint128 liquidity) external onlyOperator {
        armedPool = pool;
        IPoolV3(pool).mint(address(this), tickLower, tickUpper, liquidity, '');
        armedPool = address(0);
    }

    /// Moves each market to a price. An order is one word: pool (bits 0-159), kind (160-167: 2 or 3), and beside it in
    /// `targets` the square root of the price, Q64.96. A market that is there already is left alone.
    function trade(uint256[] calldata orders, uint160[] calldata targets) external onlyOperator {
        for (uint256 i = 0; i < orders.length; i++) {
            address market = address(uint160(orders[i]));
            if ((orders[i] >> 160) & 0xff == 2) _movePair(IPairV2(market), targets[i]);
            else _movePool(IPoolV3(market), targets[i]);
        }
    }

    function _movePool(IPoolV3 pool, uint160 target) private {
        (uint160 sqrtPriceX96, , , , , , ) = pool.slot0();
        if (sqrtPriceX96 == target) return;
        armedPool = address(pool);
        pool.swap(address(this), target < sqrtPriceX96, type(int128).max, target, '');
        armedPool = address(0);
    }

    /// Reserves on the same k whose ratio is the target: r0 = √k / √p, r1 = √k · √p. The fee stays in the pair.
    function _movePair(IPairV2 pair, uint256 target) private {
        (uint256 reserve0, uint256 reserve1, ) = pair.getReserves();
        uint256 rootK = _sqrt(reserve0 * reserve1);
        uint256 want0 = (rootK * Q96) / target;
        uint256 want1 = (rootK * target) / Q96;
        if (want0 > reserve0) _sell(pair, pair.token0(), want0 - reserve0, reserve0, reserve1, true);
        else if (want1 > reserve1) _sell(pair, pair.token1(), want1 - reserve1, reserve1, reserve0, false);
    }

    function _sell(
        IPairV2 pair,
        address tokenIn,
        uint256 amountIn,
        uint256 reserveIn,
        uint256 reserveOut,
        bool zeroForOne
    ) private {
        uint256 amountOut = (amountIn * 997 * reserveOut) / (reserveIn * 1000 + amountIn * 997);
        if (amountOut == 0) return;
        IERC20(tokenIn).transfer(address(pair), amountIn);
        pair.swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, address(this), '');
    }

    function uniswapV3MintCallback(uint256 amount0Owed, uint256 amount1Owed, bytes calldata) external {
        _pay(int256(amount0Owed), int256(amount1Owed));
    }

    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata) external {
        _pay(amount0Delta, amount1Delta);
    }

    function _pay(int256 amount0, int256 amount1) private {
        if (msg.sender != armedPool) revert NotArmed(msg.sender);
        if (amount0 > 0) IERC20(IPoolV3(msg.sender).token0()).transfer(msg.sender, uint256(amount0));
        if (amount1 > 0) IERC20(IPoolV3(msg.sender).token1()).transfer(msg.sender, uint256(amount1));
    }

    /// Newton from above: starts at a power of two that is not below the root.
    function _sqrt(uint256 value) private pure returns (uint256 root) {
        if (value == 0) return 0;
        uint256 bits = 0;
        for (uint256 rest = value; rest > 0; rest >>= 8) bits += 8;
        root = 1 << (bits / 2);
        for (;;) {
            uint256 next = (root + value / root) / 2;
            if (next >= root) return root;
            root = next;
        }
    }
}
