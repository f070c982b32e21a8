// The form to create, change and delete a contact.

import * as address from "./address.js";
import * as api from "./api.js";
import { confirm } from "./confirm.js";
import { resolve } from "./conflict.js";
import { button, byId, copyButton, element, moment } from "./dom.js";
import { differing, FIELDS, setText, textOf } from "./fields.js";
import { isSame, parse } from "./json.js";
import { labelled, setError } from "./labelled.js";
import { toast } from "./toast.js";
import { inWords, sentence } from "./words.js";

const dialog = byId("form");

/** What is being edited: the contact that was read, or `null` for a new one. */
let contact = null;
/** The text that each control held at first, by the field's name. */
let initial = new Map();
/** The write that was sent last and may have been done, so that the same one is not done twice. */
let attempt = null;
/** The read of the contact to open. Once another address is wanted, its answer is ignored. */
let reading = null;
/** Whether a call of this form is under way: it can neither be changed nor left until the answer comes. */
let isBusy = false;
/** Whether the person is being asked if another address may replace the form. */
let isAsking = false;
let controls, problem, save;

const titleOf = (of) => (of ? "Edit contact" : "New contact");

/** The address of the form that is open. */
const own = () => contact?._id ?? "new";

/**
 * Opens what the address names, and closes what it no longer names. If something was typed and the person wants to stay, the address goes
 * back to the form's own.
 */
export async function follow() {
  reading = null;
  if (dialog.open) {
    if (address.opened() === own() || isAsking) return;
    isAsking = true;
    const isLeaving = await mayLeave();
    isAsking = false;
    if (!isLeaving) return address.open(own());
    byId("conflict").close();
    // Before the next contact is read, so that nothing is typed into a form that is about to be replaced.
    dialog.close();
  }
  // The address may have changed during the question.
  const what = address.opened();
  if (what === "") return;
  if (what === "new") return show(null);
  await openContact(what);
}

/** Reads a contact and shows it. */
async function openContact(id) {
  const mine = api.read(id);
  reading = mine;
  try {
    const { data } = await mine;
    if (reading === mine) show(data);
  } catch (failure) {
    if (reading !== mine) return;
    const { headline, text } = inWords(failure, { unread: "The contact could not be read." });
    address.open("", { replace: true });
    toast(`${headline}. ${text}`);
  }
}

/** Shows the form for a contact as it is, or an empty one. */
function show(shown) {
  contact = shown;
  attempt = null;
  controls = new Map(FIELDS.map((field) =>
    [field.name, field.kind.control({ id: `field-${field.name}`, name: field.name, required: field.isRequired, ...field.attributes })]));
  problem = element("div", { class: "problem", role: "alert", hidden: true });
  save = element("button", { type: "submit", class: "primary" }, contact ? "Save" : "Create");
  dialog.replaceChildren(
    element("header", {}, element("h2", { id: "form-title" }, titleOf(contact)),
      button("×", askToLeave, { class: "quiet square", "aria-label": "Close" })),
    element("form", { onsubmit: submit, novalidate: true },
      element("div", { class: "body" }, problem,
        element("div", { class: "fields" }, FIELDS.map((field) =>
          labelled(controls.get(field.name), field.label, { hint: field.hint, className: field.isWide ? "wide" : "" }))),
        contact && about(contact)),
      element("div", { class: "buttons" },
        contact && button("Delete…", () => remove(contact), { class: "quiet danger start" }),
        button("Cancel", askToLeave), save)));
  setBusy(false);
  fill(contact ?? {});
  if (!dialog.open) dialog.showModal();
  controls.get("name").focus();
}

/** Lets the controls hold a contact's values, but those of the fields in `except`. */
function fill(values, except = []) {
  for (const field of FIELDS) {
    const control = controls.get(field.name);
    const typed = textOf(control);
    setText(control, field.kind.format(values[field.name]));
    // A control can hold less than was put in: a line has no line breaks. So what it held says whether somebody changed it.
    initial.set(field.name, textOf(control));
    if (except.includes(field.name)) setText(control, typed);
  }
}

function about(of) {
  const by = (user) => (user ? [" by ", element("bdi", {}, user.name ?? user.username ?? user._id)] : []);
  const link = () => `${location.origin}/#${of._id}`;
  return element("p", { class: "about" },
    "Created ", element("time", { datetime: of.createdAt }, moment(of.createdAt)), by(of.creator),
    " · Updated ", element("time", { datetime: of.updatedAt }, moment(of.updatedAt)), by(of.editor), ` · Version ${of.__v} · ID `,
    element("code", {}, of._id), " ", copyButton("Copy ID", () => of._id), " ", copyButton("Copy link", link));
}

/** What each control holds, by the field's name. */
const texts = () => new Map(FIELDS.map(({ name }) => [name, textOf(controls.get(name))]));

