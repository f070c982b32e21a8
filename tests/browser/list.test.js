// The list on the contacts page, over 100,000 contacts: search, order, filters, pages, the address, the key, and what goes wrong.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  add, api, DATA, eventually, hold, open, run, SEEDED, serve, settled, shownIds, startBrowser, stopBrowser, UNAVAILABLE, uniqueName,
} from "./kit.js";

before(startBrowser);
after(stopBrowser);

const count = (page) => page.locator("#count").textContent();
const number = new Intl.NumberFormat("en-GB");

/** The ids and the total that the API answers for a query. */
async function listed(query) {
  const { data, pagination } = await api("GET", `/client-contact?${query}`);
  return { ids: data.map(({ _id }) => _id), total: pagination.total };
}

/** Waits until the table shows what the API answers for a query. */
const shows = async (page, query) => eventually(() => shownIds(page), (await listed(query)).ids);

test("the list opens with the newest changes first, its exact total, and what it cost", async (t) => {
  const page = await open(t);
  const { ids, total } = await listed("sort=-updatedAt&per_page=25");

  assert.ok(total >= SEEDED, `${total}`);
  assert.deepEqual(await shownIds(page), ids);
  assert.equal(await count(page), `1–25 of ${number.format(total)} contacts`);
  assert.match(await page.locator("#cost").textContent(), /^\d+ DynamoDB requests? · [\d.,]+ units? · [\d.,]+ ms in the API · [\d,]+ ms in all$/);
  assert.equal(await page.locator("#key-name").textContent(), "Development key");
  assert.equal(await page.getByRole("columnheader", { name: "Updated" }).getAttribute("aria-sort"), "descending");
});

