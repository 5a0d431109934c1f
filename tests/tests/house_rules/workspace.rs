//! Cargo's account of the workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) struct Member {
    pub(crate) folder: PathBuf,
    pub(crate) minimum_rust: Option<Rust>,
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) dev: bool,
    pub(crate) optional: bool,
    pub(crate) default_features: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A version of Rust: major, minor, patch.
pub(crate) type Rust = [u32; 3];

/// The members of the workspace by name, with what their manifests declare.
pub(crate) fn members() -> BTreeMap<String, Member> {
    let member = |package: &Value| {
        let manifest = Path::new(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a manifest lies in a folder");
        let member = Member {
            folder: folder.strip_prefix(root()).unwrap_or(folder).to_owned(),
            minimum_rust: package["rust_version"].as_str().map(rust),
            dependencies: list(&package["dependencies"]).map(dependency).collect(),
        };
        (text(&package["name"]).to_owned(), member)
    };
    list(&metadata(&["--no-deps"])["packages"])
        .map(member)
        .collect()
}

fn dependency(declared: &Value) -> Dependency {
    Dependency {
        name: text(&declared["name"]).to_owned(),
        dev: declared["kind"] == "dev",
        optional: declared["optional"] == true,
        default_features: declared["uses_default_features"] == true,
    }
}

pub(crate) fn minimum_rust_of_all_packages() -> BTreeMap<Package, Option<Rust>> {
    let about = cargo(&["-vV"]);
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("`cargo -vV` names the host");
    let package = |package: &Value| {
        let name = text(&package["name"]).to_owned();
        let version = text(&package["version"]).to_owned();
        (
            Package { name, version },
            package["rust_version"].as_str().map(rust),
        )
    };
    let metadata = metadata(&["--all-features", "--filter-platform", host]);
    list(&metadata["packages"]).map(package).collect()
}

/// All that `name` needs to be built and used, itself not counted.
pub(crate) fn tree(name: &str, features: &[&str]) -> Vec<Package> {
    let wanted = [
        "tree",
        "--locked",
        "-p",
        name,
        "-e",
        "normal,build",
        "--prefix",
        "none",
    ];
    let printed = cargo(&[&wanted, features].concat());
    let package = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split_whitespace().next()?.to_owned();
        Some(Package {
            name: name.to_owned(),
            version,
        })
    };
    let mut packages = printed
        .lines()
        .filter_map(package)
        .filter(|used| used.name != name)
        .collect::<Vec<_>>();
    packages.sort();
    packages.dedup();
    packages
}

fn metadata(arguments: &[&str]) -> Value {
    let printed = cargo(
        &[
            &["metadata", "--locked", "--format-version", "1"],
            arguments,
        ]
        .concat(),
    );
    serde_json::from_str(&printed).expect("`cargo metadata` prints JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output();
    let output = output.expect("the cargo that built this test can be run");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

pub(crate) fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests lie in the workspace")
}

fn rust(version: &str) -> Rust {
    let mut numbers = version
        .split('.')
        .map(|number| number.parse().expect("a version is made of numbers"));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo names things by strings")
}
