//! Every function against NumPy, under several chunkings.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

#[path = "golden/answers.rs"]
mod answers;
#[path = "golden/cases.rs"]
mod cases;
mod common;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use dolmen_array::Array;

#[test]
fn answers_are_numpys_however_the_inputs_are_cut() {
    let (inputs, said) = answers::read();
    let cases: HashMap<&str, cases::Case> = cases::CASES.iter().copied().collect();
    for (name, _) in &said {
        assert!(cases.contains_key(&**name), "there is no case `{name}`");
    }
    let mut problems = Vec::new();
    for (name, answer) in &said {
        for round in 0..4 {
            let cut = |name: &str| {
                let array = inputs[name].array();
                let shape = array.shape().unwrap();
                let seed = name.bytes().fold(1, |seed: u64, byte| seed * 31 + u64::from(byte)) + round;
                array.rechunk(common::chunkings(seed, &shape)[round as usize].clone()).unwrap()
            };
            let checked = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let array: Array = cases[&**name](&cut).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(array.dtype(), answer.dtype, "{name}");
                answer.check(&common::compute(&array), &format!("{name}, round {round}"));
            }));
            if checked.is_err() {
                problems.push(format!("{name}, round {round}"));
                break;
            }
        }
    }
    assert!(problems.is_empty(), "{} of {}: {problems:?}", problems.len(), said.len());
}
