//! Functions travel by name.

use std::fmt;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use super::NotPortable;
use crate::plan::decorrelate::single_row_udf;
use crate::{guard, meaning};

/// Names functions so that the other side finds the same ones.
///
/// A name alone stands for the function that a session has under it. Rules of the optimizer also use functions that the
/// session has replaced, or that have no name in SQL: these say where they come from.
pub(super) struct Functions {
    context: Arc<TaskContext>,
}

/// Written where a function is not the one of that name in the session.
const OURS: &[u8] = &[1];
const STOCK: &[u8] = &[2];

/// Written behind it for an aggregate whose input has the order that it wants.
const ORDERED: u8 = 3;

impl Functions {
    pub(super) fn new(context: &Arc<TaskContext>) -> Self {
        Self { context: Arc::clone(context) }
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Functions")
    }
}

/// Our own scalar functions, those included that no statement can call.
fn our_scalars() -> Vec<Arc<ScalarUDF>> {
    let mut functions = guard::scalar_functions();
    functions.extend(meaning::functions());
    functions.push(single_row_udf());
    functions
}

/// What is written beside the name of a function: where it comes from, nothing if the session has it.
fn origin<F: PartialEq>(
    function: &F,
    name: &str,
    in_session: Result<Arc<F>>,
    ours: impl FnOnce() -> Vec<Arc<F>>,
    stock: impl FnOnce() -> Vec<Arc<F>>,
) -> Result<&'static [u8]> {
    let is_it = |other: &Arc<F>| other.as_ref() == function;
    if in_session.is_ok_and(|other| is_it(&other)) {
        Ok(&[])
    } else if ours().iter().any(is_it) {
        Ok(OURS)
    } else if stock().iter().any(is_it) {
        Ok(STOCK)
    } else {
        Err(NotPortable::Function { name: name.to_owned() }.into())
    }
}

/// The function of a name and what is written beside it.
fn named<F>(
    name: &str,
    origin: &[u8],
    name_of: impl Fn(&F) -> &str,
    ours: impl FnOnce() -> Vec<Arc<F>>,
    stock: impl FnOnce() -> Vec<Arc<F>>,
) -> Result<Arc<F>> {
    let functions = match origin {
        OURS => ours(),
        STOCK => stock(),
        _ => Vec::new(),
    };
    let found = functions.into_iter().find(|function| name_of(function) == name);
    found.ok_or_else(|| DataFusionError::Plan(format!("no function named {name} is known here")))
}

impl PhysicalExtensionCodec for Functions {
    fn try_decode(
        &self,
        _: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::Internal("operators are decoded by the converter".to_owned()))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        _: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        Err(NotPortable::NoEncoding { what: node.name().to_owned() }.into())
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        let stock = SessionStateDefaults::default_scalar_functions;
        let written = origin(node, node.name(), self.context.udf(node.name()), our_scalars, stock)?;
        buf.extend_from_slice(written);
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        match buf {
            [] => self.context.udf(name),
            _ => {
                named(name, buf, |f: &ScalarUDF| f.name(), our_scalars, SessionStateDefaults::default_scalar_functions)
            }
        }
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        let written = |node: &AggregateUDF| {
            let stock = SessionStateDefaults::default_aggregate_functions;
            origin(node, node.name(), self.context.udaf(node.name()), guard::aggregate_functions, stock)
        };
        match written(node) {
            Ok(origin) => buf.extend_from_slice(origin),
            Err(error) => {
                let unordered = node.clone().with_beneficial_ordering(false)?.ok_or(error)?;
                buf.extend_from_slice(written(&unordered)?);
                buf.push(ORDERED);
            }
        }
        Ok(())
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        let stock = SessionStateDefaults::default_aggregate_functions;
        if let [origin @ .., ORDERED] = buf {
            let unordered = self.try_decode_udaf(name, origin)?;
            let ordered = unordered.as_ref().clone().with_beneficial_ordering(true)?;
            return Ok(ordered.map_or(unordered, Arc::new));
        }
        match buf {
            [] => self.context.udaf(name),
            _ => named(name, buf, |f: &AggregateUDF| f.name(), guard::aggregate_functions, stock),
        }
    }

    fn try_encode_udwf(&self, node: &WindowUDF, buf: &mut Vec<u8>) -> Result<()> {
        let stock = SessionStateDefaults::default_window_functions;
        buf.extend_from_slice(origin(node, node.name(), self.context.udwf(node.name()), Vec::new, stock)?);
        Ok(())
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> Result<Arc<WindowUDF>> {
        match buf {
            [] => self.context.udwf(name),
            _ => named(name, buf, |f: &WindowUDF| f.name(), Vec::new, SessionStateDefaults::default_window_functions),
        }
    }
}
