//! The operation of a stage of delayed values: each task makes one call.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node::{Call, Kind, Node};
use super::remote::ErasedFunction;
use super::template::Template;
use crate::inline::block_on;
use crate::{DecodeError, EncodeError, Encoded, Given, Op, OpRegistry, TaskBody, Value, ValueError, ValueRef};

/// Calls of functions of this process.
#[derive(Debug)]
pub(super) struct Calls {
    nodes: Box<[Arc<Node>]>,
    /// The keys of a raw graph by partition, in ascending order.
    keys: Box<[(u32, Arc<str>)]>,
    /// For calls that need the same value several times, by different keys: where among its inputs each need stands. By
    /// partition, in ascending order.
    repeats: Box<[(u32, Box<[u32]>)]>,
}

/// One task in bytes.
#[derive(Serialize, Deserialize)]
struct WireTask {
    what: WireWhat,
    label: String,
    key: String,
}

/// What a task does, in bytes.
#[derive(Serialize, Deserialize)]
enum WireWhat {
    Call { function: String, args: Template },
    Value { type_name: String, bytes: Vec<u8> },
}

impl WireWhat {
    fn value(encoded: &Encoded) -> Self {
        Self::Value { type_name: encoded.type_name.clone(), bytes: encoded.bytes().into_owned() }
    }
}

impl Calls {
    pub(super) fn new(nodes: Vec<Arc<Node>>, keys: Vec<(u32, Arc<str>)>, repeats: Vec<(u32, Box<[u32]>)>) -> Self {
        Self { nodes: nodes.into(), keys: keys.into(), repeats: repeats.into() }
    }

    fn repeats(&self, partition: u32) -> Option<&[u32]> {
        let found = self.repeats.binary_search_by_key(&partition, |(partition, _)| *partition);
        found.ok().map(|idx| &*self.repeats[idx].1)
    }

    fn key(&self, partition: u32) -> String {
        let found = self.keys.partition_point(|(known, _)| *known < partition);
        match self.keys.get(found) {
            Some((known, key)) if *known == partition => key.to_string(),
            _ => self.nodes[partition as usize].key(),
        }
    }

    fn wire_task(&self, partition: u32, node: &Node, registry: &OpRegistry) -> Result<WireTask, EncodeError> {
        let key = self.key(partition);
        let what = match &node.kind {
            Kind::Call(call) => self.wire_call(partition, &**call, &key)?,
            Kind::Value(value) => wire_value(value, &key, registry)?,
            Kind::Awaited(awaited) => {
                let value = awaited.now().unwrap_or_else(|| block_on(awaited.value()));
                let failed = |error| EncodeError::Failed { name: key.clone(), source: Arc::new(error) };
                wire_value(&value.map_err(failed)?, &key, registry)?
            }
            Kind::Key => unreachable!("lowering puts the node behind a key in its place"),
        };
        Ok(WireTask { what, label: node.label.to_string(), key })
    }

    fn wire_call(&self, partition: u32, call: &dyn Call, key: &str) -> Result<WireWhat, EncodeError> {
        let Some((function, mut args)) = call.remote() else { return Err(EncodeError::Local { name: key.to_owned() }) };
        if let Some(positions) = self.repeats(partition) {
            args.move_gaps(positions);
        }
        if let Some(error) = args.error() {
            return Err(EncodeError::Failed { name: key.to_owned(), source: Arc::from(Box::from(error)) });
        }
        Ok(WireWhat::Call { function: function.to_owned(), args })
    }
}

fn wire_value(value: &ValueRef, key: &str, registry: &OpRegistry) -> Result<WireWhat, EncodeError> {
    let encoded = registry.encode_value(value).map_err(|source| EncodeError::Value { name: key.to_owned(), source })?;
    Ok(WireWhat::value(&encoded))
}

impl Op for Calls {
    fn name(&self) -> &str {
        RemoteCalls::NAME
    }

    fn encode(&self, registry: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        let tasks = (0..).zip(&self.nodes).map(|(partition, node)| self.wire_task(partition, node, registry));
        encode(&tasks.collect::<Result<Vec<_>, _>>()?)
    }

    fn body(&self, partition: u32) -> TaskBody {
        let node = Arc::clone(&self.nodes[partition as usize]);
        if let (Some(positions), Kind::Call(_)) = (self.repeats(partition), &node.kind) {
            let positions: Box<[u32]> = positions.into();
            return TaskBody::sync(move |inputs, context| {
                let Kind::Call(call) = &node.kind else { unreachable!("asked above") };
                let value = |position: &u32| inputs.input(0).get(*position as usize).cloned();
                // A missing input is missed by the call, which says which one it is.
                let inputs: Vec<_> = positions.iter().map_while(value).collect();
                call.run(&inputs, context)
            });
        }
        if let Kind::Awaited(awaited) = &node.kind {
            return TaskBody::awaited(Arc::clone(awaited));
        }
        TaskBody::sync(move |inputs, context| match &node.kind {
            Kind::Call(call) => call.run(inputs.input(0), context),
            Kind::Value(value) => Ok(Arc::clone(value)),
            Kind::Awaited(_) => unreachable!("asked above"),
            Kind::Key => unreachable!("lowering puts the node behind a key in its place"),
        })
    }

