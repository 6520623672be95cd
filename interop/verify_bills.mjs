// Sells and buys what a demo day does not: requests with bodies, answers that fail or break off, a blocked agent, and two
// bills in a row; then fetches the bills as their payer and recomputes them. Node's own modules alone, written from the
// RFCs and docs/formats.md. Prints one line per check; the first one that fails ends it.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { canonical, checkBooks, readExport } from "./client/books.mjs";
import { DRESSES, checkSigned, commitmentId, newAgent, plainRequest, promiseRequest, readDemand, readSeller } from "./client/crawler.mjs";
import { freePort, send } from "./client/http.mjs";
import { run, scratch, start } from "./client/program.mjs";
import { b64url, sha256, verifyBytes, verifyJws } from "./client/signatures.mjs";

const WAIT_MS = 20_000;
const DAY_MS = 86_400_000;
const ORDER = { method: "POST", path: "/orders/good", body: "two reams, ruled" };
const FILE = { method: "GET", path: "/files/whole" };
const say = (what) => console.log(`ok  ${what}`);
const atOpen = Date.now();

const upstream = await serveUpstream();
const { config, origin } = await writeConfig(upstream.address().port);
const gateway = await start(["gateway", "-c", config], (said) => said.includes("listening on") || undefined);
const seller = await readSeller(origin);
const agent = await newAgent();

await checkRegistered();
await buyEach();
await checkBlocked();
await checkBill(1, { charged: "16000", undelivered_total: "3000", total: "13000", brought_forward: "0", payable: "10000", carried: "3000" });
await sold(DRESSES.x402, FILE);
await checkBill(2, { charged: "3000", undelivered_total: "0", total: "3000", brought_forward: "3000", payable: "0", carried: "6000" });
await gateway.end();
agent.close();
upstream.close();
checkJournal();

/** An agent that nobody knows opens its account by itself. */
async function checkRegistered() {
  for (const isNew of [true, false]) {
    const answer = await send(plainRequest(agent, `${origin}/.well-known/tollway/agents`, "POST"));
    assert.equal(answer.status, 200, answer.body.toString());
    checkSigned(seller, answer, ["content-digest"]);
    const { account, new: opened } = JSON.parse(answer.body);
    assert.deepEqual([account.agent, account.credit_limit, opened], [agent.origin, "1000000", isNew]);
  }
  say("account: opened by its agent's signature, once");
}

/** One sale of each kind of life, each in its own dress. */
async function buyEach() {
  const order = await sold(DRESSES.deferred, ORDER);
  assert.equal(order.answer.body.toString(), `received ${ORDER.body}`);
  const again = await send(order.request);
  assert.deepEqual([again.status, JSON.parse(again.body).error], [409, "already_delivered"]);
  checkSigned(seller, again, ["payment-response"]);
  assert.deepEqual(DRESSES.deferred.receipt(again.headers), order.receipt);
  assert.equal(upstream.orders, 1);
  say("request with a body: digest signed, sold once; the same again has the receipt and does not reach the upstream");

  const altered = await send({ ...order.request, body: ORDER.body.replace("two", "ten") });
  assert.deepEqual([altered.status, JSON.parse(altered.body).error], [400, "digest_mismatch"]);
  say("another body under the same signature: refused");

  const failed = await buy(DRESSES.crawl, { method: "POST", path: "/orders/fails", body: "nothing" });
  assert.deepEqual([failed.answer.status, failed.answer.headers["payment-response"]], [500, undefined]);
  await untilState(failed.request.id, "voided");
  say("upstream failed: its answer came through, the claim is voided");

  const whole = await sold(DRESSES.x402, FILE);
  assert.equal(whole.answer.body.length, 2 * upstream.part.length);
  say("long answer: receipt signed at its head, without a digest");
  const cut = await buy(DRESSES.crawl, { method: "GET", path: "/files/cut" });
  assert.equal(cut.answer, undefined, "the cut answer arrived whole");
  await untilState(cut.request.id, "undelivered");
  say("answer that broke off: taken back");
}

async function checkBlocked() {
  run("agents", "-c", config, "block", agent.origin);
  const { answer } = await buy(DRESSES.x402, FILE);
  assert.deepEqual([answer.status, JSON.parse(answer.body).error], [403, "blocked"]);
  run("agents", "-c", config, "unblock", agent.origin);
  say("blocked agent: refused while it is blocked");
}

