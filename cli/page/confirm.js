// A question that is answered by yes or no, in a dialog.

import { button, byId, element } from "./dom.js";

/** Asks, and resolves to whether the answer was yes. `Esc` is a no, and so is a question while another one is open. */
export function confirm({ title, text, yes, no = "Cancel", isDangerous = false }) {
  const dialog = byId("confirm");
  if (dialog.open) return Promise.resolve(false);
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
