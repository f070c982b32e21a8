//! Every command on the pages for users is run, and what they show is what comes out. The info string of a block says what it is:
//!
//! - `sh`: run, one block after the other, in a folder beside a fresh server; no command fails and no call is answered with an error.
//! - `console`: the same, and what stands below a command is its output, where `…` stands for anything within a line.
//! - `sh account`, `sh build`: needs an AWS account, or builds; only its form is checked, down to the options of `contacts` and the targets of Cargo.
//! - `json`: is JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::tempdir;
use testkit::skip;

use crate::contacts;

/// Where the pages say that the API is.
const SHOWN_URL: &str = "http://127.0.0.1:3030";

/// The id of a key where a page cannot know it.
const SHOWN_KEY: &str = "0123456789abcdef";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The pages for users, by their names from the root.
fn pages() -> BTreeMap<String, String> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let names = docs.chain(["README.md", "CONTRIBUTING.md"].map(str::to_owned)).filter(|name| name.ends_with(".md"));
    names.map(|name| (name.clone(), fs::read_to_string(root().join(name)).unwrap())).collect()
}

/// A fenced block: the line on which it begins, its info string, and what is in it.
#[derive(Debug)]
struct Block {
    line: usize,
    info: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { line: number + 1, info: info.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
}

/// The commands of a console, each with the lines that it prints.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((command, output))) if output.is_empty() && command.ends_with('\\') => {
                write!(command, "\n{line}").unwrap();
            }
            (None, Some((_, output))) => output.push(line.to_owned()),
            (None, None) => panic!("a console begins with a command: {line}"),
        }
    }
    commands
}

