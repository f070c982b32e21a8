// The table of contacts: columns that sort, rows that open, and the keys that move between them.

import * as address from "./address.js";
import { byId, day, element, icon, moment } from "./dom.js";

/** The columns in their order, then what can be sorted by without a column. `rank` says which go first where there is little room. */
const SORTABLE = [
  { name: "name", label: "Name" },
  { name: "local_name", label: "Local name" },
  { name: "title", label: "Title" },
  { name: "email", label: "E-mail" },
  { name: "phone1", label: "Phone" },
  { name: "phone2", label: "Second phone", rank: "rank-3" },
  { name: "disabled", label: "Status", rank: "rank-2" },
  { name: "createdAt", label: "Created", rank: "rank-2" },
  { name: "updatedAt", label: "Updated" },
];
const WITHOUT_COLUMN = [{ name: "_id", label: "ID" }];

const UP = "m5 12 5-5 5 5";
const DOWN = "m5 8 5 5 5-5";

/** The rows that were shown last, by their content. */
let shown = new Map();

/** The field that sorts, and whether descending. */
function order() {
  const first = address.get("sort").split(",")[0];
  return first.startsWith("-") ? { field: first.slice(1), isDescending: true } : { field: first, isDescending: false };
}

/** Sorts by a field; by the one that sorts already, the other way round. Times begin with the newest. */
function sortBy(field) {
  const now = order();
  const isDescending = now.field === field ? !now.isDescending : field.endsWith("At");
  address.change({ sort: isDescending ? `-${field}` : field });
}

/** Makes the heads of the columns and the menu of orders, once. */
export function start() {
  byId("columns").append(...SORTABLE.map(({ name, label, rank }) =>
    element("th", { role: "columnheader", scope: "col", class: rank, "data-field": name },
      element("button", { type: "button", class: "sort", onclick: () => sortBy(name) }, label, icon(UP)))));
  const menu = byId("order");
  menu.append(...[...SORTABLE, ...WITHOUT_COLUMN].map(({ name, label }) => element("option", { value: name }, label)));
  menu.addEventListener("change", () => sortBy(menu.value));
  byId("direction").addEventListener("click", () => sortBy(order().field));
  byId("rows").addEventListener("keydown", moveByKey);
  byId("rows").addEventListener("focusin", ({ target }) => target.matches("a.open") && makeReachable(target));
  byId("rows").addEventListener("click", ({ target }) => {
    // A click anywhere in a row opens it, but not one that ends the marking of text.
    const link = target.closest("tr")?.querySelector("a.open");
    if (link && !target.closest("a, button") && getSelection().isCollapsed) link.click();
  });
}

/** Shows which column sorts. */
export function showOrder() {
  const { field, isDescending } = order();
  for (const head of byId("columns").children) {
    const sorts = head.dataset.field === field;
    if (sorts) head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
    head.querySelector("path").setAttribute("d", sorts && isDescending ? DOWN : UP);
  }
  byId("order").value = field;
  const direction = byId("direction");
  direction.replaceChildren(icon(isDescending ? DOWN : UP));
  direction.setAttribute("aria-label", isDescending ? "Descending; sort ascending" : "Ascending; sort descending");
}

/**
 * Shows contacts. The focus stays in the row in which it is, or goes to the first. A row that would be the same stays where it is, because a
 * click is lost when its row goes between press and release.
 */
export function show(contacts) {
  const rows = byId("rows");
  const focused = rows.contains(document.activeElement) ? document.activeElement.hash.slice(1) : null;
  const before = shown;
  shown = new Map(contacts.map((contact) => {
    const content = contentOf(contact);
    return [content, before.get(content) ?? row(contact)];
  }));
  const wanted = [...shown.values()];
  for (const old of [...rows.children]) if (!wanted.includes(old)) old.remove();
  wanted.forEach((next, at) => {
    next.classList.remove("pointed");
    if (rows.children[at] !== next) rows.insertBefore(next, rows.children[at] ?? null);
  });
  const link = links().find((link) => link.hash.slice(1) === focused) ?? links()[0];
  if (link) makeReachable(link);
  if (link && focused !== null) link.focus();
}

/** Shows rows without contacts, while the first ones come. */
export function showWaiting() {
  const cells = () => SORTABLE.map(({ rank }) => element("td", { class: rank }, element("span", { class: "bone" })));
  byId("rows").replaceChildren(...Array.from({ length: 12 }, () => element("tr", { "aria-hidden": "true" }, cells())));
}

/** Draws the eye to a contact's row, if there is one. Returns whether it has the focus. */
export function point(id, { focus = false } = {}) {
  const link = links().find((link) => link.hash === `#${id}`);
  if (!link) return false;
  link.closest("tr").classList.add("pointed");
  if (focus) link.focus();
  return focus;
}

/** Moves the focus into the rows. */
export const focusRows = () => byId("rows").querySelector('a.open[tabindex="0"]')?.focus();

/** All that a contact's row shows, as a text. */
const contentOf = (contact) => JSON.stringify([contact._id, ...SORTABLE.map(({ name }) => contact[name])]);

function row(contact) {
  const cell = ({ name, label, rank }, ...content) =>
    element("td", { role: "cell", class: `${name} ${rank ?? ""}`, "data-label": label, dir: "auto" }, content);
  const [, ...others] = SORTABLE;
  return element("tr", { role: "row", class: contact.disabled ? "disabled" : null },
    element("th", { role: "rowheader", scope: "row", class: "name" }, element("div", { class: "who" },
      element("span", { class: "initial", "aria-hidden": "true" }, initial(contact.name)),
      element("a", { class: "open", href: `#${contact._id}`, tabindex: -1, dir: "auto", onclick: opens }, contact.name))),
    others.map((column) => cell(column, content(contact, column.name))));
}

function opens(event) {
  // With a key held down the browser opens a tab of its own.
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  address.open(event.currentTarget.hash.slice(1));
}

function content(contact, name) {
  if (name === "disabled") return element("span", { class: contact.disabled ? "badge" : "calm" }, contact.disabled ? "Disabled" : "Active");
  if (name === "createdAt") return element("time", { datetime: contact.createdAt }, day(contact.createdAt));
  if (name === "updatedAt") return element("time", { datetime: contact.updatedAt }, moment(contact.updatedAt));
  return contact[name] ?? "";
}

/** The first letter or digit of a name. */
const initial = (name) => /[\p{L}\p{N}]/u.exec(name)?.[0].toLocaleUpperCase() ?? "·";

const links = () => [...byId("rows").querySelectorAll("a.open")];

/** Tab reaches one row; the arrow keys reach the others. */
function makeReachable(link) {
  for (const other of links()) other.tabIndex = other === link ? 0 : -1;
}

function moveByKey(event) {
  const all = links();
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at === -1 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (to === -1) byId("search").focus();
  else all[Math.min(to, all.length - 1)].focus();
}
