// One contact on the contacts page, among 100,000: creating, changing and deleting it, what the API refuses, and what somebody else did meanwhile.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  add, api, caughtUp, errorOf, eventually, field, hold, open, openContact, read, shownIds, startBrowser, stopBrowser, UNAVAILABLE, uniqueName,
  URL_OF_SERVER,
} from "./kit.js";

before(startBrowser);
after(stopBrowser);

const count = (page) => page.locator("#count").textContent();
const save = (page) => page.locator("#form").getByRole("button", { name: /^(Save|Create)$/ }).click();
const problem = (page) => page.locator("#form .problem");
const toast = (page) => page.locator("#toasts p").last();

/** How many contacts have exactly this name. */
const named = async (name) => (await api("GET", `/client-contact?${new URLSearchParams({ name })}`)).data;

/** The bodies of the writes that a page sends, with method and headers. */
function writesOf(page) {
  const writes = [];
  page.on("request", (request) => {
    if (request.method() === "GET") return;
    writes.push({ method: request.method(), body: JSON.parse(request.postData() ?? "null"), headers: request.headers() });
  });
  return writes;
}

/** Whether a request is a call for one contact. */
const isCallFor = ({ _id: id }, method = "GET") => (request) => request.method() === method && request.url().endsWith(`/client-contact/${id}`);

const opened = (page) => new URL(page.url()).hash.slice(1);
const goTo = (page, { _id: id }) => page.evaluate((hash) => { location.hash = hash; }, id);
const openDialogs = (page) => page.locator("dialog[open]").evaluateAll((dialogs) => dialogs.map(({ id }) => id));

/** Opens a new contact and types a name. */
async function begin(page, name) {
  await page.getByRole("button", { name: "New contact" }).click();
  await field(page, "name").fill(name);
}

test("a contact is created with all its fields, found, changed and deleted", async (t) => {
  const page = await open(t);
  const writes = writesOf(page);
  const name = uniqueName("Layla Haddad");
  await begin(page, name);
  await field(page, "local_name").fill("ليلى حداد");
  await field(page, "title").fill("Head of Sales");
  await field(page, "email").fill("layla@example.com");
  await field(page, "phone1").fill("+971 4 555 0199");
  await field(page, "phone2").fill("+971 50 555 0199");
  await field(page, "extra_info").fill("Calls back.\nSpeaks Arabic.");
  await field(page, "disabled").check();
  await field(page, "company_namespace").fill("company1");
  await field(page, "cover_photo").fill("https://example.com/layla.jpg");
  await field(page, "media").fill("https://example.com/1.jpg\n\nhttps://example.com/2.jpg\n");
  await field(page, "integration_meta").fill('{"external_id": "crm-7", "big": 12345678901234567890}');
  await save(page);
  await eventually(() => toast(page).textContent(), `Created ${name}`);

  const [created] = await named(name);
  const { _id: id, creator, createdAt, updatedAt, integration_meta: _, ...fields } = created;
  assert.deepEqual(fields, {
    name, local_name: "ليلى حداد", title: "Head of Sales", email: "layla@example.com", phone1: "+971 4 555 0199", phone2: "+971 50 555 0199",
    extra_info: "Calls back.\nSpeaks Arabic.", disabled: true, company_namespace: ["company1"], cover_photo: "https://example.com/layla.jpg",
    media: ["https://example.com/1.jpg", "https://example.com/2.jpg"], __v: 0,
  });
  // Newest first: it is on top, without anybody's reloading.
  await eventually(async () => (await shownIds(page))[0], id);
  await page.getByRole("searchbox").fill(`làyla ${name.split(" ")[2]}`);
  await eventually(() => shownIds(page), [id]);

  await page.getByRole("link", { name }).click();
  await field(page, "title").fill("Director");
  await field(page, "phone2").fill("");
  await field(page, "disabled").uncheck();
  await save(page);
  await eventually(() => toast(page).textContent(), `Saved ${name}`);
  // Only what was changed is sent, on the condition of the version that was read.
  assert.deepEqual(writes.at(-1).body, { title: "Director", phone2: null, disabled: false });
  assert.equal(writes.at(-1).headers["if-match"], '"0"');
  const changed = await read(id);
  assert.deepEqual([changed.title, changed.phone2, changed.disabled, changed.__v], ["Director", undefined, false, 1]);
  await eventually(() => page.locator("tbody td.title").textContent(), "Director");

  await page.getByRole("link", { name }).click();
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("heading", { name: `Delete ${name}?` }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).last().click();
  assert.equal((await api("GET", `/client-contact/${id}`)).status, 200);
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
  assert.equal(writes.at(-1).headers["if-match"], '"1"');
  assert.equal((await api("GET", `/client-contact/${id}`)).status, 404);
});

