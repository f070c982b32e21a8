// The state of the list, which is the query of the page's address: the parameters of the API under their own names, so that an address can
// be reloaded, shared and read. An open contact is the fragment.

const DEFAULTS = { page: "1", per_page: "25", sort: "-updatedAt" };

/** The filters besides `search`. */
export const FILTERS = [
  "name", "email", "phone", "integration_meta.external_id", "disabled",
  "from_updatedAt", "to_updatedAt", "from_createdAt", "to_createdAt",
];
const KNOWN = new Set(["search", ...FILTERS, ...Object.keys(DEFAULTS)]);

const parameters = () => new URLSearchParams(location.search);

/** The value of a parameter, or its default. */
export const get = (name) => parameters().get(name) || DEFAULTS[name] || "";

/** Whether anything narrows the list. */
export const isNarrowed = () => ["search", ...FILTERS].some((name) => get(name) !== "");

/** The query for the API. */
export function query() {
  const sent = new URLSearchParams(DEFAULTS);
  for (const name of KNOWN) if (get(name) !== "") sent.set(name, get(name));
  return sent.toString();
}

/**
 * Changes parameters; an empty value removes one. Another selection or order begins at the first page. `replace` leaves no entry in the
 * browser's history, as typing should not. What is open stays open.
 */
export function change(changes, { replace = false } = {}) {
  const next = parameters();
  if (!("page" in changes)) next.delete("page");
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === DEFAULTS[name]) next.delete(name);
    else next.set(name, value);
  }
  // Parameters that nobody knows would be refused.
  for (const name of [...next.keys()]) if (!KNOWN.has(name)) next.delete(name);
  // The same list again is asked for again: it may have failed before.
  if (next.toString() !== parameters().toString()) {
    show(`${location.pathname}${next.size ? `?${next}` : ""}${location.hash}`, replace);
  }
  dispatchEvent(new Event("list-changed"));
}

/** What is open: the id of a contact, `new`, or nothing. */
export const opened = () => location.hash.slice(1);

/** Opens a contact, `new`, or nothing. */
export function open(what, { replace = false } = {}) {
  if (what === opened()) return;
  show(`${location.pathname}${location.search}${what ? `#${what}` : ""}`, replace);
  dispatchEvent(new Event("opened-changed"));
}

function show(address, replace) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}
