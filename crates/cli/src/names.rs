//! The names that completion and hints offer: an interface to what a session has.

/// A function with what its documentation says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Its arguments as they are written: `str, start_pos, length`. Empty if there are none, or if nobody says.
    pub(crate) arguments: String,
    /// Whether it gives rows, and so stands in FROM.
    pub(crate) gives_rows: bool,
}

/// What a session knows by name. No method waits for anything but memory.
pub(crate) trait Names {
    /// Tables and views, with their schema unless it is `public`.
    fn tables(&self) -> Vec<String>;

    /// Calls `visit` with each column of a relation as it is written in FROM: a table, `'a.csv'`, `(SELECT 1 AS n)`.
    ///
    /// Columns that have to be looked up come later: the next call may know them.
    fn visit_columns(&self, relation: &str, visit: &mut dyn FnMut(&str));

    /// All functions, sorted by name.
    fn functions(&self) -> &[Function];

    /// The names of settings.
    fn settings(&self) -> &[String];
}

/// Names for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::collections::BTreeMap;

    use super::*;

    /// Fixed names.
    #[derive(Debug, Default)]
    pub(crate) struct Fixed {
        pub(crate) columns: BTreeMap<String, Vec<String>>,
        pub(crate) functions: Vec<Function>,
        pub(crate) settings: Vec<String>,
    }

    /// Two tables, a file and some functions.
    pub(crate) fn flights() -> Fixed {
        let columns = [
            ("flights", &["carrier", "dep_delay", "dep_time", "Tail Num"][..]),
            ("airlines", &["carrier", "name"]),
            ("s.planes", &["tailnum", "seats"]),
            ("'weather.csv'", &["temp", "humid"]),
            ("(SELECT 1 AS one)", &["one"]),
        ];
        let function = |name: &str, arguments: &str, gives_rows| Function {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            gives_rows,
        };
        Fixed {
            columns: columns
                .map(|(table, columns)| (table.to_owned(), columns.iter().map(|&name| name.to_owned()).collect()))
                .into(),
            functions: vec![
                function("date_trunc", "precision, expression", false),
                function("now", "", false),
                function("range", "start, stop, step", true),
                function("replace", "str, substr, replacement", false),
            ],
            settings: ["datafusion.execution.batch_size", "datafusion.execution.time_zone"].map(str::to_owned).into(),
        }
    }

    impl Names for Fixed {
        fn tables(&self) -> Vec<String> {
            let names = self.columns.keys().cloned();
            names.filter(|table| !table.starts_with(['\'', '('])).collect()
        }

        fn visit_columns(&self, relation: &str, visit: &mut dyn FnMut(&str)) {
            self.columns.get(relation).into_iter().flatten().for_each(|name| visit(name));
        }

        fn functions(&self) -> &[Function] {
            &self.functions
        }

        fn settings(&self) -> &[String] {
            &self.settings
        }
    }
}
