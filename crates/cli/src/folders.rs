//! Where a user's own files are, by the XDG base directory specification.

use std::ffi::OsString;
use std::path::PathBuf;

/// The history: `$XDG_STATE_HOME/dolmen/history`. `None` if the environment names no home.
pub(crate) fn history(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(base(variable, "XDG_STATE_HOME", ".local/state")?.join("dolmen/history"))
}

/// Statements and commands that run before the first prompt: `$XDG_CONFIG_HOME/dolmen/dolmenrc`.
pub(crate) fn startup_script(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(base(variable, "XDG_CONFIG_HOME", ".config")?.join("dolmen/dolmenrc"))
}

/// The folder that the variable `name` gives, or `fallback` in the home folder. A relative path is not valid there.
fn base(variable: impl Fn(&str) -> Option<OsString>, name: &str, fallback: &str) -> Option<PathBuf> {
    let given = variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    given.or_else(|| Some(PathBuf::from(variable("HOME").filter(|home| !home.is_empty())?).join(fallback)))
}

/// A path with a leading `~/` as a path in the home folder.
pub(crate) fn expanded(path: &str, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    match (path.strip_prefix("~/"), variable("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(history(with(&[("HOME", "/h")])), path("/h/.local/state/dolmen/history"));
        assert_eq!(history(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")])), path("/s/dolmen/history"));
        assert_eq!(history(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "s")])), path("/h/.local/state/dolmen/history"));
        assert_eq!(startup_script(with(&[("HOME", "/h")])), path("/h/.config/dolmen/dolmenrc"));
        assert_eq!(startup_script(with(&[])), None);
        assert_eq!(expanded("~/a", with(&[("HOME", "/h")])), PathBuf::from("/h/a"));
        assert_eq!(expanded("a", with(&[("HOME", "/h")])), PathBuf::from("a"));
    }
}
