#!/usr/bin/env python3
"""What a month costs, for three sizes of customer, beside two usual ways to do the same work.

Prints the tables of docs/operating.md; `--check docs/operating.md` fails when that file has others. Change what a customer does in SIZES, and
the prices in PRICES for another region or date.
"""

import re
import sys

# US East (N. Virginia), in dollars, on 2026-11-24, without free tiers. From the services' pricing pages: aws.amazon.com/<service>/pricing.
PRICES = {
    "api_call": 1.00e-6,  # API Gateway, HTTP API, up to 512 KB
    "lambda_call": 0.20e-6,
    "lambda_gb_second": 0.0000133334,  # arm64
    "read_unit": 0.125e-6,  # DynamoDB on demand
    "write_unit": 0.625e-6,
    "table_gb": 0.25,  # a month
    "backup_gb": 0.20,  # point-in-time recovery, a month
    "log_gb": 0.50,  # CloudWatch Logs, taken in
    "log_gb_month": 0.03,
    "trace": 5.00e-6,  # X-Ray
    "metric": 0.30,  # a month
    "alarm_metric": 0.10,  # a month
    "dashboard": 3.00,
    "kms_key": 1.00,
    "s3_gb": 0.023,
    "s3_write": 5.0e-6,
    "s3_read": 0.4e-6,
    "aurora_acu_hour": 0.12,  # Aurora Serverless v2, standard
    "aurora_gb": 0.10,
    "aurora_io": 0.20e-6,
    "opensearch_ocu_hour": 0.24,  # OpenSearch Serverless
    "opensearch_gb": 0.024,
}

# ACUs are those of a writer and a reader in another zone, on average over the month; OCUs start at two, with redundancy. Both are estimates: a
# database that holds its indexes in memory (2 GiB an ACU, about 3 KB a contact with indexes for search), and never below 0.5 ACUs.
SIZES = {
    "small": {"tenants": 20, "contacts_a_tenant": 1_000, "calls": 300_000, "acus": 1.0, "ocus": 2.0},
    "medium": {"tenants": 50, "contacts_a_tenant": 10_000, "calls": 5_000_000, "acus": 3.0, "ocus": 2.0},
    "large": {"tenants": 100, "contacts_a_tenant": 50_000, "calls": 60_000_000, "acus": 16.0, "ocus": 4.0},
}

# What calls are, of a hundred.
LISTS, READS, WRITES, FEED = 0.55, 0.30, 0.13, 0.02
# docs/performance.md: a list costs 13 units after its contacts changed and 0.5 again. Half of each.
UNITS_A_LIST = (13.0 + 0.5) / 2
# Of a thousand lists, this many are the first of an instance and tenant.
COLD_LISTS = 0.005
# docs/performance.md: a load of the change log, for a tenant too small for a snapshot. With a snapshot, the log since.
UNITS_A_LOADED_CONTACT, UNITS_AFTER_A_SNAPSHOT, SNAPSHOT_FROM = 3_183 / 100_000, 50, 7_000
UNITS_A_READ, UNITS_A_WRITE, UNITS_A_FEED_CALL = 1, 3, 5
# Seconds for which Lambda bills, with DynamoDB's answers over its network, and the functions' memory in GB.
SECONDS = {"list": 0.012, "cold list": 1.0, "read": 0.008, "write": 0.012, "feed": 0.020}
LIST_GB, CALL_GB, SNAPSHOT_GB = 1_769 / 1_024, 512 / 1_024, 3_008 / 1_024
# A contact in the table, and with its entries in both indexes.
TABLE_GB_A_CONTACT, STORED_GB_A_CONTACT, SNAPSHOT_GB_A_CONTACT = 1.0e-6, 1.7e-6, 60e-9
# The function's line, Lambda's two lines and the gateway's line. Kept compressed, about a seventh.
LOG_GB_A_CALL, LOG_MONTHS, COMPRESSED = 2.5e-6, 12, 1 / 7
# Routes × (all, and two classes of status) × four metrics, and those of lists.
METRICS = 9 * 3 * 4 + 13
# As many as the alarms of template.yaml watch.
ALARM_METRICS = 49
# Calls come in the working hours of 22 days. Lambda traces one call a second, and one of 20 beyond.
BUSY_SECONDS, HOURS, DAYS = 22 * 8 * 3_600, 730, 30


