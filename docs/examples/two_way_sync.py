#!/usr/bin/env python3
"""Keeps a SQLite database and client-contacts in step, in both directions. Needs nothing but Python 3.9.

    export CONTACTS_API=http://127.0.0.1:3030 CONTACTS_KEY=cc_…
    python3 two_way_sync.py crm.db add ada "Ada Lovelace" ada@example.com
    python3 two_way_sync.py crm.db edit ada name "Ada King"
    python3 two_way_sync.py crm.db remove ada
    python3 two_way_sync.py crm.db sync
    python3 two_way_sync.py crm.db show

`sync` can be killed at any moment and started again: nothing is lost and nothing is done twice. What both sides edited at the same time is merged field by
field; if both edited the same field, this side wins. What either side deleted is deleted.
"""

import json, os, sqlite3, sys, time, urllib.error, urllib.parse, urllib.request, uuid

FIELDS = ("name", "email")

SCHEMA = """
CREATE TABLE IF NOT EXISTS person (
    external_id TEXT PRIMARY KEY,           -- the name of the person in this system
    name TEXT NOT NULL, email TEXT NOT NULL,
    edits TEXT NOT NULL DEFAULT '{}',       -- fields that were edited here and not sent yet
    removed INTEGER NOT NULL DEFAULT 0,     -- deleted here, which was not sent yet
    contact_id TEXT UNIQUE,                 -- the contact's _id, once it is known
    version INTEGER NOT NULL DEFAULT -1,    -- its __v
    pass INTEGER NOT NULL DEFAULT 0         -- the last pass over everything that showed it
);
-- The batch that is being sent. It is written down before it is sent, so that a restart repeats it with the same key.
CREATE TABLE IF NOT EXISTS outbox (key TEXT, operations TEXT);
CREATE TABLE IF NOT EXISTS place (cursor TEXT, pass INTEGER);
"""


def call(method, path, body=None, headers={}):
    """The status and the JSON of an answer. Waits and repeats while the API is busy or cannot be reached."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"api-key": os.environ["CONTACTS_KEY"], "content-type": "application/json", **headers}
    pause = 0.5
    while True:
        request = urllib.request.Request(os.environ["CONTACTS_API"] + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            if answer.code not in (429, 500, 502, 503, 504):
                return answer.code, json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(pause)
        pause = min(2 * pause, 60)


def pull(db):
    """Applies what changed in the API."""
    while True:
        cursor, this_pass = db.execute("SELECT cursor, pass FROM place").fetchone()
        query = "?" + urllib.parse.urlencode({"limit": 500, **({"cursor": cursor} if cursor else {})})
        status, answer = call("GET", "/client-contact/changes" + query)
        if status == 410:  # The feed no longer reaches back so far: a new pass, which drops what it does not show.
            with db:
                db.execute("UPDATE place SET cursor = NULL, pass = pass + 1")
            continue
        if status != 200:
            sys.exit(f"The API refuses to show changes: {answer['error']}")
        with db:  # The changes and the cursor together, or neither.
            for change in answer["data"]:
                apply(db, change, this_pass)
            db.execute("UPDATE place SET cursor = ?", [answer["cursor"]])
            if not answer["more"]:
                db.execute("DELETE FROM person WHERE contact_id IS NOT NULL AND pass < ?", [this_pass])
                return


def apply(db, change, this_pass):
    if change["deleted"]:
        # This side's own edits of it are void: a deletion wins.
        db.execute("DELETE FROM person WHERE contact_id = ? AND version < ?", [change["_id"], change["__v"]])
        return
    contact = change["contact"]
    external_id = contact.get("integration_meta", {}).get("external_id")
    external_id = str(external_id) if type(external_id) in (str, int) else None
    row = db.execute(
        "SELECT external_id, version, edits FROM person WHERE contact_id = ? OR (contact_id IS NULL AND external_id = ?)",
        [contact["_id"], external_id],
    ).fetchone()
    if row is None:
        # A contact that this system does not know is given an external id, which the next batch writes back.
        is_taken = db.execute("SELECT 1 FROM person WHERE external_id = ?", [external_id]).fetchone()
        is_new = external_id is None or is_taken
        name_here = "contact-" + contact["_id"] if is_new else external_id
        edits = {"integration_meta.external_id": name_here} if is_new else {}
        row = (name_here, -1, json.dumps(edits))
        db.execute("INSERT INTO person (external_id, name, email, edits) VALUES (?, '', '', ?)", [name_here, row[2]])
    name_here, version, edits = row
    db.execute("UPDATE person SET contact_id = ?, pass = ? WHERE external_id = ?", [contact["_id"], this_pass, name_here])
    if version < contact["__v"]:
        for field in FIELDS:
            if field not in json.loads(edits):
                db.execute(f"UPDATE person SET {field} = ? WHERE external_id = ?", [contact.get(field, ""), name_here])
        db.execute("UPDATE person SET version = ? WHERE external_id = ?", [contact["__v"], name_here])


def push(db):
    """Sends what changed here, a hundred changes at a time."""
    while True:
        sent = db.execute("SELECT key, operations FROM outbox").fetchone()
        if sent is None:
            operations = [operation(*row) for row in db.execute(
                "SELECT external_id, edits, removed, contact_id FROM person WHERE removed OR edits <> '{}' LIMIT 100"
            )]
            if not operations:
                return
            sent = (str(uuid.uuid4()), json.dumps(operations))
            with db:
                db.execute("INSERT INTO outbox VALUES (?, ?)", sent)
        key, operations = sent[0], json.loads(sent[1])
        send = [operation for _, operation in operations if operation]
        status, answer = call("POST", "/client-contact/batch", {"operations": send}, {"idempotency-key": key}) if send else (200, {"data": []})
        if status != 200:
            sys.exit(f"The API refuses a batch: {answer['error']}")
        if any(result["status"] >= 500 for result in answer["data"]):
            time.sleep(1)  # Repeated as it is: what took effect is not done again.
            continue
        results = iter(answer["data"])
        with db:
            for external_id, operation_sent in operations:
                settle(db, external_id, operation_sent, next(results) if operation_sent else None)
            db.execute("DELETE FROM outbox")


def operation(external_id, edits, removed, contact_id):
    """A row's operation; None when it was deleted before it ever was in the API."""
    if removed:
        return external_id, {"action": "delete", "_id": contact_id} if contact_id else None
    if contact_id:
        return external_id, {"action": "update", "_id": contact_id, "data": json.loads(edits)}
    return external_id, {"action": "upsert", "external_id": external_id, "data": json.loads(edits)}


