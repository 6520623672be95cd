// The matrix in docs/interop.md: one row for client, server and way, one column for facilitator and chain.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { version as versionOfMcp } from "../mcp/packages.mjs";
import { version } from "./packages.mjs";

const FILE = join(dirname(fileURLToPath(import.meta.url)), "../../docs/interop.md");
const [BEGIN, END] = ["<!-- matrix -->\n", "<!-- end of matrix -->\n"];
const FACILITATORS = ["ours", "theirs"];
const CHAINS = ["devnet", "anvil"];
const PACKAGES = ["fetch", "axios", "express", "hono", "core", "evm"].map((name) => `@x402/${name}`);
const PACKAGES_MCP = ["sdk", "inspector"].map((name) => `@modelcontextprotocol/${name}`);
const PACKAGES_V1 = ["x402", "x402-fetch", "x402-express"];

/** Whether the document says what was seen; with UPDATE_EXPECT it is made to. */
export function document(cells) {
  const text = readFileSync(FILE, "utf8");
  const [before, rest] = text.split(BEGIN);
  const [, after] = rest.split(END);
  const now = `${before}${BEGIN}${matrix(cells)}${END}${after}`;
  if (now === text) return true;
  if (process.env.UPDATE_EXPECT) {
    writeFileSync(FILE, now);
    return true;
  }
  console.error("docs/interop.md says something else; UPDATE_EXPECT=1 writes it anew");
  return false;
}

function matrix(cells) {
  const columns = FACILITATORS.flatMap((facilitator) => CHAINS.map((chain) => ({ facilitator, chain })));
  const reasons = [...new Set(cells.map(({ why }) => why).filter(Boolean))];
  const rows = new Map(cells.map(({ way, client, server }) => [`${way} | ${client} | ${server}`, { way, client, server }]));
  const heads = columns.map(({ facilitator, chain }) => `${facilitator}, ${chain}`);
  const lines = [["way", "client", "server", ...heads], Array(3 + heads.length).fill("---")];
  for (const row of rows.values()) {
    const { way, client, server } = row;
    lines.push([way, `\`${client}\``, `\`${server}\``, ...columns.map((column) => mark(find(cells, row, column), reasons))]);
  }
  const table = lines.map((words) => `| ${words.join(" | ")} |\n`).join("");
  const notes = reasons.map((reason, at) => `${at + 1}. ${reason}\n`).join("");
  const named = (of) => (name) => `\`${name}\` ${of(name)}`;
  const packages = [...[...PACKAGES, ...PACKAGES_V1].map(named(version)), ...PACKAGES_MCP.map(named(versionOfMcp))].join(", ");
  return `Against ${packages}.\n\n${table}\nWhere a number stands:\n\n${notes}`;
}

function find(cells, row, column) {
  return cells.find((cell) => Object.entries({ ...row, ...column }).every(([name, value]) => cell[name] === value));
}

function mark(cell, reasons) {
  if (cell === undefined) return "";
  if (!cell.holds) return "**failed**";
  return cell.ok ? "ok" : `${reasons.indexOf(cell.why) + 1}`;
}