test("what the API says of a field stands beside it, and the first one has the focus", async (t) => {
  const page = await open(t, { refusals: [400, 403] });
  const name = uniqueName("Refused");
  await page.getByRole("button", { name: "New contact" }).click();
  await field(page, "phone1").fill("0".repeat(101));
  await field(page, "email").fill("nobody");
  await save(page);

  await eventually(() => errorOf(page, "name"), "Name must not be empty.");
  assert.match(await errorOf(page, "email"), /^E-mail must be empty or an e-mail address/);
  assert.match(await errorOf(page, "phone1"), /^Phone must be at most 100 characters/);
  assert.equal(await errorOf(page, "title"), "");
  assert.equal(await page.evaluate(() => document.activeElement.id), "field-name");
  assert.equal(await field(page, "email").getAttribute("aria-invalid"), "true");
  assert.equal(await field(page, "email").getAttribute("aria-describedby"), "field-email-error");
  assert.match(await problem(page).textContent(), /Nothing was saved.*Look at: Name, E-mail, Phone\./);

  // One alone has no `fields`, only its sentence.
  await field(page, "name").fill(name);
  await field(page, "phone1").fill("");
  await save(page);
  // The form forgets all that was wrong as it sends, and shows what the answer says later.
  await eventually(async () => [await errorOf(page, "name"), /^E-mail must be empty/.test(await errorOf(page, "email"))], ["", true]);
  assert.equal(await page.evaluate(() => document.activeElement.id), "field-email");

  await field(page, "email").fill("");
  await field(page, "company_namespace").fill("company1\nsomebody-elses");
  await save(page);
  await eventually(async () => /somebody-elses/.test(await errorOf(page, "company_namespace")), true);

  await field(page, "company_namespace").fill("");
  for (const [text, sentence] of [
    ["{", /^This is not JSON: /], ["[1]", /^It must be an object/], ['"text"', /^It must be an object/], ["null", /^It must be an object/],
    ['{"a": 1e999}', /^Integration data /],
  ]) {
    await field(page, "integration_meta").fill(text);
    await save(page);
    await eventually(async () => sentence.test(await errorOf(page, "integration_meta")), true);
  }
  assert.deepEqual(await named(name), []);
  await field(page, "integration_meta").fill("");
  await save(page);
  await eventually(() => toast(page).textContent(), `Created ${name}`);
  assert.equal((await named(name)).length, 1);
});

/** Opens a contact, types into it, and lets somebody else be first. */
async function conflict(t, { base, typed, theirs }) {
  const contact = await add({ name: uniqueName("Contested"), ...base });
  const page = await open(t, { refusals: [412] });
  await openContact(page, contact.name);
  for (const [name, value] of Object.entries(typed)) await field(page, name).fill(value);
  assert.equal((await api("PUT", `/client-contact/${contact._id}`, theirs)).status, 200);
  await save(page);
  await page.getByRole("heading", { name: "Somebody else was first" }).waitFor();
  return { page, id: contact._id };
}

