//! What the documents promise, and what they show.

use crate::source::{lines_where, rust_files, words};
use crate::workspace::root;
use crate::{assert_none, sources};

/// Tables whose rows name, in their last column, the tests that show what they say; and how their headings begin.
const SHOWN: &[(&str, &str)] = &[
    ("docs/http.md", "| Rule |"),
    ("docs/distributed.md", "| Fault |"),
];

#[test]
fn every_row_that_promises_something_is_shown_by_a_test() {
    let folders = ["crates", "examples", "tests"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| rust_files(folder));
    let code: String = files
        .map(|file| std::fs::read_to_string(file).expect("a source file"))
        .collect();
    let mut broken = Vec::new();
    for (path, heading) in SHOWN {
        let table = std::fs::read_to_string(root().join(path)).expect("the table");
        let rows: Vec<_> = table
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with(heading))
            .collect();
        assert!(!rows.is_empty(), "{path} has no rows");
        let unshown = rows.into_iter().filter(|row| !is_shown(row, &code));
        broken.extend(unshown.map(|row| format!("{path}: {row}")));
    }
    assert_none(&broken);
}

fn is_shown(row: &str, code: &str) -> bool {
    let row = row.trim_end_matches([' ', '|']);
    let (_, column) = row.rsplit_once('|').expect("a row has columns");
    let mut tests = column.split('`').skip(1).step_by(2).peekable();
    tests.peek().is_some() && tests.all(|test| code.contains(&format!("fn {test}(")))
}

#[test]
fn every_documentation_example_runs() {
    let unrun = sources()
        .chain([root().join("README.md")])
        .flat_map(|file| lines_where(&file, opens_an_example_that_does_not_run))
        .collect::<Vec<_>>();
    assert_none(&unrun);
}

fn opens_an_example_that_does_not_run(line: &str) -> bool {
    let text = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"))
        .unwrap_or(line);
    let fence = text.trim_start().strip_prefix("```");
    fence.is_some_and(|tags| words(tags).any(|tag| tag == "ignore" || tag == "no_run"))
}