test("the search runs while one types, and an answer that was overtaken shows nowhere", async (t) => {
  const page = await open(t, { refusals: [0] });
  const searched = [];
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route(/search=/, async (route) => {
    const search = new URL(route.request().url()).searchParams.get("search");
    searched.push(search);
    if (search === "mar") await held;
    await route.continue().catch(() => {});
  });
  const overtaken = page.waitForEvent("requestfailed", (request) => request.url().includes("search=mar&") || request.url().endsWith("search=mar"));

  await page.getByRole("searchbox").fill("mar");
  await eventually(async () => searched.length, 1);
  // All at once: on a busy machine two keys can be further apart than the page waits for the next.
  await page.getByRole("searchbox").evaluate((search) => {
    for (const letter of "ia lopez") {
      search.value += letter;
      search.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
  await shows(page, "search=maria%20lopez&sort=-updatedAt");
  await overtaken;
  release();

  // Eight letters, typed quickly, are one search.
  assert.deepEqual(searched, ["mar", "maria lopez"]);
  await shows(page, "search=maria%20lopez&sort=-updatedAt");
  assert.equal(new URL(page.url()).search, "?search=maria+lopez");
});

test("every column sorts, and once more the other way round", async (t) => {
  const page = await open(t, { viewport: { width: 1700, height: 900 } });
  for (const [label, field, first] of [
    ["Name", "name", "ascending"], ["Local name", "local_name", "ascending"], ["Title", "title", "ascending"], ["E-mail", "email", "ascending"],
    ["Phone", "phone1", "ascending"], ["Second phone", "phone2", "ascending"], ["Status", "disabled", "ascending"],
    ["Created", "createdAt", "descending"], ["Updated", "updatedAt", "descending"],
  ]) {
    const head = page.getByRole("columnheader", { name: label, exact: true });
    for (const order of first === "ascending" ? ["ascending", "descending"] : ["descending", "ascending"]) {
      await head.getByRole("button").click();
      await shows(page, `sort=${order === "descending" ? "-" : ""}${field}`);
      assert.equal(await head.getAttribute("aria-sort"), order, label);
      assert.equal(await page.locator("[aria-sort]").count(), 1);
    }
  }
  await page.getByLabel("Sort by").selectOption("ID");
  await shows(page, "sort=_id");
});

test("filters narrow the list, show as chips, and can be taken away", async (t) => {
  const name = uniqueName("Filtered");
  const digits = String(Date.now());
  const contact = await add({
    name, email: `${name.replaceAll(" ", ".")}@example.com`, phone1: `+49 (30) ${digits}`, disabled: true, integration_meta: { external_id: name },
  });
  const page = await open(t, { refusals: [400] });
  const { total } = await listed("per_page=1");
  await page.getByRole("button", { name: "Filters" }).click();
  const today = await page.evaluate(() => new Date().toLocaleDateString("sv"));

  for (const [label, value, chip] of [
    ["Name is", name, `Name is ${name}`],
    ["E-mail is", contact.email.toUpperCase(), `E-mail is ${contact.email.toUpperCase()}`],
    ["Phone is", `4930-${digits}`, `Phone is 4930-${digits}`],
    ["External ID is", name, `External ID is ${name}`],
  ]) {
    await page.getByLabel(label).fill(value);
    await page.getByLabel(label).press("Enter");
    await eventually(() => shownIds(page), [contact._id]);
    assert.deepEqual(await page.locator(".chips bdi").allTextContents(), [chip]);
    await page.getByRole("button", { name: "Remove the filter" }).click();
    await eventually(() => count(page), `1–25 of ${number.format(total)} contacts`);
    assert.equal(await page.getByLabel(label).inputValue(), "");
  }

  // Both days belong to a range of days.
  await page.getByLabel("Created from").fill(today);
  await page.getByLabel("Created to").fill(today);
  await page.getByLabel("Updated from").fill(today);
  await page.getByLabel("Updated to").fill(today);
  await page.locator("#filter-disabled").selectOption("Disabled");
  await page.getByRole("searchbox").fill(name);
  await eventually(async () => new URL(page.url()).searchParams.get("search"), name);
  await eventually(() => shownIds(page), [contact._id]);
  assert.equal(await page.locator("#filters-count").textContent(), " (5)");
  await page.reload();
  await eventually(() => shownIds(page), [contact._id]);
  assert.equal(await page.locator(".chips li").count(), 5);
  await page.getByRole("button", { name: "Filters (5)" }).click();
  assert.equal(await page.getByLabel("Created to", { exact: true }).inputValue(), today);
  await page.locator("#filter-disabled").selectOption("Active");
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
  await page.getByRole("button", { name: "Clear search and filters" }).click();
  await eventually(() => count(page), `1–25 of ${number.format(total)} contacts`);

  await page.getByLabel("Phone is").fill("none");
  await page.getByLabel("Phone is").press("Enter");
  await eventually(() => page.locator("#filter-phone-error").textContent(), "Phone must have digits.");
  assert.equal(await page.getByLabel("Phone is", { exact: true }).getAttribute("aria-invalid"), "true");
  await page.getByRole("button", { name: "Clear filters" }).click();
  // The count did not change when the filter was refused.
  await eventually(() => page.locator("main > .problem").isVisible(), false);
  assert.equal(await count(page), `1–25 of ${number.format(total)} contacts`);
  assert.equal(await page.locator("#filter-phone-error").isVisible(), false);
});

test("pages are numbered, and any can be gone to", async (t) => {
  const page = await open(t, { path: "/?sort=name" });
  const { total } = await listed("per_page=1");
  const last = Math.ceil(total / 100);
  assert.equal(await page.getByRole("button", { name: "Previous page" }).getAttribute("aria-disabled"), "true");

  await page.getByRole("button", { name: "Next page" }).click();
  await shows(page, "sort=name&page=2");
  await page.getByLabel("a page").selectOption("100");
  await shows(page, "sort=name&per_page=100");
  await page.getByRole("button", { name: "Last page" }).click();
  await shows(page, `sort=name&per_page=100&page=${last}`);
  assert.equal(await page.getByLabel("Page", { exact: true }).inputValue(), String(last));
  assert.equal(await page.getByRole("button", { name: "Next page" }).getAttribute("aria-disabled"), "true");
  await page.getByRole("button", { name: "Previous page" }).click();
  await shows(page, `sort=name&per_page=100&page=${last - 1}`);
  await page.getByLabel("Page", { exact: true }).fill("777");
  await page.getByLabel("Page", { exact: true }).press("Enter");
  await shows(page, "sort=name&per_page=100&page=777");
  assert.equal(await count(page), `77,601–77,700 of ${number.format(total)} contacts`);
  await page.getByLabel("Page", { exact: true }).fill("999,999");
  await page.getByLabel("Page", { exact: true }).press("Enter");
  await shows(page, `sort=name&per_page=100&page=${last}`);
  await page.getByRole("button", { name: "First page" }).click();
  await shows(page, "sort=name&per_page=100");
});

test("the address holds the list: it can be reloaded, shared, and gone back in", async (t) => {
  const page = await open(t, { path: "/?search=ali&sort=-name&per_page=10&page=3" });
  await shows(page, "search=ali&sort=-name&per_page=10&page=3");
  assert.equal(await page.getByRole("searchbox").inputValue(), "ali");
  await page.getByRole("button", { name: "Next page" }).click();
  await shows(page, "search=ali&sort=-name&per_page=10&page=4");
  await page.getByRole("columnheader", { name: "Title" }).getByRole("button").click();
  await shows(page, "search=ali&sort=title&per_page=10");
  await page.reload();
  await settled(page);
  await shows(page, "search=ali&sort=title&per_page=10");

  await page.goBack();
  await shows(page, "search=ali&sort=-name&per_page=10&page=4");
  await page.goBack();
  await shows(page, "search=ali&sort=-name&per_page=10&page=3");
  await page.goForward();
  await shows(page, "search=ali&sort=-name&per_page=10&page=4");

  // A page behind the last one is the last one.
  await page.goto(`${new URL(page.url()).origin}/?search=ali&page=1000000`);
  await settled(page);
  const { total } = await listed("search=ali");
  await shows(page, `search=ali&sort=-updatedAt&page=${Math.ceil(total / 25)}`);
});

test("another key shows its own contacts, is kept in the tab alone, and a wrong one is refused", async (t) => {
  const tenant = uniqueName("tenant");
  const created = await run("keys", "create", "--data", DATA, "--tenant", tenant, "--namespace", "company1", "--username", "u", "--name", "U");
  const key = created.split(/\s+/).reduce((longest, word) => (word.length > longest.length ? word : longest));
  const page = await open(t, { refusals: [401] });
  const sent = [];
  page.on("request", (request) => request.url().includes("/client-contact") && sent.push(request.headers()["api-key"]));

  await page.getByRole("button", { name: "Development key" }).click();
  await page.getByLabel("Another key").fill("not a key");
  await page.getByRole("button", { name: "Use this key" }).click();
  await eventually(() => page.locator("#key-input-error").textContent(), "A key has no spaces and only ASCII characters.");
  await page.getByLabel("Another key").fill("wrong");
  await page.getByRole("button", { name: "Use this key" }).click();
  await eventually(() => page.locator("#key-input-error").textContent(), "The server does not accept this key: it is unknown, revoked or expired.");
  await page.getByLabel("Another key").fill(key);
  await page.getByLabel("Another key").press("Enter");
  await page.getByRole("heading", { name: "No contacts yet" }).waitFor();

  const id = (await run("keys", "list", "--data", DATA)).split("\n").find((line) => line.includes(tenant)).split(/\s+/)[0];
  await eventually(() => page.locator("#key-name").textContent(), `Key ${id.slice(0, 8)}…`);
  await page.reload();
  await page.getByRole("heading", { name: "No contacts yet" }).waitFor();
  assert.equal(sent.at(-1), key);
  assert.ok(!page.url().includes(key));
  assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie]), [0, ""]);
  // A tab of its own begins without it.
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.locator("a.open").first().waitFor();

  await page.getByRole("button", { name: /^Key / }).click();
  await page.getByRole("button", { name: "Use the development key" }).click();
  await page.locator("a.open").first().waitFor();
  assert.equal(sent.at(-1), undefined);
});

