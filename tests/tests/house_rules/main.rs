//! The house rules that a machine can check: which crate may depend on which, which file may import which, and what may
//! not be written at all. CONTRIBUTING.md says why each rule is there.
//!
//! A failure names the file and the rule. The lists below are the rules; changing one is a decision about the house.

mod documents;
mod source;
mod workspace;

use source::{code, folder, imports, is_tests, lines_where, room, rust_files, words};
use std::path::PathBuf;
use workspace::{Package, members, minimum_rust_of_all_packages, root, tree};

/// A library crate, the crates of ours that it may use, and the families of crates (by how their names begin) that it
/// must never use, directly or through others.
struct Library {
    name: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

const LIBRARIES: &[Library] = &[
    Library {
        name: "tower-swr-core",
        ours: &[],
        never: &["http", "hyper", "tower", "axum", "redis"],
    },
    Library {
        name: "tower-swr",
        ours: &["tower-swr-core"],
        never: &["redis", "tower-swr-redis"],
    },
    Library {
        name: "tower-swr-redis",
        ours: &["tower-swr-core"],
        never: &["hyper", "axum"],
    },
];

/// Crates under `crates/` that are no library: like the examples and the tests they may use everything of ours.
const APPLICATIONS: &[&str] = &["tower-swr-cli"];

/// The only crate that may depend on an application: it tells whole-house stories about them.
const STORYTELLER: &str = "house-tests";

/// The files and folders of the engine in reading order: each imports only from itself and from those above it.
const READING_ORDER: &[&str] = &[
    "sync",
    "clock",
    "rng",
    "spawn",
    "key",
    "tags",
    "lifetime",
    "refresh",
    "invalidation",
    "entry",
    "decision",
    "flight",
    "store",
    "far",
    "wire",
    "origin_calls",
    "queue",
    "observe",
    "cache",
    "testing",
];

/// Where the libraries may read a clock, wait, spawn or roll a die; `testing` holds the doubles and contract suites.
const PORTS: &[&str] = &["clock", "rng", "spawn", "testing"];

/// Code lines of a file, its tests not counted.
const LONGEST_FILE: usize = 300;

// --- Crates ----------------------------------------------------------------------------------------------------------

#[test]
fn our_crates_use_each_other_in_one_direction_only() {
    let members = members();
    let mut broken = Vec::new();
    for (name, member) in &members {
        if member.folder.starts_with("crates")
            && library(name).is_none()
            && !APPLICATIONS.contains(&name.as_str())
        {
            broken.push(format!(
                "{name}: say in LIBRARIES or APPLICATIONS what it may use"
            ));
        }
        for used in member
            .dependencies
            .iter()
            .filter(|used| members.contains_key(&used.name))
        {
            if !may_use(name, &used.name) {
                broken.push(format!("{name} depends on {}", used.name));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn libraries_stay_clear_of_the_crates_they_must_never_use() {
    let members = members();
    let mut broken = Vec::new();
    for library in LIBRARIES
        .iter()
        .filter(|library| members.contains_key(library.name))
    {
        let declared = members[library.name]
            .dependencies
            .iter()
            .map(|used| used.name.clone());
        let reached = tree(library.name, &["--all-features"])
            .into_iter()
            .map(|used| used.name);
        for used in declared
            .chain(reached)
            .filter(|used| !library.ours.contains(&used.as_str()))
        {
            if library.never.iter().any(|family| used.starts_with(family)) {
                broken.push(format!("{} depends on {used}", library.name));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn the_layer_needs_no_axum() {
    let layer = &members()["tower-swr"];
    for axum in layer
        .dependencies
        .iter()
        .filter(|used| used.name == "axum" && !used.dev)
    {
        assert!(axum.optional, "axum is one private feature of tower-swr");
        assert!(
            !axum.default_features,
            "tower-swr takes from axum only what it reads"
        );
    }
    let reached = tree("tower-swr", &["--no-default-features"]);
    assert!(
        reached.iter().all(|used| !used.name.starts_with("axum")),
        "tower-swr without features reaches axum"
    );
}

#[test]
fn what_the_libraries_use_builds_with_their_minimum_rust() {
    let members = members();
    let minimums = minimum_rust_of_all_packages();
    let mut broken = Vec::new();
    for library in LIBRARIES
        .iter()
        .filter(|library| members.contains_key(library.name))
    {
        let stated = members[library.name].minimum_rust;
        assert!(stated.is_some(), "{} states no rust-version", library.name);
        for used in tree(library.name, &["--all-features"]) {
            if minimums.get(&used).copied().flatten() > stated {
                let Package { name, version } = used;
                broken.push(format!(
                    "{} uses {name} {version}, which needs a newer Rust",
                    library.name
                ));
            }
        }
    }
    assert_none(&broken);
}

fn library(name: &str) -> Option<&'static Library> {
    LIBRARIES.iter().find(|library| library.name == name)
}

/// Both are members of the workspace.
fn may_use(user: &str, used: &str) -> bool {
    match (library(user), library(used)) {
        (Some(user), _) => user.ours.contains(&used),
        (None, Some(_)) => true,
        (None, None) => user == STORYTELLER,
    }
}

// --- Files -----------------------------------------------------------------------------------------------------------

#[test]
fn engine_files_import_only_from_files_above_them() {
    let source = root().join("crates/tower-swr-core/src");
    let mut broken = Vec::new();
    for file in rust_files(&source).filter(|file| !is_tests(file) && *file != source.join("lib.rs"))
    {
        let path = file
            .strip_prefix(&source)
            .expect("it was found below `source`");
        let room = room(path);
        let Some(own) = place(&room) else {
            broken.push(format!(
                "{}: give it a place in READING_ORDER",
                path.display()
            ));
            continue;
        };
        for import in imports(&code(&file), path) {
            match place(&import) {
                None => broken.push(format!(
                    "{}: name the file, not `crate::{import}`",
                    path.display()
                )),
                Some(above) if above > own => {
                    broken.push(format!("{} imports {import}", path.display()));
                }
                Some(_) => {}
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn only_port_modules_read_clocks_sleep_spawn_or_roll_dice() {
    let mut broken = Vec::new();
    for library in LIBRARIES {
        let source = root().join("crates").join(library.name).join("src");
        for file in rust_files(&source).filter(|file| !is_tests(file)) {
            let path = file
                .strip_prefix(&source)
                .expect("it was found below `source`");
            let waived = code(&file).contains("clippy::disallowed_methods");
            let is_port = library.name == "tower-swr-core" && PORTS.contains(&room(path).as_str());
            if waived && !is_port {
                broken.push(format!(
                    "{}: waives disallowed_methods, but is no port",
                    file.display()
                ));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn no_file_is_longer_than_one_can_hold_in_mind() {
    let folders = ["crates", "examples", "tests"].map(|folder| root().join(folder));
    let long = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .map(|file| (code(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, file)| {
            format!(
                "{}: {lines} code lines, {LONGEST_FILE} at most",
                file.display()
            )
        })
        .collect::<Vec<_>>();
    assert_none(&long);
}

#[test]
fn no_test_is_ignored() {
    let folders = ["crates", "examples", "tests"].map(|folder| root().join(folder));
    let ignored = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .flat_map(|file| {
            lines_where(&file, |line| {
                line.starts_with("#[") && words(line).any(|word| word == "ignore")
            })
        })
        .collect::<Vec<_>>();
    assert_none(&ignored);
}

fn place(room: &str) -> Option<usize> {
    READING_ORDER.iter().position(|name| *name == room)
}

/// The source files of all crates.
fn sources() -> impl Iterator<Item = PathBuf> {
    let crates = root().join("crates");
    folder(&crates)
        .into_iter()
        .flat_map(|krate| rust_files(&krate.join("src")))
}

fn assert_none(broken: &[String]) {
    assert!(
        broken.is_empty(),
        "house rules broken:\n  {}\n",
        broken.join("\n  ")
    );
}
