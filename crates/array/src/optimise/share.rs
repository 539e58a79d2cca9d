//! Equal parts of expressions made one.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::{inputs_first, key};
use crate::node::{Expr, Node, Operand};
use crate::{Array, ArrayError};

/// The arrays with equal parts computed once: parts are equal if they do the same to the same inputs.
///
/// # Errors
/// The error of an array that an operator could not make.
pub(super) fn share(arrays: &[Array]) -> Result<Vec<Array>, ArrayError> {
    let mut known: HashMap<Vec<u8>, Array> = HashMap::new();
    let mut done: HashMap<*const Node, Array> = HashMap::new();
    for array in inputs_first(arrays) {
        array.check()?;
        let node = &*array.node;
        let mut expr = node.expr.clone();
        let mut has_changed = false;
        for input in expr.inputs_mut() {
            let one = &done[&key(input)];
            has_changed |= !Arc::ptr_eq(&one.node, &input.node);
            *input = one.clone();
        }
        let made = match has_changed {
            true => Array::from_node(expr, node.dtype, node.chunks.clone()),
            false => array.clone(),
        };
        let one = match signature(&made) {
            Some(signature) => known.entry(signature).or_insert(made).clone(),
            None => made,
        };
        done.insert(key(&array), one);
    }
    Ok(arrays.iter().map(|array| done[&key(array)].clone()).collect())
}

/// What an array does to which inputs, as bytes: equal for equal arrays. `None` if that cannot be told.
fn signature(array: &Array) -> Option<Vec<u8>> {
    let node = &*array.node;
    let operands = |operands: &[Operand]| {
        let all: Vec<_> = operands.iter().map(|operand| (key(&operand.array) as usize, operand.axes.clone())).collect();
        bytes(&all)
    };
    let of = |input: &Array| key(input) as usize;
    let own = match &node.expr {
        // Different arrays in memory are rarely equal, and to compare them takes time.
        Expr::Failed(_) | Expr::Memory(_) | Expr::External(_) | Expr::Persisted(_) => return None,
        Expr::Source { source, slices } => bytes(&(0, std::ptr::from_ref(&**source).addr(), slices))?,
        Expr::Elementwise(own) => [bytes(&(1, &own.formula))?, operands(&own.operands)?].concat(),
        Expr::View(operand) => [bytes(&2)?, operands(std::slice::from_ref(operand))?].concat(),
        Expr::Slice { input, slices } => bytes(&(3, of(input), slices))?,
        Expr::Rechunk { input } => bytes(&(4, of(input)))?,
        Expr::Concat { axis, inputs } => bytes(&(5, axis, inputs.iter().map(of).collect::<Vec<_>>()))?,
        Expr::Take { input, axis, positions } => bytes(&(6, of(input), axis, &**positions))?,
        Expr::Gather { input, points, axes } => bytes(&(7, of(input), &**points, axes))?,
        Expr::Place { base, value, slices } => bytes(&(8, of(base), of(value), slices))?,
        Expr::Reduce(own) => [bytes(&(9, &own.formula, &own.spec))?, operands(&own.operands)?].concat(),
        Expr::Windows { input, windows } => bytes(&(10, of(input), windows))?,
        Expr::Blockwise { kernel, operands: own } => [bytes(&(11, &**kernel))?, operands(own)?].concat(),
        // Whether two functions of the user are the same is known only of the same one.
        Expr::Function { function, operands: own, others } => {
            [bytes(&(12, function.identity(), others))?, operands(own)?].concat()
        }
        Expr::Part { input, idx } => bytes(&(13, of(input), idx))?,
    };
    Some([bytes(&(node.dtype, &node.chunks))?, own].concat())
}

fn bytes(value: &impl Serialize) -> Option<Vec<u8>> {
    postcard::to_stdvec(value).ok()
}
