// Transactions that wait, are replaced and refused, as ethers meets them; old kinds of transactions; blocks.

import { theirs } from "./packages.mjs";
import { PAYEE, USDC } from "./words.mjs";

const ethers = theirs("ethers");

/** Runs everything on the node at `url`; `note(step, value)` is told what came of it. */
export async function flows(url, keys, note) {
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, batchMaxCount: 10 });
  provider.pollingInterval = 20;
  const wallet = new ethers.Wallet(keys[3], provider);
  note("network", (await provider.getNetwork()).chainId);
  await kinds(wallet, note);
  await contract(wallet, note);
  await waiting(provider, wallet, note);
  await blocks(provider, note);
  provider.destroy();
}

const shown = ({ hash, status, gasUsed, type, contractAddress }) => ({ hash, status, gasUsed, type, contractAddress });

async function kinds(wallet, note) {
  const gasPrice = 6_000_000_000n;
  for (const type of [0, 1]) {
    const sent = await wallet.sendTransaction({ type, to: PAYEE, value: 1n, gasLimit: 21_000n, gasPrice });
    note(`type ${type}`, shown(await sent.wait()));
  }
  const made = await wallet.sendTransaction({ type: 0, data: "0x600b380380600b5f395ff3600160005260206000f3", gasLimit: 100_000n, gasPrice });
  const receipt = await made.wait();
  note("a contract is made", [shown(receipt), await wallet.provider.getCode(receipt.contractAddress)]);
  note("plain ether needs", await wallet.estimateGas({ to: ethers.ZeroAddress, value: 1n }));
}

async function contract(wallet, note) {
  const usdc = new ethers.Contract(USDC.address, USDC.abi, wallet);
  const estimate = await usdc.transfer.estimateGas(PAYEE, 3n);
  const fees = { maxFeePerGas: 6_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 100_000n };
  const sent = await usdc.transfer(PAYEE, 3n, fees);
  const receipt = await sent.wait();
  note("a transfer", shown(receipt));
  note("its estimate is enough, and not twice", estimate >= receipt.gasUsed && estimate < receipt.gasUsed * 2n);
  const error = await usdc.transfer.staticCall(PAYEE, 10n ** 30n).catch((error) => error);
  note("a transfer beyond what is there", [error.code, error.reason]);
}

async function waiting(provider, wallet, note) {
  const next = await wallet.getNonce();
  const raw = (nonce, fee, value) =>
    wallet.signTransaction({
      chainId: 84_532n, type: 2, nonce, to: PAYEE, value, gasLimit: 21_000n,
      maxFeePerGas: fee * 1_000_000_000n, maxPriorityFeePerGas: fee * 100_000_000n,
    });
  const offer = async (signed) => {
    try {
      return await provider.send("eth_sendRawTransaction", [signed]);
    } catch (error) {
      return words(error);
    }
  };
  await provider.send("evm_setAutomine", [false]);
  const later = await offer(await raw(next + 1, 10n, 2n));
  note("after a gap", [later, await wallet.getNonce("pending") - next]);
  const first = await offer(await raw(next, 10n, 1n));
  note("the gap is filled", [first, await wallet.getNonce("pending") - next]);
  note("the same again", await offer(await raw(next, 10n, 1n)));
  note("replaced for too little", await offer(await raw(next, 10n, 7n)));
  const second = await offer(await raw(next, 20n, 8n));
  note("replaced", second);
  await provider.send("evm_mine", []);
  const receipts = await Promise.all([first, second, later].map((hash) => provider.getTransactionReceipt(hash)));
  note("which of them are in a block", receipts.map((receipt) => receipt && shown(receipt)));
  await provider.send("evm_setAutomine", [true]);
  note("a nonce that was used", await offer(await raw(next, 30n, 9n)));
  note("more than there is", await offer(await raw(next + 2, 30n, 10n ** 30n)));
}

/** What programs look for in a refusal. */
function words(error) {
  const said = (error.error?.message ?? error.info?.error?.message ?? error.message).toLowerCase();
  const known = ["already known", "already imported", "underpriced", "nonce too low", "insufficient funds"];
  const found = known.find((word) => said.includes(word)) ?? said;
  return found === "already imported" ? "already known" : found;
}

async function blocks(provider, note) {
  const head = await provider.getBlock("latest");
  note("the head", [head.number, head.transactions, head.gasUsed, head.parentHash === (await provider.getBlock(head.number - 1)).hash]);
  const receipts = await provider.send("eth_getBlockReceipts", [ethers.toQuantity(head.number)]);
  note("receipts of the head", receipts.map(({ transactionHash, status }) => [transactionHash, status]));
  const history = await provider.send("eth_feeHistory", ["0x3", "latest", [10, 90]]);
  note("a history of fees", [history.baseFeePerGas.length, history.gasUsedRatio.length, history.reward.length]);
  note("a block that is not there", await provider.getBlock(9_999_999));
  const id = await provider.send("evm_snapshot", []);
  await provider.send("evm_mine", []);
  note("a snapshot", [await provider.send("evm_revert", [id]), (await provider.getBlockNumber()) - head.number]);
}
