// A question that is answered by yes or no, in a dialog.

import { button, byId, element } from "./dom.js";

/** Asks, and resolves to whether the answer was yes. `Esc` is a no. */
export function confirm({ title, text, yes, no = "Cancel", isDangerous = false }) {
  const dialog = byId("confirm");
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.replaceChildren(
      element("h2", { id: "confirm-title", dir: "auto" }, title),
      element("div", { id: "confirm-text", class: "text" }, text.map((paragraph) => element("p", { dir: "auto" }, paragraph))),
      element("div", { class: "buttons" },
        button(no, () => dialog.close(), { autofocus: true }),
        button(yes, () => dialog.close("yes"), { class: isDangerous ? "danger" : "primary" })));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}
