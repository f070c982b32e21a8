//! What an import takes beside `contacts seed` for as many contacts, with the program as people run it.
//!
//! `cargo bench -p benches --bench import` takes 100,000 contacts and writes the table of `docs/performance.md`; with
//! `CONTACTS=1000000` it takes so many, and only prints. It also looks at what the import says and does: every wrong line is
//! named, the rest is in, and a second run changes nothing. It fails when an import of contacts with ids takes more than 1.5 times
//! as long as the seed.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use benches::{Failure, insert_into_docs};
use lifelike::People;
use tempfile::tempdir;

/// How often seed and import of the same contacts are measured, by turns; the shortest time of each counts.
const TIMES: usize = 3;

/// How much longer than a seed an import may take.
const MOST: f64 = 1.5;

fn main() -> Result<(), Failure> {
    let given: Option<u64> = env::var("CONTACTS").ok().map(|count| count.parse()).transpose()?;
    let count = given.unwrap_or(100_000);
    let folder = tempdir()?;
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (mut seeded, mut imported, mut exported) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let (data, file) = (place("data"), place("contacts.jsonl"));
    for _ in 0..TIMES {
        seeded = seeded.min(run(&["seed", "--seed", "1", "--count", &count.to_string(), "--data", &data])?.0);
        exported = exported.min(run(&["export", "--data", &data, "--output", &file])?.0);
        run(&["export", "--data", &data, "--output", &place("contacts.csv")])?;
        fs::remove_dir_all(&data)?;
        let (took, said) = run(&["import", &file, "--data", &data])?;
        expect(&said, &format!("Rows: {count}. Added: {count}. Already there: 0. Refused: 0."))?;
        imported = imported.min(took);
        fs::remove_dir_all(&data)?;
    }
    let mut rows = vec![
        ("`contacts seed`".to_owned(), seeded),
        ("`contacts export`, JSON Lines".to_owned(), exported),
        ("`contacts import`, JSON Lines with ids".to_owned(), imported),
    ];

    let wrong = count / 100;
    let (by_content, lines) = people(count, false)?;
    let (by_external_id, _) = people(count, true)?;
    fs::write(place("content.csv"), by_content)?;
    fs::write(place("external.csv"), by_external_id)?;
    let named: String = lines.iter().map(|line| format!("line {line}: name is required\n")).collect();
    for (name, file, refused, named) in [
        ("CSV with ids", "contacts.csv", 0, ""),
        ("CSV without ids, 1 % wrong", "content.csv", wrong, &*named),
        ("CSV with external ids, 1 % wrong", "external.csv", wrong, &named),
    ] {
        let (before, after) = (place("before.jsonl"), place("after.jsonl"));
        let right = count - refused;
        let (first, said) = run(&["import", &place(file), "--data", &data])?;
        expect(&said, &format!("Rows: {count}. Added: {right}. Already there: 0. Refused: {refused}."))?;
        if said.stderr != named.as_bytes() {
            return Err(format!("{name}: not exactly the wrong lines are named").into());
        }
        rows.push((format!("`contacts import`, {name}"), first));
        run(&["export", "--data", &data, "--output", &before])?;
        let (again, said) = run(&["import", &place(file), "--data", &data])?;
        expect(&said, &format!("Rows: {count}. Added: 0. Already there: {right}. Refused: {refused}."))?;
        rows.push(("the same again, which changes nothing".to_owned(), again));
        run(&["export", "--data", &data, "--output", &after])?;
        if fs::read(before)? != fs::read(after)? {
            return Err(format!("{name}: the second run changed something").into());
        }
        fs::remove_dir_all(&data)?;
    }
    let table = table(count, seeded, &rows)?;
    println!("{table}");
    if given.is_none() {
        insert_into_docs("import", &table)?;
    }
    let ratio = imported.as_secs_f64() / seeded.as_secs_f64();
    if ratio > MOST { Err(format!("an import takes {ratio:.2} times as long as a seed").into()) } else { Ok(()) }
}

/// Runs the program to its end. Exit code 4 says that rows were refused.
fn run(arguments: &[&str]) -> Result<(Duration, Output), Failure> {
    let start = Instant::now();
    let output =
        Command::new(env!("CARGO_BIN_EXE_contacts-under-measurement")).args(arguments).env_remove("RUST_LOG").output()?;
    let took = start.elapsed();
    match output.status.code() {
        Some(0 | 4) => Ok((took, output)),
        _ => Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn expect(output: &Output, said: &str) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(&output.stdout);
    if text.starts_with(said) { Ok(()) } else { Err(format!("{said} was expected, not {text}").into()) }
}

/// A CSV file of so many contacts, of which every hundredth has no name, and the lines of those.
fn people(count: u64, has_external_ids: bool) -> Result<(String, Vec<u64>), Failure> {
    let (mut text, mut lines) = ("name,local_name,email,phone1,title,integration_meta.external_id\n".to_owned(), Vec::new());
    let quoted = |text: Option<String>| text.map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")));
    for (place, person) in (0..count).zip(People::new(1, count, 1_760_000_000_000)) {
        let is_wrong = place % 100 == 99;
        if is_wrong {
            lines.push(place + 2);
        }
        let name = quoted(Some(person.name).filter(|_| !is_wrong));
        let (local_name, email, phone) = (quoted(person.local_name), quoted(person.email), quoted(person.phone1));
        // Two people can be alike in all columns, and would be one.
        let title = quoted(Some(format!("{} {place}", person.title.unwrap_or_default())));
        let external_id = if has_external_ids { format!("E-{place}") } else { String::new() };
        writeln!(text, "{name},{local_name},{email},{phone},{title},{external_id}")?;
    }
    Ok((text, lines))
}

/// The times of the commands, each for so many contacts, beside the seed's.
fn table(count: u64, seeded: Duration, rows: &[(String, Duration)]) -> Result<String, Failure> {
    let mut table = "| command | seconds | contacts a second | times `contacts seed` |\n|---|---:|---:|---:|\n".to_owned();
    for (command, time) in rows {
        let (seconds, of_seed) = (time.as_secs_f64(), time.as_secs_f64() / seeded.as_secs_f64());
        writeln!(table, "| {command} | {seconds:.1} | {:.0} | {of_seed:.2} |", count as f64 / seconds)?;
    }
    Ok(table)
}