/// Whether a line is the one that a page shows.
fn is_shown(shown: &str, line: &str) -> bool {
    let Some((first, rest)) = shown.split_once('…') else { return shown == line };
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let last = parts.pop().unwrap();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

#[test]
fn what_is_shown_is_compared() {
    assert!(is_shown("a", "a") && !is_shown("a", "ab"));
    assert!(is_shown("a … c … e", "a b c d e") && is_shown("…", "") && is_shown("a…", "abc"));
    assert!(!is_shown("a … c", "a b d") && !is_shown("a…b…c", "acb") && !is_shown("x…", "ax"));
    let console = commands("$ one \\\n  two\nout\n$ three\n");
    assert_eq!(console, [("one \\\n  two".to_owned(), vec!["out".to_owned()]), ("three".to_owned(), vec![])]);
}

fn write_program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/bash\n{script}")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The programs that pages call: `contacts` is the one under test, in a clone also `cargo run --`, and `curl` remembers the
/// headers of answers.
fn programs(folder: &Path, curl: &str) -> PathBuf {
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    let program = env!("CARGO_BIN_EXE_contacts-under-test");
    write_program(
        &programs,
        "contacts",
        &format!(
            "if [ $# = 0 ] || [ \"$1\" = serve ]; then echo 'It runs already.'; exit; fi\n\
             arguments=()\n\
             for argument in \"$@\"; do\n\
               if [ \"$argument\" = {SHOWN_KEY} ]; then\n\
                 argument=$('{program}' keys list --json | grep '\"tenant\":\"acme\"' | grep -o '\"id\":\"[0-9a-f]*\"' | head -n 1 | cut -d '\"' -f 4)\n\
               fi\n\
               arguments+=(\"$argument\")\n\
             done\n\
             exec '{program}' \"${{arguments[@]}}\"\n"
        ),
    );
    let run = "[ \"$1\" = run ] || { echo 'only cargo run is run here' >&2; exit 97; }\n\
               shift\n[ \"$1\" != --release ] || shift\n[ \"$1\" != -- ] || shift\nexec contacts \"$@\"\n";
    write_program(&programs, "cargo", run);
    write_program(&programs, "curl", &format!("exec '{curl}' \"$@\" --dump-header \"$(mktemp \"$HEADERS/XXXXXX\")\"\n"));
    programs
}

fn bash(folder: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
    fs::write(folder.join("script"), script).unwrap();
    let bash =
        Command::new("bash").arg("script").current_dir(folder).env_remove("RUST_LOG").envs(variables.iter().copied()).output();
    bash.unwrap()
}

/// Runs the blocks of a page, and returns what is wrong.
async fn run_page(name: &str, page: &str, curl: &str) -> Vec<String> {
    let blocks: Vec<Block> = blocks(page).into_iter().filter(|block| ["sh", "console"].contains(&&*block.info)).collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let folder = tempdir().unwrap();
    let programs = programs(folder.path(), curl);
    let serving = contacts().serve(&folder.path().join(".contacts")).start_serving().await;
    // A table of the reader's own.
    fs::write(folder.path().join("people.csv"), "Full name,phone1\nJane Doe,1\nJohn Smith,2\n").unwrap();
    fs::create_dir(folder.path().join("headers")).unwrap();
    let mut script = "set -o pipefail\n".to_owned();
    for (number, Block { line, info, text }) in blocks.iter().enumerate() {
        if info == "sh" {
            fs::create_dir(folder.path().join(format!("headers/{number}"))).unwrap();
            writeln!(script, "export HEADERS=$PWD/headers/{number}").unwrap();
            writeln!(script, "set -e\ntrap 'echo \"{name}:{line}: a command fails\" >&2' ERR\n{{\n{text}}} > out.{number} 2>&1\nset +e; trap - ERR").unwrap();
        } else {
            writeln!(script, "export HEADERS=$PWD/headers").unwrap();
            for (place, (command, _)) in commands(text).iter().enumerate() {
                writeln!(script, "{{\n{command}\n}} > out.{number}.{place} 2>&1").unwrap();
            }
        }
    }
    writeln!(script, "true").unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let variables = [("PATH", &*path), ("API", &serving.url), ("HOME", folder.path().to_str().unwrap())];
    let done = bash(folder.path(), &script.replace(SHOWN_URL, &serving.url), &variables);
    serving.signal("TERM").await;
    let output = |file: String| fs::read_to_string(folder.path().join(file)).unwrap_or_default();
    let mut wrong = Vec::new();
    if !done.status.success() {
        let all: String = (0..blocks.len()).map(|number| output(format!("out.{number}"))).collect();
        wrong.push(format!("{name}: {} {all}", String::from_utf8_lossy(&done.stderr)));
    }
    for (number, Block { line, info, text }) in blocks.iter().enumerate() {
        if info == "sh" {
            for headers in fs::read_dir(folder.path().join(format!("headers/{number}"))).unwrap() {
                let headers = fs::read_to_string(headers.unwrap().path()).unwrap();
                let status = headers.split_whitespace().nth(1).unwrap_or("none").to_owned();
                if !status.starts_with(['2', '3']) {
                    wrong.push(format!("{name}:{line}: a call is answered {status}: {}", output(format!("out.{number}"))));
                }
            }
            continue;
        }
        for (place, (command, shown)) in commands(text).into_iter().enumerate() {
            let printed = output(format!("out.{number}.{place}"));
            let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
            let is_same = printed.len() == shown.len() && shown.iter().zip(&printed).all(|(shown, line)| is_shown(shown, line));
            if !is_same {
                wrong.push(format!("{name}:{line}: {command}\nshown:   {shown:#?}\nprinted: {printed:#?}"));
            }
        }
    }
    wrong
}

#[tokio::test]
async fn every_command_of_the_documentation_does_what_it_shows() {
    let Some(curl) =
        std::env::var("PATH").unwrap().split(':').map(|folder| format!("{folder}/curl")).find(|file| Path::new(file).exists())
    else {
        return skip("it runs the commands of the documentation, and there is no curl");
    };
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        wrong.extend(run_page(&name, &page, &curl).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What Cargo builds: each package with its targets.
fn targets() -> BTreeMap<String, BTreeSet<String>> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let metadata: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let targets = package["targets"].as_array().unwrap().iter().map(|target| text(&target["name"]));
            (text(&package["name"]), targets.collect())
        })
        .collect()
}

/// Commands that are not run, as functions that look at their arguments.
const NOT_RUN: &str = r#"
set -e -u -o pipefail
contacts() { "$PROGRAM" "$@" --help > /dev/null; }
cargo() {
  if [ "$1" = run ] && [[ " $* " != *" -p "* ]]; then
    shift
    [ "${1-}" != --release ] || shift
    [ "${1-}" != -- ] || shift
    contacts "$@"
  else
    echo "$*" >> cargo.log
  fi
}
sam() { [[ $1 =~ ^(build|deploy|local)$ ]]; }
git() { [ "$1" = pull ]; }
psql() { cat > /dev/null; }
"#;

