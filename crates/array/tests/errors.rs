//! What is wrong is said before anything runs.

mod common;

use dolmen_array::{Array, ArrayError, ChunkSpec, Index, PadMode, Reduce, lower};
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
    assert_eq!(lower(&[wrong.clone()], &mut GraphBuilder::new()).unwrap_err().to_string(), said);
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
    let long = Array::ones(&[1 << 31], DType::U8, 1 << 16).unwrap();
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
    assert!(said.contains("compute the array first"), "{said}");
    assert!(matches!(some.shape(), Err(ArrayError::UnknownLength { axis: 0, .. })));
    assert!(matches!(some.add(ones(&[24])), Err(ArrayError::Broadcast { .. } | ArrayError::ChunkMismatch { .. })));
    // Elementwise functions and reductions need no length.
    assert_eq!(common::compute(&(&some * 2 + &some).sum(&Reduce::all()).unwrap()).item().unwrap(), Scalar::F64(72.0));
}
