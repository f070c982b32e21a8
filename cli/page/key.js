// Which API key the page acts with, and the dialog to use another.

import * as api from "./api.js";
import { button, byId, element } from "./dom.js";
import * as store from "./key-store.js";
import { labelled, setError } from "./labelled.js";
import { inWords } from "./words.js";

/** The last call of `show`. An earlier one that comes to its end later shows nothing. */
let showing;

/** Makes the button, once. */
export function start() {
  byId("key").addEventListener("click", open);
}

/** Shows which key it is. `isRefused`: the last call had none that the server accepts. */
export async function show({ isRefused = false } = {}) {
  const mine = (showing = Symbol("show"));
  const key = store.current();
  const name = key === null ? (isRefused ? "No API key" : "Development key") : `Key ${(await store.idOf(key)).slice(0, 8)}…`;
  if (showing !== mine) return;
  byId("key-name").textContent = name;
  byId("key").classList.toggle("refused", isRefused);
  byId("key").setAttribute("aria-label", `${name}: use another API key`);
}

/** Asks for a key. */
export async function open() {
  const dialog = byId("key-dialog");
  const key = store.current();
  const input = element("input", { type: "password", id: "key-input", autocomplete: "off", spellcheck: "false", autofocus: true });
  const now = key === null
    ? ["Requests go without a key. A server on this machine then lends its development key, unless it was started with ",
      element("code", {}, "--require-key"), "."]
    : ["This tab acts with the key ", element("code", {}, await store.idOf(key)), ", as ", element("code", {}, "contacts keys list"), " names it."];
  const use = async (candidate) => {
    setError(input, "");
    try {
      if (!(await api.accepts(candidate))) {
        setError(input, candidate === null ? "This server lends no key." : "The server does not accept this key: it is unknown, revoked or expired.");
        return input.focus();
      }
    } catch (failure) {
      const { headline, text } = inWords(failure, { unread: "The key could not be checked." });
      return setError(input, `${headline}. ${text}`);
    }
    if (candidate === null) store.forget();
    else store.use(candidate);
    dialog.close();
    dispatchEvent(new Event("list-changed"));
  };
  const submit = (event) => {
    event.preventDefault();
    const typed = input.value.trim();
    // Nothing else fits into a header.
    if (/^[\x21-\x7e]+$/.test(typed)) return use(typed);
    setError(input, typed === "" ? "Enter a key." : "A key has no spaces and only ASCII characters.");
    return input.focus();
  };
  dialog.replaceChildren(
    element("h2", { id: "key-title" }, "API key"),
    element("form", { onsubmit: submit, novalidate: true },
      element("p", {}, now),
      labelled(input, "Another key", { hint: ["Kept in this tab until it is closed. ", element("code", {}, "contacts keys create"), " makes one."] }),
      element("div", { class: "buttons" },
        key === null ? null : button("Use the development key", () => use(null), { class: "quiet start" }),
        button("Cancel", () => dialog.close()),
        element("button", { type: "submit", class: "primary" }, "Use this key"))));
  dialog.showModal();
}
