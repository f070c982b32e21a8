// Calls of the API. The answers are as docs/api.md has them.

import { parse } from "./json.js";
import * as key from "./key-store.js";

const CONTACTS = "/client-contact";

/** How long an answer may take, in milliseconds: somewhat longer than the server lets a call take. */
const PATIENCE = 35_000;

/** A call that did not succeed. `code` is the API's, or `network` when there was no answer. */
export class Failure extends Error {
  constructor({ status = 0, code, message, fields = {}, retryAfter = null, requestId = null }) {
    super(message);
    Object.assign(this, { status, code, fields, retryAfter, requestId });
  }

  /** Whether the call may have changed something all the same. */
  get isOutcomeUnknown() {
    return this.code === "network" || this.code === "outcome_unknown" || this.status === 500;
  }
}

/** A page of the list: contacts, pagination and what it cost. */
export const list = (query, signal) => call("GET", `${CONTACTS}?${query}`, { signal });

export const read = (id) => call("GET", `${CONTACTS}/${encodeURIComponent(id)}`);

/** Creates a contact. The same key again makes no second one. */
export const create = (body, idempotencyKey) =>
  call("POST", CONTACTS, { body, headers: { "idempotency-key": idempotencyKey } });

/** Changes fields of a contact that still has this version. */
export const update = (id, version, body, idempotencyKey) =>
  call("PUT", `${CONTACTS}/${id}`, { body, headers: { "if-match": `"${version}"`, "idempotency-key": idempotencyKey } });

/** Deletes a contact that still has this version. */
export const remove = (id, version) => call("DELETE", `${CONTACTS}/${id}`, { headers: { "if-match": `"${version}"` } });

/** Whether the server accepts an API key, or without one whether it lends its own. Throws when it does not say. */
export async function accepts(candidate) {
  try {
    await call("GET", `${CONTACTS}?per_page=1&_id=none`, { credentials: candidate });
    return true;
  } catch (failure) {
    if (failure.status === 401) return false;
    throw failure;
  }
}

/** A name under which a write takes effect once. */
export function newIdempotencyKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function call(method, path, { body, headers = {}, signal, credentials = key.current() } = {}) {
  const timeout = AbortSignal.timeout(PATIENCE);
  const sent = {
    prefer: "handling=strict",
    ...(credentials === null ? {} : { "api-key": credentials }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...headers,
  };
  const begun = performance.now();
  let response, text;
  try {
    response = await fetch(path, {
      method, body, headers: sent, cache: "no-store", signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure({ code: "network", message: "The server did not answer" });
  }
  const answer = parsed(text);
  if (!response.ok || answer?.success !== true) throw failureOf(response, answer);
  return { ...answer, cost: costOf(response.headers, performance.now() - begun) };
}

function parsed(text) {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

function failureOf(response, answer) {
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return new Failure({
    status: response.status,
    code: answer?.code ?? "unexpected",
    // API Gateway's own answers have a `message`.
    message: answer?.error ?? answer?.message ?? `The server answered ${response.status}`,
    fields: answer?.fields ?? {},
    retryAfter: Number.isNaN(seconds) ? null : seconds,
    requestId: response.headers.get("x-request-id"),
  });
}

/** What a call cost, as the headers of its answer say; `here` is the time that passed in the browser. */
function costOf(headers, here) {
  const total = /(?:^|[\s,])total;dur=([\d.]+)/.exec(headers.get("server-timing") ?? "");
  return {
    requests: Number(headers.get("x-dynamodb-requests") ?? 0),
    units: Number(headers.get("x-dynamodb-capacity") ?? 0),
    server: total ? Number(total[1]) : null,
    here,
  };
}
