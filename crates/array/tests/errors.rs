//! What is wrong is said before anything runs.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use dolmen_array::{Array, ArrayError, Boundary, ChunkSpec, Depth, HistogramBins, Index, PadMode, Reduce, lower};
use dolmen_graph::GraphBuilder;
use dolmen_kernels::{DType, KernelError, Scalar, WeakScalar};

fn ones(shape: &[usize]) -> Array {
    Array::ones(shape, DType::F64, 3).unwrap()
}

fn message(result: Result<Array, ArrayError>) -> String {
    result.expect_err("it should be refused").to_string()
}

#[test]
fn a_reduction_without_keepdims_is_named() {
    let x = ones(&[4, 6]);
    let wrong = &x - x.mean(&Reduce::axis(1)).unwrap();
    let said = wrong.check().unwrap_err().to_string();
    assert_eq!(
        said,
        "`subtract`: shapes (4, 6) and (4,) do not broadcast together; `mean` dropped the axis it reduced: with keepdims its \
         shape is (4, 1), which fits"
    );
    // The error comes back from whatever uses the array, and from lowering.
    assert_eq!(message(wrong.exp()), said);
    assert_eq!((&wrong + 1).check().unwrap_err().to_string(), said);
    assert_eq!(lower(std::slice::from_ref(&wrong), &mut GraphBuilder::new()).unwrap_err().to_string(), said);
    assert!(wrong.to_string().contains("keepdims"), "{wrong}");
    assert!((&x - x.mean(&Reduce::axis(1).keepdims()).unwrap()).check().is_ok());
}

#[test]
fn shapes_axes_and_indices() {
    let x = ones(&[4, 6]);
    assert_eq!(message(x.add(ones(&[4]))), "`add`: shapes (4, 6) and (4,) do not broadcast together");
    assert_eq!(message(x.sum(&Reduce::axis(2))), "`sum`: axis 2 is out of bounds for an array of 2 axes");
    assert!(matches!(x.sum(&Reduce::over(&[0, -2])), Err(ArrayError::RepeatedAxis { .. })));
    assert_eq!(message(x.index(&[Index::At(4)])), "index 4 is out of bounds for axis 0 of length 4");
    assert!(matches!(x.index(&vec![Index::At(0); 3]), Err(ArrayError::TooManyIndices { n_given: 3, n_dims: 2 })));
    assert!(matches!(x.index(&[Index::Ellipsis, Index::Ellipsis]), Err(ArrayError::Index { .. })));
    assert!(matches!(x.index(&[Index::slice(None, None, Some(0))]), Err(ArrayError::Index { .. })));
    assert!(matches!(x.index(&[vec![true; 3].into()]), Err(ArrayError::MaskShape { .. })));
    assert!(matches!(x.index(&[vec![0_isize, 4].into()]), Err(ArrayError::IndexOutOfBounds { index: 4, .. })));
    assert_eq!(message(x.reshape(&[5, -1])), "`reshape`: an array of shape (4, 6) does not fit shape (5, -1)");
    assert!(matches!(x.transpose(Some(&[0])), Err(ArrayError::WrongRank { .. })));
    assert!(matches!(x.squeeze(Some(&[0])), Err(ArrayError::Argument { .. })));
    assert!(matches!(x.broadcast_to(&[4, 7], None), Err(ArrayError::Broadcast { .. })));
    assert!(matches!(x.matmul(&x), Err(ArrayError::ShapeMismatch { op: "matmul", .. })));
    assert!(matches!(Array::concatenate(&[x.clone(), ones(&[4, 5])], 0), Err(ArrayError::ShapeMismatch { .. })));
    assert!(matches!(Array::concatenate(&[], 0), Err(ArrayError::Argument { .. })));
    assert!(matches!(x.pad(&[(1, 1); 3], PadMode::Edge), Err(ArrayError::Argument { .. })));
    assert!(matches!(ones(&[0]).pad(&[(1, 1)], PadMode::Wrap), Err(ArrayError::Argument { .. })));
    assert!(matches!(x.setitem(&[Index::At(0)], &ones(&[5])), Err(ArrayError::Broadcast { .. })));
}

