//! The answers that NumPy gave, as `make.py` wrote them.

use std::collections::HashMap;

use dolmen_array::Array;
use dolmen_kernels::{Block, DType, Op, Pool, Region};

/// An array as NumPy has it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Real and imaginary parts.
    pub(crate) values: Vec<(f64, f64)>,
}

/// Inputs and cases by name.
pub(crate) fn read() -> (HashMap<String, Answer>, Vec<(String, Answer)>) {
    let (mut inputs, mut cases) = (HashMap::new(), Vec::new());
    for line in include_str!("answers.txt").lines() {
        let mut words = line.split(' ');
        let mut next = || words.next().expect("a line has a kind, a name, a dtype and a shape");
        let (kind, name, dtype, shape) = (next(), next().to_owned(), next(), next());
        let shape = if shape == "-" { Vec::new() } else { shape.split('x').map(|len| len.parse().unwrap()).collect() };
        let value = |word: &str| match word.split_once(',') {
            Some((re, im)) => (re.parse().unwrap(), im.parse().unwrap()),
            None => (word.parse().unwrap(), 0.0),
        };
        let answer = Answer { dtype: dtype.parse().unwrap(), shape, values: words.map(value).collect() };
        match kind {
            "input" => drop(inputs.insert(name, answer)),
            _ => cases.push((name, answer)),
        }
    }
    (inputs, cases)
}

impl Answer {
    /// The answer as an array in one block.
    pub(crate) fn array(&self) -> Array {
        if self.dtype == DType::C128 {
            let values = self.values.iter().map(|(re, im)| num_complex::Complex::new(*re, *im)).collect();
            return Array::from_vec(&self.shape, values).unwrap();
        }
        let values: Vec<f64> = self.values.iter().map(|(re, _)| *re).collect();
        Array::from_vec(&self.shape, values).unwrap().astype(self.dtype).unwrap()
    }

    /// Fails unless `block` is the answer, floats but for rounding.
    pub(crate) fn check(&self, block: &Block, what: &str) {
        assert_eq!((block.dtype(), block.shape()), (self.dtype, &self.shape[..]), "{what}");
        let found = numbers(block);
        let tolerance = if matches!(self.dtype, DType::F32 | DType::C64) { 1e-5 } else { 1e-12 };
        for (at, (found, said)) in found.iter().zip(&self.values).enumerate() {
            let is_near = |a: f64, b: f64| {
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
            };
            assert!(
                is_near(found.0, said.0) && is_near(found.1, said.1),
                "{what}: element {at} is {found:?}, not {said:?}"
            );
        }
        assert_eq!(found.len(), self.values.len(), "{what}");
    }
}

/// The elements as real and imaginary parts.
pub(crate) fn numbers(block: &Block) -> Vec<(f64, f64)> {
    if matches!(block.dtype(), DType::C64 | DType::C128) {
        let wide = cast(block, DType::C128).to_vec::<num_complex::Complex<f64>>().unwrap();
        return wide.into_iter().map(|value| (value.re, value.im)).collect();
    }
    cast(block, DType::F64).to_vec::<f64>().unwrap().into_iter().map(|value| (value, 0.0)).collect()
}

fn cast(block: &Block, dtype: DType) -> Block {
    let mut builder = dolmen_kernels::ProgramBuilder::new();
    let input = builder.input(block.dtype());
    let wide = builder.apply(Op::Cast(dtype), &[input]).unwrap();
    builder
        .finish(wide)
        .unwrap()
        .run(std::slice::from_ref(block), &Region::whole(block.shape()), &Pool::new(0))
        .unwrap()
}
