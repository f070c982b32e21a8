// What to do when somebody else was first: for each field that one changed, what one typed beside what is there now.

import { button, byId, element, moment } from "./dom.js";
import { differing } from "./fields.js";

/**
 * Asks which values to keep. `base` is the contact that was read, `theirs` the one that is there now, and `mine` the changes of the form:
 * `{field, text}` each. Resolves to the names of the fields whose typed text is kept, or to `null` to go back to the form.
 */
export function resolve({ base, theirs, mine }) {
  const dialog = byId("conflict");
  const changedByThem = differing(base, theirs);
  const typed = new Set(mine.map(({ field }) => field.name));
  const others = changedByThem.filter((field) => !typed.has(field.name));
  return new Promise((done) => {
    const error = element("p", { class: "error", role: "alert" });
    const groups = mine.map(({ field, text }) =>
      choice(field, text, field.kind.format(theirs[field.name]), changedByThem.includes(field)));
    const all = (value) => () => {
      for (const radio of dialog.querySelectorAll(`input[value=${value}]`)) radio.checked = true;
      error.textContent = "";
    };
    const submit = (event) => {
      event.preventDefault();
      const chosen = new FormData(event.target);
      const open = mine.filter(({ field }) => !chosen.has(field.name));
      if (open.length > 0) {
        error.textContent = `Choose for: ${open.map(({ field }) => field.label).join(", ")}.`;
        return dialog.querySelector(`input[name="${open[0].field.name}"]`).focus();
      }
      kept = mine.map(({ field }) => field.name).filter((name) => chosen.get(name) === "mine");
      return dialog.close();
    };
    let kept = null;
    const who = theirs.editor?.name ?? theirs.editor?.username ?? "Somebody else";
    dialog.replaceChildren(
      element("h2", { id: "conflict-title" }, "Somebody else was first"),
      element("form", { onsubmit: submit, novalidate: true },
        element("div", { class: "body" },
          element("p", {}, element("bdi", {}, who), ` saved this contact on ${moment(theirs.updatedAt)}, after you opened it. `,
            "Nothing of yours is lost: choose what to keep."),
          groups.length > 1 && element("p", { class: "row" },
            button("Keep all of mine", all("mine"), { class: "quiet" }), button("Take all of theirs", all("theirs"), { class: "quiet" })),
          groups,
          others.length > 0 && element("div", { class: "others" },
            element("h3", {}, "Also changed, and kept as it is now"),
            element("dl", {}, others.map((field) => [
              element("dt", {}, field.label), element("dd", { dir: "auto" }, shown(field.kind.format(theirs[field.name])))]))),
          error),
        element("div", { class: "buttons" },
          button("Back to the form", () => dialog.close()),
          element("button", { type: "submit", class: "primary" }, "Save"))));
    dialog.addEventListener("close", () => done(kept), { once: true });
    dialog.showModal();
    dialog.querySelector("input").focus();
  });
}

/** Both values of a field. Mine is chosen where they left the field as it was. */
function choice(field, mine, theirs, isContested) {
  const option = (value, label, text, isChecked) => element("label", { class: "option" },
    element("input", { type: "radio", name: field.name, value, checked: isChecked }),
    element("span", { class: "label" }, label), element("span", { class: "value", dir: "auto" }, shown(text)));
  return element("fieldset", { class: "choice" }, element("legend", {}, field.label),
    option("mine", "Keep mine", mine, !isContested),
    option("theirs", isContested ? "Take theirs" : "Leave it as it was", theirs, false));
}

const shown = (text) => (text === "" ? "— empty —" : text);
