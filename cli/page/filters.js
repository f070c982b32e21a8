// The filters: a panel to set them, and a chip for each that is in effect, to take it away.

import * as address from "./address.js";
import { button, byId, day, element, moment } from "./dom.js";
import { labelled, setError } from "./labelled.js";

const STATES = { false: "Active", true: "Disabled" };

/** A date stands for the whole day here; the API takes moments, and neither end belongs to its range. */
const midnight = (date, later = 0) => {
  const [year, month, dayOfMonth] = date.split("-").map(Number);
  const time = new Date(2000, 0);
  // `new Date` takes the year 2, which a date has while 2026 is typed, for 1902.
  time.setFullYear(year, month - 1, dayOfMonth + later);
  return time.getTime();
};
const millis = (value) => (/^-?\d+$/.test(value) ? Number(value) : Date.parse(value));
const dateOf = (time) => {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const two = (part) => String(part).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};

const exact = (name, label) => ({
  name, label, control: (attributes) => element("input", { type: "text", autocomplete: "off", dir: "auto", ...attributes }),
  toControl: (value) => value, toParameter: (text) => text.trim(), chip: (value) => `${label} ${value}`,
});
const date = (name, label, step) => ({
  name, label, control: (attributes) => element("input", { type: "date", ...attributes }),
  toControl: (value) => (value === "" ? "" : dateOf(millis(value) + step)),
  toParameter: (text) => (text === "" ? "" : String(step === 1 ? midnight(text) - 1 : midnight(text, 1))),
  chip: (value) => {
    const time = millis(value);
    if (Number.isNaN(time)) return `${label} ${value}`;
    const isWholeDay = time === (step === 1 ? midnight(dateOf(time + 1)) - 1 : midnight(dateOf(time - 1), 1));
    return isWholeDay ? `${label} ${day(time + step)}` : `${label.replace("from", "after").replace("to", "before")} ${moment(time)}`;
  },
});

const FILTERS = [
  exact("name", "Name is"),
  exact("email", "E-mail is"),
  exact("phone", "Phone is"),
  exact("integration_meta.external_id", "External ID is"),
  {
    name: "disabled", label: "Status",
    control: (attributes) => element("select", attributes,
      element("option", { value: "" }, "Any"), Object.entries(STATES).map(([value, label]) => element("option", { value }, label))),
    toControl: (value) => value, toParameter: (text) => text, chip: (value) => STATES[value] ?? `Status ${value}`,
  },
  date("from_createdAt", "Created from", 1), date("to_createdAt", "Created to", -1),
  date("from_updatedAt", "Updated from", 1), date("to_updatedAt", "Updated to", -1),
];

const controls = new Map();
/** What each control held when it was shown or took effect last, by the filter's name. Anything else is still being typed. */
const settled = new Map();

/** Makes the panel, once. */
export function start() {
  const panel = byId("filters");
  const toggle = byId("filters-toggle");
  panel.append(...FILTERS.map((filter) => {
    const control = filter.control({ id: `filter-${filter.name.replace(".", "-")}` });
    control.addEventListener("change", () => {
      settled.set(filter.name, control.value);
      address.change({ [filter.name]: filter.toParameter(control.value) });
    });
    controls.set(filter.name, control);
    return labelled(control, filter.label);
  }), button("Clear filters", clear, { class: "quiet" }));
  panel.addEventListener("submit", (event) => event.preventDefault());
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      setOpen(false);
      toggle.focus();
    }
  });
  toggle.addEventListener("click", () => {
    setOpen(panel.hidden);
    if (!panel.hidden) controls.get("name").focus();
  });
}

function setOpen(isOpen) {
  byId("filters").hidden = !isOpen;
  byId("filters-toggle").setAttribute("aria-expanded", String(isOpen));
}

const clear = () => address.change(Object.fromEntries(address.FILTERS.map((name) => [name, ""])));

/** Shows the filters of the address. */
export function show() {
  const effective = FILTERS.filter(({ name }) => address.get(name) !== "");
  for (const filter of FILTERS) {
    const control = controls.get(filter.name);
    if (!isBeingTyped(filter.name)) {
      const value = filter.toControl(address.get(filter.name));
      // The same value again would interrupt somebody who types a date.
      if (control.value !== value) control.value = value;
      settled.set(filter.name, control.value);
    }
    setError(control, "");
  }
  byId("filters-count").textContent = effective.length ? ` (${effective.length})` : "";
  byId("chips").replaceChildren(...effective.map((filter) => {
    const text = filter.chip(address.get(filter.name));
    const away = () => {
      address.change({ [filter.name]: "" });
      byId("filters-toggle").focus();
    };
    return element("li", {}, element("bdi", {}, text), button("×", away, { "aria-label": `Remove the filter ${text}` }));
  }));
}

function isBeingTyped(name) {
  const control = controls.get(name);
  return control === document.activeElement && control.value !== settled.get(name);
}

/** Says beside the filters what the API says of them. Returns whether one was meant. */
export function showErrors(errors) {
  const known = [...errors].filter(([name]) => controls.has(name));
  for (const [name, text] of known) setError(controls.get(name), text);
  if (known.length > 0) setOpen(true);
  return known.length > 0;
}
