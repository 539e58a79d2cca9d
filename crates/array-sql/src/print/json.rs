//! Arrays as JSON: lists in lists.

use dolmen_kernels::{Block, KernelError, Scalar};
use num_complex::Complex;

use super::delimited::plain_text;
use super::element::scalars;

/// Appends the block as a list of lists, one level for each axis; a block without axes is its element alone.
///
/// JSON has no NaN and no infinity. They are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, as in the rows of a query,
/// because `null` would not tell them apart. A complex number is `{"real":1.0,"imag":-2.0}`, a point in time ISO 8601 in a
/// string, a span of time the count of its units; NaT is `null`, as a missing time is in the rows of a query.
///
/// # Errors
/// None at present; a block whose elements cannot be read.
pub fn append_json(block: &Block, out: &mut Vec<u8>) -> Result<(), KernelError> {
    let elements = scalars(block)?;
    append_list(block.shape(), &elements, out);
    Ok(())
}

fn append_list(shape: &[usize], elements: &[Scalar], out: &mut Vec<u8>) {
    let Some((len, inner)) = shape.split_first() else {
        elements.iter().for_each(|element| append_element(*element, out));
        return;
    };
    let n_inner: usize = inner.iter().product();
    out.push(b'[');
    for idx in 0..*len {
        if idx > 0 {
            out.push(b',');
        }
        append_list(inner, &elements[idx * n_inner..(idx + 1) * n_inner], out);
    }
    out.push(b']');
}

fn append_element(element: Scalar, out: &mut Vec<u8>) {
    match element {
        Scalar::C64(Complex { re, im }) => append_complex(Scalar::F32(re), Scalar::F32(im), out),
        Scalar::C128(Complex { re, im }) => append_complex(Scalar::F64(re), Scalar::F64(im), out),
        Scalar::DateTime(i64::MIN, _) | Scalar::TimeDelta(i64::MIN, _) => out.extend_from_slice(b"null"),
        _ => {
            let is_text = match element {
                Scalar::DateTime(..) => true,
                Scalar::F16(_) | Scalar::F32(_) | Scalar::F64(_) => !element.as_f64().is_some_and(f64::is_finite),
                _ => false,
            };
            let quote: &[u8] = if is_text { b"\"" } else { b"" };
            out.extend_from_slice(quote);
            out.extend_from_slice(plain_text(element).as_bytes());
            out.extend_from_slice(quote);
        }
    }
}

fn append_complex(real: Scalar, imaginary: Scalar, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"real\":");
    append_element(real, out);
    out.extend_from_slice(b",\"imag\":");
    append_element(imaginary, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use dolmen_kernels::TimeUnit;

    use super::*;

    fn json(block: &Block) -> String {
        let mut out = Vec::new();
        append_json(block, &mut out).unwrap();
        serde_json::from_slice::<serde_json::Value>(&out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nesting_follows_the_shape() {
        let count = |n: usize| (0..n as i64).collect::<Vec<_>>();
        let block = |shape: &[usize]| Block::from_vec(shape, count(shape.iter().product())).unwrap();
        let block = |shape: &[usize]| json(&block(shape));
        assert_eq!(block(&[]), "0");
        assert_eq!(block(&[2, 3]), "[[0,1,2],[3,4,5]]");
        assert_eq!(block(&[2, 1, 2]), "[[[0,1]],[[2,3]]]");
        assert_eq!(block(&[2, 0]), "[[],[]]");
        assert_eq!(block(&[0, 2]), "[]");
    }

    #[test]
    fn what_json_lacks_is_text() {
        let floats = vec![1.0, -0.5, 1e300, f64::NAN, f64::NEG_INFINITY];
        assert_eq!(json(&Block::from_vec(&[5], floats).unwrap()), r#"[1.0,-0.5,1e+300,"NaN","-Infinity"]"#);
        let complex = vec![Complex::new(1.0_f32, f32::NAN)];
        assert_eq!(json(&Block::from_vec(&[1], complex).unwrap()), r#"[{"real":1.0,"imag":"NaN"}]"#);
        let time = |value| Block::scalar(Scalar::DateTime(value, TimeUnit::Second));
        assert_eq!(json(&time(1_388_534_400)), "\"2014-01-01T00:00:00\"");
        assert_eq!(json(&time(i64::MIN)), "null");
        assert_eq!(json(&Block::scalar(Scalar::Bool(true))), "true");
    }
}
