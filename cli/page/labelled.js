// A control with its label, its hint, and the place for what is wrong with it.

import { element } from "./dom.js";

/** Puts a control under its label. The control needs an id. */
export function labelled(control, label, { hint, className = "" } = {}) {
  const ids = [`${control.id}-error`, ...(hint ? [`${control.id}-hint`] : [])];
  control.setAttribute("aria-describedby", ids.join(" "));
  const text = element("label", { for: control.id }, label);
  return element("div", { class: `field ${className}` },
    control.type === "checkbox" ? element("div", { class: "check" }, control, text) : [text, control],
    hint ? element("p", { class: "hint", id: ids[1] }, hint) : null,
    element("p", { class: "error", id: ids[0], hidden: true }));
}

/** Says what is wrong with a control, or with an empty text that nothing is. */
export function setError(control, text) {
  const place = document.getElementById(`${control.id}-error`);
  place.textContent = text;
  place.hidden = text === "";
  if (text === "") control.removeAttribute("aria-invalid");
  else control.setAttribute("aria-invalid", "true");
}