test("the name of a key that was changed since does not come back", async (t) => {
  const created = await run(
    "keys", "create", "--data", DATA, "--tenant", uniqueName("tenant"), "--namespace", "company1", "--username", "u", "--name", "U");
  const key = created.split(/\s+/).reduce((longest, word) => (word.length > longest.length ? word : longest));
  const page = await open(t);
  // The first hash of the key waits.
  await page.evaluate(() => {
    const digest = crypto.subtle.digest.bind(crypto.subtle);
    crypto.subtle.digest = (...data) => {
      crypto.subtle.digest = digest;
      window.hashed = new Promise((resolve) => { window.release = resolve; }).then(() => digest(...data));
      return window.hashed;
    };
  });
  await page.getByRole("button", { name: "Development key" }).click();
  await page.getByLabel("Another key").fill(key);
  await page.getByLabel("Another key").press("Enter");
  await page.getByRole("heading", { name: "No contacts yet" }).waitFor();
  await page.locator("#key").click();
  await page.getByRole("button", { name: "Use the development key" }).click();
  await page.locator("a.open").first().waitFor();
  await page.evaluate(async () => {
    window.release();
    await window.hashed;
    await new Promise((resolve) => setTimeout(resolve));
  });
  assert.equal(await page.locator("#key-name").textContent(), "Development key");
});

