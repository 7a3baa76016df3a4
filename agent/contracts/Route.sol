// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    PAIR, POOL, MANAGED, poolOf, tokenOf, kindOf, isManagedBy, pairOut, swapPair, swapPool, swapManaged
} from './Hops.sol';
import {IERC20, IPoolManager} from './Interfaces.sol';
import {Owned} from './Owned.sol';

/// Walks a route of swaps (Hops.sol says how one is written) in such a way that nothing lies here longer than it must.
///
/// What a pair will pay can be computed before it is paid. So a route is walked leg by leg: the pairs at the front are
/// computed, the pool behind them is called first, and out of its callback, after the rest of the route has run there,
/// it is paid: through those pairs, straight from one to the next. A leg thereby needs no funds of its own: the first
/// leg's input is paid when the last hop's output has come.
///
/// Whatever lies here of a token that a route only passes through is safe from every pool on it: what a hop spends is
/// what came in while the pool before it was called, measured, or goes from pool to pool directly.
abstract contract Route is Owned {
    /// A callback that this execution did not arm: from another address, of another kind, with other input, or again.
    error NotArmed(address caller);
    error NoCallback(address pool);
    error PartialFill(address pool, uint256 taken, uint256 offered);
    error UnknownHop(uint256 hop);
    /// `gained` is what would be kept after the premium; negative is a loss. `floor` is the least profit and the tip.
    error ProfitBelowFloor(int256 gained, uint256 floor);

    struct Leg {
        /// Goes into the first hop.
        address tokenIn;
        /// Whether the first hop, a pair, holds its input already.
        bool paid;
        /// The hop whose pool is called; those before it are pairs.
        uint256 at;
        /// What lay here of the token that this pool pays out, before it was called.
        uint256 held;
        /// What goes into each hop, as far as `at`.
        uint256[4] amounts;
    }
    /// Where, in an encoded leg, the length of its hops stands.
    uint256 private constant HOPS_OF_LEG = 0x120;

    /// Kinds of callback, after the kinds of lender (ArbExecutor), of which a pair is one. Only the armed kind gets in:
    /// a lender that is paid by transfer could else come for an approval, and keep it.
    uint256 internal constant ON_PAIR = 4;
    uint256 internal constant ON_POOL = 5;
    uint256 internal constant ON_UNLOCK = 6;

    /// Hash of the one callback that is accepted next: who calls, which kind it is, what it brings back.
    bytes32 private transient armed;
    /// The V4 manager inside whose callback we are.
    address private transient openManager;
    uint256 internal transient balanceBefore;
    uint256 internal transient profitFloor;

    /// @param amountIn of `tokenIn`, raw units
    /// @param paid whether the first hop is a pair that holds it already
    /// @param funded whether it lies here; if not, the route pays for itself
    function _walk(uint256[] calldata hops, address tokenIn, uint256 amountIn, bool paid, bool funded) internal {
        Leg memory leg;
        (leg.tokenIn, leg.paid, leg.amounts[0]) = (tokenIn, paid, amountIn);
        uint256 at = 0;
        uint256 hop = hops[0];
        while (kindOf(hop) == PAIR) {
            uint256 amountOut = pairOut(hop, leg.amounts[at]);
            leg.at = at;
            if (2 * at + 2 == hops.length) return _lastPair(hops, leg, amountOut, paid || funded);
            leg.amounts[++at] = amountOut;
            hop = hops[2 * at];
        }
        leg.at = at;
        if (kindOf(hop) == POOL) _callPool(hops, leg);
        else if (kindOf(hop) == MANAGED) _callManager(hops, leg);
        else revert UnknownHop(hop);
    }

    /// A leg of pairs alone. Without funds its last pair pays before it is paid.
    function _lastPair(uint256[] calldata hops, Leg memory leg, uint256 amountOut, bool funded) private {
        uint256 hop = hops[2 * leg.at];
        if (funded) {
            _pay(hops, leg, poolOf(hop));
            return swapPair(hop, amountOut, address(this), '');
        }
        bytes memory input = abi.encode(leg, hops);
        _arm(poolOf(hop), ON_PAIR, input);
        swapPair(hop, amountOut, address(this), input);
        _requireCalled(poolOf(hop));
    }

    function _callPool(uint256[] calldata hops, Leg memory leg) private {
        uint256 hop = hops[2 * leg.at];
        address to;
        (to, leg.held) = _receiver(hops, leg.at);
        bytes memory input = abi.encode(leg, hops);
        _arm(poolOf(hop), ON_POOL, input);
        swapPool(hop, leg.amounts[leg.at], to, input);
        _requireCalled(poolOf(hop));
    }

    /// The pool has paid; it is paid when the rest of the route has run.
    function _onPool(int256 amount0, int256 amount1, bytes calldata input) internal {
        _disarm(ON_POOL, input);
        (Leg memory leg, uint256[] calldata hops) = _openLeg(input);
        if (amount0 < 0) (amount0, amount1) = (amount1, amount0);
        _requireFilled(msg.sender, uint256(amount0), leg.amounts[leg.at]);
        _walkRest(hops, leg.at, leg.held, uint256(-amount1));
        _pay(hops, leg, msg.sender);
    }

    function _callManager(uint256[] calldata hops, Leg memory leg) private {
        address manager = poolOf(hops[2 * leg.at]);
        address outer = openManager;
        if (outer == manager) return _inManager(manager, hops, leg);
        openManager = manager;
        bytes memory input = abi.encode(leg, hops);
        _arm(manager, ON_UNLOCK, input);
        IPoolManager(manager).unlock(input);
        _requireCalled(manager);
        openManager = outer;
    }

    /// Hops of one manager that follow each other are one debt and one credit: nothing is moved between them.
    function _inManager(address manager, uint256[] calldata hops, Leg memory leg) internal {
        uint256 at = leg.at;
        address tokenIn = at == 0 ? leg.tokenIn : tokenOf(hops[2 * at - 1]);
        address token = tokenIn;
        uint256 amount = leg.amounts[at];
        for (; ; at++) {
            (uint256 spent, uint256 got) = swapManaged(hops[2 * at], token, tokenOf(hops[2 * at + 1]), amount);
            _requireFilled(manager, spent, amount);
            (token, amount) = (tokenOf(hops[2 * at + 1]), got);
            if (2 * at + 2 == hops.length || !isManagedBy(manager, hops[2 * at + 2])) break;
        }
        (address to, uint256 held) = _receiver(hops, at);
        IPoolManager(manager).take(token, to, amount);
        _walkRest(hops, at, held, amount);
        IPoolManager(manager).sync(tokenIn);
        _pay(hops, leg, manager);
        IPoolManager(manager).settle();
    }

    /// Who is to receive what hop `at` pays: the pair that comes next, or this contract; then, what lies here already.
    function _receiver(uint256[] calldata hops, uint256 at) private view returns (address to, uint256 held) {
        uint256 next = 2 * at + 2;
        if (next == hops.length) return (address(this), 0);
        if (kindOf(hops[next]) == PAIR) return (poolOf(hops[next]), 0);
        return (address(this), _balance(tokenOf(hops[next - 1])));
    }

    /// @param got what hop `at` says that it paid; a pair that was paid less than that refuses to swap
    function _walkRest(uint256[] calldata hops, uint256 at, uint256 held, uint256 got) private {
        uint256 next = 2 * at + 2;
        if (next == hops.length) return;
        address token = tokenOf(hops[next - 1]);
        bool paid = kindOf(hops[next]) == PAIR;
        if (!paid) {
            uint256 balance = _balance(token);
            if (balance < held) revert TokenRefused(token);
            got = balance - held;
        }
        _walk(hops[next:], token, got, paid, true);
    }

    /// Pays the pool that was called, through the pairs before it.
    function _pay(uint256[] calldata hops, Leg memory leg, address to) internal {
        uint256 at = leg.at;
        if (!leg.paid) _send(leg.tokenIn, at == 0 ? to : poolOf(hops[0]), leg.amounts[0]);
        for (uint256 i = 0; i < at; ) {
            uint256 hop = hops[2 * i];
            i++;
            swapPair(hop, leg.amounts[i], i == at ? to : poolOf(hops[2 * i]), '');
        }
    }

    function _arm(address caller, uint256 callback, bytes memory input) internal {
        armed = keccak256(abi.encodePacked((callback << 160) | uint160(caller), input));
    }

    /// Accepts the armed callback, once.
    function _disarm(uint256 callback, bytes calldata input) internal {
        bytes32 called = keccak256(abi.encodePacked((callback << 160) | uint160(msg.sender), input));
        if (armed != called) revert NotArmed(msg.sender);
        armed = 0;
    }

    function _openLeg(bytes calldata input) internal pure returns (Leg memory leg, uint256[] calldata hops) {
        return (abi.decode(input, (Leg)), _hopsAt(input, HOPS_OF_LEG));
    }

    /// @param at where their length stands, in what this contract itself has encoded
    function _hopsAt(bytes calldata input, uint256 at) internal pure returns (uint256[] calldata hops) {
        assembly ('memory-safe') {
            hops.length := calldataload(add(input.offset, at))
            hops.offset := add(add(input.offset, at), 0x20)
        }
    }

    function _requireCalled(address pool) internal view {
        if (armed != 0) revert NoCallback(pool);
    }

    function _requireFilled(address pool, uint256 taken, uint256 offered) private pure {
        if (taken != offered) revert PartialFill(pool, taken, offered);
    }

    /// A token of which too little is here, where that is the route's own, is a loss, and is said as one.
    function _send(address token, address to, uint256 amount) internal {
        if (_called(token, abi.encodeCall(IERC20.transfer, (to, amount)))) return;
        uint256 held = _balance(token);
        if (held >= amount) revert TokenRefused(token);
        revert ProfitBelowFloor(int256(held) - int256(balanceBefore + amount), profitFloor);
    }

    /// @return gained above `base`
    function _requireProfit(uint256 balance, uint256 base) internal view returns (uint256) {
        if (balance >= base && balance - base >= profitFloor) return balance - base;
        revert ProfitBelowFloor(int256(balance) - int256(base), profitFloor);
    }

    function _balance(address token) internal view returns (uint256) {
        return IERC20(token).balanceOf(address(this));
    }
}
