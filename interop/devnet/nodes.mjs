// Two nodes with one beginning: ours, and anvil with our genesis.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { json, run, scratch, start } from "../client/program.mjs";
import { anvil } from "./packages.mjs";

const START_MS = 60_000;
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** Our node: what it says of itself, and how to end it. */
export async function ours() {
  const { found, end } = await start(["devnet", "--listen", "127.0.0.1:0", "--json"], json);
  return { name: "tollway devnet", about: found, url: found.url, end };
}

/** Anvil with the same accounts and contracts. */
export async function theirs() {
  const genesis = scratch("genesis.json");
  writeFileSync(genesis, run("devnet", "--print-genesis"));
  const words = ["--port", "0", "--init", genesis, "--hardfork", "osaka", "--accounts", "1"];
  const child = spawn(anvil, words, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  const url = await listening(child);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const end = async () => {
    child.kill("SIGTERM");
    await gone;
    children.delete(child);
  };
  return { name: "anvil", url, end };
}

function listening(child) {
  return new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`anvil was not ready in time: ${said}`)), START_MS);
    child.once("exit", (code) => reject(new Error(`anvil ended with ${code}: ${said}`)));
    child.stdout.on("data", (chunk) => {
      said += chunk;
      const found = said.match(/Listening on ([\d.:]+)/);
      if (found === null) return;
      clearTimeout(late);
      resolve(`http://${found[1]}`);
    });
  });
}
