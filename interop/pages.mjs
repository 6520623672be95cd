// The console in a real browser: its figures are the books', foreign pages are kept out, everything reads without
// scripts, and it is accessible. Prints one line per check; the first one that fails ends it.

import assert from "node:assert/strict";
import { request } from "node:http";

import { launch, looks, sound, visit } from "./pages/browser.mjs";
import { openShop } from "./pages/shop.mjs";

const DAY_MS = 86_400_000;
const say = (what) => console.log(`ok  ${what}`);
const usd = (atomic) => `$${(Number(atomic) / 1e6).toFixed(6).replace(/(\.\d\d\d*?)0+$/, "$1")}`;

const shop = await openShop();
const browser = await launch();
const page = await visit(browser, shop.url);
const home = new URL("/", shop.url).href;

await checkEmpty();
await checkFigures();
await checkLive();
await checkDoor();
await checkAgents();
await checkOffers();
await checkStatements();
await checkRules();
await checkWhatIf();
await checkHealth();
await checkWithoutScripts();
await checkCrawl();
await checkSpending();
await browser.close();
await shop.close();

async function checkEmpty() {
  assert.equal(page.url(), home, "the token stays in the address");
  await page.getByText("Nothing sold yet").waitFor();
  await sound(page, "empty overview");
  say("opened: the token is gone from the address, and an empty console says so");
}

/** What the books say, by an audit of the whole journal. */
function audited() {
  const report = shop.ledger("verify");
  assert.equal(report.consistent, true);
  return report;
}

async function figures() {
  return page.evaluate(async () => (await fetch("/figures.json")).json());
}

async function checkFigures() {
  shop.crawl();
  shop.pay("/data/prices.csv");
  const report = audited();
  const { assets } = await figures();
  assert.deepEqual([assets.USD.earned, assets.USD.back, assets.USD.sales], [report.charged, report.undelivered, report.sales]);
  for (const [rule, net] of Object.entries(assets.USD.by.rule)) assert.equal(`-${net}`, report.balances[`revenue:${rule}`], rule);
  assert.deepEqual(Object.keys(assets.USD.by.agent), [shop.agent]);
  await page.goto(`${home}?range=all`);
  const shown = await page.locator('[data-live="all"]').first().textContent();
  assert.equal(shown, usd(report.charged));
  assert.equal(await page.locator("[data-read-to]").textContent(), String(report.sequence));
  const csv = await page.evaluate(async () => (await fetch("/revenue.csv?by=path&range=all")).text());
  const sum = csv.trim().split("\r\n").slice(1).map((row) => Number(row.split(",").at(-1))).reduce((one, other) => one + other);
  assert.equal(String(sum), report.charged);
  await page.goto(home);
  await looks(page, "console-overview");
  say(`figures: ${report.sales} sales, ${shown}: as the audit of the journal has them`);
}

async function checkLive() {
  await page.goto(`${home}?range=all`);
  await page.locator("[data-live-state].good").waitFor();
  const before = audited();
  shop.pay("/articles/1.html?again");
  const expected = usd(Number(before.charged) + 2000);
  await page.waitForFunction((text) => document.querySelector('[data-live="all"]').textContent === text, expected);
  await page.locator("[data-recent] tr").first().getByText("/articles/1.html").waitFor();
  // Plot and tables follow a moment later, all of them together.
  const { sequence } = audited();
  await page.waitForFunction((least) => Number(document.querySelector("[data-read-to]").textContent) >= least, sequence);
  await sound(page, "live overview");
  say("live: a sale is on the open page without a reload");
}

