// A question that is answered by yes or no, in a dialog.

import { button, byId, element } from "./dom.js";

/** Answers the question that was asked last. */
let answer = () => {};

/** Asks, and resolves to whether the answer was yes. `Esc` is a no, and so is a question while another one is open. */
export function confirm({ title, text, yes, no = "Cancel", isDangerous = false }) {
  const dialog = byId("confirm");
  if (dialog.open) return Promise.resolve(false);
  // The event `close` comes later than the dialog closes, so it can belong to the question before.
  answer(false);
  return new Promise((resolve) => {
    answer = (isYes) => {
      dialog.close();
      resolve(isYes);
    };
    dialog.replaceChildren(
      element("h2", { id: "confirm-title", dir: "auto" }, title),
      element("div", { id: "confirm-text", class: "text" }, text.map((paragraph) => element("p", { dir: "auto" }, paragraph))),
      element("div", { class: "buttons" },
        button(no, () => answer(false), { autofocus: true }),
        button(yes, () => answer(true), { class: isDangerous ? "danger" : "primary" })));
    dialog.onclose = () => dialog.open || answer(false);
    dialog.showModal();
  });
}
