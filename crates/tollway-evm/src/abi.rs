//! The contract interfaces of exact payments and the structs their payers sign (x402 exact EVM).

#![allow(missing_docs, unreachable_pub, reason = "generated from Solidity, whose names say it")]

use alloy_primitives::{Address, address};
use alloy_sol_types::sol;

/// Uniswap's Permit2, at one address on every chain.
pub const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");
/// The spender of exact payments by Permit2.
pub const EXACT_PROXY: Address = address!("402085c248EeA27D92E8b30b2C58ed07f9E20001");
/// Multicall3, at one address on almost every chain.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

sol! {
    /// EIP-3009, and what ERC-20 and EIP-2612 let anybody read.
    interface Token {
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s);
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature);
        function authorizationState(address authorizer, bytes32 nonce) returns (bool);
        function balanceOf(address account) returns (uint256);
        function name() returns (string);
        function version() returns (string);
        function allowance(address owner, address spender) returns (uint256);
        function nonces(address owner) returns (uint256);
        function approve(address spender, uint256 amount) returns (bool);
    }

    struct TokenPermissions { address token; uint256 amount; }
    struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }
    struct Witness { address to; uint256 validAfter; }
    struct Permit2612 { uint256 value; uint256 deadline; bytes32 r; bytes32 s; uint8 v; }

    interface ExactProxy {
        error InvalidAmount();
        error InvalidDestination();
        error InvalidOwner();
        error InvalidPermit2Address();
        error PaymentTooEarly();
        error Permit2612AmountMismatch();
        function PERMIT2() returns (address);
        function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature);
        function settleWithPermit(Permit2612 permit2612, PermitTransferFrom permit, address owner, Witness witness, bytes signature);
    }

    interface Permit2 {
        function nonceBitmap(address owner, uint256 word) returns (uint256);
    }

    interface Multicall {
        struct Call3 { address target; bool allowFailure; bytes callData; }
        struct Result { bool success; bytes returnData; }
        function aggregate3(Call3[] calls) returns (Result[] returnData);
    }

    interface Wallet {
        function isValidSignature(bytes32 hash, bytes signature) returns (bytes4);
    }

    /// What follows the inner signature's place in an ERC-6492 signature.
    struct Wrapped { address factory; bytes factoryCalldata; bytes signature; }
}

/// Structs that are signed; their names are part of what is signed.
pub mod signed {
    use alloy_sol_types::sol;

    sol! {
        struct TransferWithAuthorization { address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce; }
        struct TokenPermissions { address token; uint256 amount; }
        struct Witness { address to; uint256 validAfter; }
        struct PermitWitnessTransferFrom { TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; Witness witness; }
        struct Permit { address owner; address spender; uint256 value; uint256 nonce; uint256 deadline; }
    }
}