test("a server that lends no key asks for one", async (t) => {
  const { at, greeting } = await serve(t, "--memory", "--require-key");
  const page = await open(t, { at, refusals: [401] });
  assert.match(await page.locator("main > .problem").textContent(), /An API key is needed/);
  assert.equal(await page.locator("#key-name").textContent(), "No API key");

  await page.getByRole("button", { name: "Enter an API key" }).click();
  await page.getByLabel("Another key").fill(/api-key: ([^']+)'/.exec(greeting)[1]);
  await page.getByLabel("Another key").press("Enter");

  await page.getByRole("heading", { name: "No contacts yet" }).waitFor();
  assert.equal(await page.locator("main > .problem").isVisible(), false);
});

test("what goes wrong is said in words, and tried again", async (t) => {
  const page = await open(t, { path: "/?sort=name", refusals: [0, 403, 429, 500, 503] });
  const problem = page.locator("main > .problem");
  let answer = null;
  await page.route(/\/client-contact\?/, (route) => {
    if (answer === null) return route.continue();
    if (answer === "nothing") return route.abort("connectionrefused");
    return route.fulfill(answer);
  });
  const failing = (status, code, error, headers = {}) => ({
    status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ success: false, error, code }),
  });

  answer = "nothing";
  await page.getByRole("button", { name: "Next page" }).click();
  await eventually(() => problem.locator("strong").textContent(), "The server does not answer");
  answer = null;
  await problem.getByRole("button", { name: "Try again" }).click();
  await shows(page, "sort=name&page=2");
  assert.equal(await problem.isVisible(), false);

  for (const [failure, headline] of [
    [failing(403, "namespace_forbidden", "not for this key"), "This key may not do that"],
    [failing(500, "internal", "Internal server error", { "x-request-id": "r-7" }), "The server failed"],
    [failing(429), "Too many requests"],
  ]) {
    answer = failure;
    await page.getByRole("button", { name: "Next page" }).click();
    await eventually(() => problem.locator("strong").textContent(), headline);
    answer = null;
    // What failed is asked for again by the same click.
    await page.getByRole("button", { name: "Next page" }).click();
    await eventually(() => problem.isVisible(), false);
  }

  // It comes back by itself after the time that the answer names.
  answer = failing(503, "unavailable", "busy", { "retry-after": "1" });
  await page.getByRole("button", { name: "Next page" }).click();
  await eventually(() => problem.locator("strong").textContent(), "The database is busy");
  answer = null;
  await eventually(() => problem.isVisible(), false);
});

test("clearing the search empties its box", async (t) => {
  const page = await open(t, { path: "/?search=nobody+has+this+name" });
  const { total } = await listed("per_page=1");
  await page.getByRole("button", { name: "Clear search and filters" }).click();
  await eventually(() => count(page), `1–25 of ${number.format(total)} contacts`);
  assert.equal(await page.getByRole("searchbox").inputValue(), "");
});

