//! What the program says of itself, and of a command line that is wrong.

use std::fs;
use std::path::Path;

use contacts::help::{ENVIRONMENT, EXIT_CODES};
use testkit::{Finished, Program};

use crate::contacts;

/// The program on a terminal of 80 columns.
fn narrow() -> Program {
    contacts().with_variable("COLUMNS", "80")
}

async fn shown(arguments: &[&str]) -> String {
    let done = narrow().with(arguments).run().await;
    assert_eq!((done.code, &*done.errors), (Some(0), ""), "{arguments:?}");
    done.output
}

#[tokio::test]
async fn the_help_of_the_program_teaches() {
    let help = shown(&["-h"]).await;
    insta::assert_snapshot!(help);
    let long = shown(&["--help"]).await;
    for (variable, what) in ENVIRONMENT {
        let words = what.split_whitespace().next().unwrap();
        assert!(long.contains(variable) && long.contains(words), "{variable}: {long}");
    }
    for (code, what) in EXIT_CODES {
        assert!(long.contains(&format!("  {code}  {what}\n")), "{long}");
    }
}

#[tokio::test]
async fn the_help_of_each_command_has_examples_and_fits_the_terminal() {
    let commands = shown(&["-h"]).await;
    let commands = commands.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = commands.lines().filter(|line| !line.starts_with("   ")).map(|line| line.split_whitespace().next().unwrap());
    let names: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(names.contains(&"import") && names.contains(&"serve"), "{names:?}");
    for name in &names {
        for help in ["-h", "--help"] {
            let text = shown(&[name, help]).await;
            let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(long.is_empty(), "{name} {help}: {long:?}");
            let has_examples = ["serve", "keys", "import", "export", "snapshots", "completions"].contains(name);
            assert_eq!(text.contains("Examples:"), has_examples, "{name}: {text}");
        }
    }
    insta::assert_snapshot!(shown(&["import", "-h"]).await);
}

#[tokio::test]
async fn a_command_line_that_is_wrong_gets_a_suggestion_and_exit_code_2() {
    async fn wrong(arguments: &[&str]) -> String {
        let Finished { code, output, errors } = narrow().with(arguments).run().await;
        assert_eq!((code, &*output), (Some(2), ""), "{arguments:?}");
        errors
    }

    insta::assert_snapshot!(wrong(&["exprot"]).await, @r"
    error: unrecognized subcommand 'exprot'

      tip: a similar subcommand exists: 'export'

    Usage: contacts [OPTIONS]
           contacts <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(wrong(&["import", "x.csv", "--dryrun"]).await, @r"
    error: unexpected argument '--dryrun' found

      tip: a similar argument exists: '--dry-run'

    Usage: contacts import --dry-run <FILE>

    For more information, try '--help'.
    ");
    let alone = wrong(&["keys"]).await;
    assert!(alone.starts_with("Create, list and revoke API keys\n") && alone.contains("Examples:"), "{alone}");
}

#[tokio::test]
async fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = shown(&["completions", shell]).await;
        for word in ["import", "snapshots", "dry-run"] {
            assert!(script.contains(word), "{shell}");
        }
        assert!(!script.contains("under-test"), "{shell}");
    }
}

/// The names of environment variables in code that is not a test.
fn variables(folder: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            variables(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("simulation.rs") {
            let code = fs::read_to_string(&path).unwrap();
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let is_name = |text: &&str| {
                let is_part =
                    |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
                text.contains('_') && text.split('_').all(is_part)
            };
            found.extend(code.split('"').filter(is_name).map(str::to_owned));
        }
    }
}

#[test]
fn every_environment_variable_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for folder in ["cli/src", "shared/src", "functions"] {
        variables(&root.join(folder), &mut found);
    }
    // A type of a stream, and the seeds of simulations, which CONTRIBUTING.md has.
    found.retain(|name| name != "KEYS_ONLY" && !name.ends_with("_SEED") && !name.ends_with("_SEEDS"));
    found.extend(ENVIRONMENT.map(|(name, _)| name.to_owned()));

    let page = fs::read_to_string(root.join("docs/environment.md")).unwrap();

    assert!(found.iter().any(|name| name == "LIST_SNAPSHOTS") && found.iter().any(|name| name == "CONTACTS_TABLE"), "{found:?}");
    for name in found {
        assert!(page.contains(&format!("`{name}`")), "docs/environment.md does not have {name}");
    }
}
