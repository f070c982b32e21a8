//! How the parts of the workspace may depend on each other, where Cargo and the compiler do not say it. `docs/architecture.md` has the
//! reasons.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

mod modules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names of all crates that `package` is built from.
fn dependencies(package: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What does I/O, or only makes sense to those who do.
fn does_io(name: &str) -> bool {
    let families =
        ["aws", "axum", "dynoxide", "futures", "http", "hyper", "lambda", "reqwest", "rustls", "socket2", "tokio", "tower"];
    families.iter().any(|family| name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_'])))
        || ["mio", "rusqlite", "shared", "contacts"].contains(&name)
}

#[test]
fn the_index_is_built_without_aws_runtime_and_http() {
    let of_index = dependencies("index");
    let io: Vec<&String> = of_index.iter().filter(|name| does_io(name)).collect();

    assert!(of_index.contains("memchr"), "the dependencies of index are known: {of_index:?}");
    assert!(io.is_empty(), "index must do no I/O, and depends on {io:?}");
    // The same look at a crate that does I/O finds it.
    assert!(dependencies("shared").iter().any(|name| does_io(name)));
}

#[test]
fn shared_knows_no_function_and_not_the_program() {
    let functions =
        fs::read_dir(root().join("functions")).unwrap().map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let above: BTreeSet<String> = functions.chain(["contacts".to_owned()]).collect();

    assert!(above.len() >= 6, "{above:?}");
    assert!(dependencies("shared").is_disjoint(&above));
}

#[test]
fn functions_are_built_without_what_describes_them() {
    let of_descriptions =
        |package: &str| dependencies(package).into_iter().filter(|name| name.starts_with("utoipa")).collect::<Vec<_>>();
    let mut functions = 0;
    for folder in fs::read_dir(root().join("functions")).unwrap() {
        let function = folder.unwrap().file_name().into_string().unwrap();
        functions += 1;
        assert!(of_descriptions(&function).is_empty(), "{function}");
    }

    assert!(functions >= 8);
    // The same look at the program finds it.
    assert!(of_descriptions("contacts").contains(&"utoipa".to_owned()));
}

/// Cargo runs test targets in the order of their names.
#[test]
fn what_was_skipped_is_reported_after_all_tests() {
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml")).unwrap();
    let targets = manifest.split("[[test]]\nname = \"").skip(1).map(|target| target.split('"').next().unwrap());

    assert_eq!(targets.max(), Some("what_was_skipped"));
}

/// Every crate has `doctest = false`, because Cargo would run examples after the report of the skipped tests.
#[test]
fn documentation_has_no_examples_because_nobody_would_run_them() {
    let crates = ["cli", "functions", "index", "lifelike", "shared", "tests"];
    let mut folders: Vec<PathBuf> = crates.iter().map(|folder| root().join(folder)).collect();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            // What fuzzing builds is in a folder of its own.
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files += 1;
                let code = fs::read_to_string(&path).unwrap();
                let mut comments =
                    code.lines().map(str::trim_start).filter(|line| line.starts_with("///") || line.starts_with("//!"));
                assert!(!comments.any(|comment| comment.contains("```")), "{}: make the example a test", path.display());
            }
        }
    }
    assert!(files > 50, "the code was found");
}