const choose = (page, label, which) => page.getByRole("group", { name: label }).getByRole("radio", { name: which }).check();
const decide = (page) => page.locator("#conflict").getByRole("button", { name: "Save" }).click();

test("when somebody was first, one keeps one's own", async (t) => {
  const { page, id } = await conflict(t, {
    base: { title: "Buyer", phone1: "1" },
    typed: { title: "Director", phone1: "2" },
    theirs: { title: "Clerk", extra_info: "Theirs", email: "theirs@example.com" },
  });
  const group = page.getByRole("group", { name: "Title" });
  assert.deepEqual(await group.locator(".value").allTextContents(), ["Director", "Clerk"]);
  // Where nobody else was, mine is chosen; where both were, nothing is.
  assert.equal(await page.getByRole("group", { name: "Phone" }).getByRole("radio", { name: "Keep mine" }).isChecked(), true);
  assert.deepEqual(await page.locator("#conflict dt").allTextContents(), ["E-mail", "Notes"]);
  await decide(page);
  await eventually(() => page.locator("#conflict .error").textContent(), "Choose for: Title.");
  assert.equal((await read(id)).title, "Clerk");

  await choose(page, "Title", "Keep mine");
  await decide(page);
  await eventually(() => page.locator("dialog[open]").count(), 0);
  const { title, phone1, extra_info, email, __v } = await read(id);
  assert.deepEqual({ title, phone1, extra_info, email, __v }, {
    title: "Director", phone1: "2", extra_info: "Theirs", email: "theirs@example.com", __v: 2,
  });
});

test("when somebody was first, one takes theirs", async (t) => {
  const { page, id } = await conflict(t, {
    base: { title: "Buyer", phone1: "1" }, typed: { title: "Director", phone1: "2" }, theirs: { title: "Clerk", phone1: "3" },
  });
  await choose(page, "Title", "Take theirs");
  await choose(page, "Phone", "Keep mine");
  await decide(page);
  await eventually(() => page.locator("dialog[open]").count(), 0);
  assert.deepEqual([(await read(id)).title, (await read(id)).phone1], ["Clerk", "2"]);
});

test("when somebody was first and one takes all of theirs, nothing is sent", async (t) => {
  const { page, id } = await conflict(t, {
    base: { title: "Buyer", phone1: "1" }, typed: { title: "Director", phone1: "2" }, theirs: { title: "Clerk", phone1: "3" },
  });
  await page.getByRole("button", { name: "Take all of theirs" }).click();
  await decide(page);
  await eventually(() => toast(page).textContent(), "Nothing was changed");
  assert.deepEqual([(await read(id)).title, (await read(id)).__v], ["Clerk", 1]);
});

test("one can go back to the form from a conflict, and meet another one", async (t) => {
  const { page, id } = await conflict(t, { base: { title: "Buyer" }, typed: { title: "Director" }, theirs: { title: "Clerk" } });
  await page.getByRole("button", { name: "Back to the form" }).click();
  assert.equal(await field(page, "title").inputValue(), "Director");
  assert.equal((await read(id)).title, "Clerk");

  await save(page);
  await page.getByRole("heading", { name: "Somebody else was first" }).waitFor();
  await api("PUT", `/client-contact/${id}`, { title: "Chef" });
  await choose(page, "Title", "Keep mine");
  await decide(page);
  await eventually(() => page.getByRole("group", { name: "Title" }).locator(".value").last().textContent(), "Chef");
  await page.keyboard.press("Escape");
  await eventually(() => page.locator("dialog[open]").count(), 1);
  assert.equal(await field(page, "title").inputValue(), "Director");
  assert.equal((await read(id)).title, "Chef");
});

