//! What an error of a task means to the core.

use std::error::Error;
use std::io;

use dolmen_graph::TaskError;
use dolmen_storage::MemoryError;

use crate::core::Failure;

/// An error that comes from the budget means that there was no memory, however it is wrapped.
pub(super) fn failure_of(error: &TaskError) -> Failure {
    match needed_bytes(error) {
        Some(needed_bytes) => Failure::OutOfMemory { needed_bytes },
        None => Failure::Error(error.clone()),
    }
}

fn needed_bytes(error: &TaskError) -> Option<u64> {
    let source = match error {
        TaskError::Failed { source } | TaskError::Transient { source } => source,
        TaskError::Step { error, .. } => return needed_bytes(error),
        _ => return None,
    };
    let mut next: Option<&(dyn Error + 'static)> = Some(&**source);
    while let Some(error) = next {
        if let Some(MemoryError::MemoryLimit { needed_bytes, .. }) = error.downcast_ref() {
            return Some(*needed_bytes as u64);
        }
        // The source of an I/O error is that of the error it wraps, which would be passed over.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as _).or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dolmen_storage::MemoryBudget;

    use super::*;

    #[test]
    fn a_refusal_is_found_in_what_wraps_it() {
        let refusal = MemoryBudget::new(10).consumer("x").try_grow(20).unwrap_err();
        let wrapped = TaskError::failed(std::io::Error::other(refusal));
        let step = TaskError::Step { step: "sort".into(), error: Arc::new(wrapped) };
        assert!(matches!(failure_of(&step), Failure::OutOfMemory { needed_bytes: 20 }));
        assert!(matches!(failure_of(&TaskError::failed("no file")), Failure::Error(TaskError::Failed { .. })));
    }
}
