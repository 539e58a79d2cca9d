//! Which crate may use which: the table of docs/architecture.md, held against `cargo metadata`.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every crate with the crates of this workspace that it may use.
const LAYERS: [(&str, &[&str]); 13] = [
    ("dolmen-graph", &[]),
    ("dolmen-storage", &[]),
    ("dolmen-simd", &[]),
    ("dolmen-kernels", &["dolmen-simd"]),
    ("dolmen-scheduler", &["dolmen-graph", "dolmen-storage"]),
    ("dolmen-array", &["dolmen-graph", "dolmen-storage", "dolmen-kernels"]),
    ("dolmen-frame", &["dolmen-graph", "dolmen-storage"]),
    ("dolmen-array-sql", &["dolmen-array", "dolmen-kernels"]),
    (
        "dolmen",
        &[
            "dolmen-array",
            "dolmen-array-sql",
            "dolmen-frame",
            "dolmen-graph",
            "dolmen-kernels",
            "dolmen-scheduler",
            "dolmen-storage",
        ],
    ),
    ("dolmen-cli", &["dolmen"]),
    ("dolmen-sql-tests", &["dolmen"]),
    ("dolmen-benches", &["dolmen", "dolmen-frame"]),
    ("dolmen-examples", &["dolmen"]),
];

/// Crates that only some of ours may name, with those.
const RESERVED: [(&str, &[&str]); 2] = [
    // The only crate that opens a URL; DataFusion's registry wants the type of a store, so frame names it too.
    ("object_store", &["dolmen-storage", "dolmen-frame"]),
    ("anyhow", &["dolmen-cli"]),
];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The dependencies that are built into each crate, those of tests left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter();
            let uses = uses.filter(|dependency| dependency["kind"].is_null());
            let names = uses.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn crates_use_only_the_layers_below() {
    let dependencies = dependencies();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "a crate has no layer");
    for (name, allowed) in LAYERS {
        for used in dependencies[name].iter().filter(|used| known.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn reserved_crates_stay_where_they_belong() {
    for (name, uses) in dependencies() {
        for (reserved, allowed) in RESERVED {
            assert!(!uses.contains(reserved) || allowed.contains(&name.as_str()), "{name} must not use {reserved}");
        }
    }
}
