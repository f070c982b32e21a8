// The fields of a contact that people edit: how each is shown, typed and sent.
//
// A field's control holds a text. `format` makes it from the API's value, `toJson` makes the JSON to send from it: `null` clears a field.

import { element } from "./dom.js";
import { isSame, parse, write } from "./json.js";

const line = {
  control: (attributes) => element("input", { type: "text", autocomplete: "off", dir: "auto", ...attributes }),
  format: (value) => value ?? "",
  toJson: (text) => (text === "" ? "null" : JSON.stringify(text)),
};

/** The API says itself what is wrong with one that is empty. */
const requiredLine = { ...line, toJson: (text) => JSON.stringify(text) };

const text = { ...line, control: (attributes) => element("textarea", { rows: 3, dir: "auto", ...attributes }) };

/** One entry a line. */
const lines = {
  ...text,
  format: (value) => (value ?? []).join("\n"),
  toJson: (text) => {
    const entries = text.split("\n").map((entry) => entry.trim()).filter((entry) => entry !== "");
    return entries.length === 0 ? "null" : JSON.stringify(entries);
  },
};

const flag = {
  control: (attributes) => element("input", { type: "checkbox", ...attributes }),
  format: (value) => (value ? "Yes" : "No"),
  toJson: (text) => (text === "Yes" ? "true" : "false"),
};

const object = {
  control: (attributes) => element("textarea", { rows: 5, spellcheck: "false", class: "code", dir: "ltr", ...attributes }),
  format: (value) => (value === undefined ? "" : write(value, 2)),
  toJson: (text) => {
    if (text.trim() === "") return "null";
    let value;
    try {
      value = parse(text);
    } catch (error) {
      throw new Error(`This is not JSON: ${error.message}.`);
    }
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error('It must be an object, such as {"crm": "7"}.');
    return write(value);
  },
};

export const FIELDS = [
  { name: "name", label: "Name", kind: requiredLine, isRequired: true },
  { name: "local_name", label: "Local name", kind: line, hint: "In the contact's own script" },
  { name: "title", label: "Title", kind: line },
  { name: "email", label: "E-mail", kind: line, attributes: { inputmode: "email", spellcheck: "false" } },
  { name: "phone1", label: "Phone", kind: line, attributes: { inputmode: "tel" } },
  { name: "phone2", label: "Second phone", kind: line, attributes: { inputmode: "tel" } },
  { name: "extra_info", label: "Notes", kind: text, isWide: true },
  { name: "disabled", label: "Disabled", kind: flag, isWide: true, hint: "Kept, but no longer to be contacted" },
  { name: "company_namespace", label: "Company namespaces", kind: lines, hint: "One a line; your key's default when empty", attributes: { rows: 2 } },
  { name: "cover_photo", label: "Cover photo", kind: line, hint: "An address of a picture", attributes: { spellcheck: "false" } },
  { name: "media", label: "Media", kind: lines, hint: "One address a line", isWide: true, attributes: { spellcheck: "false" } },
  { name: "integration_meta", label: "Integration data", kind: object, hint: "A JSON object that other systems read and write", isWide: true },
];

/** What a control holds. */
export const textOf = (control) => (control.type === "checkbox" ? (control.checked ? "Yes" : "No") : control.value);

/** Lets a control hold a text. */
export function setText(control, text) {
  if (control.type === "checkbox") control.checked = text === "Yes";
  else control.value = text;
}

/** The fields whose values differ between two contacts. */
export const differing = (one, other) => FIELDS.filter(({ name }) => !isSame(one[name] ?? null, other[name] ?? null));
