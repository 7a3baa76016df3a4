// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {poolOf} from './Hops.sol';
import {IERC20, IFlashLender, IPairV2, IPoolTokens, IPoolV3, IVaultV2, IWrappedNative} from './Interfaces.sol';
import {Owned} from './Owned.sol';
import {Route} from './Route.sol';

/// Executes one cycle of swaps, or reverts: what is left of it, after premium and tip, is at least `minProfit`, and
/// goes to the owner at once.
///
/// An executor can lose nothing that lies here, whatever lender, pools and tokens it names: of the loan's token there
/// must be as much as before, and more; of any other, only what this execution was paid is spent (see Route).
contract ArbExecutor is Route {
    error NotExecutor(address caller);
    error DeadlinePassed(uint256 deadlineBlock, uint256 blockNumber);
    error AlreadyExecuted(bytes32 opportunityId);
    error InputAboveCap(address token, uint256 amount, uint256 inputCap);
    error BadRoute(uint256 words);
    error UnknownLender(uint256 lender);
    error CapitalTooSmall(uint256 held, uint256 needed);
    error NotInitiator(address initiator);
    error WrongLoan(address token, uint256 amount);
    error StandingApproval(address lender, uint256 amount);
    error TipNotNative(address token);

    event Executed(
        bytes32 indexed opportunityId,
        address indexed token,
        uint256 amountIn,
        uint256 premium,
        uint256 tip,
        uint256 profit
    );

    /// A lender is one word: address (bits 0-159), kind (160-167), and of a pair its fee in pips (168-191). A loan is
    /// encoded as lender, token, amount, hops.
    uint256 private constant OWN = 0;
    uint256 private constant AAVE_V3 = 1;
    uint256 private constant BALANCER_V2 = 2;
    uint256 private constant UNISWAP_V3 = 3;
    uint256 private constant UNISWAP_V2 = ON_PAIR;

    /// Wrapped native token. In storage, so that the code is the same wherever it is deployed.
    address public weth;
    /// 22,100 gas a trade: the price of "at most one successful execution, however often it is delivered".
    mapping(bytes32 => bool) public executed;

    uint256 private transient loanPremium;

    constructor(
        address owner_,
        address weth_,
        address[] memory executors,
        address[] memory tokens,
        uint256[] memory inputCaps
    ) Owned(owner_, executors, tokens, inputCaps) {
        weth = weth_;
    }

    /// @param deadlineBlock last block in which it may run; 0 never runs
    /// @param lender see above; where its address is the first hop's, the route pays for itself, and nobody lends
    /// @param amount the loan, raw units of `token`; the first hop sells it and the last one buys it back
    /// @param minProfit raw units of `token` that must be left after premium and tip
    /// @param tip wei to the block's builder, out of this trade's profit; only where `token` wraps the native one
    /// @return profit what the owner was sent, before gas
    function execute(
        bytes32 opportunityId,
        uint256 deadlineBlock,
        uint256 lender,
        address token,
        uint256 amount,
        uint256 minProfit,
        uint256 tip,
        uint256[] calldata hops
    ) external returns (uint256 profit) {
        _begin(opportunityId, deadlineBlock, token, amount, hops);
        uint256 before = _balance(token);
        (balanceBefore, profitFloor) = (before, minProfit + tip);

        if (address(uint160(lender)) == poolOf(hops[0])) _walk(hops, token, amount, false, false);
        else if (_lenderKind(lender) == OWN) {
            if (before < amount) revert CapitalTooSmall(before, amount);
            _walk(hops, token, amount, false, true);
        } else _borrow(lender, token, amount, hops);

        profit = _requireProfit(_balance(token), before) - tip;
        if (tip != 0) _tip(token, tip);
        if (profit != 0) _send(token, owner, profit);
        emit Executed(opportunityId, token, amount, loanPremium, tip, profit);
        (running, loanPremium) = (0, 0);
    }

    function _begin(
        bytes32 opportunityId,
        uint256 deadlineBlock,
        address token,
        uint256 amount,
        uint256[] calldata hops
    ) private {
        if (!isExecutor[msg.sender]) revert NotExecutor(msg.sender);
        if (running != 0) revert Reentered();
        running = 1;
        if (block.number > deadlineBlock) revert DeadlinePassed(deadlineBlock, block.number);
        if (executed[opportunityId]) revert AlreadyExecuted(opportunityId);
        executed[opportunityId] = true;
        uint256 cap = inputCap[token];
        if (cap == 0 || amount > cap) revert InputAboveCap(token, amount, cap);
        if (hops.length < 4 || hops.length > 8 || hops.length % 2 != 0) revert BadRoute(hops.length);
    }

    function _borrow(uint256 lender, address token, uint256 amount, uint256[] calldata hops) private {
        address source = address(uint160(lender));
        uint256 kind = _lenderKind(lender);
        bytes memory input = abi.encode(lender, token, amount, hops);
        _arm(source, kind, input);
        if (kind == AAVE_V3) {
            IFlashLender(source).flashLoanSimple(address(this), token, amount, input, 0);
            uint256 standing = IERC20(token).allowance(address(this), source);
            if (standing != 0) revert StandingApproval(source, standing);
        } else if (kind == BALANCER_V2) {
            (address[] memory tokens, uint256[] memory amounts) = (new address[](1), new uint256[](1));
            (tokens[0], amounts[0]) = (token, amount);
            IVaultV2(source).flashLoan(address(this), tokens, amounts, input);
        } else if (kind == UNISWAP_V3 || kind == UNISWAP_V2) {
            bool first = IPoolTokens(source).token0() == token;
            (uint256 amount0, uint256 amount1) = first ? (amount, uint256(0)) : (0, amount);
            if (kind == UNISWAP_V3) IPoolV3(source).flash(address(this), amount0, amount1, input);
            else IPairV2(source).swap(amount0, amount1, address(this), input);
        } else revert UnknownLender(lender);
        _requireCalled(source);
    }

    /// Aave V3: takes loan and premium itself, exactly, when this returns.
    function executeOperation(
        address asset,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata input
    ) external returns (bool) {
        _disarm(AAVE_V3, input);
        if (initiator != address(this)) revert NotInitiator(initiator);
        uint256 owed = _useLoan(asset, amount, premium, input);
        // Said here with its figures: the lender would only say that it could not take its money.
        _requireProfit(_balance(asset), balanceBefore + owed);
        if (!_called(asset, abi.encodeCall(IERC20.approve, (msg.sender, owed)))) revert TokenRefused(asset);
        return true;
    }

    /// Balancer V2.
    function receiveFlashLoan(
        address[] calldata tokens,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata input
    ) external {
        _disarm(BALANCER_V2, input);
        if (tokens.length != 1) revert WrongLoan(address(0), tokens.length);
        _send(tokens[0], msg.sender, _useLoan(tokens[0], amounts[0], fees[0], input));
    }

    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata input) external {
        _onFlash(fee0 + fee1, input);
    }

    function pancakeV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata input) external {
        _onFlash(fee0 + fee1, input);
    }

    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata input) external {
        _onPair(sender, amount0 + amount1, input);
    }

    function pancakeCall(address sender, uint256 amount0, uint256 amount1, bytes calldata input) external {
        _onPair(sender, amount0 + amount1, input);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata input) external {
        _onPool(amount0, amount1, input);
    }

    function pancakeV3SwapCallback(int256 amount0, int256 amount1, bytes calldata input) external {
        _onPool(amount0, amount1, input);
    }

    /// Uniswap V4.
    function unlockCallback(bytes calldata input) external returns (bytes memory) {
        _disarm(ON_UNLOCK, input);
        (Leg memory leg, uint256[] calldata hops) = _openLeg(input);
        _inManager(msg.sender, hops, leg);
        return '';
    }

    function _onFlash(uint256 fee, bytes calldata input) private {
        _disarm(UNISWAP_V3, input);
        (, address token, uint256 amount) = abi.decode(input, (uint256, address, uint256));
        _send(token, msg.sender, _useLoan(token, amount, fee, input));
    }

    /// A pair that lends, or the last pair of a leg that pays before it is paid.
    function _onPair(address sender, uint256 amount, bytes calldata input) private {
        if (sender != address(this)) revert NotInitiator(sender);
        _disarm(ON_PAIR, input);
        // The first word is a lender, of kind UNISWAP_V2, or a leg's token.
        uint256 lender = abi.decode(input, (uint256));
        if (_lenderKind(lender) != UNISWAP_V2) {
            (Leg memory leg, uint256[] calldata hops) = _openLeg(input);
            return _pay(hops, leg, msg.sender);
        }
        address token = abi.decode(input[0x20:], (address));
        // The fee is taken off what comes back: amount / (1 - fee), rounded up.
        uint256 fee = (lender >> 168) & 0xffffff;
        uint256 premium = (amount * fee + 999_999 - fee) / (1e6 - fee);
        _send(token, msg.sender, _useLoan(token, amount, premium, input));
    }

    /// @return loan and premium
    function _useLoan(address token, uint256 amount, uint256 premium, bytes calldata input) private returns (uint256) {
        (, address wanted, uint256 loan) = abi.decode(input, (uint256, address, uint256));
        if (token != wanted || amount != loan) revert WrongLoan(token, amount);
        loanPremium = premium;
        _walk(_hopsAt(input, 0x80), token, amount, false, true);
        return amount + premium;
    }

    function _tip(address token, uint256 amount) private {
        if (token != weth) revert TipNotNative(token);
        IWrappedNative(token).withdraw(amount);
        _sendNative(block.coinbase, amount);
    }

    function _lenderKind(uint256 lender) private pure returns (uint256) {
        return (lender >> 160) & 0xff;
    }

    /// What is unwrapped for a tip.
    receive() external payable {
        if (msg.sender != weth) revert NotArmed(msg.sender);
    }
}
