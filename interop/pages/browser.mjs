// A real browser for the tests of pages: watches for errors and foreign requests, weighs what a page loads, asks the
// judge of accessibility, and keeps screenshots in target/screenshots/ for people to look at.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { axe, chromium } from "./packages.mjs";

/** Everything that a page may load, in bytes. */
const PAGE_MAX = 150 * 1024;
const WAIT_MS = 20_000;
const own = dirname(fileURLToPath(import.meta.url));
const shots = join(resolve(process.env.CARGO_TARGET_DIR ?? join(own, "..", "..", "target")), "screenshots");
mkdirSync(shots, { recursive: true });

export const SIZES = { desktop: { width: 1360, height: 900 }, phone: { width: 390, height: 844 } };

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];

/** Starts the browser; end it with `close()`. */
export const launch = () => chromium.launch({ executablePath, args, timeout: 60_000 });

/**
 * A page in a context of its own (cookies are not shared), which notes what goes wrong. `options` are the driver's
 * own, such as `colorScheme`, `viewport`, `javaScriptEnabled`. Call `sound(page)` at the end of each look.
 */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: SIZES.desktop, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  watch(page);
  await page.goto(url);
  return page;
}

/** Notes errors, foreign requests and bytes of a page; for tabs opened by other means than `visit`. */
export function watch(page) {
  const notes = { errors: [], foreign: [], bytes: 0 };
  page.notes = notes;
  page.on("console", (message) => {
    if (message.type() === "error") notes.errors.push(message.text());
  });
  page.on("pageerror", (error) => notes.errors.push(String(error)));
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol !== "data:" && !["127.0.0.1", "localhost"].includes(hostname)) notes.foreign.push(request.url());
  });
  page.on("framenavigated", (frame) => {
    if (frame === page.mainFrame()) notes.bytes = 0;
  });
  page.on("response", async (response) => {
    if ((response.headers()["content-type"] ?? "").startsWith("text/event-stream")) return;
    const body = await response.body().catch(() => "");
    notes.bytes += body.length;
  });
  return page;
}

/** No error, nothing asked of elsewhere, not too heavy, and accessible. */
export async function sound(page, name) {
  const { errors, foreign, bytes } = page.notes;
  assert.deepEqual(errors, [], `${name}: errors in the console`);
  assert.deepEqual(foreign, [], `${name}: requests to other hosts`);
  assert.ok(bytes < PAGE_MAX, `${name} loads ${bytes} bytes`);
  // The page's policy lets no script be added to it; the driver may run one all the same.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], `${name}: not accessible`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: wider than the screen by ${wide} pixels`);
}

/** Keeps a picture of the whole page. */
export async function shoot(page, name) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Light and dark, wide and narrow: checks each and keeps its picture. The page stays as it is otherwise. */
export async function looks(page, name) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await sound(page, `${name} ${size} ${colorScheme}`);
      await shoot(page, `${name}-${size}-${colorScheme}`);
    }
  }
  await page.setViewportSize(SIZES.desktop);
  await page.emulateMedia({ colorScheme: "light" });
}
