//! Graphs that come and go at random.

use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{GraphRun, TaskError, TaskGraph};

use dolmen_graph::testing::{Lambda, Number};

use crate::programs::{everything, graph};
use crate::world::{LONG, Living, Seeded, World, until, wide};

const N_ROUNDS: usize = 400;

#[test]
fn nothing_is_left_of_graphs_that_come_and_go() {
    let world = World::new(2, 1 << 20);
    let living = Living::default();
    let mut random = Seeded(11);
    let mut runs: Vec<Arc<dyn GraphRun>> = Vec::new();
    for _ in 0..N_ROUNDS {
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
    }
    drop(runs);
    world.until_idle();
    until("values to be dropped", || living.n() == 0);
    world.end();
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
        let id = b.add_stage(dolmen_graph::Stage::new("fails", 30, op)).unwrap();
        b.add_output_all(id).unwrap();
    })
}