/** The fields whose controls were changed: `{field, text}` each. */
const changes = () => FIELDS.map((field) => ({ field, text: textOf(controls.get(field.name)) }))
  .filter(({ field, text }) => text !== initial.get(field.name));

async function submit(event) {
  event.preventDefault();
  if (isBusy) return;
  showErrors(new Map());
  const body = bodyOf(changes());
  if (body === null) return;
  if (contact && body === "{}") return leave("Nothing was changed");
  setBusy(true);
  try {
    const { data } = contact ? await sendUpdate(body) : await sendCreate(body);
    const isNew = contact === null;
    leave(`${isNew ? "Created" : "Saved"} ${data.name}`, data);
  } catch (failure) {
    if (failure.status === 412) return somebodyWasFirst();
    setBusy(false);
    if (!(failure instanceof api.Failure)) throw failure;
    explain(failure);
  }
}

/** The JSON of the changed fields, or `null` when one has something that is not JSON. */
function bodyOf(changed) {
  const errors = new Map();
  const members = [];
  for (const { field, text } of changed) {
    try {
      const json = field.kind.toJson(text);
      const isAsBefore = contact && isSame(parse(json), contact[field.name] ?? null);
      // A new contact leaves out what is empty.
      if (!isAsBefore && (contact || json !== "null")) members.push(`${JSON.stringify(field.name)}:${json}`);
    } catch (error) {
      errors.set(field.name, error.message);
    }
  }
  // The API says itself what is wrong with a name that is missing.
  if (!contact && !members.some((member) => member.startsWith('"name":'))) members.unshift('"name":""');
  if (errors.size === 0) return `{${members.join(",")}}`;
  showErrors(errors);
  return null;
}

function sendUpdate(body) {
  const { _id: id, __v: version } = contact;
  if (attempt?.body !== body || attempt.version !== version) attempt = { body, version, key: api.newIdempotencyKey() };
  return api.update(id, version, body, attempt.key);
}

/**
 * Creates the contact. One form has one key, so it makes one contact, however often it is sent. When it was changed after a create whose
 * answer was lost, that create is asked for its contact, and the rest becomes a change of it.
 */
async function sendCreate(body) {
  attempt ??= { key: api.newIdempotencyKey(), unknown: [] };
  try {
    return await api.create(body, attempt.key);
  } catch (failure) {
    if (failure.isOutcomeUnknown) attempt.unknown.push({ body, texts: texts() });
    if (failure.code !== "idempotency_key_reused") throw failure;
  }
  const { data, texts: before } = await createdBefore(attempt);
  const typed = FIELDS.map(({ name }) => name).filter((name) => textOf(controls.get(name)) !== before.get(name));
  contact = data;
  attempt = null;
  fill(data, typed);
  const rest = bodyOf(changes());
  return rest === "{}" ? { data } : sendUpdate(rest);
}

/** The contact that one of the creates without an answer made, and what the form held then. */
async function createdBefore({ key, unknown }) {
  for (const { body, texts } of unknown) {
    try {
      return { texts, ...(await api.create(body, key)) };
    } catch (failure) {
      if (failure.code !== "idempotency_key_reused") throw failure;
    }
  }
  throw new api.Failure({ code: "unexpected", message: "Another contact was created under this form's key" });
}

/** Says why the form was not saved, and what can be done. */
function explain(failure) {
  const errors = errorsOf(failure);
  if (errors.size > 0) return showErrors(errors);
  if (failure.status === 404 && contact) {
    return showProblem("Somebody deleted this contact", "What you typed is still here.", button("Create it again", createAgain));
  }
  return showFailure(failure, () => save.form.requestSubmit());
}

/** Says why a call failed, with a button to try again where that can help. */
function showFailure(failure, again) {
  const { headline, text, canRetry, needsKey } = inWords(failure, { isWrite: true });
  const retry = canRetry && button("Try again", again);
  showProblem(headline, text, retry || (needsKey && button("Use another key", () => byId("key").click())));
}

/** What the API says of fields, by field. A lone sentence begins with the name of its field. */
function errorsOf({ code, message, fields }) {
  const errors = new Map();
  const of = (name) => FIELDS.find((field) => name === field.name || name.startsWith(`${field.name}.`) || name.startsWith(`${field.name}[`));
  if (code === "namespace_forbidden") return errors.set("company_namespace", sentence({ message }));
  if (code !== "invalid_field") return errors;
  const sentences = Object.entries(fields).length > 0 ? Object.entries(fields) : [[message.split(" ")[0], message]];
  for (const [name, text] of sentences) {
    const field = of(name);
    // People know the field by its label.
    if (field && !errors.has(field.name)) errors.set(field.name, sentence({ message: text.replace(field.name, field.label) }));
  }
  return errors;
}