#[test]
fn sizes_that_overflow() {
    let huge = usize::MAX / 2;
    assert!(matches!(Array::ones(&[huge, 3], DType::F64, 3), Err(ArrayError::TooLarge { .. })));
    assert!(matches!(Array::ones(&[1 << 40], DType::F64, 1), Err(ArrayError::TooManyBlocks { .. })));
    let long = Array::ones(&[1 << 31], DType::U8, 1 << 14).unwrap();
    let row = long.expand_dims(&[0]).unwrap();
    let column = long.expand_dims(&[1]).unwrap();
    assert!(matches!(row.add(&column), Err(ArrayError::TooManyBlocks { .. })));
    assert!(long.pad(&[(usize::MAX, 0)], PadMode::Edge).is_err());
}

#[test]
fn dtypes_and_empty_reductions() {
    let x = ones(&[4, 6]);
    assert!(matches!(x.bitwise_and(&x), Err(ArrayError::Kernel(KernelError::UnsupportedDType { .. }))));
    let bytes = x.astype(DType::U8).unwrap();
    assert!(matches!(bytes.add(300), Err(ArrayError::Kernel(KernelError::ScalarOutOfRange { value: 300, .. }))));
    let empty = ones(&[3, 0]);
    assert_eq!(
        message(empty.min(&Reduce::all())),
        "`min` of no elements has no value: shape (3, 0) is empty along the reduced axes"
    );
    assert!(matches!(empty.argmax(&Reduce::axis(1)), Err(ArrayError::EmptyReduction { .. })));
    assert!(empty.max(&Reduce::axis(0)).is_ok());
    assert_eq!(common::compute(&empty.sum(&Reduce::all()).unwrap()).item().unwrap(), Scalar::F64(0.0));
    assert!(matches!(ones(&[2, 2, 2]).argmin(&Reduce::over(&[0, 1])), Err(ArrayError::Argument { .. })));
    assert!(x.topk(0, 0).is_err());
    assert!(Array::arange(0, 1, 0, None, ChunkSpec::Auto).is_err());
    assert!(Array::arange(0.0, f64::INFINITY, 1.0, None, ChunkSpec::Auto).is_err());
    assert!(x.pad(&[(1, 1)], PadMode::Constant(WeakScalar::Float(0.5))).is_ok());
}

#[test]
fn unknown_lengths_are_told() {
    let x = ones(&[4, 6]);
    let some = x.index(&[x.greater(0).unwrap().into()]).unwrap();
    assert_eq!(some.dims().as_slice(), [None]);
    let said = message(some.reshape(&[2, -1]));
    assert!(said.contains("persist the array first"), "{said}");
    assert!(matches!(some.shape(), Err(ArrayError::UnknownLength { axis: 0, .. })));
    assert!(matches!(some.add(ones(&[24])), Err(ArrayError::Broadcast { .. } | ArrayError::ChunkMismatch { .. })));
    // Elementwise functions and reductions need no length.
    assert_eq!(common::compute(&(&some * 2 + &some).sum(&Reduce::all()).unwrap()).item().unwrap(), Scalar::F64(72.0));
}

#[test]
fn what_an_assignment_cannot_hold_is_refused() {
    let bytes = Array::zeros(&[3], DType::U8, 2).unwrap();
    let out_of_range = |result: Result<Array, ArrayError>| {
        assert!(matches!(result, Err(ArrayError::Kernel(KernelError::ScalarOutOfRange { .. }))));
    };
    out_of_range(bytes.full_like(300, None));
    out_of_range(bytes.full_like(-1, None));
    out_of_range(bytes.pad(&[(1, 1)], PadMode::Constant(WeakScalar::Int(300))));
    let cut = common::compute(&bytes.full_like(2.75, None).unwrap());
    assert_eq!(cut.to_vec::<u8>().unwrap(), [2; 3]);
}

