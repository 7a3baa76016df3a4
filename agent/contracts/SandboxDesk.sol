// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20, IFlashLender, IPairV2, IPoolV3, IWrappedNative} from './Interfaces.sol';

/// Names a pool of Uniswap V4; its id is the hash of this.
struct MarketKey {
    address currency0;
    address currency1;
    uint24 fee;
    int24 tickSpacing;
    address hooks;
}

struct PositionChange {
    int24 tickLower;
    int24 tickUpper;
    int256 liquidityDelta;
    bytes32 salt;
}

struct SwapOrder {
    bool zeroForOne;
    /// Below zero: what goes in.
    int256 amountSpecified;
    uint160 sqrtPriceLimitX96;
}

/// What the desk calls of Uniswap V4's manager. A delta holds amount0 above and amount1 below; below zero is owed to it.
interface IMarketManager {
    function unlock(bytes calldata input) external returns (bytes memory);
    function modifyLiquidity(
        MarketKey calldata key,
        PositionChange calldata change,
        bytes calldata hookInput
    ) external returns (int256 delta, int256 feesAccrued);
    function swap(
        MarketKey calldata key,
        SwapOrder calldata order,
        bytes calldata hookInput
    ) external returns (int256 delta);
    function sync(address currency) external;
    function settle() external payable returns (uint256 paid);
    function take(address currency, address to, uint256 amount) external;
    function extsload(bytes32 slot) external view returns (bytes32 value);
}

/// The other side of the practice market: provides all liquidity and trades. Holds play money; never deploy it elsewhere.
contract SandboxDesk {
    error NotOperator(address caller);
    error NotArmed(address caller);

    uint256 private constant Q96 = 1 << 96;
    /// Where the manager keeps the mapping from id to pool; a pool's first word ends with its price.
    uint256 private constant POOLS_SLOT = 6;

    address private immutable operator;
    address private transient armedPool;
    /// V4's pools by id, and the manager that holds them all.
    mapping(bytes32 => MarketKey) private keys;
    IMarketManager private manager;

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

    function give(address to, address token, uint256 amount) external onlyOperator {
        IERC20(token).transfer(to, amount);
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

    /// From now on `trade` knows the pool by its id.
    function fillMarket(
        IMarketManager manager_,
        MarketKey calldata key,
        PositionChange[] calldata positions
    ) external onlyOperator {
        (manager, keys[keccak256(abi.encode(key))]) = (manager_, key);
        for (uint256 i = 0; i < positions.length; i++) {
            _unlock(abi.encodeCall(IMarketManager.modifyLiquidity, (key, positions[i], '')));
        }
    }

    /// Moves each market to a price. An order is one word: pool (bits 0-159) and kind (160-167: 2 or 3), or the id of a
    /// pool of V4, whose higher bits no address has; beside it in `targets` the square root of the price, Q64.96. A market
    /// that is there already is left alone.
    function trade(uint256[] calldata orders, uint160[] calldata targets) external onlyOperator {
        for (uint256 i = 0; i < orders.length; i++) {
            address market = address(uint160(orders[i]));
            uint256 kind = orders[i] >> 160;
            if (kind == 2) _movePair(IPairV2(market), targets[i]);
            else if (kind == 3) _movePool(IPoolV3(market), targets[i]);
            else _moveMarket(bytes32(orders[i]), targets[i]);
        }
    }

    function _moveMarket(bytes32 id, uint160 target) private {
        uint160 sqrtPriceX96 = uint160(uint256(manager.extsload(keccak256(abi.encode(id, POOLS_SLOT)))));
        if (sqrtPriceX96 == target) return;
        SwapOrder memory order = SwapOrder(target < sqrtPriceX96, -int256(type(int128).max), target);
        _unlock(abi.encodeCall(IMarketManager.swap, (keys[id], order, '')));
    }

    /// What the manager is asked while it is unlocked is handed through it; its first argument is a key.
    function _unlock(bytes memory request) private {
        armedPool = address(manager);
        manager.unlock(request);
        armedPool = address(0);
    }

    /// Asks, then pays and takes what the answer's first word says.
    function unlockCallback(bytes calldata request) external returns (bytes memory) {
        if (msg.sender != armedPool) revert NotArmed(msg.sender);
        (bool ok, bytes memory answer) = msg.sender.call(request);
        if (!ok) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
        (address currency0, address currency1) = abi.decode(request[4:], (address, address));
        int256 delta = int256(uint256(bytes32(answer)));
        _balance(currency0, delta >> 128);
        _balance(currency1, int128(delta));
        return '';
    }

    function _balance(address currency, int256 delta) private {
        if (delta > 0) manager.take(currency, address(this), uint256(delta));
        if (delta >= 0) return;
        manager.sync(currency);
        IERC20(currency).transfer(address(manager), uint256(-delta));
        manager.settle();
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
