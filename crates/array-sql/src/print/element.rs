//! The elements of an array, each as wide as the others.

use dolmen_kernels::{Block, DType, KernelError, Scalar};
use num_complex::Complex;

use super::float::{FloatFormat, FloatKind, Sign};
use super::{layout, shown_positions};

/// The array as NumPy's `str` writes it.
///
/// `shape` is that of the array. `shown` holds its elements; where the array is so large that only its corners are shown
/// ([`shown_positions`]), it holds those alone, so that nothing else has to be computed.
///
/// # Errors
/// [`KernelError::ElementCount`] if `shown` has another shape than that.
pub fn numpy_text(shape: &[usize], shown: &Block) -> Result<String, KernelError> {
    if shape.is_empty() {
        return Ok(shown.item()?.to_string());
    }
    if shape.contains(&0) {
        return Ok("[]".to_owned());
    }
    let corner: Vec<usize> = match shown_positions(shape) {
        None => shape.to_vec(),
        Some(positions) => positions.iter().map(Vec::len).collect(),
    };
    if shown.shape() != corner {
        return Err(KernelError::ElementCount { n_elements: shown.len(), shape: corner.into_iter().collect() });
    }
    Ok(layout::lines(shape, &cells(&scalars(shown)?)))
}

/// The elements of a block in C order.
pub(super) fn scalars(block: &Block) -> Result<Vec<Scalar>, KernelError> {
    let mut scalars = Vec::with_capacity(block.len());
    let mut index = vec![0; block.ndim()];
    for _ in 0..block.len() {
        scalars.push(block.get(&index)?);
        for (at, len) in index.iter_mut().zip(block.shape()).rev() {
            *at += 1;
            if *at < *len {
                break;
            }
            *at = 0;
        }
    }
    Ok(scalars)
}

fn cells(scalars: &[Scalar]) -> Vec<String> {
    match scalars.first().map(|scalar| scalar.dtype()) {
        Some(DType::Bool) => right_aligned(scalars.iter().map(ToString::to_string).collect(), 5),
        Some(DType::F16) => floats(scalars, FloatKind::Half),
        Some(DType::F32) => floats(scalars, FloatKind::Single),
        Some(DType::F64) => floats(scalars, FloatKind::Double),
        Some(DType::C64) => complex_numbers(scalars, FloatKind::Single),
        Some(DType::C128) => complex_numbers(scalars, FloatKind::Double),
        _ => right_aligned(scalars.iter().map(exact_text).collect(), 0),
    }
}

/// The text of an integer, or of a point or span of time.
fn exact_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::DateTime(..) => format!("'{scalar}'"),
        Scalar::TimeDelta(i64::MIN, _) => "'NaT'".to_owned(),
        Scalar::TimeDelta(count, _) => count.to_string(),
        _ => scalar.to_string(),
    }
}

fn right_aligned(texts: Vec<String>, width_min: usize) -> Vec<String> {
    let width = texts.iter().map(String::len).max().unwrap_or(0).max(width_min);
    texts.into_iter().map(|text| format!("{text:>width$}")).collect()
}

fn floats(scalars: &[Scalar], kind: FloatKind) -> Vec<String> {
    let values: Vec<f64> = scalars.iter().map(|scalar| scalar.as_f64().unwrap_or(f64::NAN)).collect();
    let format = FloatFormat::of(&values, kind, Sign::Minus);
    values.iter().map(|value| format.text(*value)).collect()
}

fn complex_numbers(scalars: &[Scalar], kind: FloatKind) -> Vec<String> {
    let values: Vec<Complex<f64>> = scalars
        .iter()
        .map(|scalar| match scalar {
            Scalar::C64(value) => Complex::new(f64::from(value.re), f64::from(value.im)),
            Scalar::C128(value) => *value,
            _ => Complex::new(f64::NAN, f64::NAN),
        })
        .collect();
    let real: Vec<f64> = values.iter().map(|value| value.re).collect();
    let imaginary: Vec<f64> = values.iter().map(|value| value.im).collect();
    let real = FloatFormat::of(&real, kind, Sign::Minus);
    let imaginary = FloatFormat::of(&imaginary, kind, Sign::Always);
    let text = |value: &Complex<f64>| {
        let imaginary = imaginary.text(value.im);
        // The j stands before the blanks that make the numbers equally wide.
        let digits = imaginary.trim_end();
        format!("{}{digits}j{}", real.text(value.re), &imaginary[digits.len()..])
    };
    values.iter().map(text).collect()
}
