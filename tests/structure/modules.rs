//! The modules of `shared`, of which none may use, through others, itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use super::root;

/// Which modules each module uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The uses between the modules directly below `source`. A module with a folder counts as one.
fn uses(source: &Path) -> Uses {
    let mut uses = Uses::new();
    let names = fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
    for path in names.filter(|path| path.file_stem().is_some_and(|name| name != "lib")) {
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        collect(&path, uses.entry(module).or_default());
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|other| other != module && modules.contains(other));
    }
    uses
}

/// Adds what the code in a file, or in a folder, uses of the crate.
fn collect(path: &Path, used: &mut BTreeSet<String>) {
    if path.is_file() {
        used.extend(used_by(&fs::read_to_string(path).unwrap()));
        return;
    }
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    // `mod.rs` says which modules of the folder are tests.
    let declarations = fs::read_to_string(path.join("mod.rs")).or_else(|_| fs::read_to_string(path.with_extension("rs")));
    let declarations = declarations.unwrap_or_default();
    for file in files {
        let module = file.file_stem().unwrap().to_str().unwrap();
        if !declarations.contains(&format!("#[cfg(test)]\nmod {module};")) {
            collect(&file, used);
        }
    }
}

/// The names after `crate::` in code that is not a comment and not a test.
fn used_by(code: &str) -> BTreeSet<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let name = |path: &str| path.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
    let mut used = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            // The names of a group; what stands in the groups inside it belongs to the name before them.
            Some(group) => {
                let (mut depth, mut start) = (0, 0);
                for (place, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth > 0 => depth -= 1,
                        ',' | '}' if depth == 0 => {
                            used.insert(name(&group[start..place]));
                            start = place + 1;
                            if character == '}' {
                                break;
                            }
                        }
                        _ => {}
                    }
                }
            }
            None => {
                used.insert(name(path));
            }
        }
    }
    used
}

/// The shortest way from a module back to itself, if there is one.
fn circle(uses: &Uses) -> Option<Vec<String>> {
    let from = |start: &String| {
        let mut ways = VecDeque::from([vec![start.clone()]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for next in uses.get(way.last()?).into_iter().flatten() {
                let mut way = way.clone();
                way.push(next.clone());
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    ways.push_back(way);
                }
            }
        }
        None
    };
    uses.keys().filter_map(from).min_by_key(Vec::len)
}

#[test]
fn the_modules_of_shared_form_no_circle() {
    let uses = uses(&root().join("shared/src"));

    assert!(uses["store"].contains("contact"), "the uses are known: {uses:?}");
    assert_eq!(circle(&uses).map(|way| way.join(" -> ")), None, "a module uses itself through others");
}

#[test]
fn a_circle_is_found_and_named() {
    let uses = |code: &[(&str, &str)]| code.iter().map(|(module, code)| ((*module).to_owned(), used_by(code))).collect::<Uses>();
    let named = |uses: &Uses| circle(uses).map(|way| way.join(" -> "));
    let straight = [("call", "use crate::app::App;\n// crate::call\n#[cfg(test)]\nmod tests {\n use crate::call;"), ("app", "")];

    assert_eq!(named(&uses(&straight)), None);
    let circle =
        [("app", "use crate::{call::{Call, serve}, error};"), ("call", "fn f(x: crate::store::X) {}"), ("store", "crate::app")];
    assert_eq!(named(&uses(&circle)).as_deref(), Some("app -> call -> store -> app"));
}
