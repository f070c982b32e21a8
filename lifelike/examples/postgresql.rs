//! Prints a script for `psql` that measures the random lists of `docs/performance.md` in PostgreSQL, on the same people.
//!
//! `cargo run --release -p lifelike --example postgresql -- 1000000 | psql` needs an empty database, and the extension `pg_trgm`. A list is
//! two statements, as an API needs them: how many contacts match, and one page of them. They run inside of the server, so no time is
//! lost on the way.

use std::env;
use std::io::{self, BufWriter, Write as _};

use lifelike::{HISTORY, People, Random};

/// How many queries a row is measured by.
const QUERIES: u32 = 20;

/// When the last contact was created.
const UNTIL: i64 = 1_760_000_000_000;

fn main() -> io::Result<()> {
    let size: u64 = env::args().nth(1).and_then(|size| size.parse().ok()).unwrap_or(100_000);
    let people = People::new(1, size, UNTIL);
    let mut script = BufWriter::new(io::stdout().lock());
    writeln!(script, "{SCHEMA}")?;
    for number in 0..size {
        let person = people.person(number);
        let id: String = person.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = |text: Option<&String>| text.map_or_else(|| "\\N".to_owned(), |text| text.replace('\\', "\\\\"));
        let texts = [Some(&person.name), person.local_name.as_ref(), person.email.as_ref(), person.phone1.as_ref()].map(text);
        writeln!(script, "{id}\t{}\t{}", texts.join("\t"), person.created_at)?;
    }
    writeln!(script, "\\.\n{INDEXES}")?;

    let mut random = Random::new(3);
    let words = |random: &mut Random| loop {
        let name = people.person(random.below(size)).name.to_lowercase();
        let words: Vec<&str> = name.split_whitespace().collect();
        if let [first, .., last] = words[..]
            && first.chars().count() > 2
        {
            break (quoted(first), quoted(last));
        }
    };
    let part = |random: &mut Random| {
        let word: Vec<char> = words(random).0.chars().collect();
        let len = (3 + random.below(3) as usize).min(word.len());
        let start = random.below((word.len() - len + 1) as u64) as usize;
        quoted(&word[start..start + len].iter().filter(|letter| **letter != '\'').collect::<String>())
    };
    for _ in 0..QUERIES {
        let offset = 25 * random.below(size / 25);
        let mut list = |row: &str, filter: &str, order: &str, offset: u64| {
            let filter = if filter.is_empty() { String::new() } else { format!("WHERE {filter}") };
            writeln!(
                script,
                "INSERT INTO queries VALUES ('{row}', $q$SELECT count(*) FROM contacts {filter}$q$, \
                 $q$SELECT id FROM contacts {filter} ORDER BY {order} LIMIT 25 OFFSET {offset}$q$);"
            )
        };
        list("random page, default order", "", "id", offset)?;
        list("random page, by name", "", "lower(name), name, id", offset)?;
        list("search, part of a word", &format!("folded LIKE '%{}%'", part(&mut random)), "id", 0)?;
        let (one, other) = words(&mut random);
        let both = format!("folded LIKE '%{other}%' AND folded LIKE '%{one}%'");
        list("search, two words, newest first", &both, "updated_at DESC, id", 0)?;
        let none = format!("folded LIKE '%{}qx{}%'", part(&mut random), random.below(1_000));
        list("search, no hits", &none, "id", 0)?;
        let from = UNTIL - HISTORY + (random.fraction() * (HISTORY / 100 * 99) as f64) as i64;
        let range = format!("updated_at > {from} AND updated_at < {}", from + HISTORY / 100);
        list("updatedAt range of 1 %", &range, "id", 0)?;
        let name = quoted(&people.person(random.below(size)).name);
        list("one exact name", &format!("name = '{name}'"), "id", 0)?;
    }
    writeln!(script, "{MEASUREMENT}")
}

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

const SCHEMA: &str = "
CREATE EXTENSION pg_trgm;
CREATE TABLE contacts (id text PRIMARY KEY, name text, local_name text, email text, phone1 text, updated_at bigint,
    folded text GENERATED ALWAYS AS (lower(name || ' ' || coalesce(local_name, ''))) STORED);
CREATE TABLE queries (list text, counting text, paging text);
CREATE TABLE times (list text, ms double precision);
COPY contacts (id, name, local_name, email, phone1, updated_at) FROM stdin;";

const INDEXES: &str = "
CREATE INDEX ON contacts (name);
CREATE INDEX ON contacts (lower(name), name, id);
CREATE INDEX ON contacts (updated_at, id);
CREATE INDEX ON contacts USING gin (folded gin_trgm_ops);
VACUUM ANALYZE contacts;";

const MEASUREMENT: &str = "
DO $$
DECLARE query record; start timestamptz;
BEGIN
    FOR query IN SELECT * FROM queries LOOP
        start := clock_timestamp();
        EXECUTE query.counting;
        EXECUTE query.paging;
        INSERT INTO times VALUES (query.list, 1000 * extract(epoch FROM clock_timestamp() - start));
    END LOOP;
END $$;
SELECT list, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 1) AS median_ms FROM times GROUP BY list ORDER BY list;";