test("what somebody deleted can be created again from the form", async (t) => {
  const contact = await add({ name: uniqueName("Lost"), title: "Buyer" });
  const page = await open(t, { refusals: [404] });
  await openContact(page, contact.name);
  await field(page, "title").fill("Director");
  await api("DELETE", `/client-contact/${contact._id}`);
  await save(page);
  await page.getByRole("button", { name: "Create it again" }).click();
  await save(page);

  await eventually(() => toast(page).textContent(), `Created ${contact.name}`);
  const [again] = await named(contact.name);
  assert.equal(again.title, "Director");
  assert.notEqual(again._id, contact._id);
});

test("a contact that somebody changed is not deleted without another question", async (t) => {
  const contact = await add({ name: uniqueName("Kept"), title: "Buyer" });
  const page = await open(t, { refusals: [412, 404] });
  await openContact(page, contact.name);
  await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk" });
  const remove = async () => {
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: `Delete ${contact.name} all the same?` }).waitFor();
    assert.match(await page.locator("#confirm-text").textContent(), /changed it on .*Title: Clerk/);
  };
  await remove();
  await page.getByRole("button", { name: "Keep it" }).click();
  assert.equal((await api("GET", `/client-contact/${contact._id}`)).status, 200);

  await remove();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
  assert.equal((await api("GET", `/client-contact/${contact._id}`)).status, 404);
});

test("a double click makes one contact", async (t) => {
  const page = await open(t);
  const name = uniqueName("Double");
  // The answer waits for the second click.
  let release;
  const clicked = new Promise((resolve) => { release = resolve; });
  await page.route(/\/client-contact$/, async (route) => {
    await clicked;
    await route.continue();
  });
  await begin(page, name);
  await page.getByRole("button", { name: "Create", exact: true }).dblclick();
  release();
  await eventually(() => toast(page).textContent(), `Created ${name}`);
  assert.equal((await named(name)).length, 1);
});

/** Lets the next write reach the API, and loses its answer. */
async function loseNextAnswer(page, method) {
  let isLost = false;
  await page.route(/\/client-contact/, async (route) => {
    if (isLost || route.request().method() !== method) return route.continue();
    isLost = true;
    const request = route.request();
    const sent = ["idempotency-key", "if-match"].map((name) => [name, request.headers()[name]]).filter(([, value]) => value);
    const { pathname } = new URL(request.url());
    const { status } = await api(method, pathname, JSON.parse(request.postData()), { headers: Object.fromEntries(sent) });
    assert.ok(status < 300, `${status}`);
    return route.abort("connectionreset");
  });
}

test("a create whose answer was lost is tried again, and makes one contact", async (t) => {
  const page = await open(t, { refusals: [0] });
  const name = uniqueName("Lost answer");
  await loseNextAnswer(page, "POST");
  await begin(page, name);
  await save(page);
  await eventually(() => problem(page).locator("strong").textContent(), "The server does not answer");
  assert.match(await problem(page).textContent(), /Trying again is safe/);
  await problem(page).getByRole("button", { name: "Try again" }).click();

  await eventually(() => toast(page).textContent(), `Created ${name}`);
  assert.equal((await named(name)).length, 1);
});

test("a create whose answer was lost and that was changed since makes one contact, with the change", async (t) => {
  const page = await open(t, { refusals: [0, 422] });
  const name = uniqueName("Changed since");
  await loseNextAnswer(page, "POST");
  await begin(page, name);
  await save(page);
  await eventually(() => problem(page).isVisible(), true);
  await field(page, "title").fill("Director");
  await save(page);

  await eventually(() => toast(page).textContent(), `Saved ${name}`);
  const [contact, ...others] = await named(name);
  assert.deepEqual([contact.title, contact.__v, others], ["Director", 1, []]);
});

test("an update whose answer was lost is tried again, and is done once", async (t) => {
  const contact = await add({ name: uniqueName("Once"), title: "Buyer" });
  const page = await open(t, { refusals: [0] });
  await openContact(page, contact.name);
  await loseNextAnswer(page, "PUT");
  await field(page, "title").fill("Director");
  await save(page);
  await problem(page).getByRole("button", { name: "Try again" }).click();

  await eventually(() => toast(page).textContent(), `Saved ${contact.name}`);
  assert.deepEqual([(await read(contact._id)).title, (await read(contact._id)).__v], ["Director", 1]);
});

