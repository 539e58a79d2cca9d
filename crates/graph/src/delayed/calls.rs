//! The operation of a stage of delayed values: each task makes one call.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node::{Kind, Node};
use super::remote::ErasedFunction;
use super::template::Template;
use crate::{DecodeError, EncodeError, Op, OpRegistry, TaskBody};

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

/// One call in bytes.
#[derive(Serialize, Deserialize)]
struct WireCall {
    function: String,
    args: Template,
    label: String,
    key: String,
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

    fn wire_call(&self, partition: u32, node: &Node) -> Result<WireCall, EncodeError> {
        let key = self.key(partition);
        let remote = match &node.kind {
            Kind::Call(call) => call.remote(),
            Kind::Value(_) | Kind::Key => None,
        };
        let Some((function, mut args)) = remote else { return Err(EncodeError::Local { name: key }) };
        if let Some(positions) = self.repeats(partition) {
            args.move_gaps(positions);
        }
        if let Some(error) = args.error() {
            return Err(EncodeError::Failed { name: key, source: Arc::from(Box::from(error)) });
        }
        Ok(WireCall { function: function.to_owned(), args, label: node.label.to_string(), key })
    }
}

impl Op for Calls {
    fn name(&self) -> &str {
        RemoteCalls::NAME
    }

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let calls = (0..).zip(&self.nodes).map(|(partition, node)| self.wire_call(partition, node));
        encode(&calls.collect::<Result<Vec<_>, _>>()?)
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
        TaskBody::sync(move |inputs, context| match &node.kind {
            Kind::Call(call) => call.run(inputs.input(0), context),
            Kind::Value(value) => Ok(Arc::clone(value)),
            Kind::Key => unreachable!("lowering puts the node behind a key in its place"),
        })
    }

    fn task_key(&self, partition: u32) -> Option<String> {
        Some(self.key(partition))
    }

    fn label(&self, partition: u32) -> String {
        self.nodes[partition as usize].label.to_string()
    }
}

/// Calls of functions in the registry, as they arrive in another process.
#[derive(Debug)]
pub(crate) struct RemoteCalls {
    calls: Box<[RemoteCall]>,
}

#[derive(Debug)]
struct RemoteCall {
    function: Arc<dyn ErasedFunction>,
    args: Arc<Template>,
    label: String,
    key: String,
}

impl RemoteCalls {
    pub(crate) const NAME: &'static str = "dolmen.calls";

    pub(crate) fn decode(bytes: &[u8], registry: &OpRegistry) -> Result<Arc<dyn Op>, DecodeError> {
        let calls: Vec<WireCall> = postcard::from_bytes(bytes)
            .map_err(|error| DecodeError::Malformed { name: Self::NAME.to_owned(), source: Arc::new(error) })?;
        let calls = calls.into_iter().map(|call| {
            let WireCall { function, args, label, key } = call;
            Ok(RemoteCall { function: registry.function(&function)?, args: Arc::new(args), label, key })
        });
        Ok(Arc::new(Self { calls: calls.collect::<Result<_, DecodeError>>()? }))
    }
}

impl Op for RemoteCalls {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let calls = self.calls.iter().map(|call| WireCall {
            function: call.function.name().to_owned(),
            args: (*call.args).clone(),
            label: call.label.clone(),
            key: call.key.clone(),
        });
        encode(&calls.collect::<Vec<_>>())
    }

    fn body(&self, partition: u32) -> TaskBody {
        // A graph whose numbers of tasks do not fit its calls can only come from damaged bytes.
        let Some(call) = self.calls.get(partition as usize) else {
            return TaskBody::sync(move |_, _| {
                Err(crate::TaskError::InputMissing { input_idx: 0, position: partition as usize })
            });
        };
        let (function, args) = (Arc::clone(&call.function), Arc::clone(&call.args));
        TaskBody::sync(move |inputs, context| function.call(&args.fill(inputs.input(0))?, context))
    }

    fn task_key(&self, partition: u32) -> Option<String> {
        self.calls.get(partition as usize).map(|call| call.key.clone())
    }

    fn label(&self, partition: u32) -> String {
        self.calls.get(partition as usize).map_or_else(|| Self::NAME.to_owned(), |call| call.label.clone())
    }
}

fn encode(calls: &[WireCall]) -> Result<Vec<u8>, EncodeError> {
    postcard::to_stdvec(calls)
        .map_err(|error| EncodeError::Failed { name: RemoteCalls::NAME.to_owned(), source: Arc::new(error) })
}
