// The reference at /docs: Swagger UI over the OpenAPI document.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { api, eventually, open, screenshot, serve, startBrowser, stopBrowser, uniqueName } from "./kit.js";

before(startBrowser);
after(stopBrowser);

const METHODS = ["get", "put", "post", "delete", "patch", "head", "options"];

/** Opens the reference, and waits until it shows the document. */
const reference = (t, options = {}) => open(t, { ...options, path: "/docs", ready: ".opblock" });

/** The part of the page for one operation, unfolded. */
async function operation(page, method, path) {
  const block = page.locator(`.opblock-${method.toLowerCase()}`).filter({ has: page.locator(`[data-path="${path}"]`) });
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Execute" }).waitFor();
  return block;
}

/** Sends an operation's call, waits for an answer with this status, and returns what is shown of it. */
async function execute(block, status) {
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator(".live-responses-table tr.response");
  await eventually(async () => (await answer.locator(".response-col_status").innerText()).trim().slice(0, 3), status);
  return answer.locator(".response-col_description").innerText();
}

test("the reference lists every operation", async (t) => {
  const page = await reference(t);
  const { paths } = await api("GET", "/openapi.json");
  const declared = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).filter((method) => METHODS.includes(method)).map((method) => `${method.toUpperCase()} ${path}`));
  assert.ok(declared.length >= 8, declared.join());

  const listed = await page.locator(".opblock-summary").evaluateAll((summaries) => summaries.map((summary) =>
    `${summary.querySelector(".opblock-summary-method").textContent} ${summary.querySelector("[data-path]").dataset.path}`));
  assert.deepEqual(listed.sort(), declared.sort());
  await page.locator(".information-container").evaluate((information) => scrollTo(0, information.getBoundingClientRect().bottom));
  await screenshot(page, "reference");
});

test("a call made by clicking shows its answer", async (t) => {
  const page = await reference(t);
  const name = uniqueName("Clicked");
  const create = await operation(page, "POST", "/client-contact");
  await create.locator("textarea.body-param__text").fill(JSON.stringify({ name }));
  assert.match(await execute(create, "201"), new RegExp(name));
  const { data } = await api("GET", `/client-contact?${new URLSearchParams({ name })}`);
  assert.equal(data.length, 1);

  const list = await operation(page, "GET", "/client-contact");
  await list.locator('tr[data-param-name="search"]').getByRole("textbox").fill(name);
  assert.match(await execute(list, "200"), new RegExp(data[0]._id));
});

test("without a key to lend, the reference asks for one", async (t) => {
  const { at, greeting } = await serve(t, "--memory", "--require-key");
  const page = await reference(t, { at, refusals: [401] });
  const list = await operation(page, "GET", "/client-contact");
  await execute(list, "401");

  await page.getByRole("button", { name: "Authorize" }).first().click();
  await page.locator(".auth-container").filter({ hasText: "api-key" }).getByRole("textbox").fill(/api-key: ([^']+)'/.exec(greeting)[1]);
  await page.locator(".auth-btn-wrapper .authorize").first().click();
  await page.locator(".modal-ux .close-modal").click();
  await execute(list, "200");
});

test("the contacts page leads to the reference", async (t) => {
  const page = await open(t);
  await page.getByRole("link", { name: "API reference" }).click();
  await page.locator(".opblock").first().waitFor();
});
