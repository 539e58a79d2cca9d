//! What the golden arrays hold: each element is known from its number in C order, as in make_golden.py.

use dolmen_storage::{ElementKind, ElementType, Region};
use half::f16;

/// The bytes of element number `i`, in the byte order of this machine.
pub(crate) fn value(i: u64, element: ElementType) -> Vec<u8> {
    let number = i64::try_from(i).unwrap() * 7 % 101 - 50;
    let float = number as f64;
    match (element.kind(), element.size_bytes()) {
        (ElementKind::Bool, _) => vec![number.rem_euclid(2) as u8],
        (ElementKind::UInt, 1) => vec![(number + 50) as u8],
        (ElementKind::UInt, 2) => ((number + 50) as u16).to_ne_bytes().to_vec(),
        (ElementKind::UInt, 4) => ((number + 50) as u32).to_ne_bytes().to_vec(),
        (ElementKind::UInt, _) => ((number + 50) as u64).to_ne_bytes().to_vec(),
        (ElementKind::Int, 1) => (number as i8).to_ne_bytes().to_vec(),
        (ElementKind::Int, 2) => (number as i16).to_ne_bytes().to_vec(),
        (ElementKind::Int, 4) => (number as i32).to_ne_bytes().to_vec(),
        (ElementKind::Float, 2) => f16::from_f64(float).to_ne_bytes().to_vec(),
        (ElementKind::Float, 4) => (float as f32).to_ne_bytes().to_vec(),
        (ElementKind::Float, _) => float.to_ne_bytes().to_vec(),
        (ElementKind::Complex, 8) => [float as f32, (0.0 - float) as f32].map(f32::to_ne_bytes).concat(),
        (ElementKind::Complex, _) => [float, 0.0 - float].map(f64::to_ne_bytes).concat(),
        _ => number.to_ne_bytes().to_vec(),
    }
}

/// The bytes of `region` of a golden array of `shape`, or of any function of the number of the element.
pub(crate) fn region_of(shape: &[u64], region: &Region, mut element_at: impl FnMut(&[u64], u64) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..region.shape().iter().product() {
        let mut rest: u64 = n;
        let mut position = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            position[axis] = region.start()[axis] + rest % region.shape()[axis];
            rest /= region.shape()[axis];
        }
        let i = position.iter().zip(shape).fold(0, |i, (at, size)| i * size + at);
        bytes.extend(element_at(&position, i));
    }
    bytes
}

/// The bytes of `region` of a golden array.
pub(crate) fn expected(shape: &[u64], region: &Region, element: ElementType) -> Vec<u8> {
    region_of(shape, region, |_, i| value(i, element))
}

/// Regions of an array: all of it, each corner, single elements, none, and what lies across the middle.
pub(crate) fn regions(shape: &[u64]) -> Vec<Region> {
    let mut regions = vec![Region::whole(shape)];
    let n_axes = shape.len();
    for seed in 0..12u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |n: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % n.max(1)
        };
        let start: Vec<u64> = shape.iter().map(|&size| next(size)).collect();
        let extent = start.iter().zip(shape).map(|(&start, &size)| if size == 0 { 0 } else { 1 + next(size - start) });
        regions.push(Region::new(start.clone(), extent.collect()));
    }
    regions.push(Region::new(vec![0; n_axes], shape.iter().map(|&size| size.min(1)).collect()));
    regions.push(Region::new(shape.to_vec(), vec![0; n_axes]));
    regions
}
