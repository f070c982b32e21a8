// Drives a running API with the client that openapi-typescript and openapi-fetch make of openapi.json. CONTACTS_URL and CONTACTS_KEY say where.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/api.js";

type Contact = components["schemas"]["Contact"];

const { CONTACTS_URL, CONTACTS_KEY } = process.env;
assert(CONTACTS_URL && CONTACTS_KEY, "CONTACTS_URL and CONTACTS_KEY are set");
const client = createClient<paths>({ baseUrl: CONTACTS_URL, headers: { "api-key": CONTACTS_KEY } });
const name = `TypeScript ${process.pid}`;

// Create, with every kind of value.
const created = await client.POST("/client-contact", {
  params: { header: { Prefer: "handling=strict" } },
  body: {
    name,
    local_name: "جون سميث",
    email: "john.smith@example.com",
    disabled: false,
    media: ["https://example.com/a.png"],
    creator: { _id: "7", type: "rep", username: "jane", rep: "north" },
    "integration_meta.crm": { id: 7 },
  },
});
assert.equal(created.error, undefined);
const contact: Contact = created.data!.data;
assert.equal(created.response.status, 201);
assert.equal(created.response.headers.get("etag"), '"0"');
assert.deepEqual(contact.integration_meta, { crm: { id: 7 } });
assert.equal(contact.creator["rep"], "north");

// A refusal has its code.
const refused = await client.POST("/client-contact", { body: { name: " " } });
assert.equal(refused.error && "code" in refused.error ? refused.error.code : undefined, "invalid_field");

// Read, also when nothing is new.
const path = { id: contact._id };
const read = await client.GET("/client-contact/{id}", { params: { path } });
assert.deepEqual(read.data?.data, contact);
const unchanged = await client.GET("/client-contact/{id}", { params: { path, header: { "If-None-Match": '"0"' } } });
assert.equal(unchanged.response.status, 304);

// List, by one name of several, in an order.
const listed = await client.GET("/client-contact", {
  params: { query: { name: [name, "Nobody, at all"], sort: "name,-updatedAt", per_page: 5, from_updatedAt: "2023-01-15T10:30:00.000Z" } },
});
assert.deepEqual(listed.data?.data, [contact]);
assert.equal(listed.data.pagination.total, 1);

// Change, on the condition that nobody else has.
const change = { title: "Director", email: null, "integration_meta.crm": null };
const changed = await client.PUT("/client-contact/{id}", { params: { path, header: { "If-Match": '"0"' } }, body: change });
assert.equal(changed.data?.data.title, "Director");
assert.equal(changed.data.data.email, undefined);
const late = await client.PUT("/client-contact/{id}", { params: { path, header: { "If-Match": '"0"' } }, body: change });
assert.equal(late.response.status, 412);

// Change or create by an external id, twice.
const query = { "integration_meta.external_id": `ts-${process.pid}` };
const first = await client.PUT("/client-contact", { params: { query }, body: { name: `${name} upserted` } });
const second = await client.PUT("/client-contact", { params: { query }, body: { title: "Manager" } });
assert.equal(first.response.status, 201);
assert.equal(second.response.status, 200);
assert.equal(second.data?.data._id, first.data?.data._id);

// Many writes at once.
const batch = await client.POST("/client-contact/batch", {
  body: {
    operations: [
      { action: "create", data: { name: `${name} in a batch` } },
      { action: "update", _id: contact._id, data: { title: "Head" }, if_match: '"1"' },
      { action: "upsert", external_id: query["integration_meta.external_id"], data: { title: "Boss" } },
      { action: "delete", _id: "000000000000000000000000" },
    ],
  },
});
assert.equal(batch.data?.success, false);
assert.deepEqual(batch.data.data.map((result) => result.status), [201, 200, 200, 404]);
const [made, , , missing] = batch.data.data;
assert(missing && !missing.success && missing.code === "contact_not_found");
assert(made?.success);

// Delete.
const deleted = await client.DELETE("/client-contact/{id}", { params: { path } });
assert.equal(deleted.data?.data._id, contact._id);
const gone = await client.GET("/client-contact/{id}", { params: { path } });
assert.equal(gone.error && "code" in gone.error ? gone.error.code : undefined, "contact_not_found");

// The change feed, to its end.
const copy = new Map<string, Contact>();
let cursor: string | undefined;
for (let more = true; more; ) {
  const feed = await client.GET("/client-contact/changes", { params: { query: { cursor, limit: 2 } } });
  assert(feed.data);
  for (const seen of feed.data.data) {
    if (seen.deleted) {
      copy.delete(seen._id);
    } else {
      copy.set(seen._id, seen.contact);
    }
  }
  ({ cursor, more } = feed.data);
}
assert(!copy.has(contact._id));
assert(copy.has(made.data._id));
assert.equal(copy.get(first.data!.data._id)?.title, "Boss");

console.log("the TypeScript client created, listed, changed, upserted, batched, deleted and followed");
