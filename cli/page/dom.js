// Elements of the page. Text reaches the document as text only, never as markup.

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element with attributes and children. `on…` attributes are listeners, `class` and the others are as in HTML; an attribute that is
 * `false`, `null` or `undefined` is left out. Children are elements or text.
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) made.addEventListener(attribute.slice(2), value);
    else if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** A drawing of one line, for the eye alone. */
export function icon(path) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 20 20");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

/** A button with a text. */
export function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

/** A button that copies a text, and says that it did. */
export function copyButton(label, text) {
  const made = button(label, async () => {
    try {
      await navigator.clipboard.writeText(text());
      made.textContent = "Copied";
    } catch {
      made.textContent = "The browser does not allow copying";
    }
    setTimeout(() => { made.textContent = label; }, 1500);
  }, { class: "link" });
  return made;
}

const NUMBER = new Intl.NumberFormat("en-GB");
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

export const number = (value) => NUMBER.format(value);
export const moment = (value) => MOMENT.format(new Date(value));
export const day = (value) => DAY.format(new Date(value));

/** A number of things, such as `1 contact` and `2 contacts`. */
export const counted = (count, thing) => `${number(count)} ${thing}${count === 1 ? "" : "s"}`;
