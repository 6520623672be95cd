// Who calls tools and pays for them. Each answers {status, body, receipt} as the clients of HTTP do; where the tools are
// is a `target`: a command, or a URL.

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { program, scratch } from "../client/program.mjs";
import { NETWORK } from "../x402/chain.mjs";
import { coreClient } from "../x402/clients.mjs";
import { theirs as x402 } from "../x402/packages.mjs";
import { inspector, theirs } from "./packages.mjs";
import { agents, spec } from "./wires.mjs";

const { Client } = theirs("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = theirs("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = theirs("@modelcontextprotocol/sdk/client/streamableHttp.js");
const types = theirs("@modelcontextprotocol/sdk/types.js");

const WAIT_MS = 60_000;
const OPTIONS = { timeout: WAIT_MS };

/** A client of the SDK that buys by one of the published wires. */
export const buying = (wire) => (target, buyer, chain) =>
  connected(target, async (client) => {
    const call = { name: target.tool, arguments: { n: 1 } };
    const first = await client.callTool(call, undefined, OPTIONS);
    const demand = wire.demandOf(first);
    if (demand === undefined) return outcome(wire, first);
    const { x402Client } = x402("@x402/fetch");
    const exact = demand.accepts.filter(({ scheme }) => scheme === "exact");
    const payment = await coreClient(x402Client, buyer, chain).createPaymentPayload({ ...demand, accepts: exact });
    return outcome(wire, await client.callTool({ ...call, _meta: wire.write(payment) }, undefined, OPTIONS));
  });

/** A client of the SDK that knows no money, behind `tollway mcp pay`. */
export function throughPay(target, buyer, chain) {
  const file = (kind) => scratch(`mcp-${buyer.address}.${kind}`);
  const upstream = target.url
    ? ["--upstream", target.url]
    : ["--command", [target.program ?? program, ...target.command].map((word) => `"${word.replaceAll('"', '\\"')}"`).join(" ")];
  const limits = ["--yes-up-to", "$0.05", "--purse", file("purse"), "--audit", file("audit")];
  const words = ["mcp", "pay", ...upstream, "--wallet-key-from-env", "--rpc", `${NETWORK}=${chain.url}`, ...limits];
  const env = { TOLLWAY_WALLET_KEY: buyer.key };
  return connected({ command: words, env }, async (client) => {
    const answer = await client.callTool({ name: target.tool, arguments: { n: 1 } }, undefined, OPTIONS);
    return outcome(spec, answer);
  });
}

/** A client of the SDK that uses everything but money: it has to meet what a client without a relay meets. */
export function talking(target) {
  return connected(target, async (client) => {
    const { tools } = await client.listTools();
    const { resources } = await client.listResources();
    const { contents } = await client.readResource({ uri: resources[0].uri });
    const { messages } = await client.getPrompt({ name: "greet", arguments: { who: "you" } });
    const told = [];
    const onprogress = ({ progress }) => told.push(progress);
    client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({ params }) => told.push(params.data));
    const talked = await client.callTool({ name: "talk" }, undefined, { ...OPTIONS, onprogress });
    const seen = [tools.some(({ name }) => name === "talk"), contents[0].text, messages[0].content.text, talked.content[0].text];
    const expected = [true, "a note", "greet you", "Ada hello"];
    if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`met ${JSON.stringify(seen)}`);
    if (![1, 2, "a line"].every((thing) => told.includes(thing))) throw new Error(`was told ${JSON.stringify(told)}`);
    return outcome(spec, await client.callTool({ name: target.tool, arguments: {} }, undefined, OPTIONS));
  });
}

/** The inspector's command line. */
export async function inspecting(target) {
  const words = ["--cli", ...inspected(target), "--method", "tools/call", "--tool-name", target.tool];
  const { stdout } = await promisify(execFile)(inspector, words, { timeout: WAIT_MS });
  return outcome(spec, JSON.parse(stdout));
}

/** A program's own options would be taken for the inspector's: it is named in a file. */
function inspected({ url, tool, command }) {
  if (url) return [url, "--transport", "http"];
  const file = scratch(`inspector-${tool}.json`);
  writeFileSync(file, JSON.stringify({ mcpServers: { tools: { command: program, args: command } } }));
  return ["--config", file, "--server", "tools", "--connect-timeout", `${WAIT_MS}`];
}

async function connected({ url, program: file = program, command, env }, use) {
  const client = new Client({ name: "interop", version: "1.0.0" }, { capabilities: { elicitation: {}, sampling: {} } });
  client.setRequestHandler(types.ElicitRequestSchema, () => ({ action: "accept", content: { name: "Ada" } }));
  const content = { type: "text", text: "hello" };
  client.setRequestHandler(types.CreateMessageRequestSchema, () => ({ model: "none", role: "assistant", content }));
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command: file, args: command, env: { ...process.env, ...env }, stderr: "inherit" });
  await client.connect(transport, OPTIONS);
  try {
    return await use(client);
  } finally {
    if (url) await transport.terminateSession();
    await client.close();
  }
}

function outcome(wire, result) {
  const status = result.isError ? 402 : 200;
  return { status, body: result.content?.[0]?.text ?? "", receipt: wire.receiptOf(result) };
}

export { agents, spec };
