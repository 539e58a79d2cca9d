//! Operations and graphs that every executor can run, those in other processes included: they are data, and what tasks and
//! tests tell each other goes by files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::testing::{self, Mix, Number};
use dolmen_graph::{
    ByteEstimate, EncodeError, ExchangeKind, Executor, GraphBuilder, Op, OpRegistry, PartitionSet, RegisteredFn,
    RunError, Stage, StageId, SubmitOptions, Table, TaskBody, TaskContext, TaskError, TaskGraph, TaskId, TaskInputs,
    TaskResult, Wiring, compute, delayed_with_context,
};
use serde::{Deserialize, Serialize};

/// What a task does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Gives a number.
    Give(u64),
    /// Adds up what it reads.
    Sum,
    /// Fails in one partition, mixes in the others.
    FailAt(u32),
    Panic,
    /// Fails as often as said, then gives the number of the attempt.
    FailFirst(u32),
    /// Goes on until it is told to stop.
    Listen,
    /// The same, and writes itself into a file of the folder: `late` if there is `cancelled`, else `begun`.
    ListenIn(PathBuf),
    /// Waits for a file, then gives the number of its partition.
    Gate(PathBuf),
    /// Writes its key into a file, and gives 1.
    Note(PathBuf),
    /// Computes Fibonacci numbers by graphs of its own.
    Fib(u64),
    /// Computes a number by as many graphs within each other.
    Down(u64),
    /// Runs [`everything`], and awaits a value of it without blocking the thread.
    Await,
    /// Runs [`wide`] with values of so many bytes, and gives its number.
    Wide(usize),
    /// Runs a task, and gives its value.
    Nest(Box<Act>),
    /// Waits for a timer of the runtime, then mixes.
    Later,
    /// Takes long and does not listen.
    Deaf,
    /// Ends its process if the file is there, which it takes away; else mixes.
    DieOnce(PathBuf),
    /// Ends its process.
    Die,
    /// Prints to and reads from what belongs to the process.
    Chatter,
    /// Gives the id of its process.
    Pid,
    /// Starts a process that lives on, with everything that can be inherited; gives its id.
    Spawn,
}

impl Act {
    pub(crate) fn op(self) -> Arc<dyn Op> {
        Arc::new(self)
    }
}

impl Op for Act {
    fn name(&self) -> &str {
        "act"
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Ok(postcard::to_stdvec(self).unwrap())
    }

    fn body(&self, partition: u32) -> TaskBody {
        match self.clone() {
            Self::Later => TaskBody::stream(move |inputs, context| async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(mix(&inputs, &context))
            }),
            Self::Await => TaskBody::stream(move |_, context| async move {
                let run = context.submit(everything(0), SubmitOptions::default()).map_err(TaskError::failed)?;
                let value = run.value(TaskId::new(LAST, partition % 3)).await.map_err(TaskError::failed)?;
                run.finished().await.map_err(TaskError::failed)?;
                Ok(value)
            }),
            act => TaskBody::sync(move |inputs, context| act.run(&inputs, context)),
        }
    }
}

fn mix(inputs: &TaskInputs, context: &TaskContext) -> dolmen_graph::ValueRef {
    let salt = u64::from(context.task().stage.0);
    Mix { salt, ..Mix::default() }.value(context.partition(), inputs)
}

/// Adds a line to a file, in one piece.
fn note(file: &Path, context: &TaskContext) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{}\n", context.key()).as_bytes()).unwrap();
}

