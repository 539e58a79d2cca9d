//! The environment variables that stores take credentials from, as a value.

use std::collections::BTreeMap;
use std::fmt;

/// A copy of environment variables. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    vars: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process, as they are now. Those that are not Unicode are left out.
    pub fn of_process() -> Self {
        let vars =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Self { vars: vars.collect() }
    }

    /// No variables: credentials come from options alone.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables that are set to something, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        // A variable that is set to nothing is the usual way to switch it off.
        self.vars.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter(|(_, value)| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(vars: I) -> Self {
        Self { vars: vars.into_iter().map(|(key, value)| (key.into(), value.into())).collect() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}