/** Closes a later day than any sale's, then reads the bill as its payer and recomputes it. */
async function checkBill(days, expected) {
  const day = (offset) => new Date(atOpen + offset * DAY_MS).toISOString().slice(0, 10);
  run("ledger", "-c", config, "close", "--period", day(days), "--now", `${day(days + 1)}T00:00:00Z`);
  const { statement, jws } = JSON.parse((await ask(`statements/${day(days)}`)).body);
  assert.equal(verifyJws(jws, "tollway-books+jws", seller.keys[0]), canonical(statement));
  for (const [name, value] of Object.entries(expected)) assert.equal(statement[name], value, name);

  const lines = (await ask(`statements/${day(days)}/lines`)).body.toString();
  assert.equal(b64url(sha256(lines)), statement.lines_hash);
  const told = lines.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(told.length, statement.lines);
  for (const { id, kind, sale } of told.filter((line) => line.kind === "sale")) {
    assert.ok(verifyBytes(agent.x, sale.base, Buffer.from(sale.signature, "base64url")), kind);
    assert.equal(commitmentId(Number(/;created=(\d+)/.exec(sale.base)[1]), agent.keyid, sale.base), id);
  }
  const rest = (await ask(`statements/${day(days)}/lines?after=${told[0].sequence}`)).body.toString();
  assert.equal(rest, lines.slice(lines.indexOf("\n") + 1));
  const listed = JSON.parse((await ask("statements")).body).statements;
  assert.deepEqual([listed.length, listed.at(-1)], [days, { statement, jws, paid: null }]);
  say(`bill ${statement.period}: sealed, ${statement.lines} lines, each sale signed by this key, payable ${statement.payable}`);
}

/** Everything is in the journal, and the other checker agrees. */
function checkJournal() {
  const out = scratch("bills.jsonl");
  run("ledger", "-c", config, "export", "--out", out);
  const kinds = new Set(readExport(out).map(({ kind }) => kind));
  for (const kind of ["claim", "sale_posted", "void", "sale", "delivery", "undelivered", "block", "statement", "checkpoint"]) {
    assert.ok(kinds.has(kind), kind);
  }
  checkBooks(out);
  say(`books: ${kinds.size} kinds of entries, verify_export.py agrees`);
}

async function sold(dress, wanted) {
  const bought = await buy(dress, wanted);
  assert.equal(bought.answer.status, 200, bought.answer.body.toString());
  const digest = wanted === FILE ? [] : ["content-digest"];
  checkSigned(seller, bought.answer, [...dress.receiptFields, ...digest]);
  const receipt = dress.receipt(bought.answer.headers);
  assert.equal(receipt.id, bought.request.id);
  return { ...bought, receipt };
}

/** Pays for one request; there is no answer when it broke off. */
async function buy(dress, { method, path, body }) {
  const url = origin + path;
  const demand = await readDemand(agent, seller, { method, url });
  const request = promiseRequest(agent, dress, demand, { method, url, body });
  try {
    return { request, answer: await send(request) };
  } catch (error) {
    assert.equal(error.code, "ECONNRESET", error);
    return { request };
  }
}

async function ask(path) {
  const answer = await send(plainRequest(agent, `${origin}/.well-known/tollway/${path}`));
  assert.equal(answer.status, 200, answer.body.toString());
  checkSigned(seller, answer, ["content-digest"]);
  return answer;
}

/** What is written behind an answer is there soon. */
async function untilState(id, state) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const { commitment } = JSON.parse((await ask(`commitments/${id}`)).body);
    if (commitment.state === state) return;
    assert.ok(Date.now() < deadline, `${id} is ${commitment.state}, not ${state}`);
  }
}

async function serveUpstream() {
  const part = Buffer.alloc(200_000, "toll ");
  const server = createServer(async (asked, answer) => {
    const chunks = [];
    for await (const chunk of asked) chunks.push(chunk);
    if (asked.url === "/orders/good") {
      server.orders += 1;
      return answer.end(`received ${Buffer.concat(chunks)}`);
    }
    if (!asked.url.startsWith("/files/")) return answer.writeHead(500).end("the press is broken");
    answer.write(part);
    return asked.url === "/files/cut" ? answer.write(part, () => answer.destroy()) : answer.end(part);
  });
  Object.assign(server, { part, orders: 0 });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function writeConfig(port) {
  const folder = scratch("seller");
  mkdirSync(folder);
  run("keys", "new", join(folder, "seller.jwk"));
  const listen = `127.0.0.1:${await freePort()}`;
  const rule = (id, path, method, price) =>
    `[[rules]]\nid = "${id}"\npath = "${path}"\nmethods = ["${method}"]\naudience = "everyone"\naction = "charge"\nprice = "${price}"\n`;
  const config = join(folder, "tollway.toml");
  writeFileSync(
    config,
    `public_urls = ["http://${listen}"]\nlisten = "${listen}"\n[origin]\nurl = "http://127.0.0.1:${port}"\n` +
      `[seller]\nkey = "seller.jwk"\n[books]\npath = "books.db"\n[agents]\nallow_loopback = true\nstarter_credit = "$1"\n` +
      rule("orders", "/orders/*", "POST", "$0.01") + rule("files", "/files/*", "GET", "$0.003"),
  );
  return { config, origin: `http://${listen}` };
}
