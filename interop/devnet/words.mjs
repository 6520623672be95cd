// What is signed and called: interfaces, EIP-712 types, and values that are the same in every run.

import { readFileSync } from "node:fs";

const abi = (name) => JSON.parse(readFileSync(`contracts/artifacts/${name}.json`, "utf8")).abi;

export const USDC = { address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e", abi: abi("TestUSDC") };
export const PROXY = { address: "0x402085c248EeA27D92E8b30b2C58ed07f9E20001", abi: abi("X402ExactPermit2Proxy") };
export const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
export const PAYEE = "0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
/** Far off, and the same on both nodes, so that transactions are too. */
export const LATE = 4_000_000_000n;

const field = (line) => {
  const [type, name] = line.split(" ");
  return { name, type };
};
const struct = (...lines) => lines.map(field);

const transfer = struct(
  "address from", "address to", "uint256 value", "uint256 validAfter", "uint256 validBefore", "bytes32 nonce",
);
const permit = struct("address owner", "address spender", "uint256 value", "uint256 nonce", "uint256 deadline");
const permitted = {
  PermitWitnessTransferFrom: struct(
    "TokenPermissions permitted", "address spender", "uint256 nonce", "uint256 deadline", "Witness witness",
  ),
  TokenPermissions: struct("address token", "uint256 amount"),
  Witness: struct("address to", "uint256 validAfter"),
};

const usdc = (chainId) => ({ name: "USDC", version: "2", chainId, verifyingContract: USDC.address });

/** Words that move USDC (EIP-3009). */
export function authorization(chainId, from, value, nonce) {
  const message = { from, to: PAYEE, value, validAfter: 0n, validBefore: LATE, nonce };
  return { domain: usdc(chainId), types: { TransferWithAuthorization: transfer }, primaryType: "TransferWithAuthorization", message };
}

/** Words that give Permit2 an allowance (EIP-2612). */
export function allowance(chainId, owner, value, nonce) {
  const message = { owner, spender: PERMIT2, value, nonce, deadline: LATE };
  return { domain: usdc(chainId), types: { Permit: permit }, primaryType: "Permit", message };
}

/** Words that let the proxy move USDC by Permit2. */
export function witnessed(chainId, amount, nonce) {
  const message = {
    permitted: { token: USDC.address, amount },
    spender: PROXY.address,
    nonce,
    deadline: LATE,
    witness: { to: PAYEE, validAfter: 0n },
  };
  const domain = { name: "Permit2", chainId, verifyingContract: PERMIT2 };
  return { domain, types: permitted, primaryType: "PermitWitnessTransferFrom", message };
}
