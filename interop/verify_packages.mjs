// Our signatures against the field's own packages for Node.js: what they sign we verify, what we sign they verify, the
// directories of keys included. Where a package is wrong, its fault is named here and asserted as it is: when a check
// says "mended", delete it. Prints one line per check; the first one that fails ends it.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { httpMessageSig, webBotAuth, webBotAuthCrypto, webBotAuthHttp } from "./client/packages.mjs";
import { ask, message } from "./client/questions.mjs";
import { contentDigest, thumbprint } from "./client/signatures.mjs";

const URL_ASKED = "https://news.example/today?page=2";
const AGENT = "https://crawler.example";
const DIRECTORY = `${AGENT}/.well-known/http-message-signatures-directory`;
const REQUEST_LINE = ["@method", "@authority", "@path", "@query"];
const say = (what) => console.log(`ok  ${what}`);
const now = () => Math.floor(Date.now() / 1000);

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const secret = privateKey.export({ format: "jwk" });
const known = publicKey.export({ format: "jwk" });
const keyid = thumbprint(known.x);

await httpMessageSigs();
await webBotAuths();

/** Package `http-message-sig`. */
async function httpMessageSigs() {
  const signer = httpMessageSig.webcrypto.signer(await imported(secret, "sign"));
  const verifier = httpMessageSig.webcrypto.verifier(await imported(known, "verify"));
  const holds = (fields, required, more = {}) =>
    httpMessageSig.verifySignature(
      { kind: "request", method: "GET", targetUri: URL_ASKED, fields: fields.map(named), ...more },
      {
        policy: { algorithms: ["ed25519"], requiredComponents: required, requiredParameters: ["keyid", "tag"], now: now() },
        resolveVerifier: () => verifier,
      },
    );

  const agent = ["signature-agent", `crawl.1="${AGENT}"`];
  const covered = [...REQUEST_LINE, { name: "signature-agent", parameters: { key: "crawl.1" } }];
  const parameters = { created: now(), expires: now() + 60, keyid, tag: "web-bot-auth", nonce: nonce(24) };
  const theirs = await httpMessageSig.createSignature(
    { kind: "request", method: "GET", targetUri: URL_ASKED, fields: [named(agent)] },
    { label: "crawl.1", components: covered, parameters, signer },
  );
  const signed = [agent, ["signature-input", theirs.signatureInput], ["signature", theirs.signature]];
  assert.deepEqual(weVerify(signed), { holds: AGENT });
  assert.deepEqual(weVerify(changed(signed, "crawler.example", "other.example")), { refused: "signature_invalid" });
  say("http-message-sig signs a request, we verify it");

  const ours = weSign([agent], [...REQUEST_LINE.map(quoted), '"signature-agent";key="crawl.1"'], "crawl.1");
  const { components } = await holds(ours, covered);
  assert.equal(components.length, 5);
  await assert.rejects(holds(changed(ours, "crawler.example", "other.example"), covered), { code: "VerificationFailed" });
  await assert.rejects(holds(ours, covered, { targetUri: `${URL_ASKED}0` }), { code: "VerificationFailed" });
  say("we sign a request, http-message-sig verifies it");

  await directories(signer, verifier);
  for (const parameter of ["sf", "bs", "tr"]) {
    const fault = () => httpMessageSig.component("priority", { [parameter]: true });
    assert.throws(fault, { code: "UnsupportedFeature" }, `mended: http-message-sig knows ;${parameter}`);
  }
  assert.throws(() => httpMessageSig.component("@query-param", { name: "a" }), { code: "UnsupportedFeature" });
  say("http-message-sig's limits are as they were: no ;sf, ;bs, ;tr, @query-param");
}

/** Directories of keys, by `http-message-sig` and by us. */
async function directories(signer, verifier) {
  const request = { kind: "request", method: "GET", targetUri: DIRECTORY, fields: [] };
  const authority = { name: "@authority", parameters: { req: true } };
  const tag = "http-message-signatures-directory";

  const published = ask({ ask: "publish", authority: "crawler.example", key: secret, now: now() }).published;
  const fields = [["content-digest", published.digest], ["signature-input", published.input], ["signature", published.signature]];
  const verified = await httpMessageSig.verifySignature(
    { kind: "response", status: 200, fields: fields.map(named), request },
    {
      policy: { algorithms: ["ed25519"], requiredComponents: [authority, "content-digest"], requiredParameters: ["expires"] },
      resolveVerifier: () => verifier,
    },
  );
  assert.deepEqual([verified.parameters.tag, verified.parameters.keyid], [tag, keyid]);
  assert.equal(published.digest, contentDigest(published.body));
  say("we sign a directory, http-message-sig verifies it");

  const body = JSON.stringify({ keys: [known] });
  const parameters = { created: now(), expires: now() + 60, keyid, tag };
  const theirs = await httpMessageSig.createSignature(
    { kind: "response", status: 200, fields: [], request },
    { label: "binding0", components: [authority], parameters, signer },
  );
  assert.deepEqual(weRead(body, theirs.signatureInput, theirs.signature), { keys: [keyid] });
  const elsewhere = DIRECTORY.replace("crawler", "mirror");
  const refused = { refused: "directory_signature_invalid" };
  assert.deepEqual(weRead(body, theirs.signatureInput, theirs.signature, elsewhere), refused);
  say("http-message-sig signs a directory, we verify it, for its host only");
}

