//! What an import takes beside `contacts seed` for as many contacts, with the program as people run it.
//!
//! `cargo bench -p benches --bench import`, with `CONTACTS=1000000` for more contacts than 100,000. It also looks at what the
//! import says and does: every wrong line is named, the rest is in, and a second run changes nothing. It fails when an import of
//! contacts with ids takes more than 1.5 times as long as the seed.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use benches::Failure;
use lifelike::People;
use tempfile::tempdir;

/// How often seed and import of the same contacts are measured, by turns; the shortest time of each counts.
const TIMES: usize = 3;

/// How much longer than a seed an import may take.
const MOST: f64 = 1.5;

fn main() -> Result<(), Failure> {
    let count: u64 = env::var("CONTACTS").map_or(Ok(100_000), |count| count.parse())?;
    let folder = tempdir()?;
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (mut seeded, mut imported) = (Duration::MAX, Duration::MAX);
    for time in 0..TIMES {
        let data = place(&format!("seeded {time}"));
        seeded = seeded.min(run(&["seed", "--seed", "1", "--count", &count.to_string(), "--data", &data])?.0);
        let file = place("contacts.jsonl");
        let (exported, _) = run(&["export", "--data", &data, "--output", &file])?;
        if time == 0 {
            report("export, JSON Lines", count, exported, seeded);
            report("export, CSV", count, run(&["export", "--data", &data, "--output", &place("contacts.csv")])?.0, seeded);
        }
        fs::remove_dir_all(&data)?;
        let data = place("imported");
        let (took, said) = run(&["import", &file, "--data", &data])?;
        expect(&said, &format!("Rows: {count}. Added: {count}. Already there: 0. Refused: 0."))?;
        imported = imported.min(took);
        fs::remove_dir_all(&data)?;
    }
    report("seed", count, seeded, seeded);
    report("import, JSON Lines with ids", count, imported, seeded);

    let wrong = count / 100;
    let (by_content, lines) = table(count, false)?;
    let (by_external_id, _) = table(count, true)?;
    fs::write(place("content.csv"), by_content)?;
    fs::write(place("external.csv"), by_external_id)?;
    let named: String = lines.iter().map(|line| format!("line {line}: name is required\n")).collect();
    for (name, file, refused, named) in [
        ("CSV with ids", "contacts.csv", 0, ""),
        ("CSV without ids, 1 % wrong", "content.csv", wrong, &*named),
        ("CSV with external ids, 1 % wrong", "external.csv", wrong, &named),
    ] {
        let (data, before, after) = (place("data"), place("before.jsonl"), place("after.jsonl"));
        let right = count - refused;
        let (first, said) = run(&["import", &place(file), "--data", &data])?;
        expect(&said, &format!("Rows: {count}. Added: {right}. Already there: 0. Refused: {refused}."))?;
        if said.stderr != named.as_bytes() {
            return Err(format!("{name}: not exactly the wrong lines are named").into());
        }
        report(&format!("import, {name}"), count, first, seeded);
        run(&["export", "--data", &data, "--output", &before])?;
        let (again, said) = run(&["import", &place(file), "--data", &data])?;
        expect(&said, &format!("Rows: {count}. Added: 0. Already there: {right}. Refused: {refused}."))?;
        report("the same again", count, again, seeded);
        run(&["export", "--data", &data, "--output", &after])?;
        if fs::read(before)? != fs::read(after)? {
            return Err(format!("{name}: the second run changed something").into());
        }
        fs::remove_dir_all(Path::new(&data))?;
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

/// A table of so many contacts, of which every hundredth has no name, and the lines of those.
fn table(count: u64, has_external_ids: bool) -> Result<(String, Vec<u64>), Failure> {
    let (mut table, mut lines) = ("name,local_name,email,phone1,title,integration_meta.external_id\n".to_owned(), Vec::new());
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
        writeln!(table, "{name},{local_name},{email},{phone},{title},{external_id}")?;
    }
    Ok((table, lines))
}

fn report(what: &str, count: u64, time: Duration, seeded: Duration) {
    let (seconds, of_seed) = (time.as_secs_f64(), time.as_secs_f64() / seeded.as_secs_f64());
    println!("{what:<40} {seconds:>8.2} s {:>9.0} a second {of_seed:>6.2} times seed", count as f64 / seconds);
}
