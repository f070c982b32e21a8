#!/usr/bin/env python3
"""Makes a tenant's contacts what they were: copies them from a restored table into the table that the API uses.

    aws dynamodb restore-table-to-point-in-time --source-table-name LIVE --target-table-name RESTORED --restore-date-time 2026-11-24T08:00:00Z
    python3 restore_tenant.py --from RESTORED --to LIVE --tenant acme          # says what it would do
    python3 restore_tenant.py --from RESTORED --to LIVE --tenant acme --write
    contacts reset --table LIVE --tenant acme --restored

Stop the tenant's writers first, for example by revoking its keys: what is written meanwhile can be overwritten. Contacts that the restored table
does not have are deleted. Needs boto3, dynamodb:Query on both tables and dynamodb:BatchWriteItem (PutItem and DeleteItem) on LIVE.
"""

import argparse

import boto3
from boto3.dynamodb.conditions import Key


def items_of(table, tenant):
    """The tenant's items by their sort keys, without its reset marks, which are no data and never go back."""
    found, request = {}, {"KeyConditionExpression": Key("tenant").eq(tenant), "ConsistentRead": True}
    while True:
        page = table.query(**request)
        found.update((item["_id"], item) for item in page["Items"] if not item["_id"].startswith("reset-mark#"))
        if "LastEvaluatedKey" not in page:
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def restore(source, target, tenant, write):
    wanted, present = items_of(source, tenant), items_of(target, tenant)
    if not wanted:
        raise SystemExit(f"{source.name} has no contacts of the tenant {tenant}.")
    puts = [item for key, item in wanted.items() if present.get(key) != item]
    deletions = [key for key in present if key not in wanted]
    print(f"{len(puts)} items to write, {len(deletions)} to delete, {len(wanted) - len(puts)} are as they were.")
    if write:
        with target.batch_writer() as batch:
            for item in puts:
                batch.put_item(Item=item)
            for key in deletions:
                batch.delete_item(Key={"tenant": tenant, "_id": key})
        print(f"Done. Now run: contacts reset --table {target.name} --tenant {tenant} --restored")
    elif puts or deletions:
        print("Nothing was written. Add --write.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--from", dest="source", required=True, metavar="RESTORED")
    parser.add_argument("--to", dest="target", required=True, metavar="LIVE")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    dynamodb = boto3.resource("dynamodb")
    restore(dynamodb.Table(options.source), dynamodb.Table(options.target), options.tenant, options.write)