test("a filter that is being typed stays when the list is tried again", async (t) => {
  const page = await open(t);
  let isTyped = false;
  await page.route(/\/client-contact\?/, (route) => (isTyped ? route.continue() : route.fulfill(UNAVAILABLE)));
  await page.locator("#filters-toggle").click();
  await page.getByRole("button", { name: "Next page" }).click();
  await page.locator("main > .problem").waitFor();
  await page.getByLabel("Name is").fill("Nobody");
  isTyped = true;
  await eventually(() => page.locator("main > .problem").isVisible(), false);
  assert.equal(await page.getByLabel("Name is").inputValue(), "Nobody");

  await page.getByLabel("Name is").press("Enter");
  await eventually(() => page.locator(".chips bdi").allTextContents(), ["Name is Nobody"]);
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
  // The control shows the filters of the address again.
  await page.goBack();
  await eventually(() => page.getByLabel("Name is").inputValue(), "");
});

test("a date can be typed", async (t) => {
  const page = await open(t, { refusals: [0] });
  await page.locator("#filters-toggle").click();
  const control = page.locator("#filter-from_createdAt");
  await control.focus();
  await page.keyboard.type("01022026");
  await eventually(() => page.locator(".chips bdi").allTextContents(), ["Created from 2 Jan 2026"]);
  assert.equal(await control.inputValue(), "2026-01-02");
});

test("the number of a page that is being typed stays when a list arrives", async (t) => {
  const page = await open(t, { path: "/?sort=name" });
  const listing = await hold(page, (request) => request.url().includes("page=2&"));
  await page.getByRole("button", { name: "Next page" }).click();
  await listing.held;
  const box = page.getByLabel("Page", { exact: true });
  await box.fill("77");
  listing.release();
  await shows(page, "sort=name&page=2");
  assert.equal(await box.inputValue(), "77");

  await box.press("Enter");
  await shows(page, "sort=name&page=77");
  await page.getByRole("button", { name: "Next page" }).click();
  await shows(page, "sort=name&page=78");
  assert.equal(await box.inputValue(), "78");
});

test("a click counts although the list came anew between press and release", async (t) => {
  const name = uniqueName("Pressed");
  const [one, other] = [await add({ name: `${name} one` }), await add({ name: `${name} other` })];
  const page = await open(t, { path: `/?${new URLSearchParams({ search: name, sort: "name" })}` });
  assert.deepEqual(await shownIds(page), [one._id, other._id]);
  const listing = await hold(page, (request) => request.url().includes("search="));
  await page.getByRole("searchbox").press("Enter");
  await listing.held;
  await eventually(() => page.locator("#contacts").getAttribute("aria-busy"), "true");
  await page.getByRole("link", { name: one.name }).hover();
  await page.mouse.down();
  // Beside the row that stays another one changes.
  await api("PUT", `/client-contact/${other._id}`, { title: "Director" });
  listing.release();
  await eventually(() => page.locator("tbody td.title").allTextContents(), ["", "Director"]);
  await page.mouse.up();
  await eventually(async () => new URL(page.url()).hash, `#${one._id}`);
});

test("an address that asks for what is not there says so and offers the way out", async (t) => {
  const page = await open(t, { path: "/?sort=shoe&search=ali", refusals: [400] });
  assert.match(await page.locator("main > .problem").textContent(), /The list cannot be shown like this/);
  await page.getByRole("columnheader", { name: "Name", exact: true }).getByRole("button").click();
  await shows(page, "search=ali&sort=name");
});

test("an empty server says how to begin", async (t) => {
  const { at } = await serve(t, "--memory");
  const page = await open(t, { at });

  await page.getByRole("heading", { name: "No contacts yet" }).waitFor();
  assert.equal(await count(page), "0 contacts");
  await page.locator("#empty").getByRole("button", { name: "New contact" }).click();
  await page.getByLabel("Name", { exact: true }).fill("The first");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("link", { name: "The first" }).waitFor();
  assert.equal(await count(page), "1 contact");
  // Another search first, because the count of this one is there already.
  await page.getByRole("searchbox").fill("second");
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
  await page.getByRole("searchbox").fill("FIRST");
  await eventually(() => count(page), "1 contact");
  assert.equal(new URL(page.url()).search, "?search=FIRST");
});
