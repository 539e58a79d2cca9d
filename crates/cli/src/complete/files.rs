//! Names of files, as they are typed between quotes or behind a command.

use std::ffi::OsString;
use std::fs;

use crate::folders::expanded;

/// Files of a folder that are offered.
const FILES_MAX: usize = 500;

/// Paths that begin with `partial`, sorted, folders with a slash behind them. None for URLs and unreadable folders.
pub(crate) fn paths(partial: &str, variable: impl Fn(&str) -> Option<OsString>) -> Vec<String> {
    if partial.contains("://") {
        return Vec::new();
    }
    let (folder, name) = partial.split_at(partial.rfind('/').map_or(0, |at| at + 1));
    let place = if folder.is_empty() { ".".into() } else { expanded(folder, variable) };
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let is_offered = file.starts_with(name) && (!file.starts_with('.') || name.starts_with('.'));
            let is_plain = !file.contains(char::is_control);
            (is_offered && is_plain).then(|| {
                let slash = if entry.path().is_dir() { "/" } else { "" };
                format!("{folder}{file}{slash}")
            })
        })
        .collect();
    found.sort();
    found.truncate(FILES_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["flights.csv", "flights.parquet", "über.csv", ".hidden"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("fl")).unwrap();
        let home = folder.path().as_os_str().to_owned();
        let found = |partial: &str| paths(partial, |_| Some(home.clone()));
        assert_eq!(found("~/fl"), ["~/fl/", "~/flights.csv", "~/flights.parquet"]);
        assert_eq!(found("~/ü"), ["~/über.csv"]);
        assert_eq!(found("~/."), ["~/.hidden"]);
        assert_eq!(found("~/").len(), 4);
        let whole = format!("{}/flights.p", folder.path().display());
        assert_eq!(found(&whole), [format!("{whole}arquet")]);
        assert!(found("~/no/such/").is_empty() && found("s3://bucket/").is_empty());
    }
}
