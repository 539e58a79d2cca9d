//! Operations and values for tests of graphs and of executors.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dolmen_graph::testing::{Mix, Number};
//! use dolmen_graph::{Executor, GraphBuilder, InlineExecutor, Stage, SubmitOptions, TaskId, Wiring};
//!
//! let mut builder = GraphBuilder::new();
//! let source = builder.add_stage(Stage::new("source", 4, Arc::new(Mix::default())))?;
//! let last = builder.add_stage(Stage::new("last", 1, Arc::new(Mix::default())).input(source, Wiring::All))?;
//! builder.add_output_all(last)?;
//! let run = InlineExecutor::new().submit(Arc::new(builder.build()?), SubmitOptions::default())?;
//! let value = run.wait_value(TaskId::new(last, 0), None).expect("it has finished")?;
//! // Another executor must come to the same number.
//! assert_ne!(Number::of(&value), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
mod random;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use random::{Count, any_graph, values};

use crate::{
    DecodeError, EncodeError, Encoded, Op, OpRegistry, RegistryError, TaskBody, TaskContext, TaskInputs, TaskResult,
    Value, ValueError, ValueRef,
};

/// A number as a value, with bytes that only take room. It can be cut into any number of pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// The number.
    pub number: u64,
    /// What takes room.
    pub room: Vec<u8>,
}

impl Number {
    /// A number that takes no room.
    #[must_use]
    pub fn value(number: u64) -> ValueRef {
        Self::with_room(number, 0)
    }

    /// A number with so many bytes that take room.
    #[must_use]
    pub fn with_room(number: u64, n_bytes: usize) -> ValueRef {
        Arc::new(Self { number, room: vec![7; n_bytes] })
    }

    /// The number of a value.
    ///
    /// # Panics
    /// If it is another kind of value.
    #[must_use]
    pub fn of(value: &ValueRef) -> u64 {
        value.downcast_ref::<Self>().expect("the value is a number").number
    }
}

impl Value for Number {
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.room.len()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let encoded = postcard::to_stdvec(self);
        let bytes = encoded.map_err(|error| ValueError::Encode { type_name: "number", source: Arc::new(error) })?;
        Ok(Encoded::new("number", bytes))
    }

    // Piece `p` is told apart by `p`.
    fn piece(&self, partition: u32) -> Option<ValueRef> {
        Some(Self::value(self.number.wrapping_mul(31).wrapping_add(u64::from(partition))))
    }
}

type Run = dyn Fn(TaskInputs, &TaskContext) -> TaskResult + Send + Sync;

/// A closure as the operation of every partition. It cannot leave its process.
pub struct Lambda(Arc<Run>);

impl Lambda {
    /// An operation that calls `run`.
    pub fn op(run: impl Fn(TaskInputs, &TaskContext) -> TaskResult + Send + Sync + 'static) -> Arc<dyn Op> {
        Arc::new(Self(Arc::new(run)))
    }

    /// An operation that adds [numbers](Number) up.
    #[must_use]
    pub fn sum() -> Arc<dyn Op> {
        Self::op(|inputs, _| Ok(Number::value(inputs.into_values().iter().map(Number::of).sum())))
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda")
    }
}

impl Op for Lambda {
    fn name(&self) -> &str {
        "lambda"
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError::Local { name: "lambda".into() })
    }

    fn body(&self, _partition: u32) -> TaskBody {
        let run = Arc::clone(&self.0);
        TaskBody::sync(move |inputs, context| run(inputs, context))
    }
}

/// Mixes the partition and all inputs, their grouping and order included, into a [`Number`]: tasks that differ in anything
/// get different values. It can be sent to other processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// Tells stages apart.
    pub salt: u64,
    /// Bytes of each value that take room.
    pub room: usize,
    /// The bodies wait before they compute.
    pub is_stream: bool,
}

impl Mix {
    /// The value of the task of `partition`.
    #[must_use]
    pub fn value(self, partition: u32, inputs: &TaskInputs) -> ValueRef {
        let mut hash = self.salt ^ 0x9E37_79B9_7F4A_7C15;
        let mut mix = |word: u64| hash = (hash ^ word).wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(29);
        mix(partition.into());
        for input_idx in 0..inputs.n_inputs() {
            mix(u64::MAX);
            inputs.input(input_idx).iter().for_each(|value| mix(Number::of(value)));
        }
        Number::with_room(hash, self.room)
    }
}

impl Op for Mix {
    fn name(&self) -> &str {
        "mix"
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        postcard::to_stdvec(self).map_err(|error| EncodeError::Failed { name: "mix".into(), source: Arc::new(error) })
    }

    fn body(&self, partition: u32) -> TaskBody {
        let mix = *self;
        if !mix.is_stream {
            return TaskBody::sync(move |inputs, _| Ok(mix.value(partition, &inputs)));
        }
        TaskBody::stream(move |inputs, _| async move {
            let mut n_polls = 0;
            poll_fn(|cx| {
                n_polls += 1;
                cx.waker().wake_by_ref();
                if n_polls < 3 { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            Ok(mix.value(partition, &inputs))
        })
    }
}

/// Registers [`Number`] and [`Mix`].
///
/// # Errors
/// [`RegistryError::Duplicate`] if there is something of these names.
pub fn register(registry: &mut OpRegistry) -> Result<(), RegistryError> {
    registry.register_value("number", |bytes, _| {
        let decoded = postcard::from_bytes::<Number>(bytes);
        let malformed = |error| ValueError::Decode { type_name: "number".into(), source: Arc::new(error) };
        Ok(Arc::new(decoded.map_err(malformed)?))
    })?;
    registry.register_op("mix", |bytes, _| {
        let decoded = postcard::from_bytes::<Mix>(bytes);
        let malformed = |error| DecodeError::Malformed { name: "mix".into(), source: Arc::new(error) };
        Ok(Arc::new(decoded.map_err(malformed)?))
    })
}
