// A chain as its cells see it: fresh buyers with money, and what moved to whom.

import { theirs } from "./packages.mjs";

const viem = theirs("viem");
const { generatePrivateKey, privateKeyToAccount } = theirs("viem/accounts");
const { baseSepolia } = theirs("viem/chains");

export const NETWORK = "eip155:84532";
export const NETWORK_V1 = "base-sepolia";
export const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const POLL_MS = 20;
/** What a buyer begins with. */
const PURSE = 1_000_000n;
const GAS = viem.parseEther("0.01");

const TOKEN = viem.parseAbi([
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "function transfer(address to, uint256 value) returns (bool)",
  "function approve(address spender, uint256 value) returns (bool)",
  "function balanceOf(address owner) view returns (uint256)",
]);

/** A wallet that also reads. */
export function wallet(account, url) {
  const words = { account, chain: baseSepolia, transport: viem.http(url), pollingInterval: POLL_MS };
  return viem.createWalletClient(words).extend(viem.publicActions);
}

export const account = (key) => privateKeyToAccount(key);

/** An address nobody has the key of. */
export const someAddress = () => privateKeyToAccount(generatePrivateKey()).address;

/** A chain: its node, and the account that gives buyers their money. */
export class Chain {
  constructor(name, node, rich) {
    Object.assign(this, { name, url: node.url, end: node.end, bank: wallet(account(rich), node.url) });
  }

  /** A new buyer with a dollar; one that needs an allowance for Permit2 gets it. */
  async buyer({ allowance = false } = {}) {
    const key = generatePrivateKey();
    const buyer = wallet(account(key), this.url);
    const { address } = buyer.account;
    await this.mined(this.bank, "transfer", [address, PURSE]);
    if (allowance) {
      const hash = await this.bank.sendTransaction({ to: address, value: GAS });
      await this.bank.waitForTransactionReceipt({ hash });
      await this.mined(buyer, "approve", [PERMIT2, viem.maxUint256]);
    }
    return { key, address, wallet: buyer, account: buyer.account };
  }

  async mined(who, functionName, args) {
    const hash = await who.writeContract({ address: USDC, abi: TOKEN, functionName, args });
    await who.waitForTransactionReceipt({ hash });
  }

  balance(address) {
    return this.bank.readContract({ address: USDC, abi: TOKEN, functionName: "balanceOf", args: [address] });
  }

  /** What a buyer has spent so far. */
  async spent(buyer) {
    return PURSE - (await this.balance(buyer.address));
  }

  /** Every transfer to an address since the chain began. */
  async transfersTo(to) {
    const words = { address: USDC, event: TOKEN[0], args: { to }, fromBlock: 0n };
    const logs = await this.bank.getLogs(words);
    return logs.map(({ args, transactionHash }) => ({ ...args, transaction: transactionHash }));
  }
}