test("an unknown outcome and a busy database are said in words", async (t) => {
  const page = await open(t, { refusals: [503] });
  const name = uniqueName("Unknown");
  let code = "outcome_unknown";
  await page.route(/\/client-contact$/, (route) => (code === null ? route.continue() : route.fulfill({
    status: 503, headers: { "content-type": "application/json", "retry-after": "1" }, body: JSON.stringify({ success: false, error: "x", code }),
  })));
  await begin(page, name);
  await save(page);
  await eventually(() => problem(page).locator("strong").textContent(), "It is not known whether the change was made");
  code = "unavailable";
  await problem(page).getByRole("button", { name: "Try again" }).click();
  await eventually(() => problem(page).locator("strong").textContent(), "The database is busy");
  code = null;
  await problem(page).getByRole("button", { name: "Try again" }).click();
  await eventually(() => toast(page).textContent(), `Created ${name}`);
});

test("numbers keep their spelling when something beside them is edited", async (t) => {
  const name = uniqueName("Exact");
  const meta = '{"big":12345678901234567890,"price":1.10,"tiny":1E-7}';
  const response = await fetch(`${URL_OF_SERVER}/client-contact`, {
    method: "POST", body: `{"name":${JSON.stringify(name)},"integration_meta":${meta}}`,
  });
  const { _id: id } = (await response.json()).data;
  const page = await open(t);
  await openContact(page, name);
  const shown = await field(page, "integration_meta").inputValue();
  assert.equal(shown.replaceAll(/\s/g, ""), meta);

  // Another layout is not a change.
  await field(page, "integration_meta").fill(meta);
  await save(page);
  await eventually(() => toast(page).textContent(), "Nothing was changed");
  await openContact(page, name);
  await field(page, "integration_meta").fill(shown.replace("{", '{"new": true,'));
  await save(page);
  await eventually(() => toast(page).textContent(), `Saved ${name}`);
  const text = await (await fetch(`${URL_OF_SERVER}/client-contact/${id}`)).text();
  assert.ok(text.includes('"integration_meta":{"new":true,"big":12345678901234567890,"price":1.10,"tiny":1E-7}'), text);
});

test("what a contact holds is text, whatever it looks like", async (t) => {
  const mark = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const contact = await add({ name: `${mark} ${uniqueName("Markup")}`, local_name: mark, title: mark, extra_info: mark, integration_meta: { mark } });
  const page = await open(t);
  await openContact(page, contact.name);

  assert.equal(await field(page, "title").inputValue(), mark);
  assert.equal(await page.locator("tbody td.local_name").textContent(), mark);
  assert.equal(await page.title(), "Contacts");
  assert.equal(await page.locator("tbody img, tbody script").count(), 0);
});

test("leaving with something typed asks first, also by the way back", async (t) => {
  const contact = await add({ name: uniqueName("Typed"), title: "Buyer" });
  const page = await open(t);
  await openContact(page, contact.name);
  assert.equal(new URL(page.url()).hash, `#${contact._id}`);
  await field(page, "title").fill("Director");
  for (const leave of [() => page.keyboard.press("Escape"), () => page.getByRole("button", { name: "Close" }).click(), () => page.goBack()]) {
    await leave();
    await page.getByRole("heading", { name: "Leave without saving?" }).waitFor();
    assert.equal(await page.locator("#confirm-text").textContent(), "You changed: Title.");
    await page.getByRole("button", { name: "Go on editing" }).click();
    assert.equal(await field(page, "title").inputValue(), "Director");
    await eventually(async () => new URL(page.url()).hash, `#${contact._id}`);
  }
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Leave" }).click();
  await eventually(() => page.locator("dialog[open]").count(), 0);
  assert.equal(new URL(page.url()).hash, "");
  assert.equal((await read(contact._id)).title, "Buyer");
});

