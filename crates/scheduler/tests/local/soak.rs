//! Graphs that come and go at random.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::testing::{Lambda, Number};
use dolmen_graph::{GraphRun, Stage, TaskError, TaskGraph};

use crate::programs::{everything, graph};
use crate::world::{LONG, Living, Seeded, Times, World, until, wide};

#[test]
fn nothing_is_left_of_graphs_that_come_and_go() {
    println!("everything is back: {}", soak(400, 11, |_| ()));
}

/// Starts so many graphs, up to eight at a time, and waits for them, cancels or drops them. Looks now and then whether all
/// memory, files and threads are back, and gives how long that took. `report` is told how many graphs there were so far.
pub(crate) fn soak(n: u32, seed: u64, mut report: impl FnMut(u32)) -> Times {
    let world = World::new(2, 1 << 20);
    let living = Living::default();
    let mut random = Seeded(seed);
    let mut runs: Vec<Arc<dyn GraphRun>> = Vec::new();
    let mut back = Times::default();
    for round in 1..=n {
        runs.push(world.submit(&any_graph(&mut random, &living)));
        while runs.len() > random.below(8) as usize {
            let run = runs.swap_remove(random.below(runs.len() as u64) as usize);
            match random.below(4) {
                0 => run.cancel(),
                1 => drop(run.wait_finished(LONG).unwrap()),
                2 => drop(run.wait_finished(Some(Duration::from_micros(random.below(500))))),
                _ => {}
            }
        }
        if round % 100 == 0 || round == n {
            let begun = Instant::now();
            runs.clear();
            until("memory and files to be back", || world.is_idle() && living.n() == 0);
            until("threads to be back", || world.n_extra_threads() == 0);
            back.push(begun.elapsed());
            report(round);
        }
    }
    world.end();
    back
}

fn any_graph(random: &mut Seeded, living: &Living) -> Arc<TaskGraph> {
    match random.below(4) {
        0 => everything(100),
        1 => fails_somewhere(random.below(30) as u32),
        2 => wide(20, 10 << 10, living, || ()),
        // More than there is room for.
        _ => wide(60, 40 << 10, living, || ()),
    }
}

fn fails_somewhere(at: u32) -> Arc<TaskGraph> {
    let op = Lambda::op(move |_, context| match context.partition() {
        p if p == at => Err(TaskError::failed("as it must")),
        p if p == at + 1 => panic!("as it must"),
        p => Ok(Number::value(p.into())),
    });
    graph(|b| {
        let id = b.add_stage(Stage::new("fails", 30, op)).unwrap();
        b.add_output_all(id).unwrap();
    })
}
