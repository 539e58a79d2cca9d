//! Arguments as bytes with gaps, which the values of other tasks fill.

use serde::{Deserialize, Serialize};

use crate::{TaskError, ValueRef};

/// The encoded arguments of a call, with a gap for every value that is not known yet.
///
/// The encoding of a compound value is that of its parts one behind the other, with counts before sequences. So the
/// encoding of `vec![a, b]` is made of those of `a` and `b`, whichever of them are known now, and the receiver reads it
/// without knowing where they came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    segments: Vec<Segment>,
    /// The first value that could not be encoded.
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Segment {
    Bytes(Vec<u8>),
    /// The position of a value among those that the call needs.
    Gap(u32),
}

impl Template {
    /// Adds a value that is known.
    pub(crate) fn push<T: Serialize>(&mut self, value: &T) {
        match postcard::to_stdvec(value) {
            Ok(bytes) => match self.segments.last_mut() {
                Some(Segment::Bytes(last)) => last.extend(bytes),
                _ => self.segments.push(Segment::Bytes(bytes)),
            },
            Err(error) => {
                self.error.get_or_insert(error.to_string());
            }
        }
    }

    /// Adds the value of another task.
    pub(crate) fn push_gap(&mut self, position: u32) {
        self.segments.push(Segment::Gap(position));
    }

    /// Moves the gap at each position to the one that `positions` gives for it.
    pub(crate) fn move_gaps(&mut self, positions: &[u32]) {
        for segment in &mut self.segments {
            if let Segment::Gap(position) = segment {
                *position = positions[*position as usize];
            }
        }
    }

    /// Why the arguments cannot be sent, if they cannot.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The arguments as bytes, with the gaps filled.
    pub(crate) fn fill(&self, inputs: &[ValueRef]) -> Result<Vec<u8>, TaskError> {
        let mut filled = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Bytes(bytes) => filled.extend_from_slice(bytes),
                Segment::Gap(position) => {
                    let position = *position as usize;
                    let value = inputs.get(position).ok_or(TaskError::InputMissing { input_idx: 0, position })?;
                    value.encode()?.parts.iter().for_each(|part| filled.extend_from_slice(part));
                }
            }
        }
        Ok(filled)
    }
}