/** Shows a sentence beside each of these fields, and goes to the first. */
function showErrors(errors) {
  problem.hidden = true;
  const wrong = FIELDS.filter(({ name }) => errors.has(name));
  for (const { name } of FIELDS) setError(controls.get(name), errors.get(name) ?? "");
  if (wrong.length === 0) return;
  showProblem("Nothing was saved", `Look at: ${wrong.map(({ label }) => label).join(", ")}.`);
  controls.get(wrong[0].name).focus();
}

function showProblem(headline, text, action) {
  problem.replaceChildren(element("strong", {}, headline), element("span", { dir: "auto" }, text), action || "");
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

/**
 * Reads a contact that somebody changed after it was opened. The form is busy until the answer comes. Returns `null` when it was closed
 * meanwhile: on a phone the way back can close it without asking.
 */
async function readAgain(id) {
  const { form } = save;
  const isGone = () => !dialog.open || save.form !== form;
  try {
    const { data } = await api.read(id);
    return isGone() ? null : data;
  } catch (failure) {
    if (isGone()) return null;
    throw failure;
  } finally {
    if (!isGone()) setBusy(false);
  }
}

async function somebodyWasFirst() {
  let theirs;
  try {
    theirs = await readAgain(contact._id);
  } catch (failure) {
    return explain(failure);
  }
  if (theirs === null) return undefined;
  const mine = changes().filter(({ field, text }) => text !== field.kind.format(theirs[field.name]));
  const kept = mine.length === 0 ? [] : await resolve({ base: contact, theirs, mine });
  if (kept === null) return undefined;
  contact = theirs;
  fill(theirs, kept);
  return save.form.requestSubmit();
}

/** Makes a new contact of what the form holds. */
function createAgain() {
  const typed = texts();
  show(null);
  for (const [name, text] of typed) setText(controls.get(name), text);
  save.focus();
}

async function remove(read) {
  if (isBusy) return;
  const text = ["It goes for good, for everybody."];
  if (!(await confirm({ title: `Delete ${read.name}?`, text, yes: "Delete", isDangerous: true }))) return;
  await removeVersion(read);
}

async function removeVersion(read) {
  if (isBusy) return;
  problem.hidden = true;
  setBusy(true);
  try {
    await api.remove(read._id, read.__v);
    leave(`Deleted ${read.name}`);
  } catch (failure) {
    if (failure.status === 412) return removeChanged(read);
    setBusy(false);
    if (failure.status === 404) leave(`${read.name} was deleted already`);
    else showFailure(failure, () => removeVersion(read));
  }
}

/** Asks again, because somebody changed the contact after it was read. */
async function removeChanged(read) {
  let now;
  try {
    now = await readAgain(read._id);
  } catch (failure) {
    return failure.status === 404 ? leave(`${read.name} was deleted already`) : showFailure(failure, () => removeVersion(read));
  }
  if (now === null) return undefined;
  const lines = differing(read, now).map(({ name, label, kind }) => `${label}: ${kind.format(now[name]) || "— empty —"}`);
  const who = now.editor?.name ?? now.editor?.username ?? "Somebody else";
  const text = [`${who} changed it on ${moment(now.updatedAt)}, after you opened it.`, ...lines];
  const isSure = await confirm({ title: `Delete ${now.name} all the same?`, text, yes: "Delete", no: "Keep it", isDangerous: true });
  return isSure ? removeVersion(now) : undefined;
}

function setBusy(busy) {
  isBusy = busy;
  // What is typed now would be lost. Not `disabled`, which takes the focus away.
  for (const control of controls.values()) control.readOnly = busy;
  save.setAttribute("aria-disabled", String(busy));
  dialog.setAttribute("aria-busy", String(busy));
  dialog.classList.toggle("busy", busy);
}

/** Closes the form after a write, and lets the list show it. */
function leave(news, written = null) {
  setBusy(false);
  initial = texts();
  dialog.close();
  address.open("", { replace: true });
  dispatchEvent(new CustomEvent("list-changed", { detail: { written: written?._id, news } }));
}

/** Closes the form, but asks first when something was typed. */
async function askToLeave() {
  if (!(await mayLeave())) return;
  dialog.close();
  address.open("");
}

async function mayLeave() {
  if (isBusy || byId("confirm").open) return false;
  const changed = changes();
  if (changed.length === 0) return true;
  const text = [`You changed: ${changed.map(({ field }) => field.label).join(", ")}.`];
  return confirm({ title: "Leave without saving?", text, yes: "Leave", no: "Go on editing", isDangerous: true });
}

/** Listens to the dialog, once. */
export function start() {
  // Also the back gesture of a phone; `keydown`, because a browser closes a dialog at the second Esc without asking.
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    askToLeave();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save.form.requestSubmit();
    if (event.key !== "Escape") return;
    event.preventDefault();
    askToLeave();
  });
  // A checkbox cannot be read-only.
  dialog.addEventListener("click", (event) => {
    if (isBusy && event.target.type === "checkbox") event.preventDefault();
  });
  addEventListener("beforeunload", (event) => {
    if (dialog.open && changes().length > 0) event.preventDefault();
  });
}