/// The text with a name for each `<Name>` that the reader fills in.
fn filled(text: &str) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('<') {
        filled.push_str(before);
        match after.split_once('>') {
            Some((name, left)) if !name.is_empty() && name.chars().all(char::is_alphanumeric) => {
                filled.push_str(name);
                rest = left;
            }
            _ => {
                filled.push('<');
                rest = after;
            }
        }
    }
    filled + rest
}

/// The project's own checks, as functions: another name in `tests/` is no command.
fn checks() -> String {
    let files = fs::read_dir(root().join("tests")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    let names = files.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| !name.contains('.'));
    names.map(|name| format!("tests/{name}() {{ :; }}\n")).collect()
}

#[test]
fn commands_that_are_not_run_have_the_right_form() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    let (targets, not_run) = (targets(), format!("{NOT_RUN}{}", checks()));
    for (name, page) in pages() {
        for Block { line, info, text } in blocks(&page) {
            if !["sh account", "sh build"].contains(&&*info) {
                continue;
            }
            count += 1;
            let folder = tempdir().unwrap();
            let filled = filled(&text);
            let done =
                bash(folder.path(), &format!("{not_run}{filled}"), &[("PROGRAM", env!("CARGO_BIN_EXE_contacts-under-test"))]);
            if !done.status.success() {
                wrong.push(format!("{name}:{line}: {}", String::from_utf8_lossy(&done.stderr)));
            }
            let of_cargo = fs::read_to_string(folder.path().join("cargo.log")).unwrap_or_default();
            for arguments in of_cargo.lines() {
                let words: Vec<&str> = arguments.split(" -- ").next().unwrap().split_whitespace().collect();
                if words.starts_with(&["+nightly", "fuzz", "run"]) {
                    let target = root().join("index/fuzz/fuzz_targets").join(format!("{}.rs", words[3]));
                    if !target.exists() {
                        wrong.push(format!("{name}:{line}: there is no {}", target.display()));
                    }
                    continue;
                }
                let after = |option: &str| words.iter().position(|word| *word == option).and_then(|place| words.get(place + 1));
                let Some(package) = after("-p") else { continue };
                let known = targets.get(*package);
                let named = ["--bench", "--test", "--example", "--bin"].into_iter().filter_map(after);
                let missing: Vec<_> = named.filter(|target| known.is_some_and(|known| !known.contains(**target))).collect();
                if known.is_none() || !missing.is_empty() {
                    wrong.push(format!("{name}:{line}: cargo {arguments} names what is not there"));
                }
            }
        }
    }
    assert!(count > 10, "{count} blocks were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_block_says_what_it_is() {
    for (name, page) in pages() {
        for Block { line, info, text } in blocks(&page) {
            match &*info {
                "sh" | "console" | "sh account" | "sh build" | "diff" | "text" => {}
                "json" => assert!(serde_json::from_str::<Value>(&text).is_ok(), "{name}:{line} is not JSON"),
                other => panic!("{name}:{line} is {other:?}"),
            }
        }
    }
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere_and_the_index_has_every_page() {
    let pages = pages();
    let mut wrong = Vec::new();
    for (name, page) in &pages {
        let base = root().join(name).parent().unwrap().to_owned();
        for link in page.split("](").skip(1).map(|rest| rest.split([')', ' ']).next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(name) } else { base.join(file) };
            let Ok(target) = target.canonicalize() else {
                wrong.push(format!("{name}: {link} is not there"));
                continue;
            };
            if !heading.is_empty() {
                let text = fs::read_to_string(target).unwrap();
                let anchors: Vec<String> =
                    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect();
                if !anchors.iter().any(|anchor| anchor == heading) {
                    wrong.push(format!("{name}: {link} has no such heading"));
                }
            }
        }
    }
    let index = &pages["docs/README.md"];
    let missing = pages
        .keys()
        .filter_map(|name| name.strip_prefix("docs/"))
        .filter(|page| *page != "README.md" && !index.contains(&format!("({page})")));
    wrong.extend(missing.map(|page| format!("docs/README.md does not have {page}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
