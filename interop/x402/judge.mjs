// What a cell has to show: the text arrived, the receipt names the one transfer, and the price moved once.

import { strict as assert } from "node:assert";
import * as clients from "./clients.mjs";
import { NETWORK, NETWORK_V1 } from "./chain.mjs";
import { CLIENTS } from "./cells.mjs";
import { theirs } from "./packages.mjs";
import { AMOUNT } from "./servers.mjs";

/** As much of an answer as a line holds. */
const BRIEF = 120;
const OTHER_ASSET = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

/** Runs a cell against its server; resolves with what was seen, throws what was not. */
export async function judge(cell, chain, server, settled) {
  const url = server.of ? server.of(cell) : `${server.url}/${cell.path}`;
  const buyer = await chain.buyer({ allowance: cell.allowance });
  if (cell.why) return cannot(cell, chain, buyer, url);
  if (cell.expect === "free") return free(cell, chain, buyer, url);
  if (cell.expect === "refused") return refused(cell, chain, buyer, url);
  const demand = cell.expect === "beside deferred" ? await bothOffered(url) : "";
  const before = settled?.length;
  const bought = await CLIENTS[cell.client](url, buyer, chain);
  const transaction = await paidOnce(cell, chain, buyer, bought);
  if (cell.expect === "moved once") return replayed(cell, chain, buyer, bought, url);
  const pending = cell.expect === "pending first" ? wasPending(settled.slice(before)) : "";
  return `${demand}${pending}transfer ${transaction}`;
}

/** What is said not to work is tried: the day it does, the reason has to go. */
async function cannot({ client, payTo, why }, chain, buyer, url) {
  const { status, body } = await CLIENTS[client](url, buyer, chain).catch(({ message }) => ({ body: message }));
  assert.notEqual(status, 200, `this works, so it is not true that ${why}`);
  await assertMoved(chain, buyer, payTo, 0n);
  return `${why} (${status ? `answered ${status}` : body.slice(0, BRIEF)})`;
}

async function free({ client, text, payTo }, chain, buyer, url) {
  const { status, body, receipt } = await CLIENTS[client](url, buyer, chain);
  assert.deepEqual([status, body, receipt], [200, text, undefined]);
  await assertMoved(chain, buyer, payTo, 0n);
  return "passes as without a relay; nothing is asked";
}

async function paidOnce({ payTo, text }, chain, buyer, { status, body, receipt }) {
  assert.equal(status, 200, `answered ${status}: ${body.slice(0, 200)} ${JSON.stringify(receipt ?? "")}`);
  assert.equal(body, text, "the body is not that of the resource");
  assert.equal(receipt?.success, true, "no receipt of a success");
  assert.ok([NETWORK, NETWORK_V1].includes(receipt.network), `the receipt names the network ${receipt.network}`);
  const same = (one, other) => assert.equal(one.toLowerCase(), other.toLowerCase());
  if (receipt.payer !== undefined) same(receipt.payer, buyer.address);
  const transfers = await chain.transfersTo(payTo);
  assert.equal(transfers.length, 1, `${transfers.length} transfers to the seller`);
  const [{ from, value, transaction }] = transfers;
  same(from, buyer.address);
  assert.equal(value, AMOUNT);
  same(receipt.transaction, transaction);
  await assertMoved(chain, buyer, payTo, AMOUNT);
  return transaction;
}

async function assertMoved(chain, buyer, payTo, amount) {
  assert.equal(await chain.spent(buyer), amount, "what the buyer spent");
  assert.equal(await chain.balance(payTo), amount, "what the seller got");
}

/** The same payment again, twice: whatever is answered, nothing more moves. */
async function replayed({ payTo, text }, chain, buyer, { headers }, url) {
  assert.equal(Object.keys(headers).length, 1, "the payment was not seen");
  const said = [];
  for (let turn = 0; turn < 2; turn += 1) {
    const { status, body } = await clients.plain(url, headers);
    assert.ok(status !== 200 || body === text, "served something else");
    said.push(status);
  }
  await assertMoved(chain, buyer, payTo, AMOUNT);
  assert.equal((await chain.transfersTo(payTo)).length, 1, "a second transfer");
  return `again: ${said.join(", ")}; moved once`;
}

/** The body of the 402 is of version 1, its header offers to be paid by promise as well. */
async function bothOffered(url) {
  const { status, body, get } = await clients.plain(url);
  assert.equal(status, 402);
  assert.equal(JSON.parse(body).x402Version, 1, "the body is not of version 1");
  const schemes = clients.decode(get("payment-required")).accepts.map(({ scheme }) => scheme);
  assert.ok(schemes.includes("exact") && schemes.some((scheme) => scheme !== "exact"), `offers only ${schemes}`);
  return `offers ${schemes.join(", ")}; `;
}

function wasPending(answers) {
  const [first, ...rest] = answers;
  assert.equal(first?.errorReason, "settlement_pending", `settled at once: ${JSON.stringify(first)}`);
  assert.equal(rest.at(-1)?.success, true, `no success after it: ${JSON.stringify(rest)}`);
  return "pending, then settled; ";
}

/** A payment that is not what was asked for, beside the true offer and beside one to match; then one that is. */
async function refused(cell, chain, buyer, url) {
  const { wrong, client, payTo } = cell;
  const make = client === "x402-fetch" ? wrongV1 : wrongV2;
  const said = [];
  for (const headers of await make(url, buyer, wrong)) {
    const { status, body } = await clients.plain(url, headers);
    assert.ok(status >= 400 && status < 500, `answered ${status}: ${body.slice(0, 200)}`);
    said.push(status);
  }
  assert.ok(said.length > 0);
  await assertMoved(chain, buyer, payTo, 0n);
  const [headers] = await make(url, buyer, {});
  await paidOnce(cell, chain, buyer, await clients.plain(url, headers));
  return `answered ${said.join(", ")}, nothing moved; the true payment is taken`;
}

function spoiled(requirements, wrong) {
  return { ...requirements, ...wrong, ...(wrong.asset && { asset: OTHER_ASSET }) };
}

async function wrongV2(url, buyer, wrong) {
  const { ExactEvmScheme } = theirs("@x402/evm/exact/client");
  const { resource, accepts } = clients.decode((await clients.plain(url)).get("payment-required"));
  const accepted = accepts.find(({ scheme }) => scheme === "exact");
  const other = spoiled(accepted, wrong);
  const { payload } = await new ExactEvmScheme(buyer.account).createPaymentPayload(2, other);
  const header = (accepted) => ({ "payment-signature": clients.encode({ x402Version: 2, resource, accepted, payload }) });
  return [header(accepted), header(other)];
}

async function wrongV1(url, buyer, wrong) {
  const { createPaymentHeader } = theirs("x402/client");
  const { accepts } = JSON.parse((await clients.plain(url)).body);
  return [{ "x-payment": await createPaymentHeader(buyer.wallet, 1, spoiled(accepts[0], wrong)) }];
}
