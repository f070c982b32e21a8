// The numbers of pages: first, previous, a number to go to, next, last, and how many contacts a page has.

import * as address from "./address.js";
import { byId, element, icon, number } from "./dom.js";

const SIZES = ["10", "25", "50", "100"];

let shown = { page: 1, total_page: 1 };
let page, of, size;
/** The number in the box that was shown or gone to last. Another one is still being typed. */
let settled = "";
const buttons = {};

/** Makes the controls, once. */
export function start() {
  const to = (name, label, path, target) => {
    const go = () => buttons[name].getAttribute("aria-disabled") === "true" || address.change({ page: String(target()) });
    buttons[name] = element("button", { type: "button", class: "quiet square", "aria-label": label, onclick: go }, icon(path));
    return buttons[name];
  };
  page = element("input", { type: "text", inputmode: "numeric", id: "page", autocomplete: "off", size: 5, onchange: goTo });
  of = element("span");
  size = element("select", { id: "per-page", onchange: () => address.change({ per_page: size.value }) },
    SIZES.map((count) => element("option", { value: count }, count)));
  byId("pages").append(
    to("first", "First page", "M6 5v10M14 5l-5 5 5 5", () => 1),
    to("previous", "Previous page", "m12 5-5 5 5 5", () => shown.page - 1),
    element("span", { class: "page" }, element("label", { for: "page" }, "Page"), page, of),
    to("next", "Next page", "m8 5 5 5-5 5", () => shown.page + 1),
    to("last", "Last page", "M14 5v10M6 5l5 5-5 5", () => shown.total_page),
    element("span", { class: "size" }, size, element("label", { for: "per-page" }, "a page")));
}

/** Shows where a list's page is among the others. */
export function show(pagination) {
  shown = { page: pagination.page, total_page: Math.max(1, pagination.total_page) };
  byId("pages").hidden = false;
  if (document.activeElement !== page || page.value === settled) setPage(shown.page);
  of.textContent = `of ${number(shown.total_page)}`;
  const per_page = String(pagination.per_page);
  if (!SIZES.includes(per_page) && size.value !== per_page) size.append(element("option", { value: per_page }, per_page));
  size.value = per_page;
  // `aria-disabled`, because a disabled button would lose the focus.
  for (const name of ["first", "previous"]) buttons[name].setAttribute("aria-disabled", String(shown.page <= 1));
  for (const name of ["next", "last"]) buttons[name].setAttribute("aria-disabled", String(shown.page >= shown.total_page));
}

/** Goes to the page whose number was typed, or the nearest that there is. */
function goTo() {
  const wanted = Number.parseInt(page.value.replace(/\D/g, ""), 10);
  if (Number.isNaN(wanted)) return setPage(shown.page);
  setPage(Math.min(Math.max(1, wanted), shown.total_page));
  return address.change({ page: page.value });
}

function setPage(to) {
  settled = String(to);
  page.value = settled;
}
