//! The names of a session, with the columns of views, files and subqueries looked up beside the typing.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dolmen::Session;

use crate::complete::all_relations;
use crate::lex::{Kind, Token, tokens};
use crate::names::{Function, Names};

/// Relations whose columns are known; more are unlikely to be typed between two statements.
const KNOWN_MAX: usize = 500;

/// Columns by relation; `None` while they are looked up, and where they cannot be found.
type Known = Arc<Mutex<HashMap<String, Option<Vec<String>>>>>;

/// Names as one session has them.
pub(crate) struct SessionNames {
    session: Session,
    functions: OnceCell<Vec<Function>>,
    settings: OnceCell<Vec<String>>,
    known: Known,
    /// To the thread that looks up columns, once there is one. It ends when this is dropped.
    questions: OnceCell<Sender<String>>,
}

impl SessionNames {
    pub(crate) fn new(session: Session) -> Self {
        let (functions, settings, questions) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { session, functions, settings, known: Known::default(), questions }
    }

    /// Forgets the columns that were looked up: a statement has run, and files and views may be others.
    pub(crate) fn forget(&self) {
        lock(&self.known).clear();
    }

    /// Looks up the columns of the local files that `text` names, so that they are there when they are asked for.
    pub(crate) fn prepare(&self, text: &str) {
        if !text.contains('\'') {
            return;
        }
        let all = tokens(text);
        let significant: Vec<Token<'_>> = all.iter().copied().filter(Token::is_significant).collect();
        for relation in all_relations(text, &significant) {
            // Nobody wants a request to a server with each key.
            let is_local_file = relation.source.starts_with('\'') && !relation.source.contains("://");
            if is_local_file && !lock(&self.known).contains_key(&relation.source) {
                self.look_up(&relation.source);
            }
        }
    }

    fn look_up(&self, relation: &str) {
        let mut known = lock(&self.known);
        if known.len() < KNOWN_MAX && !known.contains_key(relation) {
            known.insert(relation.to_owned(), None);
            let questions = self.questions.get_or_init(|| answer(self.session.clone(), Arc::clone(&self.known)));
            // Without the thread there are no columns, which completion can live with.
            let _ = questions.send(relation.to_owned());
        }
    }
}

fn lock(known: &Known) -> MutexGuard<'_, HashMap<String, Option<Vec<String>>>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that looks up columns.
fn answer(session: Session, known: Known) -> Sender<String> {
    let (questions, asked) = channel::<String>();
    let answering = move || {
        for relation in asked {
            let schema = session.sql(format!("SELECT * FROM {relation}")).schema_blocking();
            let columns = schema.ok().map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect());
            // Only if the question still stands.
            if let Some(slot) = lock(&known).get_mut(&relation) {
                *slot = columns;
            }
        }
    };
    // A thread that cannot be started hears nothing, and nobody waits for it.
    let _ = std::thread::Builder::new().name("dolmen-names".to_owned()).spawn(answering);
    questions
}

impl Names for SessionNames {
    fn tables(&self) -> Vec<String> {
        self.session.table_names()
    }

    fn visit_columns(&self, relation: &str, visit: &mut dyn FnMut(&str)) {
        if let Some(schema) = catalog_name(relation).and_then(|name| self.session.table_schema(&name)) {
            schema.fields().iter().for_each(|field| visit(field.name()));
            return;
        }
        if let Some(found) = lock(&self.known).get(relation) {
            found.iter().flatten().for_each(|name| visit(name));
            return;
        }
        self.look_up(relation);
    }

    fn functions(&self) -> &[Function] {
        self.functions.get_or_init(|| {
            let described = self.session.functions().into_iter().map(|function| Function {
                arguments: function.syntax.as_deref().map(arguments_of).unwrap_or_default(),
                name: function.name,
                gives_rows: function.gives_rows,
            });
            described.collect()
        })
    }

    fn settings(&self) -> &[String] {
        self.settings.get_or_init(|| self.session.setting_names())
    }
}

/// What stands between the brackets of `name(a, b)`.
fn arguments_of(syntax: &str) -> String {
    let inner = syntax.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    inner.map(|(arguments, _)| arguments.trim().to_owned()).unwrap_or_default()
}

/// A table's name as the catalog spells it: `S."My t"` is `s.My t`. `None` for anything else.
fn catalog_name(relation: &str) -> Option<String> {
    let mut name = String::new();
    for token in tokens(relation) {
        match token.kind {
            Kind::Word => name.push_str(&token.text.to_lowercase()),
            Kind::Quoted => name.push_str(&token.value()),
            Kind::Sign if token.is_sign('.') => name.push('.'),
            _ => return None,
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn names_and_arguments_are_taken_apart() {
        assert_eq!(catalog_name("S.\"My t\""), Some("s.My t".to_owned()));
        assert_eq!((catalog_name("'a.csv'"), catalog_name("f(1)")), (None, None));
        assert_eq!(arguments_of("replace(str, substr, replacement)"), "str, substr, replacement");
        assert_eq!(arguments_of("array_agg(expression [ORDER BY expression])"), "expression [ORDER BY expression]");
        assert_eq!(arguments_of("now()"), "");
    }

    #[test]
    fn columns_of_tables_are_there_and_those_of_views_and_files_come() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, "name,age\na,1\n").unwrap();
        let session = Session::builder().threads(1).build().unwrap();
        for sql in ["CREATE TABLE t (id BIGINT, \"My c\" INT)", "CREATE VIEW v AS SELECT id FROM t"] {
            session.sql(sql).execute_blocking().unwrap();
        }
        let names = SessionNames::new(session);
        let columns = |relation: &str| {
            let mut found = Vec::new();
            names.visit_columns(relation, &mut |name| found.push(name.to_owned()));
            found
        };
        let awaited = |relation: &str| {
            let begun = Instant::now();
            while columns(relation).is_empty() && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(5));
            }
            columns(relation)
        };
        assert_eq!(columns("T"), ["id", "My c"]);
        assert_eq!(awaited("v"), ["id"]);
        let file = format!("'{}'", file.display());
        names.prepare(&format!("SELECT FROM {file} WHERE "));
        assert_eq!(awaited(&file), ["name", "age"]);
        names.forget();
        assert!(columns("v").is_empty());
        assert!(names.functions().iter().any(|function| function.name == "count"));
        assert!(names.settings().iter().any(|name| name.ends_with("batch_size")));
        assert_eq!(names.tables(), ["t", "v"]);
    }
}
