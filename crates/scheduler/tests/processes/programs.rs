//! Operations, functions and graphs that both sides have.

use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{
    DecodeError, EncodeError, Encoded, ExchangeKind, GraphBuilder, Op, OpRegistry, PartitionSet, RegisteredFn, Stage,
    StageId, Table, TaskBody, TaskContext, TaskError, TaskGraph, TaskInputs, TaskResult, Value, ValueError, ValueRef,
    Wiring, compute, delayed_with_context,
};
use serde::{Deserialize, Serialize};

/// A number, with some bytes that only take room.
#[derive(Debug)]
pub(crate) struct Number(u64, Vec<u8>);

impl Number {
    pub(crate) fn value(number: u64) -> ValueRef {
        Arc::new(Self(number, Vec::new()))
    }

    pub(crate) fn of(value: &ValueRef) -> u64 {
        value.downcast_ref::<Self>().unwrap().0
    }
}

impl Value for Number {
    fn size_bytes(&self) -> usize {
        32 + self.1.len()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let mut bytes = self.0.to_le_bytes().to_vec();
        bytes.extend(&self.1);
        Ok(Encoded { type_name: "number".into(), bytes })
    }

    fn piece(&self, partition: u32) -> Option<ValueRef> {
        Some(Self::value(self.0.wrapping_mul(31).wrapping_add(u64::from(partition))))
    }
}

/// What a task does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Mixes the partition and all inputs into a number.
    Mix,
    /// The same, with so many bytes that take room.
    MixRoom(usize),
    /// As `Mix`, as a body that waits.
    MixLater,
    /// Fails.
    Fail,
    Panic,
    /// Fails as often as said, then gives the number of the attempt.
    FailFirst(u32),
    /// Takes long, but listens.
    Sleep,
    /// Takes long and does not listen.
    SleepDeaf,
    /// Ends its process if the file is there, which it takes away; else mixes.
    DieOnce(String),
    /// Ends its process.
    Die,
    /// Prints and reads from what belongs to the process; mixes.
    Chatter,
    /// Computes a graph of its own.
    Fib(u64),
    /// Gives the process id.
    Pid,
    /// Starts a process that lives on, with everything that can be inherited; gives its id.
    Spawn,
}

pub(crate) fn op(act: Act) -> Arc<dyn Op> {
    Arc::new(act)
}

impl Op for Act {
    fn name(&self) -> &str {
        "act"
    }

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(postcard::to_stdvec(self).unwrap())
    }

    fn body(&self, _partition: u32) -> TaskBody {
        let act = self.clone();
        match act {
            Self::MixLater => TaskBody::stream(|inputs, context| async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                mix(&inputs, &context)
            }),
            act => TaskBody::sync(move |inputs, context| act.run(&inputs, context)),
        }
    }
}

impl Act {
    #[expect(clippy::zombie_processes, reason = "the process outlives its parent on purpose")]
    fn run(&self, inputs: &TaskInputs, context: &TaskContext) -> TaskResult {
        match self {
            Self::Mix | Self::MixLater => mix(inputs, context),
            Self::MixRoom(room) => {
                let number = Number::of(&mix(inputs, context)?);
                Ok(Arc::new(Number(number, vec![7; *room])))
            }
            Self::Fail => Err(TaskError::failed(std::io::Error::other("no such file"))),
            Self::Panic => panic!("no {}", context.partition()),
            Self::FailFirst(n) if context.attempt() < *n => Err(TaskError::transient("reset by peer")),
            Self::FailFirst(_) => Ok(Number::value(u64::from(context.attempt()))),
            Self::Sleep => {
                while !context.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(TaskError::Cancelled)
            }
            Self::SleepDeaf => {
                std::thread::sleep(Duration::from_secs(600));
                mix(inputs, context)
            }
            Self::DieOnce(file) => match std::fs::remove_file(file) {
                Ok(()) => std::process::abort(),
                Err(_) => mix(inputs, context),
            },
            Self::Die => std::process::abort(),
            Self::Chatter => {
                let mut line = String::new();
                let n_read = std::io::stdin().read_line(&mut line).unwrap();
                std::io::Write::write_all(&mut std::io::stdout(), b"noise of a task\n").unwrap();
                Ok(Number::value(n_read as u64))
            }
            Self::Fib(n) => Ok(Number::value(fib(context, *n))),
            Self::Pid => Ok(Number::value(u64::from(std::process::id()))),
            Self::Spawn => {
                let child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
                Ok(Number::value(u64::from(child.id())))
            }
        }
    }
}

