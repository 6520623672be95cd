// What others wrote, as a package-lock.json pins it: installed under target/ when it is not there.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PINNED = ["package.json", "package-lock.json"];
const INSTALL_MS = 300_000;

/** The packages that the folder of a module pins: `theirs` requires one, `version` says which it is. */
export function installed(module, name) {
  const own = dirname(fileURLToPath(module));
  const folder = join(process.env.CARGO_TARGET_DIR ?? join(own, "../../target"), name);
  if (!isInstalled(own, folder)) install(own, folder);
  const theirs = createRequire(join(folder, "package.json"));
  const version = (name) => JSON.parse(read(join(folder, "node_modules", name), "package.json")).version;
  return { theirs, version, folder };
}

export const { theirs, version } = installed(import.meta.url, "interop-x402");

function isInstalled(own, folder) {
  const same = (name) => existsSync(join(folder, name)) && read(folder, name) === read(own, name);
  return PINNED.every(same) && existsSync(join(folder, "node_modules/.package-lock.json"));
}

function install(own, folder) {
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "node_modules"), { recursive: true, force: true });
  for (const name of PINNED) copyFileSync(join(own, name), join(folder, name));
  const words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer", "--silent"];
  execFileSync("npm", words, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
}

function read(where, name) {
  return readFileSync(join(where, name), "utf8");
}
