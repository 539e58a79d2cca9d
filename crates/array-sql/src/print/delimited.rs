//! Arrays of up to two axes as CSV.

use dolmen_kernels::{Block, KernelError, Scalar};

use super::element::scalars;

/// Appends the block as CSV without a header: a line for each row, or for each element if there is one axis or none.
///
/// Numbers are the fewest digits that read back as the same number, `NaN`, `Infinity`; truth values `true` and `false`;
/// times ISO 8601, and nothing for NaT: what `read_csv` takes back. A complex number is written as Python does: `(1-2j)`.
///
/// # Errors
/// [`KernelError::WrongRank`] for a block of more than two axes.
pub fn append_csv(block: &Block, out: &mut Vec<u8>) -> Result<(), KernelError> {
    if block.ndim() > 2 {
        let expected = "an array of at most two axes; take one slice of it, or write .npy or .zarr";
        return Err(KernelError::WrongRank { op: "csv", expected, n_axes: block.ndim() });
    }
    let n_columns = if block.ndim() == 2 { block.shape()[1] } else { 1 };
    if n_columns == 0 {
        out.resize(out.len() + block.shape()[0], b'\n');
        return Ok(());
    }
    for row in scalars(block)?.chunks(n_columns) {
        for (idx, scalar) in row.iter().enumerate() {
            if idx > 0 {
                out.push(b',');
            }
            out.extend_from_slice(plain_text(*scalar).as_bytes());
        }
        out.push(b'\n');
    }
    Ok(())
}

/// The value as the other outputs of the engine write it.
pub(super) fn plain_text(scalar: Scalar) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::F16(_) | Scalar::F32(_) | Scalar::F64(_) => match scalar.as_f64() {
            Some(value) if value.is_nan() => "NaN".to_owned(),
            Some(f64::INFINITY) => "Infinity".to_owned(),
            Some(f64::NEG_INFINITY) => "-Infinity".to_owned(),
            _ => scalar.to_string(),
        },
        Scalar::DateTime(i64::MIN, _) | Scalar::TimeDelta(i64::MIN, _) => String::new(),
        Scalar::TimeDelta(count, _) => count.to_string(),
        _ => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(block: &Block) -> String {
        let mut out = Vec::new();
        append_csv(block, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_are_lines() {
        let floats = vec![1.0, f64::NAN, 1e16, -0.25, f64::INFINITY, 0.1];
        assert_eq!(csv(&Block::from_vec(&[2, 3], floats).unwrap()), "1.0,NaN,1e+16\n-0.25,Infinity,0.1\n");
        assert_eq!(csv(&Block::from_vec(&[2], vec![true, false]).unwrap()), "true\nfalse\n");
        assert_eq!(csv(&Block::scalar(Scalar::U8(7))), "7\n");
        assert_eq!(csv(&Block::from_vec::<i64>(&[2, 0], vec![]).unwrap()), "\n\n");
    }

    #[test]
    fn three_axes_are_refused() {
        let block = Block::full(&[1, 1, 1], Scalar::U8(7));
        let error = append_csv(&block, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("at most two axes"), "{error}");
    }
}
