//! Operations and graphs that the suite runs.

use std::fmt;
use std::sync::Arc;

use dolmen_graph::{
    ByteEstimate, EncodeError, Encoded, ExchangeKind, GraphBuilder, Op, OpRegistry, PartitionSet, Stage, StageId,
    Table, TaskBody, TaskContext, TaskGraph, TaskInputs, TaskResult, Value, ValueError, ValueRef, Wiring,
};

/// A number, with some bytes that only take room.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) number: u64,
    pub(crate) room: Vec<u8>,
}

impl Number {
    pub(crate) fn value(number: u64) -> ValueRef {
        Arc::new(Self { number, room: Vec::new() })
    }

    pub(crate) fn of(value: &ValueRef) -> u64 {
        value.downcast_ref::<Self>().unwrap().number
    }
}

impl Value for Number {
    fn size_bytes(&self) -> usize {
        32 + self.room.len()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.extend(&self.room);
        Ok(Encoded { type_name: "number".into(), bytes })
    }

    fn piece(&self, partition: u32) -> Option<ValueRef> {
        Some(Self::value(self.number.wrapping_mul(31).wrapping_add(u64::from(partition))))
    }
}

pub(crate) fn registry() -> OpRegistry {
    let mut registry = OpRegistry::new();
    let decode = |bytes: &[u8], _: &OpRegistry| -> Result<ValueRef, ValueError> {
        let (number, room) = bytes.split_first_chunk().unwrap();
        Ok(Arc::new(Number { number: u64::from_le_bytes(*number), room: room.to_vec() }))
    };
    registry.register_value("number", decode).unwrap();
    registry
}

type Body = dyn Fn(TaskInputs, &TaskContext) -> TaskResult + Send + Sync;

/// A closure as an operation.
pub(crate) struct Lambda(Arc<Body>);

impl Lambda {
    pub(crate) fn op(body: impl Fn(TaskInputs, &TaskContext) -> TaskResult + Send + Sync + 'static) -> Arc<dyn Op> {
        Arc::new(Self(Arc::new(body)))
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

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError::Local { name: "lambda".into() })
    }

    fn body(&self, _partition: u32) -> TaskBody {
        let body = Arc::clone(&self.0);
        TaskBody::sync(move |inputs, context| body(inputs, context))
    }
}

/// Mixes the partition and all inputs into a number, with `room` bytes that take memory.
pub(crate) fn mix(room: usize) -> impl Fn(TaskInputs, &TaskContext) -> TaskResult + Send + Sync + Clone + 'static {
    move |inputs, context| {
        let mut hash = u64::from(context.task().stage.0) << 32 | u64::from(context.partition());
        for input_idx in 0..inputs.n_inputs() {
            hash = hash.rotate_left(9) ^ 0x9E37_79B9_7F4A_7C15;
            for value in inputs.input(input_idx) {
                hash = (hash ^ Number::of(value)).wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(29);
            }
        }
        Ok(Arc::new(Number { number: hash, room: vec![7; room] }))
    }
}

/// The same, as a body that waits.
#[derive(Debug)]
pub(crate) struct Waits;

impl Op for Waits {
    fn name(&self) -> &str {
        "waits"
    }

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn body(&self, _partition: u32) -> TaskBody {
        TaskBody::stream(|inputs, context| async move {
            let mut n_polls = 0;
            std::future::poll_fn(|cx| {
                n_polls += 1;
                cx.waker().wake_by_ref();
                if n_polls < 3 { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
            })
            .await;
            mix(0)(inputs, &context)
        })
    }
}

pub(crate) fn graph(fill: impl FnOnce(&mut GraphBuilder)) -> Arc<TaskGraph> {
    let mut builder = GraphBuilder::new();
    fill(&mut builder);
    Arc::new(builder.build().unwrap())
}

/// One task.
pub(crate) fn single(op: Arc<dyn Op>) -> Arc<TaskGraph> {
    graph(|b| {
        let id = b.add_stage(Stage::new("single", 1, op)).unwrap();
        b.add_output_all(id).unwrap();
    })
}

/// Every wiring, gangs, bodies that wait, and a stage that reads itself; values of `room` bytes.
pub(crate) fn everything(room: usize) -> Arc<TaskGraph> {
    graph(|b| {
        let op = || Lambda::op(mix(room));
        let bytes = ByteEstimate::AtMost(32 + room as u64);
        let mut add = |stage: Stage| b.add_stage(stage.bytes(bytes)).unwrap();
        let source = add(Stage::new("source", 24, op()));
        let other = add(Stage::new("other", 24, Arc::new(Waits)));
        let same = add(Stage::new("same", 24, op()).input(source, Wiring::Same).input(other, Wiring::Same));
        let tree = add(Stage::new("tree", 8, op()).input(same, Wiring::Tree { fan_in: 3 }));
        let exchange = add(Stage::new("exchange", 5, op()).input(same, Wiring::Exchange(ExchangeKind::Hash)));
        let broadcast = Wiring::Broadcast { partition: 2 };
        let mixed = add(Stage::new("mixed", 8, op()).input(tree, Wiring::Same).input(exchange, broadcast));
        let mut gang = Stage::new("gang", 6, Arc::new(Waits)).input(exchange, Wiring::All);
        gang.options.is_gang = true;
        let gang = add(gang);
        let lists = (0..12_u32).map(|p| if p == 0 { vec![] } else { vec![p / 2, p - 1] });
        let lists = lists.map(|mut list| {
            list.dedup();
            list
        });
        let own = Wiring::Table(Arc::new(Table::new(12, lists).unwrap()));
        let chain = add(Stage::new("chain", 12, op()).input(gang, Wiring::All).input(StageId(7), own));
        let last = add(Stage::new("last", 3, op()).input(mixed, Wiring::All).input(chain, Wiring::All));
        b.add_output_all(last).unwrap();
        b.add_output(same, PartitionSet::range(3..5)).unwrap();
        b.add_output(gang, PartitionSet::one(5)).unwrap();
    })
}
