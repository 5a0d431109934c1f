//! Reading source files: what is code in them, and what it imports.

use std::fs;
use std::path::{Path, PathBuf};

/// The top-level module that `path`, relative to `src`, belongs to.
pub(crate) fn room(path: &Path) -> String {
    let first = path.iter().next().expect("a file has a name");
    Path::new(first).with_extension("").display().to_string()
}

/// The top-level names that the code of the file at `path` takes from its own crate.
pub(crate) fn imports(code: &str, path: &Path) -> Vec<String> {
    let code = with_absolute_imports(code, path);
    let visibility = |at: usize| code[..at].ends_with("in ");
    let longer_word =
        |at: usize| code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    code.match_indices("crate::")
        .filter(|(at, _)| !visibility(*at) && !longer_word(*at))
        .flat_map(|(at, found)| first_names(&code[at + found.len()..]))
        .collect()
}

/// `use super::…` that reaches the root of the crate, rewritten as `use crate::…`.
fn with_absolute_imports(code: &str, path: &Path) -> String {
    let is_folder = path.ends_with("mod.rs");
    let depth = path.iter().count() - usize::from(is_folder);
    let to_root = format!("use {}", "super::".repeat(depth));
    let absolute = |line: &str| match line.starts_with(' ') {
        true => line.to_owned(), // in a module within the file, where `super` is the file
        false => line.replacen(&to_root, "use crate::", 1),
    };
    code.lines().map(absolute).collect::<Vec<_>>().join("\n")
}

/// The names a path goes on with: one, or several in braces.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return words(path).take(1).map(str::to_owned).collect();
    };
    let mut depth = 0;
    let mut flat = String::new();
    for char in group.chars() {
        match char {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => flat.push(char),
            _ => {}
        }
    }
    flat.split(',')
        .filter_map(|item| words(item).next())
        .map(str::to_owned)
        .collect()
}

/// The lines of the file that are code: no blank ones, no comments, no tests.
pub(crate) fn code(file: &Path) -> String {
    let text = read(file);
    let lines = text.lines().collect::<Vec<_>>();
    let opens_tests = |at: usize| {
        let is_gate =
            lines[at].starts_with("#[cfg(") && words(lines[at]).any(|word| word == "test");
        is_gate
            && lines
                .get(at + 1)
                .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
    };
    let end = (0..lines.len())
        .find(|at| opens_tests(*at))
        .unwrap_or(lines.len());
    let is_code = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    lines[..end]
        .iter()
        .filter(is_code)
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '_')
        .filter(|word| !word.is_empty())
}

/// Where and what each line is, without its indentation, that `is_broken`.
pub(crate) fn lines_where(file: &Path, is_broken: impl Fn(&str) -> bool) -> Vec<String> {
    let text = read(file);
    let numbered = text.lines().map(str::trim).zip(1..);
    numbered
        .filter(|(line, _)| is_broken(line))
        .map(|(line, number)| format!("{}:{number}: {line}", file.display()))
        .collect()
}

pub(crate) fn is_tests(file: &Path) -> bool {
    file.iter().any(|part| part == "tests.rs")
        || file
            .parent()
            .is_some_and(|folder| folder.ends_with("tests"))
}

pub(crate) fn rust_files(below: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let (folders, files) = folder(below)
        .into_iter()
        .partition::<Vec<_>, _>(|path| path.is_dir());
    let deeper = folders
        .iter()
        .flat_map(|folder| rust_files(folder).collect::<Vec<_>>())
        .collect::<Vec<_>>();
    files
        .into_iter()
        .chain(deeper)
        .filter(|file| file.extension().is_some_and(|ending| ending == "rs"))
}

/// What is in a folder, sorted; nothing where there is none (yet).
pub(crate) fn folder(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten();
    let mut paths = entries
        .map(|entry| entry.expect("a listed entry can be read").path())
        .collect::<Vec<_>>();
    paths.sort();
    paths
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
