// Who uses the contacts page and how: by keyboard alone, with a screen reader, on a phone, in the dark, in scripts that run from right to left.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  add, api, errorOf, eventually, field, isAccessible, open, openContact, read, screenshot, serve, settled, shownIds, startBrowser,
  stopBrowser, uniqueName,
} from "./kit.js";

before(startBrowser);
after(stopBrowser);

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const DARK = { colorScheme: "dark" };

/** What has the focus: the id of an element, or the text of one without. */
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);

test("the keyboard alone creates, finds, changes and deletes a contact", async (t) => {
  const page = await open(t);
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  const name = uniqueName("Keyboard");

  await press("n");
  await page.getByRole("heading", { name: "New contact" }).waitFor();
  await page.keyboard.type(name);
  await press("Tab", "Tab");
  await page.keyboard.type("Buyer");
  await press("Enter");
  await page.getByRole("link", { name }).waitFor();

  await press("/");
  assert.equal(await focused(page), "search");
  await page.keyboard.type(name);
  // The beginning of the name may have found it already.
  await eventually(() => new URL(page.url()).searchParams.get("search"), name);
  await eventually(() => page.locator("#count").textContent(), "1 contact");
  await press("ArrowDown");
  assert.equal(await focused(page), name);
  await press("Enter");
  await page.getByRole("heading", { name: "Edit contact" }).waitFor();
  assert.equal(await focused(page), "field-name");
  await press("Tab", "Tab");
  assert.equal(await focused(page), "field-title");
  await page.keyboard.type("Director");
  await press("Control+Enter");
  await eventually(() => page.locator("tbody td.title").textContent(), "Director");
  // The focus is back in the row.
  assert.equal(await focused(page), name);

  await press("Enter");
  await page.getByRole("heading", { name: "Edit contact" }).waitFor();
  for (let step = 0; step < 6 && (await focused(page)) !== "Delete…"; step += 1) await press("Shift+Tab");
  assert.equal(await focused(page), "Delete…");
  await press("Enter");
  assert.equal(await focused(page), "Cancel");
  await press("Tab");
  assert.equal(await focused(page), "Delete");
  await press("Enter");
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();

  await press("/", "Escape");
  await page.getByRole("link").nth(3).waitFor();
  assert.equal(await page.getByRole("searchbox").inputValue(), "");
  const names = await page.locator("a.open").allTextContents();
  await press("ArrowDown");
  for (const [key, index] of [["ArrowDown", 1], ["ArrowDown", 2], ["ArrowUp", 1], ["End", 24], ["ArrowDown", 24], ["Home", 0]]) {
    await press(key);
    assert.equal(await page.evaluate(() => [...document.querySelectorAll("a.open")].indexOf(document.activeElement)), index, names[index]);
  }
  await press("ArrowUp");
  assert.equal(await focused(page), "search");
  // Tab reaches one row, then the pages.
  await press("Tab", "Tab", "Tab", "Tab", "Tab", "Tab");
  const reached = [];
  for (let step = 0; step < 30; step += 1) {
    reached.push(await focused(page));
    await press("Tab");
  }
  assert.ok(reached.includes("page") && reached.includes("per-page"), reached.join());
  assert.equal(reached.filter((text) => names.includes(text)).length, 1, reached.join());
});

test("the focus shows wherever it is", async (t) => {
  const page = await open(t);
  const reached = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const { outline, where } = await page.evaluate(() => ({
      outline: getComputedStyle(document.activeElement).outlineStyle, where: document.activeElement.outerHTML.slice(0, 80),
    }));
    // Behind the last element the browser's own controls follow.
    if (where.startsWith("<body")) break;
    assert.equal(outline, "solid", where);
    reached.push(where);
  }
  assert.ok(reached.length > 15, reached.join("\n"));
});

