//! What comes from elsewhere and what is handed on: licences and sources of every dependency, as deny.toml
//! has them, and that the package holds all that is compiled in.
//!
//! No network: cargo is asked about what is on this machine. Advisories need one; `make deny` looks at
//! them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_dependency_has_a_licence_that_is_allowed_and_comes_from_the_registry() {
    let allowed = allowed_licences(&read("deny.toml"));
    assert!(
        allowed.iter().any(|licence| licence == "MIT"),
        "{allowed:?}"
    );
    let packages = dependencies();
    assert!(packages.len() > 50, "only {} dependencies", packages.len());
    let problems: Vec<String> = packages
        .iter()
        .filter_map(|package| problem(package, &allowed))
        .collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn what_is_compiled_in_is_in_the_package() {
    let listed = cargo(&["package", "--list", "--allow-dirty", "--offline"]);
    let packaged: Vec<&str> = listed.lines().collect();
    let mut compiled_in = 0;
    for file in packaged.iter().filter(|f| is_source(f)) {
        for name in included(&read(file)) {
            let path = resolved(Path::new(file).parent().unwrap_or(Path::new("")), &name);
            assert!(
                packaged.contains(&path.as_str()),
                "{file} includes {path}, which is not in the package"
            );
            compiled_in += 1;
        }
    }
    assert!(
        compiled_in >= 10,
        "only {compiled_in} files are compiled in"
    );
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.lock"] {
        assert!(packaged.contains(&file), "{file} is not in the package");
    }
}

// ---- licences ----

/// The list `allow` of deny.toml.
fn allowed_licences(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("\nallow = [") else {
        return Vec::new();
    };
    let list = rest.split(']').next().unwrap_or_default();
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// What is wrong with a package, as `cargo metadata` describes it.
fn problem(package: &Value, allowed: &[String]) -> Option<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let source = package["source"].as_str().unwrap_or("a directory");
    if source != REGISTRY {
        return Some(format!("{name} comes from {source}"));
    }
    let licence = package["license"].as_str().unwrap_or_default();
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
        return Some(format!("{name}: `{licence}` is no licence expression"));
    };
    let may = expression.evaluate(|asked| {
        let name = asked.license.id().map(|id| id.name);
        allowed.iter().any(|a| Some(a.as_str()) == name)
    });
    (!may).then(|| format!("{name}: `{licence}` is not allowed by deny.toml"))
}

fn is_source(file: &str) -> bool {
    file.starts_with("src/") && Path::new(file).extension().is_some_and(|e| e == "rs")
}

/// The files that a source file includes as text.
fn included(source: &str) -> Vec<String> {
    let calls = source.split("include_str!(\"").skip(1);
    calls
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// `src/bench/../../profiles/x.yaml` is `profiles/x.yaml`.
fn resolved(folder: &Path, name: &str) -> String {
    let mut parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    for part in name.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

// ---- the edges ----

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every package that this machine builds or tests with, ours left out.
fn dependencies() -> Vec<Value> {
    let version = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("a host");
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--filter-platform",
        host,
    ]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter(|package| package["name"] != env!("CARGO_PKG_NAME"))
        .cloned()
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

// ---- the checks can fail ----

#[test]
fn a_licence_that_is_not_allowed_is_found() {
    let allowed = allowed_licences("[licenses]\nallow = [\n  \"MIT\",\n  \"Zlib\",\n]\n");
    assert_eq!(allowed, ["MIT", "Zlib"]);
    let package = |licence: &str, source: &str| {
        let package = serde_json::json!({ "name": "x", "license": licence, "source": source });
        problem(&package, &allowed)
    };
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT AND Zlib", "MIT/Apache-2.0"] {
        assert_eq!(package(good, REGISTRY), None, "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "as you like"] {
        assert!(package(bad, REGISTRY).is_some(), "{bad}");
    }
    assert!(package("MIT", "git+https://example.org/x").is_some());
}

#[test]
fn included_files_are_found_where_they_are() {
    let source = "const A: &str = include_str!(\"../../profiles/x.yaml\");";
    let names = included(source);
    assert_eq!(names, ["../../profiles/x.yaml"]);
    assert_eq!(
        resolved(Path::new("src/bench"), &names[0]),
        "profiles/x.yaml"
    );
}
