//! Chunked arrays in a session: computed under its limits, named by its statements, read as tables by its queries.

mod columns;
mod compute;
mod print;
mod query;
mod statement;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dolmen_array::Array;
use dolmen_graph::Executor;
use dolmen_storage::Reservation;

pub(crate) use compute::of_array;
pub(crate) use print::printed;
pub(crate) use statement::{described, run};

/// Finds what runs the tasks of a session; `None` if that is being closed.
pub(crate) type FindExecutor = dyn Fn() -> Option<Arc<dyn Executor>> + Send + Sync;

/// The arrays of a session by name. Each is a table of that name as well, so that there is one namespace.
#[derive(Debug, Default)]
pub(crate) struct Arrays(Mutex<BTreeMap<String, Named>>);

/// An array that has a name.
#[derive(Debug, Clone)]
struct Named {
    array: Array,
    /// Counts the bytes of one that was computed when it was created.
    _held: Option<Arc<Reservation>>,
}

impl Arrays {
    fn get(&self, name: &str) -> Option<Array> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(|named| named.array.clone())
    }

    fn all(&self) -> Vec<(String, Array)> {
        let arrays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrays.iter().map(|(name, named)| (name.clone(), named.array.clone())).collect()
    }

    fn insert(&self, name: &str, array: Array, held: Option<Reservation>) {
        let named = Named { array, _held: held.map(Arc::new) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), named);
    }

    fn remove(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    /// Forgets those whose table is gone: `DROP TABLE` and its like know tables only.
    fn keep_tables(&self, is_table: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_table(name));
    }
}
