//! One worker process as the executor sees it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dolmen_graph::{Encoded, OpRegistry, RunContext, RunId, TaskError, TaskInputs, TaskResult, encode};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::config::ProcessConfig;
use super::protocol::{Frame, FromWorker, ToWorker, VARIABLE, VERSION, WireValue, read, write};
use crate::engine::{RemoteTask, Stop};

/// How long a program may take to say that it is a worker.
const HELLO_WITHIN: Duration = Duration::from_secs(30);

/// A running worker. Dropping it ends the process.
pub(super) struct Connection {
    child: Child,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    /// The runs whose graphs the worker has.
    known: HashMap<RunId, Weak<RunContext>>,
}

/// Starts a process that has one end of a socket as its standard input, and gives the other end.
fn spawn(config: &ProcessConfig) -> io::Result<(Child, StdStream)> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let program = match &config.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?,
    };
    let child = Command::new(program)
        .args(&config.args)
        .env(VARIABLE, VERSION.to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        // Standard output belongs to the results of this process.
        .stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?))
        .spawn()?;
    Ok((child, ours))
}

impl Connection {
    /// Starts a worker and waits until it is there.
    pub(super) async fn start(config: &ProcessConfig) -> io::Result<Self> {
        let (child, socket) = {
            let config = config.clone();
            let spawned = tokio::task::spawn_blocking(move || spawn(&config)).await;
            spawned.map_err(io::Error::other)??
        };
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        let mut connection = Self { child, reader, writer, known: HashMap::new() };
        let hello = timeout(HELLO_WITHIN, read::<FromWorker>(&mut connection.reader)).await;
        match hello.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.message {
            FromWorker::Hello { version: VERSION } => {}
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the worker is of another version")),
        }
        // Within the folder of this process, so that nothing is left of a worker that is killed.
        let temp = config.shared.temp.path().map_err(io::Error::other)?;
        let setup = ToWorker::Setup { memory_bytes_max: config.worker_bytes_max(), temp };
        write(&mut connection.writer, &setup, &[]).await?;
        Ok(connection)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the worker is lost; it says nothing unless it is asked.
    pub(super) async fn lost(&self) {
        loop {
            let is_readable = self.reader.readable().await;
            let read = is_readable.and_then(|()| self.reader.try_read(&mut [0]));
            // The socket may have been readable until the last message was read.
            if !matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                return;
            }
        }
    }

    /// Runs a task. An error means that the worker is lost.
    pub(super) async fn run(
        &mut self,
        context: &Arc<RunContext>,
        task: RemoteTask,
        stop: &Stop,
        grace: Duration,
        registry: &OpRegistry,
    ) -> io::Result<TaskResult> {
        if let Err(error) = self.introduce(context, registry).await? {
            return Ok(Err(error));
        }
        if let Err(error) = self.send(context.run(), task, registry).await? {
            return Ok(Err(error));
        }
        let Self { reader, writer, .. } = self;
        let mut reply = std::pin::pin!(read::<FromWorker>(reader));
        let told = tokio::select! {
            reply = &mut reply => Some(reply?),
            () = stop.bell.heard() => None,
        };
        let frame = match told {
            Some(frame) => frame,
            None => {
                write(writer, &ToWorker::Stop, &[]).await?;
                timeout(grace, reply).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
            }
        };
        result_of(frame, registry)
    }

    /// Sends the graph of a run that the worker does not know, and has it forget those that are over.
    async fn introduce(
        &mut self,
        context: &Arc<RunContext>,
        registry: &OpRegistry,
    ) -> io::Result<Result<(), TaskError>> {
        let run = context.run();
        if self.known.contains_key(&run) {
            return Ok(Ok(()));
        }
        let over = self.known.extract_if(|_, context| context.strong_count() == 0);
        for (RunId(run), _) in over.collect::<Vec<_>>() {
            write(&mut self.writer, &ToWorker::Forget { run }, &[]).await?;
        }
        let graph = match encode(context.graph(), registry) {
            Ok(graph) => graph,
            Err(error) => return Ok(Err(TaskError::failed(error))),
        };
        write(&mut self.writer, &ToWorker::Graph { run: run.0 }, &[&graph]).await?;
        self.known.insert(run, Arc::downgrade(context));
        Ok(Ok(()))
    }

    async fn send(&mut self, run: RunId, task: RemoteTask, registry: &OpRegistry) -> io::Result<Result<(), TaskError>> {
        let RemoteTask { task, attempt, inputs } = task;
        let encoded = match encode_inputs(&inputs, registry) {
            Ok(encoded) => encoded,
            Err(error) => return Ok(Err(error)),
        };
        drop(inputs);
        let header =
            |value: &Encoded| WireValue { type_name: value.type_name.clone(), n_bytes: value.n_bytes() as u64 };
        let inputs = encoded.iter().map(|values| values.iter().map(header).collect()).collect();
        let (stage, partition) = (task.stage.0, task.partition);
        let message = ToWorker::Run { run: run.0, stage, partition, attempt, inputs };
        let blobs: Vec<&[u8]> = encoded.iter().flatten().flat_map(|value| &value.parts).map(|part| &**part).collect();
        write(&mut self.writer, &message, &blobs).await?;
        Ok(Ok(()))
    }
}

fn encode_inputs(inputs: &TaskInputs, registry: &OpRegistry) -> Result<Vec<Vec<Encoded>>, TaskError> {
    let input = |input_idx| inputs.input(input_idx).iter().map(|value| Ok(registry.encode_value(value)?)).collect();
    (0..inputs.n_inputs()).map(input).collect()
}

fn result_of(frame: Frame<FromWorker>, registry: &OpRegistry) -> io::Result<TaskResult> {
    match frame.message {
        FromWorker::Done { type_name } => {
            Ok(registry.decode_value_bytes(&type_name, &frame.blobs).map_err(TaskError::from))
        }
        FromWorker::Failed(error) => Ok(Err(error.into_error())),
        FromWorker::Hello { .. } => Err(io::Error::new(io::ErrorKind::InvalidData, "a worker came twice")),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may be gone already; in any case it is waited for, so that nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
