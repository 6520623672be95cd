// Verifies what a demo day leaves behind, and then buys from it, with Node's own modules alone: another program's view of
// signatures, offers, receipts and accounts, written from the RFCs and docs/formats.md. In each of the three dresses.
// Prints one line per check; the first one that fails ends it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DRESSES, checkSigned, commitmentId, newAgent, plainRequest, promiseRequest, readDemand, readSeller } from "./client/crawler.mjs";
import { canonical, checkBooks, readExport } from "./client/books.mjs";
import { send } from "./client/http.mjs";
import { json, run, scratch, start } from "./client/program.mjs";
import { b64url, sha256, thumbprint, verifyBytes, verifyJws } from "./client/signatures.mjs";

const PAGE = "/articles/tally-sticks.html?from=interop";
const OTHER_PAGE = "/articles/double-entry.html";
const say = (what) => console.log(`ok  ${what}`);

for (const [name, dress] of Object.entries(DRESSES)) {
  const folder = scratch(name);
  const demo = await start(["demo", "--json", "--keep", "--dir", folder, "--dress", name], json);
  console.log(`== ${name}: ${demo.found.postings} postings, seller ${demo.found.seller}`);
  const seller = await readSeller(demo.found.seller);
  say("seller's directory: its key has signed it for this host");
  checkExport(folder, seller);

  const agent = await newAgent();
  const bought = await buy(agent, seller, dress);
  await checkNoSecondCharge(agent, seller, dress, bought);
  await demo.end();

  const gateway = await start(["gateway", "-c", join(folder, "tollway.toml")], (said) => said.includes("listening on") || undefined);
  await checkReplay(seller, dress, bought);
  assert.equal((await account(agent, seller)).balance_owed, bought.receipt.amount);
  say("restarted gateway: the same request has the same receipt, and the account is as it was");
  await gateway.end();
  agent.close();
  checkOwnLine(folder, dress, bought);
}

/** Every signature in the export, with keys from the parties' own files and nothing else of them than `x`. */
function checkExport(folder, seller) {
  const xOf = (file) => JSON.parse(readFileSync(join(folder, file), "utf8")).x;
  const [crawler, sellerX] = [xOf("crawler.jwk"), xOf("seller.jwk")];
  assert.deepEqual(seller.keys, [sellerX]);
  const bodies = readExport(join(folder, "export.jsonl"));
  const sales = bodies.filter(({ kind }) => kind === "sale");
  assert.ok(sales.length > 0);
  for (const sale of sales) {
    const signature = Buffer.from(sale.signature, "base64url");
    assert.equal(sale.thumbprint, thumbprint(crawler));
    assert.ok(verifyBytes(crawler, sale.base, signature), `sale ${sale.sequence}`);
    assert.ok(!verifyBytes(crawler, sale.base.replace("@method", "@Method"), signature));
    const created = Number(/;created=(\d+)/.exec(sale.base)[1]);
    assert.equal(commitmentId(created, sale.thumbprint, sale.base), sale.id);
  }
  say(`${sales.length} sales: signature, thumbprint and commitment id of each`);
  checkSeals(bodies, sellerX);
  checkKeyDocuments(bodies, new Map([["key", crawler], ["seller-key", sellerX]]));
}