test("a screen reader is told what changed", async (t) => {
  const contact = await add({ name: uniqueName("Announced") });
  const page = await open(t);
  const table = page.getByRole("table", { name: "Contacts" });
  assert.equal(await table.getByRole("row").count(), 26);
  assert.equal(await table.getByRole("columnheader").count(), 8);
  assert.equal(await table.getByRole("rowheader").count(), 25);
  await page.getByRole("searchbox").fill(contact.name);
  await eventually(() => page.getByRole("status").filter({ hasText: /^1 contact$/ }).count(), 1);
  await page.getByRole("link", { name: contact.name }).click();
  await field(page, "title").fill("Director");
  await page.getByRole("button", { name: "Save" }).click();
  await eventually(() => page.getByRole("status").filter({ hasText: `Saved ${contact.name}` }).count(), 1);
  await page.keyboard.press("n");
  await page.getByRole("dialog", { name: "New contact" }).waitFor();
});

test("names from right to left are found, shown and typed as such", async (t) => {
  const key = uniqueName("x").split(" ")[1];
  const contact = await add({ name: `مُحَمَّد الأحمد ${key}`, local_name: `דוד לוי ${key}`, title: "Director" });
  const page = await open(t);
  // Without vowel marks, with a tatweel, and in the other script.
  for (const search of [`محمد ${key}`, `الأحمـــد ${key}`, `דוד ${key}`]) {
    // Nothing is found in between, so that what the search before found is not taken for this one's.
    await page.getByRole("searchbox").fill(`nobody ${key}`);
    await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
    await page.getByRole("searchbox").fill(search);
    await eventually(() => shownIds(page), [contact._id]);
  }
  const direction = (locator) => locator.evaluate((shown) => getComputedStyle(shown).direction);
  assert.equal(await direction(page.locator("a.open")), "rtl");
  assert.equal(await direction(page.locator("tbody td.local_name")), "rtl");
  assert.equal(await direction(page.locator("tbody td.title")), "ltr");
  assert.equal(await direction(page.getByRole("searchbox")), "rtl");
  // What was searched for is marked in the name.
  const marked = () => page.evaluate(() => [...(CSS.highlights.get("search") ?? [])].map(String));
  await page.getByRole("searchbox").fill(`محمد ${key}`);
  await eventually(marked, ["مُحَمَّد", key, key]);

  await page.getByRole("link").filter({ hasText: key }).click();
  await page.getByRole("heading", { name: "Edit contact" }).waitFor();
  assert.equal(await direction(field(page, "name")), "rtl");
  assert.equal(await direction(field(page, "title")), "ltr");
  await field(page, "title").fill("مدير");
  assert.equal(await direction(field(page, "title")), "rtl");
  await page.getByRole("button", { name: "Save" }).click();
  await eventually(async () => (await read(contact._id)).title, "مدير");
});

test("on a phone contacts are cards, and everything fits", async (t) => {
  const page = await open(t, { ...PHONE, path: "/?search=ali&sort=name" });
  const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
  await fits();
  const cards = await page.locator("tbody tr").evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().width));
  assert.ok(cards.length === 25 && cards.every((width) => width > 300 && width <= 390), cards.join());
  assert.equal(await page.getByRole("row").count(), 25);

  await page.getByLabel("Sort by").selectOption("Created");
  const { data } = await api("GET", "/client-contact?search=ali&sort=-createdAt");
  await eventually(() => shownIds(page), data.map(({ _id }) => _id));
  await page.getByRole("button", { name: "Descending; sort ascending" }).click();
  await page.getByRole("button", { name: "Ascending; sort descending" }).waitFor();
  await page.locator("#filters-toggle").click();
  await fits();
  await page.locator("#filters-toggle").click();

  const name = uniqueName("Phone");
  await page.getByRole("button", { name: "New contact" }).click();
  await page.getByRole("heading", { name: "New contact" }).waitFor();
  await fits();
  const dialog = await page.locator("#form").boundingBox();
  assert.deepEqual([dialog.width, dialog.height], [390, 844]);
  await field(page, "name").fill(name);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await eventually(() => page.locator("#toasts p").last().textContent(), `Created ${name}`);
});

