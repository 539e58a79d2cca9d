//! What `DESCRIBE` and `SHOW ARRAYS` tell of an array, without computing it.

use dolmen_array::{Array, ArrayError};

/// An array in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArraySummary {
    /// As Python writes it: `(4, 6)`; `nan` for a length that is known only when the array is computed.
    pub shape: String,
    /// NumPy's name of the dtype.
    pub dtype: String,
    /// The sizes of the blocks along each axis, long lists shortened: `((2, 2), (3, 3))`.
    pub chunks: String,
    /// The number of blocks.
    pub n_blocks: u32,
    /// The bytes of all elements, if the shape is known.
    pub nbytes: Option<usize>,
    /// The tasks that computing it takes.
    pub n_tasks: u64,
}

/// Tells of an array what is known before it is computed.
///
/// # Errors
/// Those of the array; chunks that are more than a graph can number.
pub fn summarize(array: &Array) -> Result<ArraySummary, ArrayError> {
    array.check()?;
    let dims: Vec<String> =
        array.dims().iter().map(|len| len.map_or_else(|| "nan".to_owned(), |len| len.to_string())).collect();
    let shape = match dims.as_slice() {
        [one] => format!("({one},)"),
        _ => format!("({})", dims.join(", ")),
    };
    Ok(ArraySummary {
        shape,
        dtype: array.dtype().name(),
        chunks: array.chunks().to_string(),
        n_blocks: array.chunks().n_blocks()?,
        nbytes: array.nbytes(),
        n_tasks: array.n_tasks()?,
    })
}

impl ArraySummary {
    /// The rows of `DESCRIBE`: what, and its value.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("shape", self.shape.clone()),
            ("dtype", self.dtype.clone()),
            ("chunks", self.chunks.clone()),
            ("blocks", self.n_blocks.to_string()),
            ("bytes", self.nbytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string())),
            ("tasks", self.n_tasks.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use dolmen_kernels::DType;

    use super::*;

    #[test]
    fn known_and_unknown_shapes() {
        let x = Array::ones(&[4, 6], DType::F32, [2, 4]).unwrap();
        let summary = summarize(&x).unwrap();
        assert_eq!(summary.shape, "(4, 6)");
        assert_eq!(summary.chunks, "((2, 2), (4, 2))");
        assert_eq!((summary.n_blocks, summary.nbytes, summary.dtype.as_str()), (4, Some(96), "float32"));
        assert!(summary.n_tasks >= 4);

        let mask = x.greater(0.0).unwrap();
        let selected = summarize(&x.index(&[mask.into()]).unwrap()).unwrap();
        assert_eq!((selected.shape.as_str(), selected.nbytes), ("(nan,)", None));
        assert_eq!(selected.rows()[4], ("bytes", "unknown".to_owned()));
        assert_eq!(summarize(&Array::scalar(dolmen_kernels::Scalar::I64(1))).unwrap().shape, "()");
    }
}
