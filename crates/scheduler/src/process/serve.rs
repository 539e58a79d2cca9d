//! What a worker process does.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use dolmen_graph::{
    CancelToken, DecodeGraphError, Encoded, EventReader, Executor, GraphRun, OpRegistry, RunContext, RunId, StageId,
    SubmitError, SubmitOptions, TaskBody, TaskContext, TaskError, TaskGraph, TaskId, TaskInputs, TaskResult, decode,
};
use dolmen_storage::{MemoryBudget, TempFolder};
use tokio::runtime::{Builder, Runtime};

use super::protocol::{Frame, FromWorker, ToWorker, VARIABLE, VERSION, WireValue, read_blocking, write_blocking};
use super::remote_error::WireError;
use crate::{LocalConfig, LocalExecutor};

/// In a process that a [`ProcessExecutor`](super::ProcessExecutor) started, runs tasks until that executor is gone, and
/// ends the process. In any other process it returns at once.
///
/// Called first thing in `main`, with the same names in `registry` as the executor has:
///
/// ```no_run
/// use std::sync::Arc;
///
/// use dolmen_graph::OpRegistry;
/// use dolmen_scheduler::process::serve_if_worker;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let mut registry = OpRegistry::new();
///     let double = registry.register_function("double", |x: u64| 2 * x)?;
///     serve_if_worker(&Arc::new(registry));
///     // What the program does otherwise.
///     # let _ = double;
///     Ok(())
/// }
/// ```
pub fn serve_if_worker(registry: &Arc<OpRegistry>) {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    // A process that a task starts has the variable too, but no socket.
    let Ok(socket) = take_socket() else { return };
    let code = match serve(registry, socket) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(_) => 1,
    };
    end(code)
}

/// Ends the process. It has no state but that of a task that nobody waits for.
#[expect(clippy::disallowed_methods, reason = "there is no caller to whom a worker could return")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

/// Takes the socket away from the standard input, so that tasks neither read from it nor hand it on to processes of
/// their own.
fn take_socket() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.local_addr()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

/// Stack of the threads that bodies spawn on. Virtual memory until it is used; deeply nested plans use it.
const STACK_BYTES: usize = 64 << 20;

/// A message, and the flag that cancels it if it is a task.
type Order = (Frame<ToWorker>, CancelToken);

fn serve(registry: &Arc<OpRegistry>, mut socket: UnixStream) -> io::Result<()> {
    write_blocking(&mut socket, &FromWorker::Hello { version: VERSION }, &[])?;
    let mut input = socket.try_clone()?;
    let ToWorker::Setup { memory_bytes_max, temp } = read_blocking(&mut input)?.message else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    // For bodies that wait; its other thread is idle unless they spawn.
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_stack_size(STACK_BYTES).enable_all().build()?;
    let budget = MemoryBudget::new(usize::try_from(memory_bytes_max).unwrap_or(usize::MAX));
    let temp = Arc::new(TempFolder::new(Some(temp)));
    let config = LocalConfig::new(runtime.handle().clone(), 1)
        .memory(Arc::clone(&budget), Arc::clone(&temp))
        .registry(Arc::clone(registry));
    let nested = Arc::new(LocalExecutor::new(config));
    let (sender, receiver) = sync_channel(1);
    let of_listener = Arc::clone(&nested);
    let listener = std::thread::Builder::new().name("dolmen-worker-input".to_owned());
    listener.spawn(move || listen(input, &sender, &of_listener))?;
    let nested = Arc::new(Nested(nested));
    Worker { registry, runtime, nested, budget, temp, runs: HashMap::new() }.work(&receiver, &mut socket)
}

/// The executor of graphs that tasks submit. The task itself runs outside of it.
#[derive(Debug)]
struct Nested(Arc<LocalExecutor>);

impl Executor for Nested {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        // The parent is a run of the other process; here its number means nothing, or another run.
        self.0.submit(graph, SubmitOptions { parent: None, ..options })
    }

    fn events(&self) -> Box<dyn EventReader> {
        self.0.events()
    }
}

/// Reads messages; ends the process, whatever it does, when the other side is gone.
fn listen(mut input: UnixStream, sender: &SyncSender<Order>, nested: &LocalExecutor) -> ! {
    let mut current = CancelToken::new();
    loop {
        match read_blocking::<ToWorker>(&mut input) {
            Ok(Frame { message: ToWorker::Stop, .. }) => {
                current.cancel();
                // One task runs at a time: all graphs are its own.
                nested.cancel_all();
            }
            Ok(frame) => {
                if matches!(frame.message, ToWorker::Run { .. }) {
                    current = CancelToken::new();
                }
                if sender.send((frame, current.clone())).is_err() {
                    end(0);
                }
            }
            Err(error) => end(i32::from(error.kind() == io::ErrorKind::InvalidData)),
        }
    }
}

