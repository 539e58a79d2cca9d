//! Arrays as text, beside NumPy's own.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use dolmen_array_sql::{numpy_text, shown_positions};
use dolmen_kernels::{Block, Buffer, DType};
use serde::Deserialize;

/// A case of tests/golden/print.py.
#[derive(Deserialize)]
struct Case {
    dtype: String,
    shape: Vec<usize>,
    stored: Vec<usize>,
    bytes: String,
    text: String,
}

fn block(case: &Case) -> Block {
    let dtype: DType = case.dtype.parse().unwrap();
    let bytes: Vec<u8> =
        (0..case.bytes.len()).step_by(2).map(|at| u8::from_str_radix(&case.bytes[at..at + 2], 16).unwrap()).collect();
    // Into memory that is aligned for every dtype.
    let mut buffer = dolmen_kernels::Pool::new(0).buffer(bytes.len()).unwrap();
    buffer.bytes_mut()[..bytes.len()].copy_from_slice(&bytes);
    let buffer: Buffer = buffer.freeze();
    Block::from_buffer(dtype, &case.stored, buffer).unwrap()
}

#[test]
fn every_array_prints_as_numpy_prints_it() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/print.json")).unwrap();
    assert!(cases.len() > 250);
    let mut failures = Vec::new();
    for case in &cases {
        let text = numpy_text(&case.shape, &block(case)).unwrap();
        if text != case.text {
            failures.push(format!("{} {:?}\nNumPy:\n{}\nours:\n{text}", case.dtype, case.shape, case.text));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn only_the_corners_of_a_large_array_are_asked_for() {
    assert_eq!(shown_positions(&[1000]), None);
    assert_eq!(
        shown_positions(&[4, 1 << 40]).unwrap(),
        [vec![0, 1, 2, 3], vec![0, 1, 2, (1 << 40) - 3, (1 << 40) - 2, (1 << 40) - 1]]
    );
    assert_eq!(shown_positions(&[usize::MAX, usize::MAX, 0]), None);
    assert_eq!(shown_positions(&[usize::MAX, usize::MAX]).unwrap().len(), 2);
    let whole = Block::from_vec(&[1001], vec![0_u8; 1001]).unwrap();
    assert!(numpy_text(&[1001], &whole).is_err());
}
