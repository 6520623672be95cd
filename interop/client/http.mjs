// Plain HTTP/1.1 on loopback: one request, and the server of an agent's own key directory (Web Bot Auth).

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { b64url, contentDigest, signMessage, thumbprint } from "./signatures.mjs";

const WAIT_MS = 20_000;
export const DIRECTORY_PATH = "/.well-known/http-message-signatures-directory";
export const DIRECTORY_TAG = "http-message-signatures-directory";

/** Sends a request; the answer keeps the request, to which its signature is bound. */
export function send({ method = "GET", url, headers = {}, body = "" }) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent: false, signal: AbortSignal.timeout(WAIT_MS) });
    asked.on("error", reject);
    asked.on("response", async (response) => {
      try {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const { statusCode: status, headers: fields } = response;
        resolve({ status, headers: fields, body: Buffer.concat(chunks), request: { method, url, headers } });
      } catch (error) {
        reject(error);
      }
    });
    asked.end(body);
  });
}

/** Serves the directory of one key on a free port; returns the agent's origin. */
export async function serveDirectory({ privateKey, x }) {
  const body = JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", x, kid: thumbprint(x) }] });
  const server = createServer((asked, answer) => {
    const found = asked.method === "GET" && asked.url === DIRECTORY_PATH;
    answer.writeHead(found ? 200 : 404, found ? directoryFields(origin, privateKey, x, body) : {});
    answer.end(found ? body : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, close: () => server.close() };
}

function directoryFields(origin, key, x, body) {
  const now = Math.floor(Date.now() / 1000);
  const headers = {
    "content-type": "application/http-message-signatures-directory+json",
    "content-digest": contentDigest(body),
  };
  const request = { method: "GET", url: origin + DIRECTORY_PATH, headers: {} };
  const signed = signMessage(
    { status: 200, headers, request },
    {
      label: "own",
      covered: ['"@authority";req', '"content-digest"'],
      parameters: `;created=${now};keyid="${thumbprint(x)}";expires=${now + 300};tag="${DIRECTORY_TAG}"`,
      key,
    },
  );
  return { ...headers, "signature-input": signed.input, signature: signed.signature };
}

/** A port that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** 24 random bytes as text. */
export const nonce = () => b64url(randomBytes(24));
