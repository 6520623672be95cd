// The page that a person's browser gets on a 402, in a real browser with a wallet that announces itself (EIP-6963): it
// declines, it pays, and what was bought is shown. Wallet, chain, facilitator and gateway are real; only the wallet's
// window is a script.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { freePort } from "./client/http.mjs";
import { json, run, scratch, start } from "./client/program.mjs";
import { launch, looks, shoot, sound, visit } from "./pages/browser.mjs";
import { Chain, NETWORK, someAddress } from "./x402/chain.mjs";
import { listening, ours } from "./x402/facilitators.mjs";

process.env.TOLLWAY_WALLET_PASSWORD ??= "of a trial";
const PRICE = 10_000n;
const ARTICLE = "<!doctype html><html lang=en><title>Bought</title><h1>The bought article</h1><script>globalThis.ran = true</script>";
const ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' fill='%23765'/%3E%3C/svg%3E";

const node = await start(["devnet", "--listen", "127.0.0.1:0", "--json"], json);
const [bank, gas] = node.found.accounts.map(({ key }) => key);
const chain = new Chain("devnet", { url: node.found.url, end: node.end }, bank);
const facilitator = await ours(chain, gas);
const payTo = someAddress();
const shop = await gateway();
const browser = await launch();

try {
  await withoutScript();
  const buyer = await chain.buyer();
  const page = await open(buyer);
  await declined(page, buyer);
  await paid(page, buyer);
  await dearer(buyer);
  console.log("ok: the page of a 402 declines, pays and shows what was bought");
} finally {
  await browser.close();
  await shop.end();
  await facilitator.end();
  await node.end();
}

/** Two articles, one more of another rule; the seller's own name and colour. */
async function gateway() {
  const folder = scratch("page");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  mkdirSync(join(folder, "site", "articles"), { recursive: true });
  writeFileSync(join(folder, "site", "articles", "one.html"), ARTICLE);
  run("keys", "new", join(folder, "seller.jwk"));
  const rule = (id, path, way) => `[[rules]]
id = "${id}"
path = "${path}"
audience = "everyone"
action = "charge"
price = "$0.01"
${way}
`;
  const text = `public_urls = ["${url}"]
listen = "127.0.0.1:${port}"
[origin]
folder = "site"
[seller]
key = "seller.jwk"
[page]
name = "The Tally & Stick"
accent = "#7a3b12"
[books]
path = "books.db"
[agents]
allow_loopback = true
[exact]
pay_to = "${payTo}"
networks = ["${NETWORK}"]
facilitator = ["${facilitator.url}"]
${rule("articles", "/articles/*", "exact = {}")}${rule("promised", "/promised/*", "")}`;
  writeFileSync(join(folder, "tollway.toml"), text);
  const { end } = await start(["gateway", "-c", join(folder, "tollway.toml")], listening);
  return { url, end };
}

/** The browser with a wallet of this buyer in it. */
async function open({ account, address }) {
  const page = await visit(browser, "about:blank");
  page.asked = [];
  page.declines = true;
  await page.exposeFunction("askWallet", async (method, params) => {
    page.asked.push(method);
    if (method === "eth_requestAccounts") return [address];
    if (method === "eth_chainId") return "0x14a34";
    if (method !== "eth_signTypedData_v4" || page.declines) return null;
    const { EIP712Domain, ...types } = JSON.parse(params[1]).types;
    assert.equal(EIP712Domain.length, 4);
    return account.signTypedData({ ...JSON.parse(params[1]), types });
  });
  await page.addInitScript((icon) => {
    const request = async ({ method, params }) => {
      const answer = await globalThis.askWallet(method, params);
      if (answer === null) throw Object.assign(new Error("the person said no"), { code: 4001 });
      return answer;
    };
    const info = { uuid: "11111111-2222-4333-8444-555555555555", name: "Trial Wallet", icon, rdns: "example.trial" };
    const detail = Object.freeze({ info: Object.freeze(info), provider: Object.freeze({ request }) });
    const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
    addEventListener("eip6963:requestProvider", announce);
  }, ICON);
  await page.goto(`${shop.url}/articles/one.html`);
  return page;
}

function said(page, text) {
  return page.waitForFunction((text) => document.getElementById("said")?.textContent.includes(text), text);
}

function button(page) {
  return page.getByRole("button", { name: "Pay with Trial Wallet" });
}

/** A page without a wallet's way, and without scripts, is complete for reading. */
async function withoutScript() {
  const page = await visit(browser, `${shop.url}/promised/x`, { javaScriptEnabled: false });
  assert.match(await page.textContent("main"), /The Tally & Stick[\s\S]*0\.01[\s\S]*tollway pay/);
  assert.equal(await page.locator("#wallets, script").count(), 0);
  await page.context().close();
}

async function declined(page, buyer) {
  await button(page).waitFor();
  // The browser itself notes that the page answers 402.
  page.notes.errors = page.notes.errors.filter((text) => !text.includes("402"));
  await looks(page, "402");
  const before = await chain.balance(buyer.address);
  await button(page).click();
  await said(page, "Declined. Nothing was signed.");
  assert.deepEqual(page.asked, ["eth_requestAccounts", "eth_chainId", "eth_signTypedData_v4"]);
  assert.equal(await chain.balance(buyer.address), before);
}

async function paid(page, buyer) {
  page.declines = false;
  const before = await chain.balance(buyer.address);
  await button(page).click();
  await said(page, "Paid. Transaction 0x");
  assert.equal(before - (await chain.balance(buyer.address)), PRICE);
  assert.equal(await chain.balance(payTo), PRICE);
  await shoot(page, "402-paid");
  await page.getByRole("button", { name: "Read the page" }).click();
  await page.getByRole("heading", { name: "The bought article" }).waitFor();
  assert.equal(await page.evaluate(() => globalThis.ran), undefined, "a bought page runs nothing here");
  await page.context().close();
}

/** A price that was raised after the page was shown is not signed. */
async function dearer(buyer) {
  const page = await open(buyer);
  page.declines = false;
  await button(page).waitFor();
  await page.evaluate(() => { document.getElementById("wallets").dataset.amount = "5000"; });
  await button(page).click();
  await said(page, "The price has changed.");
  assert.ok(!page.asked.includes("eth_signTypedData_v4"));
  await page.context().close();
}
