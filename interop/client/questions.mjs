// Asks our signatures: the program of the crate tollway-interop, JSON in, JSON out.

import { execFileSync } from "node:child_process";
import { join } from "node:path";

const BUILD_MS = 900_000;
const ASK_MS = 60_000;
const OUTPUT_MAX = 64 << 20;

execFileSync("cargo", ["build", "-q", "-p", "tollway-interop"], { stdio: "inherit", timeout: BUILD_MS });
const program = join(process.env.CARGO_TARGET_DIR ?? "target", "debug", "tollway-interop");

/** The answers to many questions, in order. */
export function askAll(questions) {
  const options = { input: JSON.stringify(questions), encoding: "utf8", timeout: ASK_MS, maxBuffer: OUTPUT_MAX };
  return JSON.parse(execFileSync(program, [], options));
}

/** The answer to one question. */
export const ask = (question) => askAll([question])[0];

/** A request or a response as a question has it; fields are pairs. */
export function message(url, { method = "GET", fields = [], status = null } = {}) {
  const { protocol, host, pathname, search } = new URL(url);
  return { method, scheme: protocol.slice(0, -1), authority: host, target: pathname + search, status, fields };
}
