// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20, IPairV2, IPoolManager, IPoolV3, IWrappedNative} from './Interfaces.sol';

/// Trades a route with play money and tells what every token on it really does. Never deployed: agent/dex/trade/probe.ts puts
/// this code for the length of one eth_call at ArbExecutor's address (so that tokens and pools see who will trade), at a
/// friend's, and at an address that holds what the route begins with. So nobody has to be kept out of it.
contract TokenProbe {
    /// Something refused. `reason`: what it reverted with.
    error Refused(uint256 stage, address token, bytes reason);
    /// A pool got something else than it was owed, and would stop at that.
    error Uneven(uint256 stage, address token, uint256 said, uint256 got);

    uint256 private constant FUND = 0;
    uint256 private constant BUY = 1;
    uint256 private constant SEND_ON = 2;
    uint256 private constant SEND_BACK = 3;
    uint256 private constant SELL = 4;
    /// The amount that was said, what its sender lost and its receiver gained; of each of four transfers.
    uint256 private constant FIGURES = 12;
    /// Where they are kept: the storage is ArbExecutor's, and used near 0 and where hashes point.
    uint256 private constant FIGURES_AT = 1 << 128;
    uint160 private constant MIN_SQRT_PRICE_LIMIT = 4295128740;
    uint160 private constant MAX_SQRT_PRICE_LIMIT = 1461446703485210103287273052203988822378723970341;


    /// @param funder who holds the first token and has this code too; 0: it is wrapped from the native balance
    /// @param amount to begin with; a funder gives half of what it has at most
    /// @param tokens of the route, the first one again at its end
    /// @param hops a word each: venue (bits 0-159: pair, pool or V4's manager), fee in pips (160-183), kind (184-191),
    ///   tick spacing (192-215)
    /// @return told of each token between the first hop and the last: bought, sent on, sent back, sold
    function probe(
        address funder,
        address friend,
        uint256 amount,
        address[] calldata tokens,
        uint256[] calldata hops
    ) external payable returns (uint256[] memory told) {
        amount = _fund(tokens[0], funder, amount);
        for (uint256 i = 0; i < hops.length; i++) {
            (uint256 said, uint256 lost, uint256 got) = _swap(hops[i], tokens[i], tokens[i + 1], amount);
            if (i == hops.length - 1) break;
            _note(said, lost, got);
            amount = _measured(SEND_ON, tokens[i + 1], address(this), friend, got);
            amount = _measured(SEND_BACK, tokens[i + 1], friend, address(this), amount);
        }
        return _figures();
    }

    /// Of a funder and a friend.
    function give(address token, address to, uint256 amount) external {
        (bool ok, bytes memory output) = token.call(abi.encodeCall(IERC20.transfer, (to, amount)));
        if (!ok) _bubble(output);
        require(output.length == 0 || abi.decode(output, (bool)), 'it returned false');
    }

    function _figures() private pure returns (uint256[] storage list) {
        assembly ('memory-safe') {
            list.slot := FIGURES_AT
        }
    }

    function _note(uint256 said, uint256 lost, uint256 got) private {
        uint256[] storage list = _figures();
        list.push(said);
        list.push(lost);
        list.push(got);
    }

    function _balance(address token, address holder) private view returns (uint256) {
        return IERC20(token).balanceOf(holder);
    }

    function _fund(address token, address funder, uint256 amount) private returns (uint256 got) {
        if (funder == address(0)) {
            IWrappedNative(token).deposit{value: amount}();
            return amount;
        }
        uint256 half = _balance(token, funder) / 2;
        (, got) = _send(FUND, token, funder, address(this), amount < half ? amount : half);
    }

    function _measured(uint256 stage, address token, address from, address to, uint256 amount) private returns (uint256) {
        (uint256 lost, uint256 got) = _send(stage, token, from, to, amount);
        _note(amount, lost, got);
        return got;
    }

    /// @param from this contract, or one that has its code
    function _send(
        uint256 stage,
        address token,
        address from,
        address to,
        uint256 amount
    ) private returns (uint256 lost, uint256 got) {
        uint256 had = _balance(token, from);
        uint256 held = _balance(token, to);
        try TokenProbe(from).give(token, to, amount) {} catch (bytes memory reason) {
            revert Refused(stage, token, reason);
        }
        return (_less(had, _balance(token, from)), _less(_balance(token, to), held));
    }

    function _less(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : 0;
    }

    function _swap(
        uint256 hop,
        address tokenIn,
        address tokenOut,
        uint256 amount
    ) private returns (uint256 said, uint256 lost, uint256 got) {
        address venue = address(uint160(hop));
        uint256 had = _balance(tokenOut, venue);
        uint256 held = _balance(tokenOut, address(this));
        said = _kind(hop) == 2 ? _sellToPair(hop, tokenIn, tokenOut, amount) : _sellToPool(hop, tokenIn, tokenOut, amount);
        return (said, _less(had, _balance(tokenOut, venue)), _less(_balance(tokenOut, address(this)), held));
    }

    function _kind(uint256 hop) private pure returns (uint256) {
        return (hop >> 184) & 0xff;
    }

    function _fee(uint256 hop) private pure returns (uint24) {
        return uint24(hop >> 160);
    }

    function _sellToPair(uint256 hop, address tokenIn, address tokenOut, uint256 amount) private returns (uint256 amountOut) {
        IPairV2 pair = IPairV2(address(uint160(hop)));
        (uint256 reserveIn, uint256 reserveOut, ) = pair.getReserves();
        bool zeroForOne = tokenIn < tokenOut;
        if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        _sell(tokenIn, address(pair), amount);
        uint256 afterFee = _less(_balance(tokenIn, address(pair)), reserveIn) * (1e6 - _fee(hop));
        amountOut = (afterFee * reserveOut) / (reserveIn * 1e6 + afterFee);
        try pair.swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, address(this), '') {} catch (bytes memory reason) {
            revert Refused(BUY, tokenOut, reason);
        }
    }

    function _sellToPool(uint256 hop, address tokenIn, address tokenOut, uint256 amount) private returns (uint256) {
        bool zeroForOne = tokenIn < tokenOut;
        bytes memory order = abi.encode(hop, tokenIn, tokenOut, amount);
        (bool ok, bytes memory output) = address(uint160(hop)).call(
            _kind(hop) == 3
                ? abi.encodeCall(IPoolV3.swap, (address(this), zeroForOne, int256(amount), _limit(zeroForOne), order))
                : abi.encodeCall(IPoolManager.unlock, (order))
        );
        if (!ok) _blame(tokenOut, output);
        if (_kind(hop) != 3) return abi.decode(abi.decode(output, (bytes)), (uint256));
        (int256 amount0, int256 amount1) = abi.decode(output, (int256, int256));
        return uint256(-(zeroForOne ? amount1 : amount0));
    }

    function _limit(bool zeroForOne) private pure returns (uint160) {
        return zeroForOne ? MIN_SQRT_PRICE_LIMIT : MAX_SQRT_PRICE_LIMIT;
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata order) external {
        (, address tokenIn) = abi.decode(order, (uint256, address));
        _payOwed(tokenIn, uint256(amount0 > 0 ? amount0 : amount1));
    }

    function unlockCallback(bytes calldata order) external returns (bytes memory) {
        (uint256 hop, address tokenIn, address tokenOut, uint256 amount) = abi.decode(order, (uint256, address, address, uint256));
        bool zeroForOne = tokenIn < tokenOut;
        (address currency0, address currency1) = zeroForOne ? (tokenIn, tokenOut) : (tokenOut, tokenIn);
        IPoolManager manager = IPoolManager(msg.sender);
        int256 delta = manager.swap(
            IPoolManager.PoolKey(currency0, currency1, _fee(hop), int24(uint24(hop >> 192)), address(0)),
            IPoolManager.SwapParams(zeroForOne, -int256(amount), _limit(zeroForOne)),
            ''
        );
        (int128 owed, int128 due) = (int128(delta >> 128), int128(delta));
        if (!zeroForOne) (owed, due) = (due, owed);
        uint256 out = uint256(int256(due));
        manager.take(tokenOut, address(this), out);
        manager.sync(tokenIn);
        _payOwed(tokenIn, uint256(-int256(owed)));
        manager.settle();
        return abi.encode(out);
    }

    /// A token that was bought before is measured; the first of the route is not.
    function _sell(address token, address venue, uint256 amount) private returns (uint256 got) {
        if (_figures().length % FIGURES != 0) return _measured(SELL, token, address(this), venue, amount);
        (, got) = _send(SELL, token, address(this), venue, amount);
    }

    function _payOwed(address token, uint256 owed) private {
        uint256 got = _sell(token, msg.sender, owed);
        if (got != owed) revert Uneven(SELL, token, owed, got);
    }

    /// What our own callback found goes up as it is; anything else is the pool not handing out what was bought.
    function _blame(address tokenOut, bytes memory reason) private pure {
        bytes4 selector = bytes4(reason);
        if (selector == Refused.selector || selector == Uneven.selector) _bubble(reason);
        revert Refused(BUY, tokenOut, reason);
    }

    function _bubble(bytes memory reason) private pure {
        assembly ('memory-safe') {
            revert(add(reason, 32), mload(reason))
        }
    }
}