test("a question that follows another at once has an answer of its own", async (t) => {
  const contact = await add({ name: uniqueName("Quick"), title: "Buyer" });
  const page = await open(t);
  await openContact(page, contact.name);
  await field(page, "title").fill("Director");
  await page.keyboard.press("Escape");
  // The browser tells of the first answer after this has run.
  await page.getByRole("button", { name: "Go on editing" }).evaluate((button) => {
    button.click();
    document.getElementById("form").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", cancelable: true }));
  });
  await page.getByRole("button", { name: "Leave" }).click();
  await eventually(() => page.locator("dialog[open]").count(), 0);
});

test("going back and to another contact ask as well, in a conflict too", async (t) => {
  const [contact, other] = [await add({ name: uniqueName("One"), title: "Buyer" }), await add({ name: uniqueName("Other") })];
  const page = await open(t, { refusals: [412] });
  await page.getByRole("columnheader", { name: "Name", exact: true }).getByRole("button").click();
  await openContact(page, contact.name);
  await field(page, "title").fill("Director");
  // Back again while the question is there: it is asked once.
  await page.goBack();
  await page.getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await page.goBack();
  await page.getByRole("button", { name: "Go on editing" }).click();
  await eventually(async () => new URL(page.url()).hash, `#${contact._id}`);

  await page.evaluate((id) => { location.hash = id; }, other._id);
  await page.getByRole("button", { name: "Go on editing" }).click();
  await eventually(async () => new URL(page.url()).hash, `#${contact._id}`);
  assert.equal(await field(page, "title").inputValue(), "Director");

  await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk" });
  await save(page);
  await page.getByRole("heading", { name: "Somebody else was first" }).waitFor();
  await page.evaluate((id) => { location.hash = id; }, other._id);
  await page.getByRole("button", { name: "Leave" }).click();
  await eventually(() => field(page, "name").inputValue(), other.name);
  assert.equal(await page.locator("dialog[open]").count(), 1);
  assert.equal((await read(contact._id)).title, "Clerk");
});

test("an address with a contact opens it, and one without it says so", async (t) => {
  const contact = await add({ name: uniqueName("Linked") });
  const page = await open(t, { path: `/#${contact._id}`, refusals: [404] });
  await page.getByRole("heading", { name: "Edit contact" }).waitFor();
  assert.equal(await field(page, "name").inputValue(), contact.name);
  await page.keyboard.press("Escape");
  await eventually(() => page.locator("dialog[open]").count(), 0);
  await page.goBack();
  await page.getByRole("heading", { name: "Edit contact" }).waitFor();

  await page.goto(`${new URL(page.url()).origin}/#000000000000000000000000`);
  await eventually(() => toast(page).textContent(), "The contact is not there. It was deleted, or this key cannot see it.");
  assert.match(await count(page), /contacts$/);
});

test("a search that begins just after a contact was opened leaves it open", async (t) => {
  const contact = await add({ name: uniqueName("Found") });
  const page = await open(t);
  const reading = await hold(page, isCallFor(contact));
  // At once, so that the search still waits for another key when the contact is opened.
  await page.evaluate(({ _id: id, name }) => {
    const search = document.getElementById("search");
    search.value = name;
    search.dispatchEvent(new Event("input"));
    document.querySelector(`a[href="#${id}"]`).click();
  }, contact);
  await eventually(() => new URL(page.url()).searchParams.get("search"), contact.name);
  reading.release();

  await eventually(() => openDialogs(page), ["form"]);
  assert.equal(opened(page), contact._id);
});

