//! What an import takes beside `contacts seed` for as many contacts, with the program as people run it.
//!
//! `cargo bench -p benches --bench import`; `CONTACTS=1000000` for more contacts. It also looks at what the import says and does: every wrong
//! line is named, the rest is in, and a second run changes nothing.

#![expect(clippy::unwrap_used, reason = "what a benchmark cannot go on without, it panics for")]

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::tempdir;

fn main() {
    let count: u64 = env::var("CONTACTS").map_or(100_000, |count| count.parse().unwrap());
    let folder = tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    let (seeded, _) = contacts(&["seed", "--count", &count.to_string(), "--seed", "1", "--data", &place("seeded")]);
    report("seed", count, seeded, seeded);
    let export = |format: &str, data: &str| {
        let file = place(&format!("{data}.{format}"));
        let (time, _) = contacts(&["export", "--data", &place(data), "--output", &file]);
        (file, time)
    };
    let (jsonl, time) = export("jsonl", "seeded");
    report("export, JSON Lines", count, time, seeded);
    let (csv, time) = export("csv", "seeded");
    report("export, CSV", count, time, seeded);

    let wrong = count / 100;
    let (by_content, lines) = table(count, false);
    let (by_external_id, _) = table(count, true);
    let (content_file, external_file) = (place("content.csv"), place("external.csv"));
    fs::write(&content_file, by_content).unwrap();
    fs::write(&external_file, by_external_id).unwrap();
    for (name, file, data, refused) in [
        ("JSON Lines with ids", &jsonl, "a", 0),
        ("CSV with ids", &csv, "b", 0),
        ("CSV without ids, 1 % wrong", &content_file, "c", wrong),
        ("CSV with external ids, 1 % wrong", &external_file, "d", wrong),
    ] {
        let (first, said) = contacts(&["import", file, "--data", &place(data)]);
        expect(&said, &format!("Rows: {count}. Added: {}. Already there: 0. Refused: {refused}.", count - refused));
        report(&format!("import, {name}"), count, first, seeded);
        let named: BTreeSet<String> = String::from_utf8(said.stderr).unwrap().lines().map(str::to_owned).collect();
        let expected: BTreeSet<String> = if refused > 0 {
            lines.iter().map(|line| format!("line {line}: name is required")).collect()
        } else {
            BTreeSet::new()
        };
        assert_eq!(named, expected, "each wrong line is named");
        let (before, _) = export("before", data);
        let (again, said) = contacts(&["import", file, "--data", &place(data)]);
        expect(&said, &format!("Rows: {count}. Added: 0. Already there: {}. Refused: {refused}.", count - refused));
        report("the same again", count, again, seeded);
        let (after, _) = export("after", data);
        assert_eq!(fs::read_to_string(before).unwrap().lines().count() as u64, count - refused);
        assert!(
            fs::read(place(&format!("{data}.before"))).unwrap() == fs::read(after).unwrap(),
            "the second run changes nothing"
        );
        fs::remove_dir_all(Path::new(&place(data))).unwrap();
    }
}

/// Runs the program to its end.
fn contacts(arguments: &[&str]) -> (Duration, Output) {
    let start = Instant::now();
    let output =
        Command::new(env!("CARGO_BIN_EXE_contacts-under-measurement")).args(arguments).env_remove("RUST_LOG").output().unwrap();
    (start.elapsed(), output)
}

fn expect(output: &Output, said: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.starts_with(said),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr).lines().take(5).collect::<Vec<_>>().join("\n")
    );
}

/// A table of so many contacts, of which every hundredth has no name, and the lines of those.
fn table(count: u64, has_external_ids: bool) -> (String, Vec<u64>) {
    let (mut table, mut lines) = ("name,local_name,email,phone1,title,integration_meta.external_id\n".to_owned(), Vec::new());
    for (place, person) in lifelike::People::new(1, count, 1_760_000_000_000).enumerate() {
        let place = place as u64;
        let is_wrong = place % 100 == 99;
        if is_wrong {
            lines.push(place + 2);
        }
        let quoted = |text: Option<String>| text.map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")));
        let name = quoted(Some(person.name).filter(|_| !is_wrong));
        let (local_name, email) = (quoted(person.local_name), quoted(person.email));
        let (phone, title) = (quoted(person.phone1), quoted(person.title));
        let external_id = if has_external_ids { format!("E-{place}") } else { String::new() };
        // Two people can be alike, and would be one.
        let title = if has_external_ids { title } else { format!("\"{} {place}\"", title.trim_matches('"')) };
        writeln!(table, "{name},{local_name},{email},{phone},{title},{external_id}").unwrap();
    }
    (table, lines)
}

fn report(what: &str, count: u64, time: Duration, seeded: Duration) {
    let seconds = time.as_secs_f64();
    println!(
        "{what:<40} {seconds:>8.2} s {:>9.0} a second {:>6.2} times seed",
        count as f64 / seconds,
        seconds / seeded.as_secs_f64()
    );
}
