//! Laws of which the parameters are arrays: each element has its own.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Distribution, Law, Random};
use crate::block::{Strides, c_strides, n_elements};
use crate::cursor::Cursor;
use crate::{Block, DType, KernelError, Pool, Region, Result, Scalar};

/// The most parameters that a law has.
const PARAMETERS_MAX: usize = 3;

/// The laws that draw with their parameters at hand, without these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// [`Distribution::Integers`], of which all bounds fit a dtype.
    Integers(DType),
    /// [`Law::Gamma`].
    Gamma,
    /// [`Law::VonMises`].
    VonMises,
    /// [`Law::Poisson`].
    Poisson,
    /// [`Law::Binomial`].
    Binomial,
    /// [`Law::Hypergeometric`].
    Hypergeometric,
    /// [`Law::Zipf`].
    Zipf,
    /// [`Law::LogSeries`].
    LogSeries,
}

impl Family {
    /// What parameters are read as, in the order of the law's fields.
    #[must_use]
    pub fn parameters(self) -> &'static [DType] {
        match self {
            Self::Integers(_) => &[DType::I64, DType::I64],
            Self::Gamma | Self::VonMises | Self::Poisson | Self::Zipf | Self::LogSeries => &[DType::F64],
            Self::Binomial => &[DType::I64, DType::F64],
            Self::Hypergeometric => &[DType::I64, DType::I64, DType::I64],
        }
    }

    /// The dtype of the numbers.
    #[must_use]
    pub fn dtype(self) -> DType {
        if matches!(self, Self::Gamma | Self::VonMises) { DType::F64 } else { DType::I64 }
    }

    /// The law with its parameters.
    ///
    /// # Errors
    /// [`KernelError::ParameterRange`], [`KernelError::Parameter`] for parameters that make no sense.
    pub fn with(self, parameters: &[Scalar]) -> Result<Distribution> {
        let integer = |at: usize| parameters.get(at).and_then(|value| value.as_int()).unwrap_or(0);
        let float = |at: usize| parameters.get(at).and_then(|value| value.as_f64()).unwrap_or(f64::NAN);
        let count = |op, parameter, at: usize| match u64::try_from(integer(at)) {
            Ok(n) => Ok(n),
            Err(_) => refuse(op, parameter, integer(at) as f64, "an integer that is not negative"),
        };
        let distribution = match self {
            Self::Integers(dtype) => {
                let (low, high) = (integer(0), integer(1));
                let fits = |value: i128| match dtype {
                    DType::Bool => (0..=1).contains(&value),
                    _ => Scalar::from_int(value, dtype).is_ok(),
                };
                for (parameter, value, last) in [("low", low, low), ("high", high, high - 1)] {
                    if low < high && !fits(last) {
                        return refuse("random.integers", parameter, value as f64, "a bound of what the dtype holds");
                    }
                }
                Distribution::Integers { low: low as i64, high: high as i64 }
            }
            Self::Gamma => Distribution::Law(Law::Gamma { shape: float(0) }),
            Self::VonMises => Distribution::Law(Law::VonMises { kappa: float(0) }),
            Self::Poisson => Distribution::Law(Law::Poisson { mean: float(0) }),
            Self::Binomial => {
                let n = count("random.binomial", "n", 0)?;
                Distribution::Law(Law::Binomial { n, p: float(1) })
            }
            Self::Hypergeometric => {
                let of = |parameter, at| count("random.hypergeometric", parameter, at);
                let (good, bad, n) = (of("ngood", 0)?, of("nbad", 1)?, of("nsample", 2)?);
                Distribution::Law(Law::Hypergeometric { good, bad, n })
            }
            Self::Zipf => Distribution::Law(Law::Zipf { power: float(0) }),
            Self::LogSeries => Distribution::Law(Law::LogSeries { p: float(0) }),
        };
        Random { distribution, seed: 0, stream: 0 }.check()?;
        Ok(distribution)
    }

    /// The numbers of `region` of an array, each by the parameters that `blocks`, which broadcast to the region, have for it.
    /// Elements of equal parameters are those that the law with these parameters has at their positions.
    ///
    /// # Errors
    /// As [`with`](Self::with), of the first element whose parameters make no sense; [`KernelError::Broadcast`],
    /// [`KernelError::WrongDType`], [`KernelError::OutOfMemory`].
    pub fn draw(self, blocks: &[Block], seed: u64, stream: u64, region: &Region, pool: &Pool) -> Result<Block> {
        region.check()?;
        let dtypes = self.parameters();
        let walk = Walk::new("random", blocks, dtypes, region)?;
        let (n, dtype) = (walk.n, self.dtype());
        let mut buffer = pool.buffer(n * 8)?;
        let bytes = &mut buffer.bytes_mut()[..n * 8];
        walk.runs(|at, len, words, start| {
            let values = dtypes.iter().zip(words).map(|(dtype, word)| match dtype {
                DType::F64 => Scalar::F64(f64::from_bits(word)),
                _ => Scalar::I64(word as i64),
            });
            let values: SmallVec<[Scalar; PARAMETERS_MAX]> = values.collect();
            let random = Random { distribution: self.with(&values)?, seed, stream };
            let out = &mut bytes[at * 8..(at + len) * 8];
            match dtype {
                DType::F64 => random.fill_f64(start, bytemuck::cast_slice_mut(out)),
                _ => random.fill_i64(start, bytemuck::cast_slice_mut(out)),
            }
            Ok(())
        })?;
        Ok(Block::contiguous(dtype, &region.shape, buffer.freeze()))
    }
}