def cost(size, prices=PRICES):
    """The dollars of a month, by what they are for."""
    calls, tenants, each = size["calls"], size["tenants"], size["contacts_a_tenant"]
    contacts = tenants * each
    cold = calls * LISTS * COLD_LISTS
    has_snapshots = each >= SNAPSHOT_FROM
    reads = calls * (LISTS * UNITS_A_LIST + READS * UNITS_A_READ + FEED * UNITS_A_FEED_CALL)
    reads += cold * (UNITS_AFTER_A_SNAPSHOT if has_snapshots else each * UNITS_A_LOADED_CONTACT)
    writes = calls * WRITES * UNITS_A_WRITE
    compute = calls * LISTS * SECONDS["list"] * LIST_GB + cold * SECONDS["cold list"] * LIST_GB
    compute += calls * (READS * SECONDS["read"] + WRITES * SECONDS["write"] + FEED * SECONDS["feed"]) * CALL_GB
    # The hourly run, and three builds a day of each tenant that has a snapshot: 5 seconds for 100,000 contacts.
    builds = tenants * 3 * DAYS if has_snapshots else 0
    compute += (DAYS * 24 * 5 + builds * (1 + 5 * each / 100_000)) * SNAPSHOT_GB
    ranges = 1 + each * SNAPSHOT_GB_A_CONTACT * 1e9 / 2e6
    snapshots = builds * prices["s3_write"] + 2 * contacts * SNAPSHOT_GB_A_CONTACT * prices["s3_gb"] + cold * ranges * prices["s3_read"]
    logs = calls * LOG_GB_A_CALL
    traces = min(calls, BUSY_SECONDS) + 0.05 * max(0, calls - BUSY_SECONDS)
    return {
        "API Gateway": calls * prices["api_call"],
        "Lambda": calls * prices["lambda_call"] + compute * prices["lambda_gb_second"],
        "DynamoDB, reads": reads * prices["read_unit"],
        "DynamoDB, writes": writes * prices["write_unit"],
        "DynamoDB, storage and recovery": contacts * (STORED_GB_A_CONTACT * prices["table_gb"] + TABLE_GB_A_CONTACT * prices["backup_gb"]),
        "Snapshots in S3": snapshots if has_snapshots else 0.0,
        "Logs, kept for a year": logs * (prices["log_gb"] + LOG_MONTHS * COMPRESSED * prices["log_gb_month"]),
        "Traces": traces * prices["trace"],
        "Metrics, alarms, dashboard, key": METRICS * prices["metric"] + ALARM_METRICS * prices["alarm_metric"] + prices["dashboard"] + prices["kms_key"],
    }


def alternatives(size, prices=PRICES):
    """What finds, sorts and keeps contacts, in dollars a month: here, and in two other designs. Gateway and logs are the same. Here all of Lambda
    counts, because its memory does what the databases do in the other designs, whose functions count for nothing."""
    contacts, calls = size["tenants"] * size["contacts_a_tenant"], size["calls"]
    own = cost(size, prices)
    here = sum(dollars for name, dollars in own.items() if name.startswith(("DynamoDB", "Snapshots", "Lambda")))
    aurora = size["acus"] * HOURS * prices["aurora_acu_hour"] + 3 * TABLE_GB_A_CONTACT * contacts * prices["aurora_gb"]
    aurora += calls * (WRITES * 4 + 0.5) * prices["aurora_io"]
    # OpenSearch answers lists; a table without indexes keeps the contacts, with its stream to OpenSearch.
    table = calls * (READS * UNITS_A_READ * prices["read_unit"] + WRITES * prices["write_unit"])
    table += contacts * TABLE_GB_A_CONTACT * (prices["table_gb"] + prices["backup_gb"])
    opensearch = size["ocus"] * HOURS * prices["opensearch_ocu_hour"] + contacts * 3 * TABLE_GB_A_CONTACT * prices["opensearch_gb"] + table
    return {"DynamoDB, snapshots and all of Lambda, as here": here, "Aurora Serverless v2": aurora, "OpenSearch Serverless and a table": opensearch}


def dollars(amount):
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


def tables():
    lines = ["| a month | " + " | ".join(SIZES) + " |", "|---|" + "---:|" * len(SIZES)]
    row = lambda name, values: lines.append(f"| {name} | " + " | ".join(values) + " |")
    row("tenants", [f"{size['tenants']}" for size in SIZES.values()])
    row("contacts", [f"{size['tenants'] * size['contacts_a_tenant']:,}" for size in SIZES.values()])
    row("calls", [f"{size['calls']:,}" for size in SIZES.values()])
    costs = [cost(size) for size in SIZES.values()]
    for name in costs[0]:
        row(name, [dollars(each[name]) for each in costs])
    row("**all, in dollars**", [f"**{dollars(sum(each.values()))}**" for each in costs])
    row("a thousand calls, in dollars", [f"{1000 * sum(each.values()) / size['calls']:.4f}" for each, size in zip(costs, SIZES.values())])
    lines += ["", "| finding and keeping contacts, in dollars a month | " + " | ".join(SIZES) + " |", "|---|" + "---:|" * len(SIZES)]
    others = [alternatives(size) for size in SIZES.values()]
    for name in others[0]:
        row(name, [dollars(each[name]) for each in others])
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        text = open(sys.argv[2], encoding="utf-8").read()
        found = re.search(r"<!-- cost: written by docs/examples/cost.py -->\n\n(.*?)\n\n<!-- cost: end -->", text, re.DOTALL)
        if not found or found.group(1) != tables():
            sys.exit(f"{sys.argv[2]} does not have the tables that docs/examples/cost.py prints:\n\n{tables()}")
        print("The tables are those that the model prints.")
    else:
        print(tables())
