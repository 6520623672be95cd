// A server of the official SDK with one tool for each cell: free, or sold by one of the two wires. As a program it
// speaks on its standard input and output: node tools.mjs WIRE FILE, where FILE is what `write` wrote.

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { theirs } from "./packages.mjs";
import { agents, spec } from "./wires.mjs";

const { McpServer } = theirs("@modelcontextprotocol/sdk/server/mcp.js");
const { StdioServerTransport } = theirs("@modelcontextprotocol/sdk/server/stdio.js");
const { StreamableHTTPServerTransport } = theirs("@modelcontextprotocol/sdk/server/streamableHttp.js");
const { z } = theirs("zod");

const WIRES = { spec, agents };
const BODY_MAX = 1 << 20;

/** The file that tells a process what to serve. */
export function write(path, { facilitator, requirements, tools }) {
  writeFileSync(path, JSON.stringify({ facilitator, requirements, tools }));
}

/** A server, not connected yet. `said` has name, text and payTo of each tool. */
function made(wireName, { facilitator, requirements, tools }) {
  const server = new McpServer({ name: "tools", version: "1.0.0" }, { capabilities: { logging: {} } });
  const wire = WIRES[wireName];
  for (const { name, text, payTo } of tools) {
    const run = () => ({ content: [{ type: "text", text }] });
    const inputSchema = { n: z.number().optional() };
    const sold = wire && ((_, { _meta }) => sell(wire, name, { ...requirements, payTo }, facilitator, _meta, run));
    server.registerTool(name, { description: `gives ${name}`, inputSchema }, sold ?? run);
  }
  server.registerTool("talk", { description: "uses every way there is to talk to a client" }, (extra) => talk(server, extra));
  server.registerResource("note", "note://one", {}, (uri) => ({ contents: [{ uri: uri.href, text: "a note" }] }));
  server.registerPrompt("greet", { argsSchema: { who: z.string() } }, ({ who }) => ({
    messages: [{ role: "user", content: { type: "text", text: `greet ${who}` } }],
  }));
  return server;
}

/** Verify, run, settle: the order of both wires. */
async function sell(wire, name, accepted, facilitator, meta, run) {
  const refuse = (error) => wire.refusal({ x402Version: 2, error, resource: { url: wire.url(name) }, accepts: [accepted] });
  const paymentPayload = wire.read(meta);
  if (paymentPayload === undefined) return refuse("PAYMENT_REQUIRED");
  const ask = async (path) => {
    const body = JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: accepted });
    const answer = await fetch(facilitator + path, { method: "POST", headers: { "content-type": "application/json" }, body });
    return answer.json();
  };
  const { isValid, invalidReason } = await ask("/verify");
  if (!isValid) return refuse(invalidReason ?? "INVALID_PAYMENT");
  const result = run();
  const settled = await ask("/settle");
  if (!settled.success) return refuse(settled.errorReason ?? "SETTLEMENT_FAILED");
  return { ...result, _meta: wire.receipt(settled) };
}

/** Progress, a log line, a question to the human and one to the model. */
async function talk({ server }, { _meta, sendNotification, sendRequest }) {
  const progressToken = _meta?.progressToken;
  for (const progress of [1, 2]) {
    await sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 2 } });
  }
  await server.sendLoggingMessage({ level: "info", data: "a line" });
  const requestedSchema = { type: "object", properties: { name: { type: "string" } } };
  const asked = { method: "elicitation/create", params: { message: "who?", requestedSchema } };
  const { content } = await sendRequest(asked, z.object({ action: z.string(), content: z.any() }));
  const messages = [{ role: "user", content: { type: "text", text: "say" } }];
  const sampled = await sendRequest({ method: "sampling/createMessage", params: { messages, maxTokens: 9 } }, z.any());
  return { content: [{ type: "text", text: `${content.name} ${sampled.content.text}` }] };
}

/** Serves by streamable HTTP, with sessions. */
export async function serveHttp(wireName, said) {
  const sessions = new Map();
  const server = createServer(async (request, response) => {
    const known = sessions.get(request.headers["mcp-session-id"]);
    if (known) return known.handleRequest(request, response, await bodyOf(request));
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    await made(wireName, said).connect(transport);
    return transport.handleRequest(request, response, await bodyOf(request));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const end = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/mcp`, end };
}

async function bodyOf(request) {
  if (request.method !== "POST") return undefined;
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > BODY_MAX) throw new Error("too large");
  }
  return JSON.parse(body);
}

const PROGRAM = fileURLToPath(import.meta.url);

/** The command line of the same server as a process. */
export const commandOf = (wireName, file) => [process.execPath, PROGRAM, wireName, file];

if (process.argv[1] === PROGRAM) {
  const [wireName, file] = process.argv.slice(2);
  await made(wireName, JSON.parse(readFileSync(file, "utf8"))).connect(new StdioServerTransport());
}