/** Sends what a browser would not: another host name, another page's origin. */
function knock(method, path, headers) {
  const { hostname, port } = new URL(home);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function checkDoor() {
  const [{ name, value, httpOnly, sameSite }] = await page.context().cookies();
  assert.deepEqual([httpOnly, sameSite], [true, "Strict"]);
  const cookie = `${name}=${value}`;
  const host = new URL(home).host;
  assert.equal(await knock("GET", "/", { host, cookie }), 200);
  assert.equal(await knock("GET", "/", { host }), 401);
  assert.equal(await knock("GET", "/", { host: "rebound.example", cookie }), 421);
  assert.equal(await knock("GET", "/live", { host, cookie, origin: "http://evil.example" }), 403);
  assert.equal(await knock("POST", "/agents", { host, cookie, origin: "http://evil.example" }), 403);
  assert.equal(await knock("POST", "/agents", { host, cookie }), 403);
  const stranger = await visit(browser, home);
  await stranger.getByRole("heading", { name: "This door is shut" }).waitFor();
  await stranger.context().close();
  // A page of another port of this machine: the browser sends it our cookie, and the door tells it apart.
  const other = await page.context().newPage();
  await other.goto(`${shop.origin}/`);
  const reached = await other.evaluate((url) => fetch(url, { credentials: "include" }).then(() => "read", () => "refused"), `${home}figures.json`);
  assert.equal(reached, "refused");
  await other.close();
  say("door: rebound host 421, foreign origin 403, no session 401, a page of another port reads nothing");
}

async function checkAgents() {
  await page.goto(`${home}agents`);
  await looks(page, "console-agents");
  page.once("dialog", (dialog) => dialog.accept());
  const row = page.locator("tr", { hasText: shop.agent });
  await row.getByRole("button", { name: /^Block/ }).click();
  await page.getByText("Blocked: nothing more is sold").waitFor();
  const accounts = shop.ask("agents", "list").filter(({ agent }) => agent === shop.agent);
  assert.equal(accounts[0].blocked, true);
  assert.throws(() => shop.pay("/articles/2.html?blocked"));
  await row.getByRole("button", { name: /^Allow/ }).click();
  await page.getByText("Allowed again").waitFor();
  assert.equal(await row.locator("td").nth(2).textContent(), usd(accounts[0].balance_owed));
  await page.getByLabel("Agent", { exact: true }).fill("https://new.example");
  await page.getByLabel("Credit limit, USD").fill("2.50");
  await page.getByLabel("Budget a day").fill("0.75");
  await page.getByRole("button", { name: "Save" }).press("Enter");
  await page.getByText("The terms are in the books").waitFor();
  const opened = shop.ask("agents", "list").find(({ agent }) => agent.startsWith("https://new.example"));
  assert.deepEqual([opened.credit_limit, opened.daily_budget], ["2500000", "750000"]);
  await page.getByLabel("Show only").fill("idle");
  assert.equal(await page.locator("#accounts tbody tr:visible").count(), 1);
  say("agents: blocked and allowed, terms set; the command line sees the same");
}

async function checkOffers() {
  await page.goto(`${home}offers`);
  await page.getByText("blocked", { exact: true }).first().waitFor();
  const paid = await page.locator(".tile", { hasText: "Sales" }).locator(".figure").textContent();
  assert.equal(Number(paid), audited().sales);
  const csv = await page.evaluate(async () => (await fetch("/offers.csv")).text());
  const sold = csv.trim().split("\r\n").map((row) => row.split(",")).filter((row) => row[2] === "sold");
  assert.equal(sold.map((row) => Number(row[3])).reduce((one, other) => one + other), audited().sales);
  await looks(page, "console-offers");
  say("offers: asked, quoted, paid, refused by reason; sold as often as the books say");
}

async function checkStatements() {
  const day = (offset) => new Date(Date.now() + offset * DAY_MS).toISOString().slice(0, 10);
  shop.ledger("close", "--period", day(1), "--now", `${day(2)}T00:00:00Z`);
  const [{ statement }] = shop.ledger("statement");
  await page.goto(`${home}statements`);
  await looks(page, "console-statements");
  const row = page.locator("#bills tbody tr").first();
  const cells = await row.locator("td").allTextContents();
  assert.deepEqual([cells[0], cells[2], cells[3], cells[4]], [statement.period, String(statement.lines), usd(statement.total), usd(statement.payable)]);
  await row.getByRole("link").click();
  assert.equal(await page.locator("#lines tbody tr").count(), statement.lines);
  await looks(page, "console-statement");
  const href = await page.getByRole("link", { name: "Download as CSV" }).getAttribute("href");
  const csv = await page.evaluate(async (url) => (await fetch(url)).text(), href);
  assert.equal(csv.trim().split("\r\n").length, statement.lines + 1);
  say("statements: totals and lines as tollway ledger prints them");
}

async function checkRules() {
  await page.goto(`${home}rules`);
  await page.getByLabel("URL or path").fill("/articles/1.html");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByText("asks $0.002 a request").waitFor();
  await page.locator("ol.steps li.on", { hasText: "articles" }).waitFor();
  await looks(page, "console-rules");
  await page.goto(`${home}rules?url=//articles%2Fx&method=GET`);
  await page.locator(".badge.bad").first().waitFor();
  await sound(page, "an ambiguous path explained");
  say("rules: in order, a request explained, an ambiguous path refused in words");
}

async function checkWhatIf() {
  await page.goto(`${home}what-if`);
  await sound(page, "what if, empty");
  await page.getByLabel("Rule").selectOption("articles");
  await page.getByLabel(/^Price/).first().fill("0.005");
  await page.getByRole("button", { name: "Weigh" }).first().click();
  const { assets } = await figures();
  const now = Number(assets.USD.by.rule.articles);
  await page.getByText(usd(now), { exact: true }).first().waitFor();
  const cells = await page.locator("#weighed tbody tr", { hasText: "articles" }).locator("td").allTextContents();
  assert.deepEqual([cells[3], cells[6]], [usd(now), usd((now / 2000) * 5000)]);
  await looks(page, "console-what-if");
  say("what if: the sampled requests at another price");
}

async function checkHealth() {
  await page.goto(`${home}health`);
  await page.getByText("well", { exact: true }).first().waitFor();
  await looks(page, "console-health");
  for (const name of ["agents", "offers", "statements", "rules", "health", "series", "revenue"]) {
    const told = await page.evaluate(async (url) => {
      const answer = await fetch(url);
      return [answer.status, answer.headers.get("content-type")];
    }, `/${name}.csv`);
    assert.deepEqual(told, [200, "text/csv; charset=utf-8"], name);
  }
  say("health, and every table as CSV");
}

async function checkWithoutScripts() {
  const plain = await visit(browser, shop.url, { javaScriptEnabled: false });
  assert.equal(await plain.getByRole("heading", { name: "Newest sales" }).count(), 1);
  assert.ok((await plain.locator("[data-recent] tr").count()) > 1);
  await plain.getByRole("link", { name: "Agents" }).click();
  await plain.getByText(shop.agent).first().waitFor();
  await plain.context().close();
  say("without scripts: overview and agents read as they do with them");
}

async function checkCrawl() {
  const before = Number(audited().charged);
  const crawl = await shop.watched("crawl", "--max-price", "$0.01", "--budget", "$0.30", "--ui=127.0.0.1:0");
  const watching = await visit(browser, crawl.url);
  await watching.getByText("finished").waitFor();
  const spent = Number(audited().charged) - before;
  assert.ok(spent > 0);
  assert.equal(await watching.locator('[data-live="charged"]').textContent(), usd(spent));
  assert.equal(await watching.locator('[data-live="left"]').textContent(), usd(300000 - spent));
  await looks(watching, "crawl");
  await watching.context().close();
  assert.equal(await crawl.end(), 0);
  say(`crawl --ui: ${usd(spent)} spent, what is left of the budget, and it ends when told to`);
}

async function checkSpending() {
  const { total, rows } = shop.spent();
  const spending = await shop.watched("spending", "--ui=127.0.0.1:0");
  const watching = await visit(browser, spending.url);
  const figure = (label) => watching.locator("dl.tile", { hasText: label }).locator(".figure").first().textContent();
  assert.deepEqual([await figure("Paid"), await figure("Payments")], [usd(total.paid), String(total.payments)]);
  assert.equal(total.paid, audited().charged, "buyer and seller agree");
  await watching.getByText(rows[0].key).first().waitFor();
  await looks(watching, "spending");
  await watching.context().close();
  assert.equal(await spending.end(), 0);
  say(`spending --ui: ${usd(total.paid)}, as tollway spending says and the seller's books have it`);
}