/** Package `web-bot-auth`, and the older `http-message-sig` that it brings along. */
async function webBotAuths() {
  const signer = await webBotAuthCrypto.signerFromJWK(secret);
  const verify = await webBotAuthCrypto.verifierFromJWK(known);
  assert.equal(signer.keyid, keyid);
  const holds = (fields, url = URL_ASKED) =>
    webBotAuth.verify({ method: "GET", url, headers: Object.fromEntries(fields) }, verify);
  const inTime = () => ({ created: new Date(Date.now() - 1000), expires: new Date(Date.now() + 60_000) });

  const agent = ["signature-agent", `"${AGENT}"`];
  const request = { method: "GET", url: URL_ASKED, headers: Object.fromEntries([agent]) };
  for (const components of [undefined, [...REQUEST_LINE, "signature-agent"]]) {
    const theirs = await webBotAuth.signatureHeaders(request, signer, { ...inTime(), components });
    const signed = [agent, ["signature-input", theirs["Signature-Input"]], ["signature", theirs.Signature]];
    const required = ["@authority", ...(components ? REQUEST_LINE : [])].map(quoted);
    assert.deepEqual(weVerify(signed, required), { holds: AGENT });
    assert.deepEqual(weVerify(changed(signed, "crawler.example", "other.example"), required), { refused: "signature_invalid" });
  }
  say("web-bot-auth signs a request, we verify it");

  const whole = [...REQUEST_LINE, "signature-agent"].map(quoted);
  const ours = weSign([agent], whole, "sig1");
  await holds(ours);
  await assert.rejects(holds(changed(ours, "crawler.example", "other.example")), /invalid signature/);
  await assert.rejects(holds(ours, `${URL_ASKED}0`), /invalid signature/);
  say("we sign a request, web-bot-auth verifies it");

  const pair = { response: { status: 200, headers: {} }, request: { method: "GET", url: DIRECTORY, headers: {} } };
  const theirs = await webBotAuth.directoryResponseHeaders(pair, [signer], inTime());
  assert.deepEqual(weRead(JSON.stringify({ keys: [known] }), theirs["Signature-Input"], theirs.Signature), { keys: [keyid] });
  const published = ask({ ask: "publish", authority: "crawler.example", key: secret, now: now() }).published;
  const headers = { "content-digest": published.digest, "signature-input": published.input, signature: published.signature };
  await webBotAuthHttp.verify({ ...pair, response: { status: 200, headers } }, verify);
  say("directories, both ways with web-bot-auth");

  // It covers the whole field where one member of a dictionary is named.
  const member = weSign([["signature-agent", `sig1="${AGENT}"`]], [...REQUEST_LINE.map(quoted), '"signature-agent";key="sig1"'], "sig1");
  assert.deepEqual(weVerify(member), { holds: AGENT });
  await assert.rejects(holds(member), /invalid signature/, "mended: web-bot-auth knows ;key");
  // A URL without a query has the query `?` (RFC 9421 section 2.2.7).
  const bare = "https://news.example/today";
  const empty = weSign([agent], whole, "sig1", bare);
  assert.deepEqual(weVerify(empty, REQUEST_LINE.map(quoted), bare), { holds: AGENT });
  await assert.rejects(holds(empty, bare), /invalid signature/, "mended: web-bot-auth knows the empty query");
  // It drops port 80 of an https URL from the authority.
  const odd = "https://news.example:80/today?page=2";
  const port = weSign([agent], whole, "sig1", odd);
  assert.deepEqual(weVerify(port, REQUEST_LINE.map(quoted), odd), { holds: AGENT });
  await assert.rejects(holds(port, odd), /invalid signature/, "mended: web-bot-auth keeps port 80 of https");
  // It reads one signature only: a directory of two keys is none to it.
  const doubled = [agent, ...ours.slice(1).map(([name, value]) => [name, `${value}, ${value.replace("sig1", "sig2")}`])];
  assert.deepEqual(weVerify(doubled), { holds: AGENT });
  await assert.rejects(holds(doubled), /Multiple signatures/, "mended: web-bot-auth reads several signatures");
  say("web-bot-auth's faults are as they were: ;key, the empty query, port 80 of https, several signatures");
}

function weVerify(fields, required = REQUEST_LINE.map(quoted), url = URL_ASKED) {
  return ask({ ask: "verify", message: message(url, { fields }), key: known, required, now: now() });
}

function weSign(fields, components, label, url = URL_ASKED) {
  const [created, expires] = [now() - 1, now() + 60];
  const answer = ask({ ask: "sign", message: message(url, { fields }), key: secret, components, label, nonce: nonce(64), created, expires });
  const { input, signature } = answer.signed ?? assert.fail(JSON.stringify(answer));
  return [...fields, ["signature-input", input], ["signature", signature]];
}

function weRead(body, input, signature, url = DIRECTORY) {
  const fields = [["signature-input", input], ["signature", signature]];
  return ask({ ask: "directory", message: message(url, { fields, status: 200 }), body, now: now() });
}

/** The fields with a text in the first of them replaced. */
function changed([[name, value], ...others], from, to) {
  return [[name, value.replace(from, to)], ...others];
}

function imported(jwk, usage) {
  return crypto.subtle.importKey("jwk", jwk, { name: "Ed25519" }, true, [usage]);
}

function quoted(name) {
  return `"${name}"`;
}

function named([name, value]) {
  return { name, value };
}

function nonce(bytes) {
  return randomBytes(bytes).toString("base64");
}
