// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20, IFlashLender, IPoolTokens, IPairV2, IPoolV3} from './Interfaces.sol';

/// Executes one cycle of swaps on a flash loan, or reverts: what it leaves behind is at least `minProfit`.
///
/// The owner (cold) names the executors (hot) and alone takes what is earned; profit stays here until `sweep`.
/// An executor can lose nothing that lies here: what is spent on a hop is only what this execution was lent or paid,
/// and the loan token's balance is measured before the loan and after its repayment.
///
/// A hop is one word: pool (bits 0-159), fee in pips (160-183), kind (184-191: 2 pair, 3 pool), zeroForOne (bit 192).
/// Tokens are read from the pool. A pair's output is computed here, from its reserves, and not handed in: it costs some
/// 700 gas a hop more and lets a plan that is a block old still pay what it can; what it must pay is `minProfit`.
contract ArbExecutor {
    error NotOwner(address caller);
    error NotPendingOwner(address caller);
    error NotExecutor(address caller);
    error DeadlinePassed(uint256 deadlineBlock, uint256 blockNumber);
    error AlreadyExecuted(bytes32 opportunityId);
    error Reentered();
    /// A callback from an address that this execution did not arm.
    error NotArmed(address caller);
    error NotInitiator(address initiator);
    error WrongLoan(address token, uint256 amount);
    /// `gained` is what would be kept after the premium; negative is a loss.
    error ProfitBelowFloor(int256 gained, uint256 floor);
    error PartialFill(address pool, uint256 taken, uint256 offered);
    error UnknownHop(uint256 hop);
    error TokenRefused(address token);
    error StandingApproval(address lender, uint256 amount);

    event Executed(
        bytes32 indexed opportunityId,
        address indexed token,
        uint256 amountIn,
        uint256 premium,
        uint256 profit
    );
    event ExecutorSet(address indexed executor, bool allowed);
    event OwnershipOffered(address indexed from, address indexed to);
    event OwnershipTaken(address indexed by);
    event Swept(address indexed token, uint256 amount);

    uint256 private constant KIND_V2 = 2;
    uint256 private constant KIND_V3 = 3;
    uint160 private constant MIN_SQRT_PRICE_LIMIT = 4295128740;
    uint160 private constant MAX_SQRT_PRICE_LIMIT = 1461446703485210103287273052203988822378723970341;

    address public owner;
    address public pendingOwner;
    mapping(address => bool) public isExecutor;
    /// 22,100 gas a trade, which is what "at most one successful execution, however often it is delivered" costs.
    mapping(bytes32 => bool) public executed;

    /// Who may call back, and on what terms; zero outside an execution.
    address private transient armedLender;
    address private transient loanToken;
    uint256 private transient loanAmount;
    uint256 private transient loanPremium;
    uint256 private transient balanceBefore;
    uint256 private transient profitFloor;
    address private transient armedPool;
    address private transient payToken;
    uint256 private transient payAmount;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(address owner_, address[] memory executors) {
        owner = owner_;
        emit OwnershipTaken(owner_);
        for (uint256 i = 0; i < executors.length; i++) {
            isExecutor[executors[i]] = true;
            emit ExecutorSet(executors[i], true);
        }
    }

    /// @param deadlineBlock last block in which it may run; 0 never runs
    /// @param amount the loan, raw units of `token`; the first hop sells it and the last one buys it back
    /// @param minProfit raw units of `token` that must be kept after the premium
    /// @return profit what was kept, before gas
    function execute(
        bytes32 opportunityId,
        uint256 deadlineBlock,
        address lender,
        address token,
        uint256 amount,
        uint256 minProfit,
        uint256[] calldata hops
    ) external returns (uint256 profit) {
        if (!isExecutor[msg.sender]) revert NotExecutor(msg.sender);
        if (armedLender != address(0)) revert Reentered();
        if (block.number > deadlineBlock) revert DeadlinePassed(deadlineBlock, block.number);
        if (executed[opportunityId]) revert AlreadyExecuted(opportunityId);
        executed[opportunityId] = true;

        uint256 before = IERC20(token).balanceOf(address(this));
        (armedLender, loanToken, loanAmount) = (lender, token, amount);
        (balanceBefore, profitFloor) = (before, minProfit);
        IFlashLender(lender).flashLoanSimple(address(this), token, amount, abi.encode(hops), 0);
        armedLender = address(0);

        uint256 standing = IERC20(token).allowance(address(this), lender);
        if (standing != 0) revert StandingApproval(lender, standing);
        profit = _requireProfit(IERC20(token).balanceOf(address(this)), before, minProfit);
        emit Executed(opportunityId, token, amount, loanPremium, profit);
    }

    /// The lender's callback: runs the hops, then lets the lender take loan and premium, exactly.
    function executeOperation(
        address asset,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata params
    ) external returns (bool) {
        if (msg.sender != armedLender) revert NotArmed(msg.sender);
        if (initiator != address(this)) revert NotInitiator(initiator);
        if (asset != loanToken || amount != loanAmount) revert WrongLoan(asset, amount);
        loanToken = address(0); // one callback an execution
        loanPremium = premium;
        _swapAll(asset, amount, abi.decode(params, (uint256[])));
        // Said here with its figures: the lender would only say that it could not take its money.
        _requireProfit(IERC20(asset).balanceOf(address(this)), balanceBefore + amount + premium, profitFloor);
        _call(asset, abi.encodeCall(IERC20.approve, (msg.sender, amount + premium)));
        return true;
    }

    /// The V3 pool's callback: pays the hop's input, once.
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata) external {
        if (msg.sender != armedPool) revert NotArmed(msg.sender);
        armedPool = address(0);
        uint256 owed = uint256(amount0Delta > 0 ? amount0Delta : amount1Delta);
        if (owed != payAmount) revert PartialFill(msg.sender, owed, payAmount);
        _call(payToken, abi.encodeCall(IERC20.transfer, (msg.sender, owed)));
    }

    function _swapAll(address tokenIn, uint256 amountIn, uint256[] memory hops) private {
        if (_kind(hops[0]) == KIND_V2) _call(tokenIn, abi.encodeCall(IERC20.transfer, (address(uint160(hops[0])), amountIn)));
        uint256 last = hops.length - 1;
        for (uint256 i = 0; i <= last; i++) {
            uint256 hop = hops[i];
            bool zeroForOne = (hop >> 192) & 1 == 1;
            address tokenOut = zeroForOne ? IPoolTokens(address(uint160(hop))).token1() : IPoolTokens(address(uint160(hop))).token0();
            // A pair is paid before it swaps, so what it is to sell is sent to it at once.
            address to = i < last && _kind(hops[i + 1]) == KIND_V2 ? address(uint160(hops[i + 1])) : address(this);
            bool measured = i < last && to == address(this);
            uint256 held = measured ? IERC20(tokenOut).balanceOf(to) : 0;

            if (_kind(hop) == KIND_V2) _swapV2(hop, zeroForOne, tokenIn, to);
            else if (_kind(hop) == KIND_V3) _swapV3(address(uint160(hop)), zeroForOne, tokenIn, amountIn, to);
            else revert UnknownHop(hop);

            if (measured) amountIn = IERC20(tokenOut).balanceOf(to) - held;
            tokenIn = tokenOut;
        }
    }

    /// Sells what the pair holds above its reserve. Constant product: out = in·γ·R / (r + in·γ), rounded down.
    function _swapV2(uint256 hop, bool zeroForOne, address tokenIn, address to) private {
        IPairV2 pair = IPairV2(address(uint160(hop)));
        (uint256 reserveIn, uint256 reserveOut, ) = pair.getReserves();
        if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 afterFee = (IERC20(tokenIn).balanceOf(address(pair)) - reserveIn) * (1e6 - ((hop >> 160) & 0xffffff));
        uint256 amountOut = (afterFee * reserveOut) / (reserveIn * 1e6 + afterFee);
        pair.swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, to, '');
    }

    function _swapV3(address pool, bool zeroForOne, address tokenIn, uint256 amountIn, address to) private {
        (armedPool, payToken, payAmount) = (pool, tokenIn, amountIn);
        IPoolV3(pool).swap(to, zeroForOne, int256(amountIn), zeroForOne ? MIN_SQRT_PRICE_LIMIT : MAX_SQRT_PRICE_LIMIT, '');
        armedPool = address(0);
    }

    function _kind(uint256 hop) private pure returns (uint256) {
        return (hop >> 184) & 0xff;
    }

    function _requireProfit(uint256 balance, uint256 base, uint256 floor) private pure returns (uint256) {
        if (balance < base || balance - base < floor) revert ProfitBelowFloor(int256(balance) - int256(base), floor);
        return balance - base;
    }

    /// Tokens that return nothing and tokens that return true are both content.
    function _call(address token, bytes memory input) private {
        (bool ok, bytes memory output) = token.call(input);
        if (!ok || (output.length != 0 && !abi.decode(output, (bool)))) revert TokenRefused(token);
    }

    function setExecutor(address executor, bool allowed) external onlyOwner {
        isExecutor[executor] = allowed;
        emit ExecutorSet(executor, allowed);
    }

    /// Sends what was earned to the owner, and to nobody else.
    function sweep(address token) external onlyOwner {
        if (armedLender != address(0)) revert Reentered();
        uint256 amount = IERC20(token).balanceOf(address(this));
        _call(token, abi.encodeCall(IERC20.transfer, (owner, amount)));
        emit Swept(token, amount);
    }

    function offerOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipOffered(owner, to);
    }

    function takeOwnership() external {
        if (msg.sender != pendingOwner) revert NotPendingOwner(msg.sender);
        (owner, pendingOwner) = (msg.sender, address(0));
        emit OwnershipTaken(msg.sender);
    }
}