test("in the dark the page is dark, and without motion it stands still", async (t) => {
  const page = await open(t, { ...DARK, reducedMotion: "reduce" });
  const colours = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]);
  const [ground, text] = colours.map((colour) => /\d+/g[Symbol.match](colour).reduce((sum, part) => sum + Number(part), 0));
  assert.ok(ground < 120 && text > 600, colours.join());
  await page.locator("tbody tr").first().evaluate((row) => row.classList.add("pointed"));
  assert.deepEqual(await page.evaluate(() => document.getAnimations().map((animation) => animation.effect.getComputedTiming().duration)
    .filter((duration) => duration > 1)), []);
});

for (const [look, options] of [["light", {}], ["dark", DARK], ["phone", PHONE]]) {
  test(`axe finds nothing: ${look}`, async (t) => {
    const contact = await add({ name: uniqueName("Accessible"), local_name: "سلمى", title: "Buyer", disabled: true });
    const page = await open(t, { ...options, refusals: [400, 401, 412] });
    await isAccessible(page, "list");
    await page.locator("#filters-toggle").click();
    await page.locator("#filter-disabled").selectOption("Disabled");
    await page.locator(".chips li").waitFor();
    // The chip is there before the list is.
    const { data } = await api("GET", "/client-contact?disabled=true&sort=-updatedAt");
    await eventually(() => shownIds(page), data.map(({ _id }) => _id));
    await isAccessible(page, "filters");
    await page.getByLabel("Phone is").fill("none");
    await page.getByLabel("Phone is").press("Enter");
    await page.locator("main > .problem").waitFor();
    await isAccessible(page, "a filter that is refused");
    await page.getByRole("button", { name: "Clear search and filters" }).click();
    await page.getByRole("searchbox").fill("nobody has this name");
    await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
    await isAccessible(page, "nothing matches");
    await page.locator("#filters-toggle").click();

    await openContact(page, contact.name);
    await isAccessible(page, "form");
    await field(page, "name").fill("");
    await field(page, "email").fill("nobody");
    await page.getByRole("button", { name: "Save" }).click();
    await eventually(() => errorOf(page, "name"), "Name must not be empty.");
    await isAccessible(page, "form with errors");
    await field(page, "name").fill(contact.name);
    await field(page, "email").fill("");
    await field(page, "title").fill("Director");
    await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk", phone1: "1" });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "Somebody else was first" }).waitFor();
    await page.getByRole("radio", { name: "Keep mine" }).check();
    await isAccessible(page, "conflict");
    await page.getByRole("button", { name: "Back to the form" }).click();
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.locator("#confirm[open]").waitFor();
    await isAccessible(page, "confirmation");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Leave" }).click();
    await eventually(() => page.locator("dialog[open]").count(), 0);

    await page.locator("#key").click();
    await page.getByLabel("Another key").fill("wrong");
    await page.getByLabel("Another key").press("Enter");
    await page.locator("#key-input-error:not([hidden])").waitFor();
    await isAccessible(page, "key");
  });
}

test("axe finds nothing on an empty server and without a key", async (t) => {
  const { at } = await serve(t, "--memory");
  await isAccessible(await open(t, { at }), "empty");
  const locked = await serve(t, "--memory", "--require-key");
  await isAccessible(await open(t, { at: locked.at, refusals: [401] }), "no key");
});

test("pictures of the page", async (t) => {
  // A screen of people whose letters any machine has.
  const page = await open(t, { path: "/?search=anna&sort=name&page=9", viewport: { width: 1440, height: 810 } });
  await screenshot(page, "contacts-page");
  const narrow = await open(t, { ...PHONE, ...DARK, path: "/?search=anna&sort=name&page=9", deviceScaleFactor: 2 });
  await screenshot(narrow, "contacts-page-narrow");
  const contact = await add({ name: "Nadia Haddad", local_name: "نادية حداد", title: "Buyer" });
  const form = await open(t, { path: `/?search=anna&sort=name&page=9#${contact._id}`, viewport: { width: 1440, height: 810 }, refusals: [412] });
  await settled(form);
  await field(form, "title").fill("Head of Sales");
  await field(form, "phone2").fill("+971 50 555 0199");
  await api("PUT", `/client-contact/${contact._id}`, { title: "Senior Buyer", extra_info: "Prefers calls in the morning." });
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByRole("radio", { name: "Keep mine" }).first().waitFor();
  await screenshot(form, "contacts-page-conflict");
});
