// What the tests in a browser share: the browser, pages that are watched for errors and foreign requests, and the API beside them.
//
// `tests/run-in-the-browser` starts the server and sets the variables that say where it is.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { chromium } from "playwright-core";

/** Where the server with the 100,000 contacts answers. */
export const URL_OF_SERVER = variable("CONTACTS_URL");
/** Its data folder. */
export const DATA = variable("CONTACTS_DATA");
const PROGRAM = variable("CONTACTS_PROGRAM");
const PICTURES = variable("CONTACTS_PICTURES");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** How many contacts were seeded. */
export const SEEDED = Number(variable("CONTACTS_COUNT"));

/** How long something may take on a machine that is busy, in milliseconds. */
const PATIENCE = 60_000;

function variable(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run tests/run-in-the-browser`);
  return value;
}

let browser;

/** The one browser of a file of tests. Call it in `before`. */
export async function startBrowser() {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export const stopBrowser = () => browser?.close();

/**
 * Opens the page for one test, in a browser profile of its own. At the end of the test the page must have been without errors, without a
 * violation of its policy, and without a request to another host.
 *
 * The page is open when `ready`, a selector, is there; without it, when the list is. `refusals` are the statuses of answers that the test
 * provokes and the browser reports, `0` for a request that it breaks off.
 */
export async function open(t, { path = "/", at = URL_OF_SERVER, refusals = [], ready, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    if (!["error", "warning", "assert"].includes(message.type())) return;
    const failed = /^Failed to load resource: (?:the server responded with a status of (\d+)|net::)/.exec(message.text());
    // On a busy machine the API can ask for another try, which the page makes.
    if (!failed || ![...refusals, 503].includes(Number(failed[1] ?? 0))) faults.push(`console: ${message.text()}`);
  });
  context.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== at && protocol !== "data:") faults.push(`request to ${request.url()}`);
  });
  await page.exposeFunction("reportViolation", (violation) => faults.push(`policy: ${violation}`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(at + path);
  if (ready) await page.locator(ready).first().waitFor();
  else await settled(page);
  return page;
}

/** Waits until the list, its emptiness or a problem shows, other than one after which the page tries again by itself. */
export async function settled(page) {
  const problem = 'main > .problem:not([hidden]):not(:has-text("Trying again in"))';
  await page.locator(`a.open, #empty:not([hidden]), ${problem}`).first().waitFor();
}

/** Waits until `probe` returns what is expected, and fails with what it returned last. */
export async function eventually(probe, expected) {
  const deadline = Date.now() + PATIENCE;
  let seen;
  do {
    seen = await probe();
    if (JSON.stringify(seen) === JSON.stringify(expected)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  } while (Date.now() < deadline);
  assert.deepEqual(seen, expected);
}

/**
 * Holds back the next request that `matches`. `held` resolves when it was sent; `release` lets it go on, or gives it the answer that is passed.
 */
export async function hold(page, matches) {
  let arrive, release;
  const held = new Promise((resolve) => { arrive = resolve; });
  const released = new Promise((resolve) => { release = resolve; });
  let isFirst = true;
  await page.route(/\/client-contact/, async (route) => {
    if (!isFirst || !matches(route.request())) return route.fallback();
    isFirst = false;
    arrive();
    const answer = await released;
    return answer ? route.fulfill(answer) : route.fallback();
  });
  return { held, release };
}

/** The answer of a database that is busy. */
export const UNAVAILABLE = {
  status: 503,
  headers: { "content-type": "application/json", "retry-after": "1" },
  body: JSON.stringify({ success: false, error: "The database is busy", code: "unavailable" }),
};

/** Waits until the page has worked on the answers that it has, by a request of its own that comes after them. */
export const caughtUp = (page) => page.evaluate(async () => { await (await fetch("/client-contact?per_page=1")).text(); });

/** A call of the API beside the page. Returns status, headers and the whole body. */
export async function api(method, path, body, { at = URL_OF_SERVER, headers = {} } = {}) {
  const send = () => fetch(at + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  let response = await send();
  // A machine that is busy can make the API ask for another try.
  for (let tries = 1; response.status === 503 && tries < 5; tries += 1) response = await send();
  return { status: response.status, headers: response.headers, ...(await response.json()) };
}

/** Creates a contact beside the page, and returns it. */
export async function add(body) {
  const { status, data, error } = await api("POST", "/client-contact", body);
  assert.equal(status, 201, error);
  return data;
}

/** Reads a contact beside the page. */
export const read = async (id) => (await api("GET", `/client-contact/${id}`)).data;

let made = 0;

/** A name that no other contact has. */
export const uniqueName = (name) => `${name} ${process.pid.toString(36)}x${(made += 1)}x${Date.now().toString(36)}`;

/** The ids of the contacts that the table shows. */
export const shownIds = (page) => page.locator("a.open").evaluateAll((links) => links.map((link) => link.hash.slice(1)));

/** Lets the search find one contact, and opens it. */
export async function openContact(page, name) {
  await page.getByRole("searchbox").fill(name);
  await eventually(() => page.locator("#count").textContent(), "1 contact");
  await page.getByRole("link", { name }).click();
  await page.getByRole("heading", { name: "Edit contact" }).waitFor();
}

/** A control of the form by its field's name. */
export const field = (page, name) => page.locator(`#field-${name}`);

/** The sentence beside a field of the form. */
export const errorOf = (page, name) => page.locator(`#field-${name}-error`).textContent();

/** Runs a command of the program, and returns its output. */
export async function run(...command) {
  return (await promisify(execFile)(PROGRAM, command)).stdout;
}

/** Starts another server, which ends with the test. Returns where it is, and what it says at the start, of which the last line is a call to try. */
export async function serve(t, ...options) {
  const server = spawn(PROGRAM, ["serve", "--port", "0", ...options], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => server.kill());
  let greeting = "";
  for await (const line of createInterface({ input: server.stdout })) {
    greeting += `${line}\n`;
    if (line.startsWith("  try ")) return { at: /http:\/\/[\d.:]+/.exec(greeting)[0], greeting };
  }
  throw new Error("the server did not start");
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails when axe finds anything on the page as it is. */
export async function isAccessible(page, state) {
  // What moves or fades has other colours on the way.
  await page.evaluate(() => Promise.all(document.getAnimations()
    .filter((animation) => Number.isFinite(animation.effect.getComputedTiming().endTime))
    .map((animation) => animation.finished.catch(() => {}))));
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations", "passes"] }));
  const found = violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id} (${help}): ${node.html} ${node.failureSummary}`));
  assert.deepEqual(found, [], state);
  assert.ok(passes.length > 10, `axe looked at the page: ${passes.length}`);
}

/** Takes a picture of the page into the folder `CONTACTS_PICTURES`. */
export async function screenshot(page, name) {
  await page.evaluate(() => document.fonts.ready);
  const picture = await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: "disabled", caret: "hide" });
  assert.ok(picture.length > 10_000, `${name}: ${picture.length} bytes`);
}
