// Runs the program under test: builds it, starts and ends its processes, waits with a deadline and never sleeps.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BUILD_MS = 900_000;
const START_MS = 120_000;
const END_MS = 20_000;
const running = new Set();
const folder = mkdtempSync(join(tmpdir(), "tollway-interop-"));

// Whatever happens, nothing is left running or lying about.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** A path in a folder that goes with this process. */
export const scratch = (name) => join(folder, name);

/** The program under test. */
export const program = process.env.TOLLWAY ?? built();

function built() {
  execFileSync("cargo", ["build", "-q", "-p", "tollway"], { stdio: "inherit", timeout: BUILD_MS });
  return join(process.env.CARGO_TARGET_DIR ?? "target", "debug", "tollway");
}

/** Runs the program to its end and returns what it prints. */
export const run = (...words) => execFileSync(program, words, { encoding: "utf8", timeout: START_MS });

/** Starts the program; resolves once `ready` finds in its output what it looks for. */
export function start(words, ready) {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`${words[0]} was not ready in time: ${said}`)), START_MS);
    child.once("exit", (code) => reject(new Error(`${words[0]} ended with ${code}: ${said}`)));
    child.stdout.on("data", (chunk) => {
      said += chunk;
      const found = ready(said);
      if (found === undefined) return;
      clearTimeout(late);
      resolve({ found, end: () => end(child) });
    });
  });
}

/** Asks a process to stop and waits until it has. */
async function end(child) {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const late = setTimeout(() => child.kill("SIGKILL"), END_MS);
  child.kill("SIGTERM");
  assert.equal(await gone, 0, "the program did not stop cleanly");
  clearTimeout(late);
}

/** For `start`: the first complete JSON value in the output. */
export function json(said) {
  try {
    return JSON.parse(said);
  } catch {
    return undefined;
  }
}
