// Exports and statements as text: canonical JSON, the lines of an export, and the other checker's word on it.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const CHECK_MS = 60_000;

/** RFC 8785 for what the journal holds: objects, strings, whole numbers, booleans. */
export function canonical(value) {
  if (typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** The bodies of an export, in order. */
export function readExport(file) {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line).body);
}

/** Has an export recomputed by the checker in Python; throws with its fault. */
export function checkBooks(file) {
  execFileSync("python3", ["interop/verify_export.py", file], { encoding: "utf8", timeout: CHECK_MS });
}
