// Who buys. Each answers {status, body, receipt, headers}: `receipt` as the seller or our program names the transfer,
// `headers` those of the payment, to send it again.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { program, scratch } from "../client/program.mjs";
import { NETWORK } from "./chain.mjs";
import { theirs } from "./packages.mjs";

const WAIT_MS = 60_000;
const PAYMENT = ["payment-signature", "x-payment"];
const RECEIPT = ["payment-response", "x-payment-response"];

/** `tollway pay`, from a wallet. */
export async function tollway(url, buyer, chain) {
  const file = (kind) => scratch(`${chain.name}-${buyer.address}.${kind}`);
  const words = ["pay", url, "--wallet-key-from-env", "--yes", "--json", "--purse", file("purse"), "-o", file("body")];
  const env = { ...process.env, TOLLWAY_WALLET_KEY: buyer.key };
  const rpc = ["--rpc", `${NETWORK}=${chain.url}`];
  const ended = promisify(execFile)(program, [...words, ...rpc], { env, timeout: WAIT_MS });
  const { stdout } = await ended.catch((error) => {
    throw new Error(`tollway pay ended with ${error.code}: ${error.stderr.trim()}`);
  });
  const { status, transaction, network, payer } = JSON.parse(stdout);
  return { status, body: readFileSync(file("body"), "utf8"), receipt: { success: true, transaction, network, payer } };
}

/** A client of @x402/core with both versions, as a wrapper wants it. */
export function coreClient(x402Client, buyer, chain) {
  const { registerExactEvmScheme } = theirs("@x402/evm/exact/client");
  const { toClientEvmSigner } = theirs("@x402/evm");
  const signer = toClientEvmSigner(buyer.account, buyer.wallet);
  const client = new x402Client();
  registerExactEvmScheme(client, { signer, schemeOptions: { rpcUrl: chain.url } });
  return client;
}

/** @x402/fetch. */
export async function fetchV2(url, buyer, chain) {
  const { wrapFetchWithPayment, x402Client } = theirs("@x402/fetch");
  return fetched(url, (fetch) => wrapFetchWithPayment(fetch, coreClient(x402Client, buyer, chain)));
}

/** x402-fetch, of version 1. */
export async function fetchV1(url, buyer) {
  const { wrapFetchWithPayment } = theirs("x402-fetch");
  return fetched(url, (fetch) => wrapFetchWithPayment(fetch, buyer.wallet));
}

async function fetched(url, wrap) {
  let sent = {};
  const recording = (input, init) => {
    const request = new Request(input, init);
    sent = picked((name) => request.headers.get(name), PAYMENT);
    return fetch(request);
  };
  const response = await wrap(recording)(url, { signal: AbortSignal.timeout(WAIT_MS) });
  const receipt = receiptOf((name) => response.headers.get(name));
  return { status: response.status, body: await response.text(), receipt, headers: sent };
}

/** @x402/axios. */
export async function axiosV2(url, buyer, chain) {
  const { wrapAxiosWithPayment, x402Client } = theirs("@x402/axios");
  const agent = wrapAxiosWithPayment(theirs("axios").create({ proxy: false }), coreClient(x402Client, buyer, chain));
  const response = await agent.get(url, { timeout: WAIT_MS }).catch(({ message, response }) => {
    throw new Error(`${message} ${JSON.stringify(response?.data ?? "").slice(0, 200)}`);
  });
  const receipt = receiptOf((name) => response.headers[name]);
  return { status: response.status, body: response.data, receipt };
}

/** A request as it is. */
export async function plain(url, headers = {}) {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(WAIT_MS) });
  const get = (name) => response.headers.get(name);
  return { status: response.status, body: await response.text(), receipt: receiptOf(get), get };
}

function receiptOf(get) {
  const [text] = Object.values(picked(get, RECEIPT));
  return text === undefined ? undefined : decode(text);
}

function picked(get, names) {
  return Object.fromEntries(names.map((name) => [name, get(name)]).filter(([, value]) => typeof value === "string"));
}

export const decode = (text) => JSON.parse(Buffer.from(text, "base64").toString("utf8"));
export const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64");
