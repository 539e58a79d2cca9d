//! Runs what README.md and docs/ show, and compares the output.
//!
//! A block ```` ```console ```` holds commands behind `$ ` and what they print on standard output. `dolmen` stands for the
//! binary that these tests were built with; everything runs at the top of the repository.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The commands of a document with the output they show.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ ").skip(1) {
            let (command, output) = part.split_once('\n').unwrap_or((part, ""));
            found.push((command.to_owned(), output.to_owned()));
        }
    }
    found
}

fn check(document: &Path) -> usize {
    let text = std::fs::read_to_string(document).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_dolmen")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let commands = commands(&text);
    for (command, expected) in &commands {
        let output = Command::new("sh").args(["-c", command]).env("PATH", &path).current_dir(root()).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            printed.trim_end(),
            expected.trim_end(),
            "{}: {command}\n{}",
            document.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    commands.len()
}

#[test]
fn the_readme_shows_what_happens() {
    assert!(check(&root().join("README.md")) > 0);
}

#[test]
fn the_documents_show_what_happens() {
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            check(&path);
        }
    }
}

#[test]
fn the_quickstart_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_dolmen"))
        .args(["-f", "examples/quickstart.sql"])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for airline in ["Frontier Airlines Inc.", "SkyWest Airlines Inc."] {
        assert!(text.contains(airline), "{text}");
    }
}
