//! Settings: their short names, and which of them a statement may change.

use datafusion::common::config::ConfigOptions;
use dolmen_storage::nearest;

use crate::error::{Error, Result};
use crate::sql::translate::message_of;

/// DataFusion's prefix, which users need not write.
const PREFIX: &str = "datafusion.";

/// The prefix of settings of Dolmen's own, which users need not write either.
const OWN_PREFIX: &str = "dolmen.";

/// Groups of settings that a name may leave out, in the order they are tried.
const GROUPS: [&str; 6] = ["execution.", "sql_parser.", "optimizer.", "explain.", "format.", "catalog."];

/// Settings that decide what a session may reach or use. The embedding program sets them, statements do not.
const GUARDED: [(&str, &str); 5] = [
    ("runtime.", "the program that opens the session sets memory, temporary files and caches"),
    ("catalog.create_default", CATALOG),
    ("catalog.default_", CATALOG),
    ("catalog.location", CATALOG),
    ("catalog.format", CATALOG),
];

const CATALOG: &str = "the program that opens the session sets its catalog";

/// The full name of a setting: `batch_size` is `datafusion.execution.batch_size`.
///
/// # Errors
/// [`Error::UnknownSetting`] with the closest name.
pub(crate) fn full_name(options: &ConfigOptions, name: &str) -> Result<String> {
    let name = name.trim().to_lowercase();
    let known: Vec<String> = options.entries().into_iter().map(|entry| entry.key).collect();
    let bare = name.strip_prefix(PREFIX).unwrap_or(&name);
    let alias = match bare {
        "timezone" | "time_zone" | "time.zone" => "execution.time_zone",
        "threads" => "execution.target_partitions",
        other => other,
    };
    let ours = bare.strip_prefix(OWN_PREFIX).unwrap_or(bare);
    std::iter::once("")
        .chain(GROUPS)
        .map(|group| format!("{PREFIX}{group}{alias}"))
        .chain([format!("{OWN_PREFIX}{ours}")])
        .find(|candidate| known.contains(candidate))
        .ok_or_else(|| {
            let short: Vec<&str> = known.iter().map(|key| key.strip_prefix(PREFIX).unwrap_or(key)).collect();
            let last: Vec<&str> = short.iter().map(|key| key.rsplit('.').next().unwrap_or(key)).collect();
            let suggestion = nearest(bare, short.iter().copied()).or_else(|| nearest(bare, last)).map(str::to_owned);
            Error::UnknownSetting { name: name.clone(), suggestion }
        })
}

/// Refuses settings that only the embedding program may change.
///
/// # Errors
/// [`Error::Unsupported`] that says who sets it.
pub(crate) fn check_changeable(name: &str) -> Result<()> {
    let name = name.to_lowercase();
    let bare = name.strip_prefix(PREFIX).unwrap_or(&name);
    match GUARDED.iter().find(|(group, _)| bare.starts_with(group)) {
        Some((_, remedy)) => Err(Error::unsupported(format!("changing {bare} by SQL"), *remedy)),
        None => Ok(()),
    }
}

/// Sets one setting by its full or short name.
///
/// # Errors
/// [`Error::UnknownSetting`]; [`Error::Invalid`] if the value does not fit.
pub(crate) fn set(options: &mut ConfigOptions, name: &str, value: &str) -> Result<()> {
    let full = full_name(options, name)?;
    options.set(&full, value).map_err(|error| {
        let message = format!("setting \"{name}\" does not take '{value}': {}", message_of(&error));
        Error::invalid(message).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_find_their_group() {
        let options = ConfigOptions::new();
        assert_eq!(full_name(&options, "batch_size").unwrap(), "datafusion.execution.batch_size");
        assert_eq!(full_name(&options, "execution.batch_size").unwrap(), "datafusion.execution.batch_size");
        assert_eq!(full_name(&options, "DataFusion.Execution.Batch_Size").unwrap(), "datafusion.execution.batch_size");
        assert_eq!(full_name(&options, "TIMEZONE").unwrap(), "datafusion.execution.time_zone");
    }

    #[test]
    fn misspelt_names_get_a_suggestion() {
        let error = full_name(&ConfigOptions::new(), "bach_size").unwrap_err();
        assert_eq!(error.to_string(), "setting \"bach_size\" does not exist; did you mean \"batch_size\"?");
    }

    #[test]
    fn limits_are_not_for_statements() {
        assert!(check_changeable("datafusion.runtime.memory_limit").is_err());
        assert!(check_changeable("catalog.location").is_err());
        assert!(check_changeable("execution.batch_size").is_ok());
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        let mut options = ConfigOptions::new();
        assert!(set(&mut options, "batch_size", "many").unwrap_err().to_string().contains("does not take 'many'"));
        set(&mut options, "batch_size", "1024").unwrap();
        assert_eq!(options.execution.batch_size.get(), 1024);
    }
}
