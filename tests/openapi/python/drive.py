"""Drives a running API with the client that openapi-python-client makes of openapi.json. CONTACTS_URL and CONTACTS_KEY say where."""

import os

from client_contacts import AuthenticatedClient
from client_contacts.api.contacts import (
    create_client_contact,
    delete_client_contact,
    get_client_contact,
    list_client_contacts,
    update_client_contact,
)
from client_contacts.api.other_systems import batch_client_contacts, list_client_contact_changes, upsert_client_contact
from client_contacts.models import (
    BatchCreate,
    BatchDelete,
    BatchInput,
    BatchUpdate,
    BatchUpsert,
    ContactAsItIsNow,
    ContactChange,
    ContactCreate,
    IntegrationMeta,
)
from client_contacts.types import UNSET

client = AuthenticatedClient(base_url=os.environ["CONTACTS_URL"], token=os.environ["CONTACTS_KEY"])
name = f"Python {os.getpid()}"


def body_of(response, status):
    assert response.status_code == status, (response.status_code, response.content)
    return response.parsed


# Create, and be refused with a code.
meta = IntegrationMeta()
meta["crm"] = {"id": 7}
new = ContactCreate(name=name, local_name="جون سميث", email="john.smith@example.com", integration_meta=meta)
contact = body_of(create_client_contact.sync_detailed(client=client, body=new, prefer="handling=strict"), 201).data
assert contact.field_v == 0 and contact.integration_meta["crm"] == {"id": 7}
refused = body_of(create_client_contact.sync_detailed(client=client, body=ContactCreate(name=" ")), 400)
assert refused.code == "invalid_field" and refused.error == "name must not be empty"

# Read, also when nothing is new.
assert body_of(get_client_contact.sync_detailed(contact.field_id, client=client), 200).data == contact
assert get_client_contact.sync_detailed(contact.field_id, client=client, if_none_match='"0"').status_code == 304

# List, by one name of several, in an order.
listed = list_client_contacts.sync_detailed(
    client=client, name=[name, "Nobody, at all"], sort="name,-updatedAt", per_page=5, from_updated_at=contact.updated_at.replace(year=2023)
)
listed = body_of(listed, 200)
assert listed.data == [contact] and listed.pagination.total == 1

# Change, on the condition that nobody else has.
change = ContactChange(title="Director", email=None)
change["integration_meta.crm"] = None
changed = body_of(update_client_contact.sync_detailed(contact.field_id, client=client, body=change, if_match='"0"'), 200).data
assert changed.title == "Director" and changed.email is UNSET
late = body_of(update_client_contact.sync_detailed(contact.field_id, client=client, body=change, if_match='"0"'), 412)
assert late.code == "version_conflict"

# Change or create by an external id, twice.
external_id = f"py-{os.getpid()}"
upsert = lambda body: upsert_client_contact.sync_detailed(client=client, integration_meta_external_id=external_id, body=body)
first = body_of(upsert(ContactChange(name=f"{name} upserted")), 201).data
assert body_of(upsert(ContactChange(title="Manager")), 200).data.field_id == first.field_id

# Many writes at once.
operations = [
    BatchCreate(action="create", data=ContactCreate(name=f"{name} in a batch")),
    BatchUpdate(action="update", field_id=contact.field_id, data=ContactChange(title="Head"), if_match='"1"'),
    BatchUpsert(action="upsert", external_id=external_id, data=ContactChange(title="Boss")),
    BatchDelete(action="delete", field_id="0" * 24),
]
batch = body_of(batch_client_contacts.sync_detailed(client=client, body=BatchInput(operations=operations)), 200)
assert [int(result.status) for result in batch.data] == [201, 200, 200, 404] and not batch.success
assert batch.data[3].code == "contact_not_found"
made = batch.data[0].data

# Delete.
assert body_of(delete_client_contact.sync_detailed(contact.field_id, client=client), 200).data.field_id == contact.field_id
assert body_of(get_client_contact.sync_detailed(contact.field_id, client=client), 404).code == "contact_not_found"

# The change feed, to its end.
copy, cursor, more = {}, UNSET, True
while more:
    feed = body_of(list_client_contact_changes.sync_detailed(client=client, cursor=cursor, limit=2), 200)
    for seen in feed.data:
        if isinstance(seen, ContactAsItIsNow):
            copy[seen.field_id] = seen.contact
        else:
            copy.pop(seen.field_id, None)
    cursor, more = feed.cursor, feed.more
assert contact.field_id not in copy and made.field_id in copy and copy[first.field_id].title == "Boss"

print("the Python client created, listed, changed, upserted, batched, deleted and followed")
