// Short news that needs no answer.

import { byId, element } from "./dom.js";

/** Shows a sentence for a few seconds. */
export function toast(text) {
  const shown = element("p", { dir: "auto" }, text);
  byId("toasts").append(shown);
  setTimeout(() => shown.remove(), 6000);
}
