//! A disk that is full.

use std::error::Error;

use dolmen_graph::RunError;

use crate::programs::everything;
use crate::world::{LONG, Living, World, until, wide};

#[path = "../../../storage/tests/blocks/small_disk.rs"]
mod small_disk;

#[test]
fn a_full_disk_is_an_error_that_names_the_folder_and_the_executor_lives_on() {
    let name = "full_disk::a_full_disk_is_an_error_that_names_the_folder_and_the_executor_lives_on";
    small_disk::with_small_disk(name, |disk| {
        let world = World::with(tempfile::tempdir().unwrap(), disk, 2, 1 << 20, |config| config);
        let living = Living::default();
        let run = world.submit(&wide(100, 100 << 10, &living, || ()));
        let error = run.wait_finished(LONG).unwrap().unwrap_err();
        assert!(matches!(error, RunError::Spill { .. }), "{error}");
        let text = chain(&error);
        assert!(text.contains("`source[") && text.contains(&disk.display().to_string()), "{text}");
        drop(run);
        world.until_idle();
        until("values to be dropped", || living.n() == 0);

        let run = world.submit(&everything(0));
        run.wait_finished(LONG).unwrap().unwrap();
        drop(run);
        world.until_idle();
        world.end();
    });
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}