/// The lines of a file, none if it is not there.
pub(crate) fn notes(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

impl Act {
    #[allow(clippy::zombie_processes, reason = "the process outlives its parent on purpose")]
    fn run(&self, inputs: &TaskInputs, context: &TaskContext) -> TaskResult {
        let number = match self {
            Self::Give(number) => *number,
            Self::Sum => inputs.input(0).iter().map(Number::of).sum(),
            Self::FailAt(p) if context.partition() == *p => return Err(TaskError::failed("no such file")),
            Self::FailAt(_) | Self::Later | Self::Await => return Ok(mix(inputs, context)),
            Self::Panic => panic!("out of cheese"),
            Self::FailFirst(n) if context.attempt() < *n => return Err(TaskError::transient("reset by peer")),
            Self::FailFirst(_) => context.attempt().into(),
            Self::Listen => return listen(context),
            Self::ListenIn(folder) => {
                let is_late = folder.join("cancelled").exists();
                note(&folder.join(if is_late { "late" } else { "begun" }), context);
                return listen(context);
            }
            Self::Gate(file) => {
                while !file.exists() && !context.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                context.partition().into()
            }
            Self::Note(file) => {
                note(file, context);
                1
            }
            Self::Fib(n) => fib(context, *n),
            Self::Down(n) => down(context, *n),
            Self::Wide(room) => return nested(context, wide(60, *room), TaskId::new(StageId(3), 0)),
            Self::Nest(act) => return nested(context, single(act.clone().op()), TaskId::new(StageId(0), 0)),
            Self::Deaf => {
                std::thread::sleep(Duration::from_secs(600));
                0
            }
            Self::DieOnce(file) => match std::fs::remove_file(file) {
                Ok(()) => std::process::abort(),
                Err(_) => return Ok(mix(inputs, context)),
            },
            Self::Die => std::process::abort(),
            Self::Chatter => {
                let mut line = String::new();
                let n_read = std::io::stdin().read_line(&mut line).unwrap();
                std::io::stdout().write_all(b"noise of a task\n").unwrap();
                n_read as u64
            }
            Self::Pid => std::process::id().into(),
            Self::Spawn => std::process::Command::new("sleep").arg("30").spawn().unwrap().id().into(),
        };
        Ok(Number::value(number))
    }
}

fn nested(context: &TaskContext, graph: Arc<TaskGraph>, task: TaskId) -> TaskResult {
    let run = context.submit(graph, SubmitOptions::default()).map_err(TaskError::failed)?;
    run.wait_value(task, None).unwrap_or(Err(RunError::Closed)).map_err(TaskError::failed)
}

fn listen(context: &TaskContext) -> TaskResult {
    while !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(TaskError::Cancelled)
}

fn fib(context: &TaskContext, n: u64) -> u64 {
    let op = delayed_with_context(
        |context: &TaskContext, n: u64| {
            if n < 2 { n } else { fib(context, n - 1) + fib(context, n - 2) }
        },
    );
    compute(context, op.call(n)).unwrap()
}

fn down(context: &TaskContext, n: u64) -> u64 {
    let op = delayed_with_context(|context: &TaskContext, n: u64| if n == 0 { 0 } else { down(context, n - 1) + 1 });
    compute(context, op.call(n)).unwrap()
}

type Inc = RegisteredFn<fn(u64) -> u64, (u64,), u64>;
type Add = RegisteredFn<fn(u64, u64) -> u64, (u64, u64), u64>;
type Total = RegisteredFn<fn(Vec<u64>) -> u64, (Vec<u64>,), u64>;
type Long = RegisteredFn<fn(u64) -> Vec<u64>, (u64,), Vec<u64>>;
type Height = RegisteredFn<fn(Station) -> u32, (Station,), u32>;
type ThirdTime = RegisteredFn<fn(String) -> Result<u64, TaskError>, (String,), u64>;
type Sleep = RegisteredFn<fn(u64) -> u64, (u64,), u64>;
type Nanos = RegisteredFn<fn() -> u128, (), u128>;

/// A type of values with a name in the registry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Station {
    pub(crate) name: String,
    pub(crate) height: u32,
}

/// Functions that every process has.
pub(crate) struct Functions {
    pub(crate) inc: Inc,
    pub(crate) add: Add,
    pub(crate) total: Total,
    pub(crate) long: Long,
    pub(crate) height: Height,
    /// Fails, for now, the first two times; notes how often it was called in a file.
    pub(crate) third_time: ThirdTime,
    /// Takes so many milliseconds.
    pub(crate) sleep: Sleep,
    /// Gives the time.
    pub(crate) nanos: Nanos,
}

pub(crate) fn registry() -> (OpRegistry, Functions) {
    let mut registry = OpRegistry::new();
    testing::register(&mut registry).unwrap();
    registry.register_type::<Station>("station").unwrap();
    registry.register_op("act", |bytes, _| Ok(Act::op(postcard::from_bytes(bytes).unwrap()))).unwrap();
    let functions = Functions {
        inc: registry.register_function("inc", (|x| x + 1) as fn(u64) -> u64).unwrap(),
        add: registry.register_function("add", (|a, b| a + b) as fn(u64, u64) -> u64).unwrap(),
        total: registry.register_function("total", (|all| all.iter().sum()) as fn(Vec<u64>) -> u64).unwrap(),
        long: registry.register_function("long", (|n| (0..n).collect()) as fn(u64) -> Vec<u64>).unwrap(),
        height: registry.register_function("height", (|station| station.height) as fn(Station) -> u32).unwrap(),
        third_time: registry.register_try_function("third_time", third_time as fn(String) -> _).unwrap(),
        sleep: registry.register_function("sleep", sleep as fn(u64) -> u64).unwrap(),
        nanos: registry.register_function("nanos", nanos as fn() -> u128).unwrap(),
    };
    (registry, functions)
}

