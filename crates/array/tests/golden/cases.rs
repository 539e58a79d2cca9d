//! The expressions of `make.py`, in Rust.

use dolmen_array::{
    Arg, Array, ArrayError, BlockError, BlockFn, BlockInfo, Boundary, ChunkSpec, Depth, HistogramBins, Index,
    NormOrder, PadMode, Reduce,
};
use dolmen_kernels::{Block, DType, Scalar, WeakScalar};

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
    ("norm_2", |i| i("a").norm(NormOrder::P(2.0), &Reduce::all())),
    ("norm_minus_2", |i| i("a").t().norm(NormOrder::P(-2.0), &Reduce::all())),
    ("norm_nuclear", |i| i("a").norm(NormOrder::Nuclear, &Reduce::all())),
    ("norm_0", |i| i("w").index(&[all(), at(0)])?.greater(0)?.norm(NormOrder::P(0.0), &Reduce::all())),
    ("norm_axes", |i| i("n").norm(NormOrder::P(1.0), &Reduce::over(&[0, 2]))),
    ("norm_axes_inf", |i| i("n").norm(NormOrder::P(f64::INFINITY), &Reduce::over(&[2, 0]).keepdims())),
    ("norm_complex", |i| i("z").norm(NormOrder::Default, &Reduce::all())),
    ("svdvals", |i| i("a").svdvals()),
    ("svdvals_complex", |i| i("z").svdvals()),
    ("tensordot_0", |i| i("r").tensordot(&i("c"), &[], &[])),
    ("tensordot_turned", |i| i("n").tensordot(&i("n"), &[2, 0], &[2, 0])),
    ("matmul_bool", |i| i("m").matmul(&i("m").t())),
    ("matmul_int8", |i| i("s").tensordot(&i("s"), &[], &[])?.matmul(&i("s"))),
    ("matmul_f32", |i| i("f").matmul(&i("f").t())),
    ("empty_sum", |i| i("e").sum(&Reduce::axis(0))),
    ("empty_sum_all", |i| i("e3").sum(&Reduce::all())),
    ("empty_prod", |i| i("e3").prod(&Reduce::axis(1))),
    ("empty_mean", |i| i("e").mean(&Reduce::axis(0))),
    ("empty_mean_kept", |i| i("e").mean(&Reduce::axis(1))),
    ("empty_std", |i| i("e").std(&Reduce::all())),
    ("empty_max_kept", |i| i("e").max(&Reduce::axis(1))),
    ("empty_argmin_kept", |i| i("e3").argmin(&Reduce::axis(0))),
    ("empty_all", |i| i("e").all(&Reduce::all())),
    ("empty_cumsum", |i| i("e").cumsum(Some(0))),
    ("empty_matmul", |i| i("e").t().matmul(&i("e"))),
    ("empty_matmul_out", |i| i("e").matmul(&Array::ones(&[4, 2], DType::F64, 1)?)),
    ("empty_tensordot", |i| i("e3").tensordot(&i("e3"), &[1], &[1])),
    ("empty_concatenate", |i| Array::concatenate(&[i("e"), i("a").index(&[all(), (..4).into()])?], 0)),
    ("empty_reshape", |i| i("e3").reshape(&[5, 0])),
    ("empty_reverse", |i| Ok(i("e").index(&[step(None, None, -1), step(None, None, -2)])? + 1)),
    ("empty_pad", |i| i("e").pad(&[(2, 1), (0, 1)], PadMode::Constant(WeakScalar::Int(0)))),
    ("empty_take", |i| i("a").index(&[list(&[])])),
    ("empty_transpose", |i| Ok(i("e3").t())),
    ("empty_norm", |i| i("e").norm(NormOrder::Default, &Reduce::all())),
    ("empty_broadcast", |i| Ok(i("e") + i("r").index(&[(..4).into()])?)),
    ("empty_histogram", |i| Ok(i("e").histogram(&HistogramBins::Count(3), None, None, false)?.0)),
    ("empty_histogram_edges", |i| Ok(i("e").histogram(&HistogramBins::Count(3), None, None, false)?.1)),
    ("empty_where", |i| Array::where_(i("e").greater(0)?, i("e"), 1)),
    ("empty_argwhere", |i| above(&i("a"), 100)),
    ("empty_argwhere_sum", |i| above(&i("a"), 100)?.sum(&Reduce::all())),
    ("empty_argwhere_mean", |i| above(&i("a"), 100)?.mean(&Reduce::all())),
    ("zero_d_add", |i| Ok(i("d") + i("u"))),
    ("zero_d_sum", |i| i("d").sum(&Reduce::all())),
    ("zero_d_std", |i| i("d").std(&Reduce::all())),
    ("zero_d_argmax", |i| i("d").argmax(&Reduce::all())),
    ("zero_d_index", |i| i("d").index(&[Index::NewAxis, Index::Ellipsis, Index::NewAxis])),
    ("zero_d_reshape", |i| i("d").reshape(&[1, 1])),
    ("zero_d_cumsum", |i| i("d").cumsum(None)),
    ("zero_d_ravel", |i| i("d").ravel()),
    ("zero_d_dot", |i| i("d").dot(&i("a"))),
    ("zero_d_histogram", |i| Ok(i("d").histogram(&HistogramBins::Count(3), None, None, false)?.0)),
    ("zero_d_transpose", |i| i("d").t().absolute()),
    ("zero_d_stack", |i| Array::stack(&[i("d"), i("d") + 1], 0)),
    ("wrap_add", |i| Ok(i("s") + i("s"))),
    ("wrap_multiply", |i| Ok(i("s") * i("s"))),
    ("wrap_subtract", |i| Ok(i("u") - Scalar::U8(200))),
    ("wrap_power", |i| i("u").power(3)),
    ("wrap_abs", |_| extremes()?.absolute()),
    ("wrap_negative", |_| extremes()?.negative()),
    ("wrap_multiply_64", |_| Ok(extremes()? * 2)),
    ("wrap_sum", |_| extremes()?.index(&[(..2).into()])?.sum(&Reduce::all())),
    ("wrap_cumsum", |_| extremes()?.cumsum(None)),
    ("wrap_prod", |_| (extremes()?.index(&[(1..2).into()])? * Array::ones(&[3], DType::I64, 1)?).prod(&Reduce::all())),
    ("wrap_divide", |_| extremes()?.floor_divide(-1)),
    ("wrap_remainder", |_| extremes()?.remainder(-1)),
    ("wrap_divide_0", |i| i("n").floor_divide(0)),
    ("wrap_remainder_0", |i| i("n").remainder(0)),
    ("wrap_cast", |_| extremes()?.astype(DType::I16)),
    ("wrap_cast_u64", |_| extremes()?.astype(DType::U64)),
    ("wrap_mean", |_| extremes()?.mean(&Reduce::all())),
    ("wrap_shift", |i| Ok(i("n") << 62)),
    ("wrap_shift_far", |i| Ok(i("n") >> 70)),
    ("bool_add", |i| Ok(i("m") + i("m"))),
    ("bool_multiply", |i| Ok(i("m") * i("m"))),
    ("bool_sum", |i| i("m").sum(&Reduce::axis(0))),
    ("bool_mean", |i| i("m").mean(&Reduce::all())),
    ("bool_prod", |i| i("m").prod(&Reduce::axis(1))),
    ("bool_max", |i| i("m").max(&Reduce::axis(1))),
    ("bool_argmax", |i| i("m").argmax(&Reduce::axis(1))),
    ("bool_cumsum", |i| i("m").cumsum(Some(0))),
    ("f16_sum", |i| i("f").astype(DType::F16)?.sum(&Reduce::axis(1))?.astype(DType::F32)),
    ("complex_sum", |i| i("z").sum(&Reduce::axis(0))),
    ("complex_prod", |i| i("z").prod(&Reduce::all())),
    ("complex_mean", |i| i("z").mean(&Reduce::all())),
    ("complex_var", |i| i("z").var(&Reduce::axis(1))),
    ("complex_max", |i| i("z").max(&Reduce::all())),
    ("complex_argmin", |i| i("z").argmin(&Reduce::axis(1))),
    ("complex_cumsum", |i| i("z").cumsum(Some(1))),
    ("nan_sum", |i| i("w").sum(&Reduce::axis(0))),
    ("nan_argmax", |i| i("w").argmax(&Reduce::axis(1))),
    ("nan_argmin", |i| i("w").argmin(&Reduce::all())),
    ("nan_max", |i| i("w").max(&Reduce::axis(1))),
    ("nan_var", |i| i("w").nanvar(&Reduce::axis(1).ddof(1.0))),
    ("nan_prod", |i| i("w").nanprod(&Reduce::axis(0))),
    ("nan_min_all", |i| i("w").nanmin(&Reduce::all())),
    ("nan_argmax_skipped", |i| i("w").index(&[all(), (2..).into()])?.nanargmax(&Reduce::all())),
    ("nan_cumsum", |i| i("w").cumsum(Some(1))),
    ("nan_cumsum_skipped", |i| i("w").nancumsum(Some(0))),
    ("nan_cumprod_skipped", |i| i("w").nancumprod(Some(1))),
    ("nan_any", |i| i("w").any(&Reduce::axis(0))),
    ("nan_all", |_| Array::from_vec(&[2], vec![f64::NAN; 2])?.all(&Reduce::all())),
    ("nan_count_nonzero", |i| i("w").count_nonzero(&Reduce::axis(0))),
    ("nan_clip", |i| i("w").clip(-0.5, 0.5)),
    ("nan_maximum", |i| i("w").maximum(0)),
    ("nan_fmax", |i| i("w").fmax(0)),
    ("nan_sign", |i| i("q").sign()),
    ("nan_compare", |i| i("q").less_equal(i("q").flip(None)?)),
    ("nan_topk", |i| i("q").topk(3, 0)),
    ("nan_floor_divide", |i| i("q").floor_divide(0.5)),
    ("nan_remainder", |i| i("q").remainder(-2)),
    ("nan_round", |i| i("q").round(0)),
    ("nan_signbit", |i| i("q").signbit()),
    ("nan_true_divide", |i| Ok(i("q") / 0)),
    ("nan_power", |i| i("q").absolute()?.power(0)),
    ("nan_mean", |_| {
        Array::from_block(Block::from_vec(&[2], vec![f64::INFINITY, f64::NEG_INFINITY])?, 1)?.mean(&Reduce::all())
    }),
    ("nan_var_inf", |i| i("q").index(&[(..3).into()])?.var(&Reduce::all())),
    ("nan_histogram_range", |i| Ok(i("w").histogram(&HistogramBins::Count(4), Some((-1.0, 1.0)), None, false)?.0)),
    ("same_histogram", |_| {
        let same = Array::full(&[9], Scalar::F64(3.0), 4)?;
        Ok(same.histogram(&HistogramBins::Count(4), None, None, false)?.0)
    }),
    ("weighted_histogram", |i| Ok(i("a").histogram(&HistogramBins::Count(4), None, Some(&i("b")), false)?.0)),
    ("unknown_argmax", |i| above(&i("a"), 0.5)?.argmax(&Reduce::all())),
    ("unknown_argmin", |i| i("a").index(&[i("m").into()])?.argmin(&Reduce::all())),
    ("unknown_argmin_axis", |i| {
        i("a").index(&[all(), i("a").index(&[at(0)])?.greater(-1)?.into()])?.argmin(&Reduce::axis(1))
    }),
    ("unknown_argmin_rows", |i| {
        i("a").index(&[i("a").index(&[all(), at(0)])?.greater(-1)?.into()])?.argmin(&Reduce::axis(0))
    }),
    ("unknown_max", |i| above(&i("n"), 3)?.max(&Reduce::all())),
    ("unknown_std", |i| i("a").index(&[i("m").into()])?.std(&Reduce::all())),
    ("unknown_cumsum", |i| i("a").index(&[i("m").into()])?.cumsum(None)),
    ("unknown_concatenate", |i| Array::concatenate(&[i("a").index(&[i("m").into()])?, i("l")], 0)),
    ("unknown_topk_sum", |i| (i("a").index(&[i("m").into()])? * 2 + 1).prod(&Reduce::all())),
    ("unknown_mean_rows", |i| {
        i("a").index(&[i("a").index(&[all(), at(0)])?.greater(0)?.into()])?.mean(&Reduce::axis(1))
    }),
    ("compress_short", |i| i("a").compress(&Array::from_vec(&[3], vec![true, false, true])?, Some(1))),
    ("linspace_int", |_| Array::linspace(-1.5, 1.0, 4, true, Some(DType::I64), 3)),
    ("linspace_none", |_| Array::linspace(0.0, 5.0, 0, true, None, 3)),
    ("linspace_one", |_| Array::linspace(3.0, 7.0, 1, true, None, 3)),
    ("linspace_down", |_| Array::linspace(5.0, 1.0, 9, true, Some(DType::F32), 4)),
    ("arange_none", |_| Array::arange(5, 0, 1, None, 2)),
    ("arange_f32", |_| Array::arange(0, 10, 3, Some(DType::F32), 3)),
    ("arange_float_down", |_| Array::arange(3, -2.1, -0.3, None, 4)),
    ("reverse", |i| i("n").index(&[step(None, None, -1), step(None, None, -2), step(None, None, -3)])),
    ("reverse_far", |i| i("l").index(&[step(Some(-1), Some(-100), -2)])),
    ("reverse_twice", |i| {
        let back = i("l").index(&[step(Some(20), Some(3), -3)])?.index(&[step(None, None, -1)])?;
        back.index(&[step(None, None, 2)])
    }),
    ("set_reverse", |i| i("l").setitem(&[step(None, None, -1)], &(i("l") * 2))),
    ("set_nothing", |i| i("l").setitem(&[(5..5).into()], &Array::from_vec(&[], vec![1.0])?)),
    ("round_tens", |i| (i("n") * 7).round(-1)),
];

/// The least and the largest integer, and some between, in blocks of two.
fn extremes() -> Result<Array, ArrayError> {
    Array::from_block(Block::from_vec(&[5], vec![i64::MIN, i64::MAX, -1, 0, 1])?, 2)
}

/// The elements that are greater than `least`: so many as only computing tells.
fn above(x: &Array, least: impl Into<Arg>) -> Result<Array, ArrayError> {
    x.index(&[x.greater(least)?.into()])
}

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