test("an address with a contact and a page behind the last one opens the contact", async (t) => {
  const contact = await add({ name: uniqueName("Linked") });
  const page = await open(t);
  const reading = await hold(page, isCallFor(contact));
  await page.goto(`${URL_OF_SERVER}/?page=1000000#${contact._id}`);
  await eventually(async () => Number(new URL(page.url()).searchParams.get("page")) < 1_000_000, true);
  reading.release();

  await eventually(() => openDialogs(page), ["form"]);
  assert.equal(opened(page), contact._id);
});

test("a contact that cannot be read leaves the one alone that was opened after it", async (t) => {
  const [contact, other] = [await add({ name: uniqueName("One") }), await add({ name: uniqueName("Other") })];
  const page = await open(t);
  const reading = await hold(page, isCallFor(contact));
  await goTo(page, contact);
  await reading.held;
  await goTo(page, other);
  await eventually(() => openDialogs(page), ["form"]);
  const answered = page.waitForResponse((response) => response.url().endsWith(contact._id));
  reading.release(UNAVAILABLE);
  await answered;
  await caughtUp(page);

  assert.equal(opened(page), other._id);
  assert.deepEqual(await openDialogs(page), ["form"]);
  assert.equal(await field(page, "name").inputValue(), other.name);
  assert.equal(await toast(page).count(), 0);
});

test("a contact that cannot be read now is said in words, and can be opened again", async (t) => {
  const contact = await add({ name: uniqueName("Busy") });
  const page = await open(t);
  const reading = await hold(page, isCallFor(contact));
  reading.release(UNAVAILABLE);
  await page.getByRole("link", { name: contact.name }).click();
  await eventually(() => toast(page).textContent(), "The database is busy. The contact could not be read.");
  assert.equal(opened(page), "");

  await page.getByRole("link", { name: contact.name }).click();
  await eventually(() => openDialogs(page), ["form"]);
});

test("a form closes before another contact is read, and coming back opens it again", async (t) => {
  const [contact, other] = [await add({ name: uniqueName("One"), title: "Buyer" }), await add({ name: uniqueName("Other") })];
  const page = await open(t);
  await openContact(page, contact.name);
  const reading = await hold(page, isCallFor(other));
  await goTo(page, other);
  await reading.held;
  // Nothing can be typed that the answer would replace.
  assert.deepEqual(await openDialogs(page), []);
  await page.goBack();
  await eventually(() => openDialogs(page), ["form"]);
  await field(page, "title").fill("Director");
  reading.release();
  await caughtUp(page);

  assert.equal(opened(page), contact._id);
  assert.equal(await field(page, "name").inputValue(), contact.name);
  assert.equal(await field(page, "title").inputValue(), "Director");
});

test("an answer to the question whether to leave holds for the address that is there by then", async (t) => {
  const [contact, other] = [await add({ name: uniqueName("One"), title: "Buyer" }), await add({ name: uniqueName("Other") })];
  const page = await open(t);
  await openContact(page, contact.name);
  await field(page, "title").fill("Director");
  await page.goBack();
  await page.getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await goTo(page, other);
  await page.getByRole("button", { name: "Leave" }).click();

  await eventually(() => field(page, "name").inputValue(), other.name);
  assert.deepEqual(await openDialogs(page), ["form"]);
  assert.equal(opened(page), other._id);
});

test("while a contact is saved its form can be neither changed nor left", async (t) => {
  const contact = await add({ name: uniqueName("Slow"), title: "Buyer" });
  const page = await open(t);
  await openContact(page, contact.name);
  const writing = await hold(page, isCallFor(contact, "PUT"));
  await field(page, "title").fill("Director");
  await field(page, "title").press("Enter");
  await writing.held;
  await page.keyboard.type(" of Sales");
  await page.getByLabel("Disabled").click();
  assert.equal(await field(page, "title").inputValue(), "Director");
  assert.equal(await field(page, "disabled").isChecked(), false);
  await page.keyboard.press("Escape");
  assert.deepEqual(await openDialogs(page), ["form"]);
  writing.release();
  await eventually(() => toast(page).textContent(), `Saved ${contact.name}`);

  await openContact(page, contact.name);
  assert.equal(await page.locator("#form").getAttribute("aria-busy"), "false");
  await field(page, "title").fill("Clerk");
  await field(page, "disabled").check();
  await save(page);
  await eventually(async () => [(await read(contact._id)).title, (await read(contact._id)).disabled], ["Clerk", true]);
});

