//! The expressions of `make.py`, in Rust.

use dolmen_array::{
    Array, ArrayError, BlockError, BlockFn, BlockInfo, Boundary, ChunkSpec, Depth, HistogramBins, Index, NormOrder,
    PadMode, Reduce,
};
use dolmen_kernels::{Block, DType, WeakScalar};

/// An expression over named inputs.
pub(crate) type Case = fn(&dyn Fn(&str) -> Array) -> Result<Array, ArrayError>;

const AUTO: ChunkSpec = ChunkSpec::Auto;

fn at(index: isize) -> Index {
    Index::At(index)
}

fn all() -> Index {
    Index::from(..)
}

fn step(start: Option<isize>, stop: Option<isize>, step: isize) -> Index {
    Index::slice(start, stop, Some(step))
}

fn list(values: &[isize]) -> Index {
    Index::from(values.to_vec())
}

fn list_2d(shape: [usize; 2], values: &[isize]) -> Index {
    Index::Ints { shape: shape.to_vec(), values: values.to_vec() }
}

/// The names and the expressions.
pub(crate) const CASES: &[(&str, Case)] = &[
    ("add", |i| Ok(i("a") + i("b"))),
    ("broadcast", |i| Ok(i("a") * i("r") - i("c"))),
    ("scalar_weak", |i| Ok(i("u") + 1)),
    ("int_divide", |i| Ok(i("n") / 2)),
    ("floor_divide", |i| i("n").floor_divide(3)),
    ("remainder", |i| Ok(i("n") % -4)),
    ("mixed", |i| Ok(i("s").index(&[(0..6).into(), Index::NewAxis])? + i("f").index(&[(0..1).into()])?)),
    ("power", |i| i("a").absolute()?.power(1.5)),
    ("compare", |i| i("a").greater(i("b"))),
    ("invert", |i| Ok(!i("m") & i("a").less(0)?)),
    ("where", |i| Array::where_(i("m"), i("a"), i("b"))),
    ("where_row", |i| Array::where_(i("m"), i("r"), 0.0)),
    ("clip", |i| i("n").clip(-2, 3)),
    ("round", |i| (i("a") * 10).round(1)),
    ("sqrt_i8", |i| i("s").astype(DType::F64)?.absolute()?.sqrt()),
    ("exp_sum", |i| i("a").exp()?.sum(&Reduce::all())),
    ("trig", |i| Ok(i("a").sin()?.power(2)? + i("a").cos()?.power(2)?)),
    ("isnan", |i| i("w").isnan()),
    ("complex", |i| (i("z") * i("z").conjugate()? + i("z").real()?).absolute()),
    ("astype", |i| (i("a") * 10).astype(DType::I16)),
    ("chain", |i| (i("a") * i("b") + i("r")).absolute()?.sqrt()?.sum(&Reduce::axis(1))),
    ("hypot", |i| i("a").hypot(i("b"))),
    ("sum", |i| i("a").sum(&Reduce::all())),
    ("sum_axis", |i| i("n").sum(&Reduce::axis(1))),
    ("sum_axes", |i| i("n").sum(&Reduce::over(&[0, -1]))),
    ("sum_keep", |i| i("n").sum(&Reduce::over(&[0, 2]).keepdims().split_every(2))),
    ("sum_u8", |i| i("u").sum(&Reduce::axis(0))),
    ("sum_dtype", |i| i("s").sum(&Reduce::all().dtype(DType::I8))),
    ("prod", |i| (i("n").index(&[all(), (..2).into(), at(0)])? + 10).prod(&Reduce::axis(1))),
    ("mean", |i| i("n").mean(&Reduce::axis(2))),
    ("mean_f32", |i| i("f").mean(&Reduce::axis(0))),
    ("var", |i| i("a").var(&Reduce::axis(1).ddof(1.0))),
    ("std", |i| i("n").std(&Reduce::all())),
    ("min", |i| i("n").min(&Reduce::over(&[1, 2]))),
    ("max", |i| i("u").max(&Reduce::axis(0))),
    ("any", |i| i("a").greater(2)?.any(&Reduce::axis(0))),
    ("all", |i| i("a").greater(-2)?.all(&Reduce::all())),
    ("argmin", |i| i("n").argmin(&Reduce::axis(1))),
    ("argmax", |i| i("n").argmax(&Reduce::all())),
    ("count_nonzero", |i| i("n").count_nonzero(&Reduce::axis(0))),
    ("nansum", |i| i("w").nansum(&Reduce::axis(0))),
    ("nanmean", |i| i("w").nanmean(&Reduce::axis(1))),
    ("nanmax", |i| i("w").nanmax(&Reduce::all())),
    ("nanargmin", |i| i("w").index(&[all(), (2..).into()])?.nanargmin(&Reduce::axis(1))),
    ("nanstd", |i| i("w").nanstd(&Reduce::axis(0))),
    ("min_nan", |i| i("w").min(&Reduce::axis(0))),
    ("centered", |i| Ok(i("a") - i("a").mean(&Reduce::axis(1).keepdims())?)),
    ("transpose", |i| Ok(i("n").t() + 1)),
    ("transpose_axes", |i| i("n").transpose(Some(&[1, 2, 0]))?.sum(&Reduce::axis(0))),
    ("moveaxis", |i| i("n").moveaxis(0, -1)),
    ("flip", |i| i("n").flip(Some(&[0, 2]))),
    ("reshape", |i| i("n").reshape(&[10, 12])),
    ("reshape_split", |i| i("n").reshape(&[4, 5, 2, 3])),
    ("reshape_merge", |i| i("n").reshape(&[4, -1])),
    ("reshape_mixed", |i| i("n").reshape(&[8, 3, 5])),
    ("ravel_t", |i| i("n").t().ravel()),
    ("expand", |i| i("a").expand_dims(&[0, 2])),
    ("squeeze", |i| Ok(i("c").squeeze(None)? * 2)),
    ("broadcast_to", |i| i("c").broadcast_to(&[3, 6, 4], Some(&ChunkSpec::Size(2)))),
    ("concatenate", |i| Array::concatenate(&[i("a"), i("u"), i("b").index(&[(..2).into()])?], 0)),
    ("concatenate_1", |i| Array::concatenate(&[i("a").index(&[all(), (..3).into()])?, i("b")], 1)),
    ("stack", |i| Array::stack(&[i("a"), i("b")], 1)),
    ("pad_constant", |i| i("n").pad(&[(1, 2), (0, 3), (2, 0)], PadMode::Constant(WeakScalar::Int(7)))),
    ("pad_edge", |i| i("a").pad(&[(2, 2)], PadMode::Edge)),
    ("pad_reflect", |i| i("l").pad(&[(9, 30)], PadMode::Reflect)),
    ("pad_symmetric", |i| i("a").pad(&[(3, 8), (1, 1)], PadMode::Symmetric)),
    ("pad_wrap", |i| i("a").pad(&[(7, 1), (0, 9)], PadMode::Wrap)),
    ("slice", |i| i("n").index(&[(1..3).into(), step(None, None, -2), (2..).into()])),
    ("slice_step", |i| i("l").index(&[step(Some(20), Some(2), -3)])),
    ("slice_int", |i| i("n").index(&[at(-1), all(), at(3)])),
    ("slice_new", |i| i("a").index(&[Index::Ellipsis, Index::NewAxis, at(2)])),
    ("slice_empty", |i| i("a").index(&[step(Some(4), Some(2), 1)])),
    ("slice_of_sum", |i| (i("n") + 1).sum(&Reduce::axis(1))?.index(&[step(None, None, 2), at(1)])),
    ("slice_of_t", |i| {
        (i("a").t() * i("r").index(&[all(), Index::NewAxis])?).index(&[(2..5).into(), step(None, None, -1)])
    }),
    ("slice_of_concat", |i| Array::concatenate(&[i("l"), i("l") * 2], 0)?.index(&[step(Some(40), Some(3), -5)])),
    ("slice_of_slice", |i| i("l").index(&[(3..20).into()])?.index(&[step(None, None, -2)])?.index(&[(1..5).into()])),
    ("take", |i| i("n").take(&[4, 0, -1, 0], 1)),
    ("fancy", |i| i("a").index(&[list(&[3, 0, 3])])),
    ("fancy_2d", |i| i("l").index(&[list_2d([2, 2], &[3, 0, 7, -1])])),
    ("fancy_mid", |i| i("n").index(&[all(), list(&[0, 4]), (1..3).into()])),
    ("fancy_points", |i| i("n").index(&[list(&[0, 3, 2]), all(), list(&[5, 0, 1])])),
    ("fancy_int", |i| i("n").index(&[at(1), all(), list(&[5, 0, 1])])),
    ("fancy_neighbours", |i| i("n").index(&[all(), list(&[0, 3, 2]), list(&[5, 0, 1])])),
    ("fancy_broadcast", |i| i("n").index(&[list_2d([2, 1], &[0, 3]), list(&[1, 2, 4])])),
    ("fancy_lazy", |i| i("l").index(&[i("p").into()])),
    ("mask", |i| i("a").index(&[i("a").greater(0.5)?.into()])),
    ("mask_axis", |i| i("n").index(&[all(), vec![true, false, true, true, false].into()])),
    ("mask_lazy_axis", |i| i("a").index(&[i("a").index(&[all(), at(0)])?.greater(0)?.into()])),
    ("mask_known_2d", |i| {
        let mask = crate::common::compute(&i("m")).to_vec::<bool>()?;
        i("a").index(&[Index::Mask { shape: vec![6, 7], values: mask }])
    }),
    ("mask_sum", |i| i("a").index(&[i("m").into()])?.sum(&Reduce::all())),
    ("set_slice", |i| {
        i("n").setitem(&[step(None, None, 2), at(1), step(Some(4), None, -1)], &Array::from_vec(&[], vec![-1_i64])?)
    }),
    ("set_array", |i| {
        let value = i("b").index(&[(..3).into(), (..4).into()])?;
        i("a").setitem(&[(1..4).into(), step(None, None, -2)], &value)
    }),
    ("set_mask", |i| i("a").setitem(&[i("a").less(0)?.into()], &Array::from_vec(&[], vec![0.25])?)),
    ("set_list", |i| i("a").setitem(&[all(), list(&[1, 5, 1])], &i("b").index(&[all(), (..3).into()])?)),
    ("cumsum", |i| i("n").cumsum(Some(1))),
    ("cumsum_flat", |i| i("l").cumsum(None)),
    ("cumprod", |i| (i("a") / 10 + 1).cumprod(Some(0))),
    ("topk", |i| i("l").topk(4, -1)),
    ("topk_least", |i| i("n").topk(-2, 1)),
    ("arange", |_| Array::arange(3, 40, 4, None, 5)),
    ("arange_float", |_| Array::arange(0.5, 9.1, 0.7, None, 5)),
    ("arange_down", |_| Array::arange(10, -3, -3, None, 2)),
    ("linspace", |_| Array::linspace(-1.0, 3.0, 17, true, None, 4)),
    ("linspace_open", |_| Array::linspace(2.0, 5.0, 10, false, None, AUTO)),
    ("eye", |_| Array::eye(5, 7, 2, DType::F64, 2)),
    ("eye_i", |_| Array::eye(6, 4, -1, DType::I32, 3)),
    ("matmul", |i| i("a").matmul(&i("b").t())),
    ("matmul_int", |i| i("n").index(&[at(0)])?.matmul(&i("n").index(&[at(1)])?.t())),
    ("matmul_vector", |i| i("a").matmul(&i("r"))),
    ("vector_matmul", |i| i("c").index(&[all(), at(0)])?.matmul(&i("a"))),
    ("matmul_batch", |i| i("n").matmul(&i("n").transpose(Some(&[0, 2, 1]))?)),
    ("matmul_complex", |i| i("z").matmul(&i("z").t())),
    ("dot", |i| i("l").dot(&i("l"))),
    ("dot_nd", |i| i("n").dot(&i("n").index(&[at(0)])?.t())),
    ("x_dot_xt", |i| i("a").dot(&(i("a").t() + 1))),
    ("tensordot", |i| i("n").tensordot(&i("n"), &[0, 2], &[0, 2])),
    ("tensordot_1", |i| i("a").tensordot(&i("b"), &[0], &[0])),
    ("norm", |i| (i("a") - i("b")).norm(NormOrder::Default, &Reduce::all())),
    ("norm_1", |i| i("a").norm(NormOrder::P(1.0), &Reduce::all())),
    ("norm_inf", |i| i("a").norm(NormOrder::P(f64::NEG_INFINITY), &Reduce::all())),
    ("norm_axis", |i| i("n").norm(NormOrder::Default, &Reduce::axis(1))),
    ("norm_3", |i| i("l").norm(NormOrder::P(3.0), &Reduce::all())),
    ("histogram", |i| Ok(i("l").histogram(&HistogramBins::Count(5), None, None, false)?.0)),
    ("histogram_edges", |i| Ok(i("l").histogram(&HistogramBins::Count(5), None, None, false)?.1)),
    ("histogram_range", |i| Ok(i("a").histogram(&HistogramBins::Count(4), Some((-1.0, 1.0)), None, false)?.0)),
    ("histogram_given", |i| {
        Ok(i("a").histogram(&HistogramBins::Edges(vec![-2.0, -0.5, 0.1, 3.0]), None, None, false)?.0)
    }),
    ("histogram_density", |i| Ok(i("l").histogram(&HistogramBins::Count(3), None, None, true)?.0)),
    ("overlap_none", |i| overlap_sum(&i("l"), 2, 1, Boundary::None)),
    ("overlap_reflect", |i| overlap_sum(&i("a"), 1, 2, Boundary::Reflect)),
    ("overlap_periodic", |i| overlap_sum(&i("n"), 3, 0, Boundary::Periodic)),
    ("overlap_nearest", |i| overlap_sum(&i("l"), 4, 4, Boundary::Nearest)),
    ("overlap_constant", |i| overlap_sum(&i("a"), 0, 2, Boundary::Constant(WeakScalar::Int(0)))),
];

