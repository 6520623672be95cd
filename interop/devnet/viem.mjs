// The flows of x402 as a facilitator written with viem runs them. Writes down all that must be equal on two nodes.

import { theirs } from "./packages.mjs";
import { LATE, PAYEE, PERMIT2, PROXY, USDC, allowance, authorization, witnessed } from "./words.mjs";

const viem = theirs("viem");
const { privateKeyToAccount } = theirs("viem/accounts");
const { baseSepolia } = theirs("viem/chains");

const FEES = { maxFeePerGas: 5_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
const DELEGATE = "0x7011aaaA00000000000000000000000000007702";

/** Runs everything on the node at `url`; `note(step, value)` is told what came of it. */
export async function flows(url, keys, note) {
  const chain = { ...baseSepolia, rpcUrls: { default: { http: [url] } } };
  const transport = viem.http(url, { retryCount: 0 });
  const reader = viem.createPublicClient({ chain, transport, pollingInterval: 20, cacheTime: 0 });
  const [payer, facilitator] = [keys[1], keys[2]].map((key) => privateKeyToAccount(key));
  const wallet = viem.createWalletClient({ chain, transport, account: facilitator });
  const node = { chain, reader, wallet, payer, facilitator, note, gas: 400_000n };
  note("chain", await reader.getChainId());
  for (const address of [USDC.address, PROXY.address, PERMIT2]) note(`code of ${address}`, viem.keccak256(await reader.getCode({ address })));
  await transferred(node);
  await settled(node);
  await batched(node);
  await delegated(node);
  const logs = await reader.getContractEvents({ ...USDC, eventName: "Transfer", args: { to: PAYEE }, fromBlock: 0n });
  note("transfers to the payee", logs.map((log) => [log.args.value, log.transactionHash, log.logIndex]));
  note("what the payee has", await balance(node, PAYEE));
}

const balance = ({ reader }, account) => reader.readContract({ ...USDC, functionName: "balanceOf", args: [account] });

/** Sends a call and writes its receipt down. */
async function send(node, step, call) {
  const hash = await node.wallet.writeContract({ ...call, ...FEES, gas: node.gas });
  const receipt = await node.reader.waitForTransactionReceipt({ hash });
  node.note(step, shown(receipt));
  return receipt;
}

function shown({ transactionHash, status, gasUsed, type, from, to, logs }) {
  const events = logs.map(({ address, topics, data, logIndex }) => ({ address: address.toLowerCase(), topics, data, logIndex }));
  return { transactionHash, status, gasUsed, type, from: from.toLowerCase(), to: to?.toLowerCase(), events };
}

async function bring(node, value, number) {
  const nonce = viem.pad(viem.toHex(number), { size: 32 });
  const words = authorization(node.chain.id, node.payer.address, value, nonce);
  const signature = await node.payer.signTypedData(words);
  const { from, to, validAfter, validBefore } = words.message;
  return { ...USDC, functionName: "transferWithAuthorization", args: [from, to, value, validAfter, validBefore, nonce, signature] };
}

async function transferred(node) {
  const call = await bring(node, 1_500n, 1);
  await send(node, "EIP-3009", call);
  await refused(node, "EIP-3009 again", () => node.reader.simulateContract({ ...call, account: node.facilitator }));
  await send(node, "EIP-3009 again, sent all the same", call);
  const suppose = [{ address: node.payer.address, balance: 0n }, { address: USDC.address, code: "0x" }];
  await refused(node, "a state that is supposed", () => node.reader.readContract({ ...USDC, functionName: "name", stateOverride: suppose }));
}

async function refused({ note }, step, attempt) {
  try {
    note(step, { went: await attempt() });
  } catch (error) {
    const revert = error.walk?.((cause) => cause instanceof viem.ContractFunctionRevertedError);
    note(step, revert ? { name: revert.data?.errorName, args: revert.data?.args, reason: revert.reason } : { kind: error.cause?.name ?? error.name });
  }
}

async function settled(node) {
  const { payer, chain } = node;
  const settle = async (amount, nonce) => {
    const words = witnessed(chain.id, amount, nonce);
    const signature = await payer.signTypedData(words);
    const { permitted, deadline, witness } = words.message;
    return [{ permitted, nonce, deadline }, payer.address, witness, signature];
  };
  const plain = { ...PROXY, functionName: "settle", args: await settle(700n, 1n) };
  await refused(node, "Permit2 without an allowance", () => node.reader.simulateContract({ ...plain, account: node.facilitator }));
  const words = allowance(chain.id, payer.address, 600n, 0n);
  const { r, s, v } = viem.parseSignature(await payer.signTypedData(words));
  const permit = { value: 600n, deadline: LATE, r, s, v: Number(v) };
  await send(node, "Permit2 with a permit", { ...PROXY, functionName: "settleWithPermit", args: [permit, ...(await settle(600n, 2n))] });
  const own = viem.createWalletClient({ chain, transport: viem.http(chain.rpcUrls.default.http[0]), account: payer });
  const approve = { ...USDC, functionName: "approve", args: [PERMIT2, viem.maxUint256] };
  await send({ ...node, wallet: own }, "an allowance", approve);
  await send(node, "Permit2", plain);
  const nobody = await settle(1n, 3n);
  nobody[2] = { ...nobody[2], to: viem.zeroAddress };
  await refused(node, "Permit2 to nobody", () => node.reader.simulateContract({ ...plain, args: nobody, account: node.facilitator }));
}

async function batched(node) {
  const { multicall3 } = baseSepolia.contracts;
  const calls = await Promise.all([11, 12, 12].map((number) => bring(node, 10n, number)));
  const args = [calls.map((call) => ({ target: USDC.address, allowFailure: true, callData: viem.encodeFunctionData(call) }))];
  await send(node, "three in one, one of them twice", { address: multicall3.address, abi: viem.multicall3Abi, functionName: "aggregate3", args });
  const accounts = [PAYEE, node.payer.address];
  const contracts = accounts.map((account) => ({ ...USDC, functionName: "balanceOf", args: [account] }));
  node.note("two questions in one", await node.reader.multicall({ contracts, allowFailure: false }));
}

async function delegated(node) {
  const { wallet, payer, reader, note } = node;
  const nonce = await reader.getTransactionCount({ address: payer.address });
  const authorization = await payer.signAuthorization({ chainId: node.chain.id, contractAddress: DELEGATE, nonce });
  const hash = await wallet.sendTransaction({ to: payer.address, authorizationList: [authorization], gas: 120_000n, ...FEES });
  note("a key delegates", shown(await reader.waitForTransactionReceipt({ hash })));
  note("its code", await reader.getCode({ address: payer.address }));
  await send(node, "EIP-3009 of a key that delegates", await bring(node, 5n, 21));
}
