// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271, Signatures} from "./Signatures.sol";

/// A wallet that one key owns (ERC-1271).
contract TestWallet is IERC1271 {
    /// Slot 0, so that the code can also be put where it is wanted.
    address public owner;

    constructor(address owner_) {
        owner = owner_;
    }

    receive() external payable {}

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return Signatures.recover(digest, signature) == owner ? Signatures.MAGIC : bytes4(0xffffffff);
    }

    /// Does as its owner says.
    function execute(address to, uint256 value, bytes calldata data) external returns (bytes memory) {
        require(msg.sender == owner, "TestWallet: caller is not the owner");
        (bool ok, bytes memory answer) = to.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }
}

/// Makes wallets at addresses known beforehand, so that a wallet can be paid from before it is there (ERC-6492).
contract TestWalletFactory {
    event Created(address indexed wallet, address indexed owner);

    /// The wallet of an owner and a salt; made when it is not there.
    function create(address owner, bytes32 salt) external returns (address wallet) {
        wallet = addressOf(owner, salt);
        if (wallet.code.length > 0) return wallet;
        new TestWallet{salt: salt}(owner);
        emit Created(wallet, owner);
    }

    /// Where that wallet is, or will be.
    function addressOf(address owner, bytes32 salt) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(TestWallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, code)))));
    }
}

/// What a key delegates to (EIP-7702): the account then speaks for itself, and its own key still signs for it.
contract TestDelegate is IERC1271 {
    receive() external payable {}

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return Signatures.recover(digest, signature) == address(this) ? Signatures.MAGIC : bytes4(0xffffffff);
    }
}