#[test]
fn an_extreme_of_an_empty_selection_fails_when_it_is_computed() {
    let x = ones(&[4, 6]);
    let none = x.index(&[x.greater(1).unwrap().into()]).unwrap();
    for extreme in [none.min(&Reduce::all()), none.max(&Reduce::all()), none.argmin(&Reduce::all())] {
        let error = common::try_compute(&dolmen_graph::InlineExecutor::new(), &extreme.unwrap()).unwrap_err();
        assert!(format!("{error:?}").contains("EmptyReduction"), "{error:?}");
    }
    let error =
        common::try_compute(&dolmen_graph::InlineExecutor::new(), &x.log().unwrap().nanargmax(&Reduce::all()).unwrap());
    assert!(error.is_ok());
    let nan = Array::full(&[5], Scalar::F64(f64::NAN), 2).unwrap();
    let error =
        common::try_compute(&dolmen_graph::InlineExecutor::new(), &nan.nanargmax(&Reduce::all()).unwrap()).unwrap_err();
    assert!(format!("{error:?}").contains("AllNaN"), "{error:?}");
}

#[test]
fn numbers_at_the_ends_of_their_range_do_not_overflow() {
    let x = ones(&[7]);
    let far = Depth { before: usize::MAX, after: usize::MAX, boundary: Boundary::Nearest };
    assert!(x.overlap(&[far]).is_err());
    assert!(x.trim_overlap(&[far], x.chunks()).is_err());
    let open = Depth { boundary: Boundary::None, ..far };
    assert_eq!(common::compute(&x.overlap(&[open]).unwrap()).shape(), [21]);
    for k in [i64::MIN, i64::MIN + 1, i64::MAX] {
        let eye = common::compute(&Array::eye(3, 3, k, DType::F64, 2).unwrap());
        assert_eq!(eye.to_vec::<f64>().unwrap(), [0.0; 9], "{k}");
    }
    let last = Array::arange(i64::MAX - 4, i64::MAX, 3, None, 1).unwrap();
    assert_eq!(common::compute(&last).to_vec::<i64>().unwrap(), [i64::MAX - 4, i64::MAX - 1]);
    let steps = Array::arange(i64::MIN, i64::MAX, i64::MAX, None, 1).unwrap();
    assert_eq!(common::compute(&steps).to_vec::<i64>().unwrap(), [i64::MIN, -1, i64::MAX - 1]);
    let slice = x.index(&[Index::slice(Some(isize::MAX), Some(isize::MIN), Some(isize::MIN))]).unwrap();
    assert_eq!(common::compute(&slice).to_vec::<f64>().unwrap(), [1.0]);
    assert!(matches!(x.index(&[Index::At(isize::MIN)]), Err(ArrayError::IndexOutOfBounds { .. })));
    assert_eq!(common::compute(&x.topk(isize::MIN, 0).unwrap()).shape(), [7]);
    assert!(x.pad(&[(usize::MAX, usize::MAX)], PadMode::Constant(WeakScalar::Int(0))).is_err());
    // What is repeated takes no memory before it is computed.
    assert_eq!(x.pad(&[(1 << 50, 1 << 50)], PadMode::Edge).unwrap().shape().unwrap(), [(1 << 51) + 7]);
    assert!(matches!(x.pad(&[(0, 1 << 50)], PadMode::Wrap), Err(ArrayError::Argument { argument: "pad_width", .. })));
    for n in [usize::MAX, 1 << 40] {
        let bins = x.histogram(&HistogramBins::Count(n), None, None, false);
        assert!(matches!(bins, Err(ArrayError::Argument { argument: "bins", .. })));
    }
    assert!(matches!(x.reshape(&[isize::MAX, isize::MAX, 0]), Err(ArrayError::Reshape { .. })));
    assert!(matches!(x.reshape(&[isize::MAX, isize::MAX]), Err(ArrayError::TooLarge { .. })));
}

#[test]
fn long_chains_are_planned_without_a_deep_stack() {
    let mut both = ones(&[2]);
    for _ in 0..5000 {
        both = Array::concatenate(&[ones(&[1]), both], 0).unwrap().index(&[(1..).into()]).unwrap();
    }
    assert_eq!(common::compute(&both.sum(&Reduce::all()).unwrap()).item().unwrap(), Scalar::F64(2.0));
    let mut sums = ones(&[2]);
    for _ in 0..5000 {
        sums = (&sums + &sums.flip(None).unwrap()) * 0.5;
    }
    assert_eq!(common::compute(&sums.sum(&Reduce::all()).unwrap()).item().unwrap(), Scalar::F64(2.0));
}
