//! What the executor says about its work.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use dolmen_graph::{EventKind, Executor, SubmitOptions};

use dolmen_graph::testing::{Lambda, Number};

use crate::programs::single;
use crate::world::{LONG, Living, World, until, wide};

#[test]
fn a_stall_is_reported_with_the_state_that_explains_it() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().to_owned();
    let world = World::with(temp, &base, 1, usize::MAX, |config| config.stall_after(Duration::from_millis(20)));
    let mut events = world.executor.events();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let run = world.submit(&single(Lambda::op(move |_, _| {
        let _ = released.lock().unwrap().recv();
        Ok(Number::value(1))
    })));
    let report = loop {
        assert!(events.wait(LONG.unwrap()), "no report");
        let mut found = Vec::new();
        events.read(&mut found);
        let report = found.into_iter().find_map(|event| match event.kind {
            EventKind::Stalled { report, .. } => Some(report),
            _ => None,
        });
        if let Some(report) = report {
            break report;
        }
    };
    assert!(report.contains("worker 0: single[0]\n") && report.contains("1 of 1 tasks left"), "{report}");
    drop(release);
    run.wait_finished(LONG).unwrap().unwrap();
    drop(run);
    world.until_idle();
    world.end();
}

#[test]
fn progress_and_profile_add_up() {
    let world = World::new(2, 1 << 20);
    let options = SubmitOptions { name: Some("wide".into()), ..SubmitOptions::default() };
    let graph = wide(100, 40 << 10, &Living::default(), || ());
    let mut events = world.executor.events();
    let run = world.executor.submit(graph, options).unwrap();
    run.wait_finished(LONG).unwrap().unwrap();
    let [progress] = &world.executor.progress()[..] else { panic!("one run") };
    assert_eq!((progress.name.as_deref(), progress.n_done, progress.n_tasks), (Some("wide"), 200, 200));

    let profile = world.executor.profile(run.id()).unwrap();
    let [source, read] = &profile.stages[..] else { panic!("two stages") };
    assert_eq!((&*source.key, source.n_tasks, source.stats.n_finished), ("source", 100, 100));
    assert_eq!(source.stats.size_bytes, 100 * (32 + (40 << 10)));
    assert!(source.stats.spilled_bytes >= source.stats.size_bytes - (1 << 20));
    assert!(source.stats.memory_bytes_max <= 1 << 20);
    assert_eq!(read.stats.n_finished, 100);
    let text = profile.to_string();
    assert_eq!(text.lines().count(), 3, "{text}");

    let mut found = Vec::new();
    assert_eq!(events.read(&mut found), 0);
    let n = |is: fn(&EventKind) -> bool| found.iter().filter(|event| is(&event.kind)).count();
    assert_eq!(n(|kind| matches!(kind, EventKind::TaskFinished { .. })), 200);
    assert!(n(|kind| matches!(kind, EventKind::Spilled { .. })) > 50);
    assert!(n(|kind| matches!(kind, EventKind::Memory { limit_bytes: 1_048_576, .. })) > 0);
    drop(run);
    let recent = world.executor.recent_profiles();
    assert_eq!((recent.len(), recent[0].name.as_deref(), &recent[0].stages), (1, Some("wide"), &profile.stages));
    until("the run to be forgotten", || world.executor.progress().is_empty());
    world.until_idle();
    world.end();
}