    fn given(&self, partition: u32) -> Option<Given<'_>> {
        match &self.nodes[partition as usize].kind {
            Kind::Value(value) => Some(Given::Value(value)),
            Kind::Awaited(awaited) => Some(Given::Awaited(awaited)),
            Kind::Call(_) | Kind::Key => None,
        }
    }

    fn task_key(&self, partition: u32) -> Option<String> {
        Some(self.key(partition))
    }

    fn label(&self, partition: u32) -> String {
        self.nodes[partition as usize].label.to_string()
    }
}

/// Calls of functions in the registry, and values for them, as they arrive in another process.
#[derive(Debug)]
pub(crate) struct RemoteCalls {
    tasks: Box<[RemoteTask]>,
}

#[derive(Debug)]
struct RemoteTask {
    what: RemoteWhat,
    label: String,
    key: String,
}

#[derive(Debug)]
enum RemoteWhat {
    Call { function: Arc<dyn ErasedFunction>, args: Arc<Template> },
    Value(Arc<EncodedValue>),
}

/// A value that is only passed on: a call of a registered function reads the bytes of its arguments.
#[derive(Debug)]
struct EncodedValue(Encoded);

impl Value for EncodedValue {
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.0.n_bytes()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        Ok(self.0.clone())
    }
}

impl RemoteCalls {
    pub(crate) const NAME: &'static str = "dolmen.calls";

    pub(crate) fn decode(bytes: &[u8], registry: &OpRegistry) -> Result<Arc<dyn Op>, DecodeError> {
        let tasks: Vec<WireTask> = postcard::from_bytes(bytes)
            .map_err(|error| DecodeError::Malformed { name: Self::NAME.to_owned(), source: Arc::new(error) })?;
        let tasks = tasks.into_iter().map(|WireTask { what, label, key }| {
            let what = match what {
                WireWhat::Call { function, args } => {
                    RemoteWhat::Call { function: registry.function(&function)?, args: Arc::new(args) }
                }
                WireWhat::Value { type_name, bytes } => {
                    RemoteWhat::Value(Arc::new(EncodedValue(Encoded::new(type_name, bytes))))
                }
            };
            Ok(RemoteTask { what, label, key })
        });
        Ok(Arc::new(Self { tasks: tasks.collect::<Result<_, DecodeError>>()? }))
    }
}

impl Op for RemoteCalls {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        let tasks = self.tasks.iter().map(|task| WireTask {
            what: match &task.what {
                RemoteWhat::Call { function, args } => {
                    WireWhat::Call { function: function.name().to_owned(), args: (**args).clone() }
                }
                RemoteWhat::Value(value) => WireWhat::value(&value.0),
            },
            label: task.label.clone(),
            key: task.key.clone(),
        });
        encode(&tasks.collect::<Vec<_>>())
    }

    fn body(&self, partition: u32) -> TaskBody {
        // A graph whose numbers of tasks do not fit its calls can only come from damaged bytes.
        let Some(task) = self.tasks.get(partition as usize) else {
            return TaskBody::sync(move |_, _| {
                Err(crate::TaskError::InputMissing { input_idx: 0, position: partition as usize })
            });
        };
        match &task.what {
            RemoteWhat::Call { function, args } => {
                let (function, args) = (Arc::clone(function), Arc::clone(args));
                TaskBody::sync(move |inputs, context| function.call(&args.fill(inputs.input(0))?, context))
            }
            RemoteWhat::Value(value) => {
                let value: ValueRef = Arc::clone(value) as _;
                TaskBody::sync(move |_, _| Ok(value))
            }
        }
    }

    fn task_key(&self, partition: u32) -> Option<String> {
        self.tasks.get(partition as usize).map(|task| task.key.clone())
    }

    fn label(&self, partition: u32) -> String {
        self.tasks.get(partition as usize).map_or_else(|| Self::NAME.to_owned(), |task| task.label.clone())
    }
}

fn encode(tasks: &[WireTask]) -> Result<Vec<u8>, EncodeError> {
    postcard::to_stdvec(tasks)
        .map_err(|error| EncodeError::Failed { name: RemoteCalls::NAME.to_owned(), source: Arc::new(error) })
}