test("until a conflict shows, the form can be neither left nor saved again", async (t) => {
  const contact = await add({ name: uniqueName("Contested"), title: "Buyer" });
  const page = await open(t, { refusals: [412] });
  await openContact(page, contact.name);
  await field(page, "title").fill("Director");
  await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk" });
  const writes = writesOf(page);
  const reading = await hold(page, isCallFor(contact));
  await save(page);
  await reading.held;
  await page.keyboard.press("Control+Enter");
  await page.keyboard.press("Escape");
  await page.goBack();
  await eventually(async () => opened(page), contact._id);
  assert.deepEqual(await openDialogs(page), ["form"]);
  reading.release();

  await page.getByRole("heading", { name: "Somebody else was first" }).waitFor();
  assert.equal(writes.length, 1);
  await choose(page, "Title", "Keep mine");
  await decide(page);
  await eventually(() => openDialogs(page), []);
  assert.equal((await read(contact._id)).title, "Director");
});

test("a conflict does not show over a form that is closed", async (t) => {
  const contact = await add({ name: uniqueName("Contested"), title: "Buyer" });
  const page = await open(t, { refusals: [412] });
  await openContact(page, contact.name);
  await field(page, "title").fill("Director");
  await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk" });
  const reading = await hold(page, isCallFor(contact));
  await save(page);
  await reading.held;
  // As a phone's way back can do, without a question.
  await page.locator("#form").evaluate((form) => form.close());
  const answered = page.waitForResponse((response) => isCallFor(contact)(response.request()));
  reading.release();
  await answered;
  await caughtUp(page);
  assert.deepEqual(await openDialogs(page), []);
});

test("until it is clear whether a contact is deleted, its form stays open", async (t) => {
  const contact = await add({ name: uniqueName("Kept"), title: "Buyer" });
  const page = await open(t, { refusals: [412] });
  await openContact(page, contact.name);
  await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk" });
  const reading = await hold(page, isCallFor(contact));
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await reading.held;
  await page.goBack();
  await eventually(async () => opened(page), contact._id);
  assert.deepEqual(await openDialogs(page), ["form"]);
  reading.release();
  await page.getByRole("heading", { name: `Delete ${contact.name} all the same?` }).waitFor();
  await page.goBack();
  await eventually(async () => opened(page), contact._id);
  assert.deepEqual((await openDialogs(page)).sort(), ["confirm", "form"]);
  await page.getByRole("button", { name: "Keep it" }).click();
  await eventually(() => openDialogs(page), ["form"]);
  assert.equal((await read(contact._id)).title, "Clerk");
});

test("a deletion that a busy database stopped is tried again as a deletion", async (t) => {
  const contact = await add({ name: uniqueName("Busy"), title: "Buyer" });
  const page = await open(t, { refusals: [412] });
  await openContact(page, contact.name);
  await api("PUT", `/client-contact/${contact._id}`, { title: "Clerk" });
  for (const method of ["DELETE", "GET"]) (await hold(page, isCallFor(contact, method))).release(UNAVAILABLE);
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  // First the deletion is refused, then the read of what somebody changed.
  for (let refused = 0; refused < 2; refused += 1) {
    await problem(page).getByText("Nothing was changed.").waitFor();
    await problem(page).getByRole("button", { name: "Try again" }).click();
  }
  await page.getByRole("heading", { name: `Delete ${contact.name} all the same?` }).waitFor();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await eventually(() => toast(page).textContent(), `Deleted ${contact.name}`);
});
