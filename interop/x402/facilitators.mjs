// Who settles: our program, or the class of @x402/core behind a small HTTP server.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { program, scratch, start } from "../client/program.mjs";
import { NETWORK, account, wallet } from "./chain.mjs";
import { theirs } from "./packages.mjs";

const viem = theirs("viem");
const { x402Facilitator } = theirs("@x402/core/facilitator");
const { toFacilitatorEvmSigner } = theirs("@x402/evm");
const { registerExactEvmScheme } = theirs("@x402/evm/exact/facilitator");
const extensions = theirs("@x402/extensions");
const BODY_MAX = 1 << 20;
const SETTLE_WAIT = 60;

/** Our facilitator as a process. */
export async function ours(chain, key, { settleWait = SETTLE_WAIT } = {}) {
  const keystore = `${chain.name}-relay.json`;
  const words = ["wallet", "import", scratch(keystore)];
  const made = spawnSync(program, words, { input: key.slice(2), encoding: "utf8" });
  if (made.status !== 0) throw new Error(`no keystore: ${made.stderr}`);
  const config = scratch(`${chain.name}-facilitator.toml`);
  writeFileSync(
    config,
    `store = "${chain.name}-facilitator.db"
listen = "127.0.0.1:0"
per_minute = 100000
[[networks]]
network = "${NETWORK}"
rpc = ["${chain.url}"]
rpc_per_second = 1000
signers = ["${keystore}"]
settle_wait = ${settleWait}
approvals = { gas_most = "0.01", gas_per_day = "10" }
`,
  );
  const { found, end } = await start(["facilitator", "-c", config], listening);
  return { name: "tollway facilitator", short: "ours", url: found, end };
}

/** Theirs. */
export async function reference(chain, key) {
  const client = wallet(account(key), chain.url);
  const signer = toFacilitatorEvmSigner({ ...client, address: client.account.address });
  const facilitator = new x402Facilitator();
  registerExactEvmScheme(facilitator, { signer, networks: NETWORK });
  facilitator.registerExtension(extensions.EIP2612_GAS_SPONSORING);
  const sponsor = { ...signer, sendTransactions: (transactions) => sendAll(client, transactions) };
  facilitator.registerExtension(extensions.createErc20ApprovalGasSponsoringExtension(sponsor));
  const reply = async ({ path, body }) => {
    if (path === "/supported") return [200, facilitator.getSupported()];
    if (path !== "/verify" && path !== "/settle") return [404, { error: "not found" }];
    const { paymentPayload, paymentRequirements } = JSON.parse(body);
    return [200, await facilitator[path.slice(1)](paymentPayload, paymentRequirements)];
  };
  const server = createServer((request, response) => answer(reply, request, response));
  const url = await listen(server);
  return { name: "@x402/core facilitator", short: "theirs", url, end: () => close(server) };
}

/** Sends a payer's signed approval, for whose gas it gives the payer coins, and then what needs it. */
async function sendAll(client, transactions) {
  const hashes = [];
  for (const transaction of transactions) {
    const hash = await (typeof transaction === "string" ? sendSigned(client, transaction) : client.sendTransaction(transaction));
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`transaction ${hash} reverted`);
    hashes.push(hash);
  }
  return hashes;
}

async function sendSigned(client, serializedTransaction) {
  const { gas, maxFeePerGas } = viem.parseTransaction(serializedTransaction);
  const to = await viem.recoverTransactionAddress({ serializedTransaction });
  const hash = await client.sendTransaction({ to, value: gas * maxFeePerGas });
  await client.waitForTransactionReceipt({ hash });
  return client.sendRawTransaction({ serializedTransaction });
}

/** A facilitator, and what it answers when asked to settle, in order. */
export async function overheard(facilitator) {
  const settled = [];
  const pass = async ({ method, path, body, headers }) => {
    const answer = await fetch(facilitator.url + path, { method, headers, body: method === "GET" ? undefined : body });
    const value = await answer.json();
    if (path === "/settle") settled.push(value);
    return [answer.status, value];
  };
  const server = createServer((request, response) => answer(pass, request, response));
  const end = () => close(server).then(() => facilitator.end());
  return { ...facilitator, url: await listen(server), settled, end };
}

async function answer(reply, request, response) {
  const say = (status, value) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? `${inner}` : inner)));
  };
  try {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
      if (body.length > BODY_MAX) return say(413, { error: "too large" });
    }
    const headers = { "content-type": "application/json" };
    say(...(await reply({ method: request.method, path: request.url, body, headers })));
  } catch (error) {
    say(500, { error: `${error.message}` });
  }
}

/** Listens on a port of the system's choice. */
export function listen(server) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}

/** Closes a server and what is still connected to it. */
export function close(server) {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
}

/** For `start`: where a program of ours listens. */
export function listening(said) {
  return said.match(/listening on (http:\/\/[\d.:]+)\s/)?.[1];
}
