//! What `contacts --help` teaches beyond the options: examples, the environment, exit codes.

/// First steps, for someone who has never used the program.
const EXAMPLES: &str = "\
Examples:
  Serve the API at http://127.0.0.1:3030, with the contacts in .contacts/:
    contacts
  Add made-up contacts, or your own, even while it serves:
    contacts seed --count 100000
    contacts import people.csv --map \"Full name=name\"
  Make an API key for somebody else:
    contacts keys create --tenant acme --namespace company1 \\
      --username jane --name \"Jane Doe\"";

/// The variables that the program reads. `docs/environment.md` has those of the functions, too.
pub const ENVIRONMENT: [(&str, &str); 13] = [
    ("RUST_LOG", "what is logged, such as debug, or info,shared=debug [default: info,shared=warn]"),
    ("LIST_SNAPSHOTS", "off: lists always load the change log, and no snapshots are kept"),
    ("LIST_MEMORY_BYTES", "memory for the indexes of lists [default: 536870912]"),
    ("LIST_CACHE_BYTES", "memory for contacts between lists [default: 67108864]"),
    ("LIST_SHORT_OVERLAP_MS", "how far each refresh re-reads the change log [default: 8000]"),
    ("LIST_LONG_OVERLAP_MS", "how far refreshes together re-read it [default: 600000]"),
    ("LIST_PAGE_ENTRIES", "entries in one page of the change log [default: 5000]"),
    ("SNAPSHOT_CONTACTS", "contacts from which a tenant gets a snapshot [default: 7000]"),
    ("AWS_REGION", "region of the tables that --table names"),
    ("AWS_PROFILE", "profile to sign in with; AWS_ACCESS_KEY_ID and the other variables of the AWS CLI work as well"),
    ("AWS_ENDPOINT_URL_DYNAMODB", "another DynamoDB for --table"),
    ("AWS_ENDPOINT_URL_S3", "another S3 for --bucket; else AWS_ENDPOINT_URL"),
    ("NO_COLOR", "not empty: no colours"),
];

/// What scripts can rely on.
pub const EXIT_CODES: [(u8, &str); 5] = [
    (0, "finished, or stopped on request"),
    (1, "failed"),
    (2, "wrong command line"),
    (3, "data folder or DynamoDB unusable"),
    (4, "finished, but some rows or contacts were left out"),
];

/// What comes after the options in `contacts -h`.
pub fn short() -> String {
    let codes = EXIT_CODES.map(|(code, what)| format!("{code} {what}")).join("; ");
    format!("{EXAMPLES}\n\nExit codes: {codes}.\n`contacts --help` also has the environment variables.")
}

/// What comes after the options in `contacts --help`.
pub fn long() -> String {
    let variables = ENVIRONMENT.map(|(name, what)| format!("  {name}\n          {what}")).join("\n");
    let codes = EXIT_CODES.map(|(code, what)| format!("  {code}  {what}")).join("\n");
    format!("{EXAMPLES}\n\nEnvironment:\n{variables}\n\nExit codes:\n{codes}")
}

/// What comes after the options of `contacts serve`.
pub const SERVE: &str = "\
Examples:
  Keep nothing, and take any free port:
    contacts serve --memory --port 0
  Let the AWS CLI and other programs use its DynamoDB:
    contacts serve --dynamodb-port 8000
  Use Amazon's DynamoDB Local:
    contacts serve --dynamodb-endpoint http://localhost:8000";

/// What comes after the options of `contacts keys`.
pub const KEYS: &str = "\
Examples:
  contacts keys create --tenant acme --namespace company1 \\
    --username jane --name \"Jane Doe\" --expires 90d
  contacts keys list --json
  contacts keys revoke 0123456789abcdef
  In a deployed stack:
    contacts keys list --table <ApiKeysTableName>";

/// What comes after the options of `contacts import`.
pub const IMPORT: &str = "\
A row is known by its _id, else by integration_meta.external_id, else by what is in it. What is there is left alone, so an import can be \
repeated. docs/importing.md has the formats.

Examples:
  contacts import people.csv --map \"Full name=name\" --map \"Notes=\" --dry-run
  contacts import export.jsonl --tenant acme --key 0123456789abcdef --replace
  mongoexport --collection contacts | contacts import - --json";

/// What comes after the options of `contacts export`.
pub const EXPORT: &str = "\
Examples:
  contacts export --output contacts.jsonl
  contacts export --tenant acme --format csv > acme.csv
  In a deployed stack:
    contacts export --tenant acme --table <ContactsTableName>";

/// What comes after the options of `contacts snapshots`.
pub const SNAPSHOTS: &str = "\
Examples:
  contacts snapshots list --json
  contacts snapshots build --all
  contacts snapshots delete --tenant acme";

/// What comes after the options of `contacts completions`.
pub const COMPLETIONS: &str = "\
Examples:
  contacts completions bash > /etc/bash_completion.d/contacts
  contacts completions zsh > ~/.zfunc/_contacts
  contacts completions fish > ~/.config/fish/completions/contacts.fish";