/// Sums of each element with its neighbours along the first axis, by a function that sees each block with its halo.
fn overlap_sum(x: &Array, before: usize, after: usize, boundary: Boundary) -> Result<Array, ArrayError> {
    let is_float = x.dtype() == DType::F64;
    let sum = move |blocks: &[Block], _: &BlockInfo| -> Result<Block, BlockError> {
        let block = &blocks[0];
        let n = block.shape()[0];
        let inner: usize = block.shape()[1..].iter().product();
        macro_rules! summed {
            ($of:ty) => {{
                let values = block.to_vec::<$of>()?;
                let mut sums: Vec<$of> = vec![Default::default(); values.len()];
                for (at, sum) in sums.iter_mut().enumerate() {
                    let (row, column) = (at / inner, at % inner);
                    for near in row.saturating_sub(before)..(row + after + 1).min(n) {
                        *sum += values[near * inner + column];
                    }
                }
                Block::from_vec(block.shape(), sums)?
            }};
        }
        Ok(if is_float { summed!(f64) } else { summed!(i64) })
    };
    let mut depths = vec![Depth::both(0, Boundary::None); x.n_dims()];
    depths[0] = Depth { before, after, boundary };
    x.map_overlap(BlockFn::local("sums", sum), &depths, x.dtype())
}