def settle(db, external_id, sent, result):
    if sent is None or sent["action"] == "delete" or result["status"] == 404:
        # Gone there, so gone here: a 404 says that somebody else deleted it.
        db.execute("DELETE FROM person WHERE external_id = ?", [external_id])
        return
    if not result["success"]:
        print(f"{external_id} is not accepted: {result['error']}", file=sys.stderr)
    else:
        contact = result["data"]
        db.execute("UPDATE person SET contact_id = ? WHERE external_id = ?", [contact["_id"], external_id])
    # What was edited again while the batch was under way stays to be sent.
    row = db.execute("SELECT edits FROM person WHERE external_id = ?", [external_id]).fetchone()
    edits = json.loads(row[0]) if row else {}
    left = {field: value for field, value in edits.items() if sent["data"].get(field) != value}
    db.execute("UPDATE person SET edits = ? WHERE external_id = ?", [json.dumps(left), external_id])


def main():
    path, command, *values = sys.argv[1:]
    db = sqlite3.connect(path, timeout=30)
    db.executescript(SCHEMA)
    with db:
        db.execute("INSERT INTO place SELECT NULL, 1 WHERE NOT EXISTS (SELECT * FROM place)")
        if command == "add":
            edits = json.dumps(dict(zip(FIELDS, values[1:])))
            db.execute("INSERT INTO person (external_id, name, email, edits) VALUES (?, ?, ?, ?)", [*values, edits])
        elif command == "edit":
            external_id, field, value = values
            db.execute(f"UPDATE person SET {field} = ? WHERE external_id = ?", [value, external_id]) if field in FIELDS else sys.exit(2)
            db.execute("UPDATE person SET edits = json_set(edits, ?, ?) WHERE external_id = ?", [f"$.{field}", value, external_id])
        elif command == "remove":
            db.execute("UPDATE person SET removed = 1 WHERE external_id = ?", values)
    if command == "show":
        for row in db.execute("SELECT external_id, name, email, contact_id FROM person ORDER BY external_id"):
            print(json.dumps(dict(zip(("external_id", "name", "email", "contact_id"), row)), ensure_ascii=False))
    if command == "sync":
        pull(db)
        push(db)
        pull(db)


if __name__ == "__main__":
    main()