struct Worker<'a> {
    registry: &'a OpRegistry,
    runtime: Runtime,
    nested: Arc<Nested>,
    budget: Arc<MemoryBudget>,
    temp: Arc<TempFolder>,
    runs: HashMap<u64, Result<Arc<RunContext>, DecodeGraphError>>,
}

impl Worker<'_> {
    fn work(&mut self, receiver: &Receiver<Order>, output: &mut UnixStream) -> io::Result<()> {
        while let Ok((Frame { message, blobs }, cancel)) = receiver.recv() {
            match message {
                ToWorker::Setup { .. } | ToWorker::Stop => {}
                ToWorker::Graph { run } => self.learn(run, &blobs),
                ToWorker::Forget { run } => drop(self.runs.remove(&run)),
                ToWorker::Run { run, stage, partition, attempt, inputs } => {
                    let task = TaskId::new(StageId(stage), partition);
                    let inputs = decode_inputs(&inputs, &blobs, self.registry);
                    drop(blobs);
                    let result = inputs.and_then(|inputs| self.run(run, task, attempt, cancel, inputs));
                    reply(result, self.registry, output)?;
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, run: u64, bytes: &[u8]) {
        let context = decode(bytes, self.registry).map(|graph| {
            let context = RunContext::new(RunId(run), Arc::new(graph)).with_executor(Arc::clone(&self.nested) as _);
            Arc::new(context.with_service(Arc::clone(&self.budget)).with_service(Arc::clone(&self.temp)))
        });
        self.runs.insert(run, context);
    }

    fn run(&self, run: u64, task: TaskId, attempt: u32, cancel: CancelToken, inputs: TaskInputs) -> TaskResult {
        let Some(known) = self.runs.get(&run) else { return Err(TaskError::failed(UnknownTask { task })) };
        let context = known.clone().map_err(TaskError::failed)?;
        let graph = context.graph();
        if task.stage.0 >= graph.n_stages() || task.partition >= graph.stage(task.stage).n_tasks {
            return Err(TaskError::failed(UnknownTask { task }));
        }
        let op = Arc::clone(&graph.stage(task.stage).op);
        let context = TaskContext::new(context, task, attempt).with_cancel(cancel);
        let _entered = self.runtime.enter();
        let result = catch_unwind(AssertUnwindSafe(|| match op.body(task.partition) {
            TaskBody::Sync(body) => body(inputs, &context),
            TaskBody::Stream(body) => self.runtime.block_on(body(inputs, context)),
        }));
        result.unwrap_or_else(|panic| Err(TaskError::panicked(&*panic)))
    }
}

/// The other side asks for a task of a graph that it did not send.
#[derive(Debug, thiserror::Error)]
#[error("the worker has no graph with {task}")]
struct UnknownTask {
    task: TaskId,
}

/// The other side sent fewer bytes than it said.
#[derive(Debug, thiserror::Error)]
#[error("the inputs of a task are incomplete")]
struct Incomplete;

fn decode_inputs(inputs: &[Vec<WireValue>], blobs: &[u8], registry: &OpRegistry) -> Result<TaskInputs, TaskError> {
    let mut decoded = TaskInputs::new();
    let mut rest = blobs;
    for values in inputs {
        for WireValue { type_name, n_bytes } in values {
            let split = usize::try_from(*n_bytes).ok().and_then(|n_bytes| rest.split_at_checked(n_bytes));
            let (bytes, others) = split.ok_or_else(|| TaskError::failed(Incomplete))?;
            decoded.push(registry.decode_value_bytes(type_name, bytes)?);
            rest = others;
        }
        decoded.end_input();
    }
    Ok(decoded)
}

fn reply(result: TaskResult, registry: &OpRegistry, output: &mut UnixStream) -> io::Result<()> {
    let encoded = result.and_then(|value| {
        let encoded = catch_unwind(AssertUnwindSafe(|| registry.encode_value(&value)));
        Ok(encoded.map_err(|panic| TaskError::panicked(&*panic))??)
    });
    match encoded {
        Ok(Encoded { type_name, parts }) => {
            let blobs: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
            write_blocking(output, &FromWorker::Done { type_name }, &blobs)
        }
        Err(error) => write_blocking(output, &FromWorker::Failed(WireError::new(&error)), &[]),
    }
}
