// Checks every byte of the worked example in docs/formats.md, and runs the Python that stands there. Node's own modules alone.
// Prints one line per check; the first one that fails ends it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { commitmentId } from "./client/crawler.mjs";
import { canonical } from "./client/books.mjs";
import { b64url, contentDigest, sha256, thumbprint, verifyBytes, verifyJws, verifyMessage } from "./client/signatures.mjs";

const SITE = "https://almanac.example";
const say = (what) => console.log(`ok  ${what}`);

const page = readFileSync("docs/formats.md", "utf8");
const python = block(page, "python");
const example = page.slice(page.indexOf("## Worked example"));
const [asked, answered] = blocks(example, "http").map(message);
const [base, jws] = blocks(example, "text");
const line = block(example, "json");
const [agentX, sellerX] = [...example.matchAll(/`x` = `([^`]+)`/g)].map(([, x]) => x);
for (const x of [agentX, sellerX]) assert.ok(example.includes(`thumbprint \`${thumbprint(x)}\``));

const [method, target] = asked.first.split(" ");
const request = { method, url: SITE + target, headers: asked.headers };
const signed = verifyMessage(request, "web-bot-auth", () => agentX);
assert.equal(signed.base, base);
say("request: its signature is the agent's, over the base that is shown");

const id = commitmentId(signed.parameters.get("created"), thumbprint(agentX), base);
assert.ok(example.includes(`Its commitment id: \`${id}\``));
say("commitment id");

const answer = { status: Number(answered.first.split(" ")[1]), headers: answered.headers, request };
const body = `${answered.body}\n`;
verifyMessage(answer, "x402-response", () => sellerX);
assert.equal(answer.headers["content-digest"], contentDigest(body));
assert.equal(Number(answer.headers["content-length"]), body.length);
say("answer: its signature is the seller's, over receipt, digest and request");

const entry = JSON.parse(line);
assert.equal(entry.hash, b64url(sha256(Buffer.from(entry.prev, "base64url"), canonical(entry.body))));
assert.ok(answer.headers["payment-response"].includes(`head="${entry.hash}"`));
assert.deepEqual([entry.body.id, entry.body.base, entry.body.url], [id, base, request.url]);
assert.ok(verifyBytes(agentX, base, Buffer.from(entry.body.signature, "base64url")));
assert.equal(entry.body.fingerprint, b64url(sha256([method, request.url, ""].join("\n"))));
assert.equal(entry.body.digest, b64url(sha256(body)));
say("journal line: its hash is the receipt's head, its evidence the request");

const offer = JSON.parse(verifyJws(jws, "tollway-offer+jws", sellerX));
assert.equal(entry.body.offer, b64url(sha256(jws).subarray(0, 16)));
assert.deepEqual([offer.amount, offer.terms.hash], [entry.body.amount, entry.body.terms]);
const shown = blocks(page, "json").map((text) => JSON.parse(text));
assert.ok(shown.some((json) => canonicalOrNot(json) === canonicalOrNot(offer)));
say("offer: its id, its signature, and the payload that is shown");

const head = execFileSync("python3", ["-c", python], { input: `${line}\n`, encoding: "utf8", timeout: 60_000 });
assert.equal(head.trim(), entry.hash);
const changed = line.replace('"amount":"2000"', '"amount":"2001"');
assert.throws(() => execFileSync("python3", ["-c", python], { input: `${changed}\n`, stdio: ["pipe", "pipe", "ignore"] }));
say("the Python of the page takes the line, and not one that was changed");

/** Objects with lists too, which the journal does not hold. */
function canonicalOrNot(value) {
  const sorted = (inner) => Object.fromEntries(Object.entries(inner).sort());
  return JSON.stringify(value, (_, inner) => (inner?.constructor === Object ? sorted(inner) : inner));
}

function blocks(text, language) {
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, "gs"))].map(([, inner]) => inner);
}

function block(text, language) {
  const [only, ...more] = blocks(text, language);
  assert.ok(only && more.length === 0, `one ${language} block`);
  return only;
}

/** A message as it is printed: first line, fields, and behind an empty line the body. */
function message(text) {
  const [head, ...rest] = text.split("\n\n");
  const [first, ...fields] = head.split("\n");
  const headers = Object.fromEntries(fields.map((field) => field.split(/: (.*)/s).slice(0, 2)));
  return { first, headers, body: rest.join("\n\n") };
}