fn mix(inputs: &TaskInputs, context: &TaskContext) -> TaskResult {
    let mut hash = u64::from(context.task().stage.0) << 32 | u64::from(context.partition());
    for input_idx in 0..inputs.n_inputs() {
        hash = hash.rotate_left(9) ^ 0x9E37_79B9_7F4A_7C15;
        for value in inputs.input(input_idx) {
            hash = (hash ^ Number::of(value)).wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(29);
        }
    }
    Ok(Number::value(hash))
}

fn fib(context: &TaskContext, n: u64) -> u64 {
    let op = delayed_with_context(
        |context: &TaskContext, n: u64| {
            if n < 2 { n } else { fib(context, n - 1) + fib(context, n - 2) }
        },
    );
    compute(context, op.call(n)).unwrap()
}

type Add = RegisteredFn<fn(u64, u64) -> u64, (u64, u64), u64>;
type Total = RegisteredFn<fn(Vec<u64>) -> u64, (Vec<u64>,), u64>;
type Long = RegisteredFn<fn(u64) -> Vec<u64>, (u64,), Vec<u64>>;

/// Registered functions.
pub(crate) struct Functions {
    pub(crate) add: Add,
    pub(crate) total: Total,
    pub(crate) long: Long,
}

pub(crate) fn registry() -> (OpRegistry, Functions) {
    let mut registry = OpRegistry::new();
    let decode_number = |bytes: &[u8], _: &OpRegistry| -> Result<ValueRef, ValueError> {
        let (number, room) = bytes.split_first_chunk().unwrap();
        Ok(Arc::new(Number(u64::from_le_bytes(*number), room.to_vec())))
    };
    registry.register_value("number", decode_number).unwrap();
    let decode_act = |bytes: &[u8], _: &OpRegistry| -> Result<Arc<dyn Op>, DecodeError> {
        Ok(op(postcard::from_bytes(bytes).unwrap()))
    };
    registry.register_op("act", decode_act).unwrap();
    let functions = Functions {
        add: registry.register_function("add", (|a, b| a + b) as fn(u64, u64) -> u64).unwrap(),
        total: registry.register_function("total", (|all| all.iter().sum()) as fn(Vec<u64>) -> u64).unwrap(),
        long: registry.register_function("long", (|n| (0..n).collect()) as fn(u64) -> Vec<u64>).unwrap(),
    };
    (registry, functions)
}

pub(crate) fn graph(fill: impl FnOnce(&mut GraphBuilder)) -> Arc<TaskGraph> {
    let mut builder = GraphBuilder::new();
    fill(&mut builder);
    Arc::new(builder.build().unwrap())
}

/// `n_tasks` tasks that do the same.
pub(crate) fn tasks(n_tasks: u32, act: Act) -> Arc<TaskGraph> {
    graph(|b| {
        let id = b.add_stage(Stage::new("single", n_tasks, op(act))).unwrap();
        b.add_output_all(id).unwrap();
    })
}

/// Every wiring, gangs, bodies that wait, and a stage that reads itself; the tasks of one stage do `act`.
pub(crate) fn everything(act: &Act) -> Arc<TaskGraph> {
    graph(|b| {
        let mix = || op(Act::Mix);
        let mut add = |stage: Stage| b.add_stage(stage).unwrap();
        let source = add(Stage::new("source", 24, mix()));
        let other = add(Stage::new("other", 24, op(Act::MixLater)));
        let same = add(Stage::new("same", 24, op(act.clone())).input(source, Wiring::Same).input(other, Wiring::Same));
        let tree = add(Stage::new("tree", 8, mix()).input(same, Wiring::Tree { fan_in: 3 }));
        let exchange = add(Stage::new("exchange", 5, mix()).input(same, Wiring::Exchange(ExchangeKind::Hash)));
        let broadcast = Wiring::Broadcast { partition: 2 };
        let mixed = add(Stage::new("mixed", 8, mix()).input(tree, Wiring::Same).input(exchange, broadcast));
        let mut gang = Stage::new("gang", 6, op(Act::MixLater)).input(exchange, Wiring::All);
        gang.options.is_gang = true;
        let gang = add(gang);
        let lists = (0..12_u32).map(|p| if p == 0 { vec![] } else { vec![p - 1] });
        let own = Wiring::Table(Arc::new(Table::new(12, lists).unwrap()));
        let chain = add(Stage::new("chain", 12, mix()).input(gang, Wiring::All).input(StageId(7), own));
        let last = add(Stage::new("last", 3, mix()).input(mixed, Wiring::All).input(chain, Wiring::All));
        b.add_output_all(last).unwrap();
        b.add_output(same, PartitionSet::range(3..5)).unwrap();
        b.add_output(gang, PartitionSet::one(5)).unwrap();
    })
}
