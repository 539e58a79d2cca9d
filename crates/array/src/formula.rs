//! What is computed for each element, as data.

mod program;

use dolmen_kernels::{Op, Random, Scalar, WeakScalar};

pub(crate) use program::{operands_of, run};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::slice::AxisSlice;

/// Steps in an order in which each uses earlier ones only; the last one is the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Formula {
    pub(crate) steps: Vec<Step>,
}

/// One step of a formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// The element of an operand.
    Input(u32),
    /// A literal.
    Weak(WeakScalar),
    /// A value with a dtype.
    Strong(Scalar),
    /// An operation on earlier steps.
    Apply { op: Op, args: SmallVec<[u32; 3]> },
    /// `start + step * i`, `i` being the position along an axis of the output.
    Index { axis: u32, start: i64, step: i64 },
    /// A random number, by the position of the element in the whole array.
    Random(Random),
}

impl Formula {
    /// A formula of one step.
    pub(crate) fn single(step: Step) -> Self {
        Self { steps: vec![step] }
    }

    /// The number of operations that it takes for each element.
    pub(crate) fn n_operations(&self) -> usize {
        self.steps.iter().filter(|step| !matches!(step, Step::Input(_) | Step::Weak(_) | Step::Strong(_))).count()
    }

    /// Whether it makes random numbers, which takes longer than to read them from memory.
    pub(crate) fn is_random(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Random(_)))
    }

    /// Whether elements differ by where they are, so that none stands for all.
    pub(crate) fn has_positions(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Index { .. } | Step::Random(_)))
    }

    /// The name of its last operation.
    pub(crate) fn name(&self) -> &'static str {
        match self.steps.last() {
            Some(Step::Apply { op, .. }) => op.name(),
            Some(Step::Index { .. }) => "arange",
            Some(Step::Random(_)) => "random",
            Some(Step::Input(_)) => "copy",
            Some(Step::Weak(_) | Step::Strong(_)) | None => "full",
        }
    }

    /// The formula with each operand replaced by what `replace` appends to the steps for it, and gives the number of.
    pub(crate) fn substitute(&self, mut replace: impl FnMut(u32, &mut Vec<Step>) -> u32) -> Self {
        let mut steps: Vec<Step> = Vec::with_capacity(self.steps.len());
        let mut of_input: Vec<(u32, u32)> = Vec::new();
        let mut places: Vec<u32> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let place = match step {
                Step::Input(input) => match of_input.iter().find(|(known, _)| known == input) {
                    Some((_, place)) => *place,
                    None => {
                        let place = replace(*input, &mut steps);
                        of_input.push((*input, place));
                        place
                    }
                },
                Step::Apply { op, args } => {
                    let args = args.iter().map(|arg| places[*arg as usize]).collect();
                    push(&mut steps, Step::Apply { op: *op, args })
                }
                other => push(&mut steps, other.clone()),
            };
            places.push(place);
        }
        let result = places.last().copied().unwrap_or(0) as usize;
        // The result is the last step: what stands behind it is used by nobody.
        steps.truncate(result + 1);
        Self { steps }
    }

    /// The formula for a slice of its output; `None` if a step cannot be told for a slice.
    pub(crate) fn sliced(&self, slices: &[Option<AxisSlice>]) -> Option<Self> {
        let steps = self.steps.iter().map(|own| match own {
            Step::Index { axis, start, step } => match &slices[*axis as usize] {
                None => Some(own.clone()),
                Some(slice) => {
                    let first = start.checked_add(step.checked_mul(i64::try_from(slice.start).ok()?)?)?;
                    Some(Step::Index { axis: *axis, start: first, step: step.checked_mul(slice.step as i64)? })
                }
            },
            Step::Random(_) => None,
            other => Some(other.clone()),
        });
        Some(Self { steps: steps.collect::<Option<_>>()? })
    }
}

fn push(steps: &mut Vec<Step>, step: Step) -> u32 {
    steps.push(step);
    u32::try_from(steps.len() - 1).expect("a formula is bounded by the optimiser")
}

/// Appends a formula, of which the inputs are given as places of steps, and gives the place of its result.
pub(crate) fn append(steps: &mut Vec<Step>, formula: &Formula, inputs: &[u32]) -> u32 {
    let mut places: Vec<u32> = Vec::with_capacity(formula.steps.len());
    for step in &formula.steps {
        let place = match step {
            Step::Input(input) => inputs[*input as usize],
            Step::Apply { op, args } => {
                let args = args.iter().map(|arg| places[*arg as usize]).collect();
                push(steps, Step::Apply { op: *op, args })
            }
            other => push(steps, other.clone()),
        };
        places.push(place);
    }
    places.last().copied().unwrap_or(0)
}