/// Says that a parameter has a value that makes no sense.
pub(super) fn refuse<T>(op: &'static str, parameter: &'static str, value: f64, expected: &'static str) -> Result<T> {
    Err(KernelError::ParameterRange { op, parameter, value, expected })
}

/// The elements of a part of an array, with the words that some blocks have for each.
pub(super) struct Walk<'a> {
    region: &'a Region,
    blocks: Vec<Block>,
    /// The number of elements.
    pub(super) n: usize,
}

impl<'a> Walk<'a> {
    /// Of `region`, to which `blocks` of `dtypes` are broadcast.
    pub(super) fn new(op: &'static str, blocks: &[Block], dtypes: &[DType], region: &'a Region) -> Result<Self> {
        if blocks.len() != dtypes.len() {
            let problem = "are not as many as the law has";
            return Err(KernelError::Parameter { op, parameter: "the parameters", problem });
        }
        let views = blocks.iter().zip(dtypes).map(|(block, dtype)| {
            if block.dtype() != *dtype {
                return Err(KernelError::WrongDType { expected: *dtype, actual: block.dtype() });
            }
            block.broadcast_to(&region.shape)
        });
        Ok(Self { region, blocks: views.collect::<Result<_>>()?, n: n_elements(&region.shape)? })
    }

    /// Calls `run(at, len, words, start)` for runs of elements with the same words, which are neighbours in the whole array,
    /// from position `start` on there.
    pub(super) fn runs(
        &self,
        mut run: impl FnMut(usize, usize, [u64; PARAMETERS_MAX], u64) -> Result<()>,
    ) -> Result<()> {
        if self.n == 0 {
            return Ok(());
        }
        let Region { shape, start, whole } = self.region;
        let (none, whole) = (Strides::from_elem(0, shape.len()), c_strides(whole));
        let first = start.iter().zip(&whole).map(|(start, stride)| *start as isize * stride).sum();
        let strides = |at: usize| self.blocks.get(at).map_or(&none[..], Block::strides);
        let offset = |at: usize| self.blocks.get(at).map_or(0, |block| block.offset() as isize);
        let storage: [&[u64]; PARAMETERS_MAX] =
            std::array::from_fn(|at| self.blocks.get(at).map_or(&[][..], Block::words));
        let strides = [strides(0), strides(1), strides(2), &whole];
        let mut cursor = Cursor::of(shape, strides, [offset(0), offset(1), offset(2), first]);
        let (mut done, mut result) = (0, Ok(()));
        cursor.walk(self.n, |offsets, len, strides| {
            let words = |at: usize| -> [u64; PARAMETERS_MAX] {
                std::array::from_fn(|parameter| {
                    let place = offsets[parameter] + at as isize * strides[parameter];
                    storage[parameter].get(place as usize).copied().unwrap_or(0)
                })
            };
            let (is_constant, is_neighbour) = (strides[..PARAMETERS_MAX] == [0; PARAMETERS_MAX], strides[3] == 1);
            let mut at = 0;
            while at < len && result.is_ok() {
                let own = words(at);
                let mut end = if is_constant && is_neighbour { len } else { at + 1 };
                while is_neighbour && end < len && words(end) == own {
                    end += 1;
                }
                let start = offsets[3] + at as isize * strides[3];
                result = run(done + at, end - at, own, start as u64);
                at = end;
            }
            done += len;
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParameterRule;

    fn ints(shape: &[usize], values: Vec<i64>) -> Block {
        Block::from_vec(shape, values).unwrap()
    }

    #[test]
    fn each_element_is_that_of_its_law_at_its_position() {
        let pool = Pool::new(0);
        let region = Region { shape: [2, 5][..].into(), start: [1, 3][..].into(), whole: [4, 9][..].into() };
        let n = ints(&[2, 1], vec![7, 90]);
        let p = Block::from_vec(&[5], vec![0.1, 0.1, 0.5, 0.5, 1.0]).unwrap();
        let drawn = Family::Binomial.draw(&[n, p.clone()], 3, 4, &region, &pool).unwrap();
        assert_eq!(drawn.shape(), [2, 5]);
        let mut expected = Vec::new();
        for (row, n) in [7, 90].into_iter().enumerate() {
            for (column, p) in p.to_vec::<f64>().unwrap().into_iter().enumerate() {
                let random = Random { distribution: Distribution::Law(Law::Binomial { n, p }), seed: 3, stream: 4 };
                let mut number = [0];
                random.fill_i64(((1 + row) * 9 + 3 + column) as u64, &mut number);
                expected.push(number[0]);
            }
        }
        assert_eq!(drawn.to_vec::<i64>().unwrap(), expected);
        // Parameters whose elements do not stand in C order.
        let turned = ints(&[5, 2], vec![7, 90, 7, 90, 7, 90, 7, 90, 7, 90]).transpose(&[1, 0]).unwrap();
        let again = Family::Binomial.draw(&[turned, p], 3, 4, &region, &pool).unwrap();
        assert_eq!(again.to_vec::<i64>().unwrap(), expected);
        let empty = Region::whole(&[0, 5]);
        assert_eq!(Family::Poisson.draw(&[Block::scalar(Scalar::F64(1.0))], 0, 0, &empty, &pool).unwrap().len(), 0);
    }

    #[test]
    fn parameters_that_make_no_sense_are_errors() {
        let pool = Pool::new(0);
        let region = Region::whole(&[3]);
        let of = |family: Family, blocks: &[Block]| family.draw(blocks, 0, 0, &region, &pool).unwrap_err();
        let refused = of(Family::Binomial, &[ints(&[3], vec![1, -2, 3]), Block::scalar(Scalar::F64(0.5))]);
        assert_eq!(refused.to_string(), "`random.binomial`: n is -2; it should be an integer that is not negative");
        let refused = of(Family::Gamma, &[Block::from_vec(&[3], vec![1.0, f64::NAN, 1.0]).unwrap()]);
        assert!(matches!(refused, KernelError::Parameter { op: "random.gamma", .. }));
        let (low, high) = (ints(&[], vec![-1]), ints(&[3], vec![4, 256, 257]));
        assert!(matches!(of(Family::Integers(DType::U8), &[low, high.clone()]), KernelError::ParameterRange { .. }));
        let refused = of(Family::Integers(DType::U8), &[ints(&[], vec![0]), high.clone()]);
        assert!(matches!(refused, KernelError::ParameterRange { parameter: "high", value: 257.0, .. }));
        assert!(Family::Integers(DType::Bool).with(&[Scalar::I64(0), Scalar::I64(2)]).is_ok());
        assert!(Family::Integers(DType::Bool).with(&[Scalar::I64(0), Scalar::I64(3)]).is_err());
        assert!(matches!(of(Family::Poisson, &[high]), KernelError::WrongDType { .. }));
        assert!(matches!(of(Family::Poisson, &[]), KernelError::Parameter { .. }));
        let rule = ParameterRule::TriangularMode;
        assert_eq!(rule.apply([0.0, 1.0, 2.0]), Ok(1.0));
        for values in [[0.0, 3.0, 2.0], [1.0, 1.0, 1.0], [0.0, f64::NAN, 1.0], [f64::NEG_INFINITY, 0.0, 1.0]] {
            assert!(matches!(rule.apply(values), Err(KernelError::ParameterRange { .. })), "{values:?}");
        }
    }
}
