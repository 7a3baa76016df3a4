// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from './Interfaces.sol';

/// Who may do what. The owner (cold) names the executors (hot), says how much of which token they may trade with, and
/// alone takes what lies here.
abstract contract Owned {
    error NotOwner(address caller);
    error NotPendingOwner(address caller);
    error NoOwner();
    error UnequalLists(uint256 tokens, uint256 inputCaps);
    error Reentered();
    error TokenRefused(address token);
    error NativeRefused(address to);

    event ExecutorSet(address indexed executor, bool allowed);
    event InputCapSet(address indexed token, uint256 inputCap);
    event OwnershipOffered(address indexed from, address indexed to);
    event OwnershipTaken(address indexed by);
    /// Token 0 is the chain's own currency.
    event Swept(address indexed token, uint256 amount);

    address public owner;
    address public pendingOwner;
    mapping(address => bool) public isExecutor;
    /// Most that one execution may put into its first hop, raw units; 0: this token is not traded.
    mapping(address => uint256) public inputCap;

    /// 1 while an execution runs.
    uint256 internal transient running;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(address owner_, address[] memory executors, address[] memory tokens, uint256[] memory inputCaps) {
        if (owner_ == address(0)) revert NoOwner();
        if (tokens.length != inputCaps.length) revert UnequalLists(tokens.length, inputCaps.length);
        owner = owner_;
        emit OwnershipTaken(owner_);
        for (uint256 i = 0; i < executors.length; i++) _setExecutor(executors[i], true);
        for (uint256 i = 0; i < tokens.length; i++) _setInputCap(tokens[i], inputCaps[i]);
    }

    function setExecutor(address executor, bool allowed) external onlyOwner {
        _setExecutor(executor, allowed);
    }

    function setInputCap(address token, uint256 cap) external onlyOwner {
        _setInputCap(token, cap);
    }

    /// Sends all of a token, or of the chain's own currency (token 0), to the owner, and to nobody else.
    function sweep(address token) external onlyOwner {
        if (running != 0) revert Reentered();
        uint256 amount;
        if (token == address(0)) {
            amount = address(this).balance;
            _sendNative(msg.sender, amount);
        } else {
            amount = IERC20(token).balanceOf(address(this));
            if (!_called(token, abi.encodeCall(IERC20.transfer, (msg.sender, amount)))) revert TokenRefused(token);
        }
        emit Swept(token, amount);
    }

    /// Takes effect when `to` takes it. Another offer replaces it; an offer to 0 withdraws it.
    function offerOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipOffered(msg.sender, to);
    }

    function takeOwnership() external {
        if (msg.sender != pendingOwner) revert NotPendingOwner(msg.sender);
        (owner, pendingOwner) = (msg.sender, address(0));
        emit OwnershipTaken(msg.sender);
    }

    function _setExecutor(address executor, bool allowed) private {
        isExecutor[executor] = allowed;
        emit ExecutorSet(executor, allowed);
    }

    function _setInputCap(address token, uint256 cap) private {
        inputCap[token] = cap;
        emit InputCapSet(token, cap);
    }

    function _sendNative(address to, uint256 amount) internal {
        (bool ok, ) = to.call{value: amount}('');
        if (!ok) revert NativeRefused(to);
    }

    /// Whether a token did as told. One that returns nothing is content. Its balance was read before, so it is a contract.
    function _called(address token, bytes memory input) internal returns (bool) {
        (bool ok, bytes memory output) = token.call(input);
        return ok && (output.length == 0 || abi.decode(output, (uint256)) == 1);
    }
}
