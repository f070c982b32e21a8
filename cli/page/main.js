// The contacts page: starts its parts and the keys that work everywhere.

import * as address from "./address.js";
import { byId } from "./dom.js";
import * as filters from "./filters.js";
import * as form from "./form.js";
import * as key from "./key.js";
import * as list from "./list.js";
import * as pages from "./pages.js";
import * as table from "./table.js";
import { toast } from "./toast.js";

/** How long after the last key the search begins, in milliseconds. */
const TYPING = 180;

const search = byId("search");
let typing;

function searchNow() {
  clearTimeout(typing);
  address.change({ search: search.value.trim() }, { replace: true });
}

search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(searchNow, TYPING);
});
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    table.focusRows();
  } else if (event.key === "Escape") {
    search.value = "";
    searchNow();
  }
});
byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  searchNow();
});
byId("new").addEventListener("click", () => address.open("new"));

addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea, dialog");
  if (isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "/") {
    event.preventDefault();
    search.select();
  } else if (event.key === "n") {
    event.preventDefault();
    address.open("new");
  }
});

addEventListener("list-changed", ({ detail }) => {
  if (detail?.news) toast(detail.news);
  listed = address.query();
  list.load({ written: detail?.written });
});
addEventListener("opened-changed", () => form.follow());
// The browser's own ways: back, forward, and an address that was typed.
let listed = address.query();
addEventListener("popstate", () => {
  showSearch();
  if (address.query() !== listed) list.load();
  listed = address.query();
  form.follow();
});

function showSearch() {
  search.value = address.get("search");
}

table.start();
filters.start();
pages.start();
key.start();
form.start();
showSearch();
list.load();
form.follow();
