//! Reads NumPy's answers, and compares with them.

use std::collections::BTreeMap;

use dolmen_kernels::{Block, Buffer, DType, Pool, Scalar};
use serde_json::Value;

pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn unpack(packed: &Value) -> Block {
    let hex = packed["bytes"].as_str().unwrap();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let shape: Vec<usize> =
        packed["shape"].as_array().unwrap().iter().map(|len| len.as_u64().unwrap() as usize).collect();
    let mut buffer = Pool::new(0).buffer(bytes.len()).unwrap();
    buffer.bytes_mut().copy_from_slice(&bytes);
    let buffer: Buffer = buffer.freeze();
    Block::from_buffer(packed["dtype"].as_str().unwrap().parse().unwrap(), &shape, buffer).unwrap()
}

pub(crate) fn inputs(golden: &Value) -> BTreeMap<String, Block> {
    golden["inputs"].as_object().unwrap().iter().map(|(name, packed)| (name.clone(), unpack(packed))).collect()
}

/// The parts of a value as float64, for comparisons within a tolerance.
fn parts(value: Scalar) -> [f64; 2] {
    match value {
        Scalar::C64(value) => [value.re.into(), value.im.into()],
        Scalar::C128(value) => [value.re, value.im],
        value => [value.as_f64().unwrap(), 0.0],
    }
}

/// Whether the values are the same: exactly, or for inexact dtypes within `units` of the last place.
pub(crate) fn agrees(a: Scalar, b: Scalar, units: f64) -> bool {
    if !a.dtype().is_inexact() {
        return a == b;
    }
    let (epsilon, least) = match a.dtype().real() {
        DType::F16 => (1e-3, 6e-8),
        DType::F32 => (1.2e-7, 1e-37),
        _ => (2.3e-16, 1e-300),
    };
    let (a, b) = (parts(a), parts(b));
    let scale = a.iter().chain(&b).filter(|part| part.is_finite()).fold(0.0_f64, |scale, part| scale.max(part.abs()));
    a.iter().zip(&b).all(|(a, b)| {
        a.is_nan() && b.is_nan()
            || a == b && (*a != 0.0 || a.is_sign_negative() == b.is_sign_negative())
            || (a - b).abs() <= units * epsilon * scale + least
    })
}

/// Fails if there is any difference.
pub(crate) fn report(differences: &[String]) {
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
