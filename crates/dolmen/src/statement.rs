//! What a session runs, and how far it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dolmen_frame::{Progress, Watch};

use crate::session::Core;

/// A statement that is to run, runs or has run. Clones are the same statement.
///
/// Asking costs the statement nothing: its operators count anyway, and what they have counted is added up when somebody
/// asks. A few times a second is plenty for people.
///
/// ```
/// # fn main() -> dolmen::Result<()> {
/// let session = dolmen::Session::builder().threads(2).build()?;
/// let query = session.sql("SELECT sum(x) FROM range(300000) AS r(x) JOIN range(300000) AS s(y) ON x = y");
/// let statement = query.statement();
/// let rows = std::thread::spawn(move || query.rows_blocking::<i64>());
/// while !rows.is_finished() {
///     println!("{}", statement.progress());
///     std::thread::sleep(std::time::Duration::from_millis(20));
/// }
/// assert_eq!(rows.join().unwrap()?, [44_999_850_000]);
/// let progress = statement.progress();
/// assert_eq!(progress.rows_read, 600_000);
/// assert!(progress.is_finished && progress.tasks_done == progress.tasks);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Statement {
    text: Arc<str>,
    watch: Watch,
}

impl Statement {
    pub(crate) fn new(text: Arc<str>, watch: Watch) -> Self {
        Self { text, watch }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.watch.progress()
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("text", &self.text).finish_non_exhaustive()
    }
}

/// The statements that run in a session, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    n_begun: u64,
    by_number: BTreeMap<u64, Statement>,
}

impl Statements {
    pub(crate) fn list(&self) -> Vec<Statement> {
        self.running().by_number.values().cloned().collect()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement runs for as long as this is there.
pub(crate) struct Listed {
    core: Arc<Core>,
    number: u64,
    watch: Watch,
}

impl Listed {
    /// The statement begins now.
    pub(crate) fn begin(core: &Arc<Core>, statement: Statement) -> Self {
        let watch = statement.watch.clone();
        watch.begin();
        let mut running = core.statements.running();
        let number = running.n_begun;
        running.n_begun += 1;
        running.by_number.insert(number, statement);
        drop(running);
        Self { core: Arc::clone(core), number, watch }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // Whoever sees the end finds it in no list any more.
        let statement = self.core.statements.running().by_number.remove(&self.number);
        self.watch.end();
        drop(statement);
    }
}