function checkSeals(bodies, x) {
  const seals = bodies.flatMap(({ jws, statement, checkpoint }) => (jws ? [[jws, statement ?? checkpoint]] : []));
  assert.ok(seals.length >= 2);
  for (const [jws, document] of seals) {
    assert.equal(verifyJws(jws, "tollway-books+jws", x), canonical(document));
    const [header, payload, signature] = jws.split(".");
    const altered = [header, b64url(`${Buffer.from(payload, "base64url")} `), signature].join(".");
    assert.throws(() => verifyJws(altered, "tollway-books+jws", x), /not the key's/);
  }
  say(`${seals.length} seals: each statement and checkpoint is what the seller's key signed`);
}

function checkKeyDocuments(bodies, keys) {
  const filed = bodies.filter(({ kind, document }) => kind === "document" && keys.has(document));
  assert.equal(filed.length, keys.size);
  for (const { document, id, sha256: hash } of filed) {
    const x = keys.get(document);
    const jwk = { kty: "OKP", crv: "Ed25519", kid: thumbprint(x), x, use: "sig" };
    assert.deepEqual([id, hash], [thumbprint(x), b64url(sha256(JSON.stringify(jwk)))]);
  }
  say("key documents: thumbprint and hash follow from the keys");
}

/** One purchase, from the demand to the signed answer. */
async function buy(agent, seller, dress) {
  const url = seller.origin + PAGE;
  const demand = await readDemand(agent, seller, { url });
  say(`offer ${demand.id}: signed by the seller, in its window, its terms by hash`);
  const request = promiseRequest(agent, dress, demand, { url });
  const answer = await send(request);
  assert.equal(answer.status, 200, answer.body.toString());
  checkSigned(seller, answer, [...dress.receiptFields, "content-digest"]);
  const receipt = dress.receipt(answer.headers);
  assert.equal(receipt.id, request.id, "the receipt is for another promise");
  assert.deepEqual([receipt.amount, receipt.offer, receipt.network], [demand.offer.amount, demand.id, "tollway:402"]);
  if (receipt.charged) assert.equal(receipt.charged, demand.price);
  assert.match(answer.body.toString(), /<html/i);
  say(`page bought: ${answer.body.length} bytes for ${receipt.amount}, receipt, digest and request under the seller's signature`);
  return { request, answer, receipt, demand };
}

async function checkNoSecondCharge(agent, seller, dress, bought) {
  await checkReplay(seller, dress, bought);
  const elsewhere = await send({ ...bought.request, url: seller.origin + OTHER_PAGE });
  // Pay per crawl has a status of its own for a signature that does not hold.
  assert.equal(elsewhere.status, dress === DRESSES.crawl ? 400 : 401);
  assert.equal(elsewhere.headers["payment-response"], undefined);
  const { balance_owed: owed, reserved, agent: known } = await account(agent, seller);
  assert.deepEqual([known, owed, reserved], [agent.origin, bought.receipt.amount, "0"]);
  const unsigned = await send({ url: `${seller.origin}/.well-known/tollway/account` });
  assert.equal(unsigned.status, 401);
  say(`same request again: same receipt; on another page: refused; the account owes ${owed}, once`);
}


async function checkReplay(seller, dress, { request, answer, receipt }) {
  const again = await send(request);
  assert.equal(again.status, 200, again.body.toString());
  checkSigned(seller, again, [...dress.receiptFields, "content-digest"]);
  assert.deepEqual(dress.receipt(again.headers), receipt);
  assert.ok(again.body.equals(answer.body));
}

/** The agent's own account, as the seller signs it. */
async function account(agent, seller) {
  const answer = await send(plainRequest(agent, `${seller.origin}/.well-known/tollway/account`));
  assert.equal(answer.status, 200, answer.body.toString());
  checkSigned(seller, answer, ["content-digest"]);
  return JSON.parse(answer.body);
}

/** The seller's books hold this purchase once, with the bytes that were signed here; the other checker agrees. */
function checkOwnLine(folder, dress, { request, receipt }) {
  const out = join(folder, "after.jsonl");
  run("ledger", "-c", join(folder, "tollway.toml"), "export", "--out", out);
  const lines = readExport(out).filter(({ base }) => base === request.base);
  assert.equal(lines.length, 1);
  const [line] = lines;
  const signature = Buffer.from(line.signature, "base64url").toString("base64");
  assert.ok(request.headers.signature.endsWith(`=:${signature}:`));
  assert.deepEqual([line.id, line.sequence, line.price_proof], [receipt.id, receipt.sequence, dress.proof]);
  say(`books: one line for it, ${line.price_proof}`);
  checkBooks(out);
  say("books: verify_export.py agrees");
}