#[allow(clippy::needless_pass_by_value, reason = "registered functions take their arguments by value")]
fn third_time(file: String) -> Result<u64, TaskError> {
    let n_calls = std::fs::read_to_string(&file).map_or(0, |text| text.len()) + 1;
    std::fs::write(&file, "x".repeat(n_calls)).unwrap();
    if n_calls < 3 { Err(TaskError::transient("not yet")) } else { Ok(n_calls as u64) }
}

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

fn nanos() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()
}

pub(crate) fn graph(fill: impl FnOnce(&mut GraphBuilder)) -> Arc<TaskGraph> {
    let mut builder = GraphBuilder::new();
    fill(&mut builder);
    Arc::new(builder.build().unwrap())
}

/// `n_tasks` tasks that do the same.
pub(crate) fn tasks(n_tasks: u32, op: Arc<dyn Op>) -> Arc<TaskGraph> {
    graph(|b| {
        let id = b.add_stage(Stage::new("single", n_tasks, op)).unwrap();
        b.add_output_all(id).unwrap();
    })
}

/// One task.
pub(crate) fn single(op: Arc<dyn Op>) -> Arc<TaskGraph> {
    tasks(1, op)
}

/// The stage of [`everything`] that reads all the others.
pub(crate) const LAST: StageId = StageId(8);

/// Every wiring, gangs, bodies that wait, and a stage that reads itself; values of `room` bytes.
pub(crate) fn everything(room: usize) -> Arc<TaskGraph> {
    with_odd_stage(room, Mix { salt: 2, room, is_stream: false })
}

/// [`everything`], in which one stage does something else.
pub(crate) fn with_odd_stage(room: usize, odd: impl Op + 'static) -> Arc<TaskGraph> {
    graph(|b| {
        let mix = |salt| Arc::new(Mix { salt, room, is_stream: false });
        let waits = |salt| Arc::new(Mix { salt, room: 0, is_stream: true });
        let bytes = ByteEstimate::AtMost(64 + room as u64);
        let mut add = |stage: Stage| b.add_stage(stage.bytes(bytes)).unwrap();
        let source = add(Stage::new("source", 24, mix(0)));
        let other = add(Stage::new("other", 24, waits(1)));
        let same = Stage::new("same", 24, Arc::new(odd));
        let same = add(same.input(source, Wiring::Same).input(other, Wiring::Same));
        let tree = add(Stage::new("tree", 8, mix(3)).input(same, Wiring::Tree { fan_in: 3 }));
        let exchange = add(Stage::new("exchange", 5, mix(4)).input(same, Wiring::Exchange(ExchangeKind::Hash)));
        let broadcast = Wiring::Broadcast { partition: 2 };
        let mixed = add(Stage::new("mixed", 8, mix(5)).input(tree, Wiring::Same).input(exchange, broadcast));
        let mut gang = Stage::new("gang", 6, waits(6)).input(exchange, Wiring::All);
        gang.options.is_gang = true;
        let gang = add(gang);
        let lists = (0..12_u32).map(|p| if p == 0 { vec![] } else { vec![p / 2, p - 1] });
        let lists = lists.map(|mut list| {
            list.dedup();
            list
        });
        let own = Wiring::Table(Arc::new(Table::new(12, lists).unwrap()));
        let chain = add(Stage::new("chain", 12, mix(7)).input(gang, Wiring::All).input(StageId(7), own));
        let last = add(Stage::new("last", 3, mix(8)).input(mixed, Wiring::All).input(chain, Wiring::All));
        assert_eq!(last, LAST);
        b.add_output_all(last).unwrap();
        b.add_output(same, PartitionSet::range(3..5)).unwrap();
        b.add_output(gang, PartitionSet::one(5)).unwrap();
    })
}

/// A stage of which all values, of `room` bytes, are needed at once, and one number of them all.
pub(crate) fn wide(n_tasks: u32, room: usize) -> Arc<TaskGraph> {
    graph(|b| {
        let mix = |salt, room| Arc::new(Mix { salt, room, is_stream: false });
        let bytes = ByteEstimate::Exact(32 + room as u64);
        let source = b.add_stage(Stage::new("source", n_tasks, mix(0, room)).bytes(bytes)).unwrap();
        let gate = Stage::new("gate", 1, mix(1, 0)).input(source, Wiring::Broadcast { partition: n_tasks - 1 });
        let gate = b.add_stage(gate).unwrap();
        let back = Stage::new("back", n_tasks, mix(2, 0)).bytes(ByteEstimate::Exact(32));
        let back = back.input(source, Wiring::Same).input(gate, Wiring::Broadcast { partition: 0 });
        let back = b.add_stage(back).unwrap();
        let sum = b.add_stage(Stage::new("sum", 1, mix(3, 0)).input(back, Wiring::All)).unwrap();
        b.add_output_all(sum).unwrap();
        b.add_output(source, PartitionSet::range(0..n_tasks / 12)).unwrap();
    })
}
