// The list: asks the API for the page that the address names, and shows it, what it cost, or why it did not come.

import * as address from "./address.js";
import * as api from "./api.js";
import { button, byId, counted, element, number } from "./dom.js";
import * as filters from "./filters.js";
import { highlight } from "./highlight.js";
import * as key from "./key.js";
import * as pages from "./pages.js";
import * as table from "./table.js";
import { inWords, sentence } from "./words.js";

/** How long an answer may take before the page shows that it waits, in milliseconds. */
const NOTICEABLE = 150;

/** The request under way. A later one stops it, so an answer that is overtaken shows nowhere. */
let running = null;
let hasRows = false;
let retry;

/** Asks for the page of the address. `written` is the id of a contact that was just saved, to point at. */
export async function load({ written = null } = {}) {
  running?.abort();
  clearTimeout(retry);
  const mine = new AbortController();
  running = mine;
  table.showOrder();
  filters.show();
  if (!hasRows) table.showWaiting();
  const slow = setTimeout(() => setWaiting(true), NOTICEABLE);
  try {
    const answer = await api.list(address.query(), mine.signal);
    if (running === mine) show(answer, written);
  } catch (failure) {
    if (running !== mine) return;
    if (!(failure instanceof api.Failure)) throw failure;
    showFailure(failure);
  } finally {
    clearTimeout(slow);
    if (running === mine) setWaiting(false);
  }
}

function setWaiting(isWaiting) {
  byId("progress").hidden = !isWaiting;
  byId("contacts").setAttribute("aria-busy", String(isWaiting));
}

function show({ data, pagination, cost }, written) {
  const { page, total, total_page: last } = pagination;
  // The contacts of the last page were deleted, or moved to another.
  if (data.length === 0 && total > 0) return address.change({ page: String(last) }, { replace: true });
  hasRows = true;
  byId("problem").hidden = true;
  table.show(data);
  pages.show(pagination);
  const begin = (page - 1) * pagination.per_page + 1;
  const range = total > data.length ? `${number(begin)}–${number(begin + data.length - 1)} of ` : "";
  byId("count").textContent = `${range}${counted(total, "contact")}`;
  byId("cost").textContent = inNumbers(cost);
  showEmpty(total === 0);
  const names = byId("rows").querySelectorAll("a.open, td.local_name");
  highlight(address.get("search"), [...names]);
  if (written) table.point(written, { focus: document.activeElement === document.body });
  byId("contacts").scrollTop = 0;
  return key.show();
}

/** What a list cost, in words. */
function inNumbers({ requests, units, server, here }) {
  const time = server === null ? "" : ` · ${number(round(server))} ms in the API`;
  return `${counted(requests, "DynamoDB request")} · ${counted(units, "unit")}${time} · ${number(Math.round(here))} ms in all`;
}

const round = (millis) => (millis < 10 ? Math.round(millis * 10) / 10 : Math.round(millis));

function showEmpty(isEmpty) {
  const empty = byId("empty");
  empty.hidden = !isEmpty;
  if (!isEmpty) return;
  const narrowed = address.isNarrowed();
  empty.replaceChildren(...(narrowed
    ? [element("h2", {}, "Nothing matches"), element("p", {}, "No contact has all that was asked for."),
      button("Clear search and filters", clear)]
    : [element("h2", {}, "No contacts yet"), element("p", {}, "Create the first one, or fill this server with made-up people:"),
      element("p", {}, element("code", {}, "cargo run -- seed --count 1000")),
      button("New contact", () => address.open("new"), { class: "primary" })]));
}

/** Takes the search and all filters away. */
export function clear() {
  byId("search").value = "";
  address.change(Object.fromEntries(["search", ...address.FILTERS].map((name) => [name, ""])));
}

function showFailure(failure) {
  const { headline, text, canRetry, needsKey } = inWords(failure);
  const actions = [];
  const note = element("span", {}, text);
  if (canRetry) actions.push(button("Try again", () => load()));
  if (needsKey) actions.push(button("Enter an API key", key.open));
  if (failure.code === "invalid_parameter") {
    const [name] = failure.message.split(" ");
    const errors = Object.entries(failure.fields).length > 0 ? Object.entries(failure.fields) : [[name, failure.message]];
    filters.showErrors(errors.map(([parameter, message]) => [parameter, sentence({ message })]));
    actions.push(button("Clear search and filters", clear));
  }
  byId("problem").replaceChildren(element("strong", {}, headline), note, ...actions);
  byId("problem").hidden = false;
  if (needsKey) {
    // What another key showed is not this one's.
    hasRows = false;
    byId("count").textContent = "";
    byId("cost").textContent = "";
    table.show([]);
    byId("empty").hidden = true;
  } else if (!hasRows) table.show([]);
  key.show({ isRefused: needsKey });
  if (failure.retryAfter !== null) countDown(failure.retryAfter, note, text);
}

/** Tries again after some seconds, as the answer asks for, and says so. */
function countDown(seconds, note, text) {
  note.textContent = `${text} Trying again in ${seconds} s.`;
  retry = setTimeout(() => (seconds > 1 ? countDown(seconds - 1, note, text) : load()), 1000);
}
