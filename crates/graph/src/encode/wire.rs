//! Wiring as it stands in bytes: plain lists, checked again when they are read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AxisMap, BlockAxis, Blocks, ExchangeKind, Grid, Table, Wiring, WiringError};

#[derive(Serialize, Deserialize)]
pub(super) enum WireWiring {
    Same,
    All,
    Broadcast(u32),
    Tree(u32),
    Blocks { up: Vec<u32>, down: Vec<u32>, axes: Vec<WireAxis> },
    Table(WireTable),
    Exchange(ExchangeKind),
}

#[derive(Serialize, Deserialize)]
pub(super) enum WireAxis {
    At(u32),
    All,
    From(u32, WireMap),
}

#[derive(Serialize, Deserialize)]
pub(super) enum WireMap {
    Affine(i64, i64),
    Group(u32),
    Split(u32),
    Window(u32, u32, bool),
    Elements { offset: u64, len: u64, up_size: u64, down_size: u64 },
    Ranges(Vec<(u32, u32)>),
    Lists(WireTable),
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireTable {
    n_up: u32,
    ends: Vec<u32>,
    inputs: Vec<u32>,
}

impl WireWiring {
    pub(super) fn new(wiring: &Wiring) -> Self {
        match wiring {
            Wiring::Same => Self::Same,
            Wiring::All => Self::All,
            Wiring::Broadcast { partition } => Self::Broadcast(*partition),
            Wiring::Tree { fan_in } => Self::Tree(*fan_in),
            Wiring::Blocks(blocks) => Self::Blocks {
                up: blocks.up().dims().to_vec(),
                down: blocks.down().dims().to_vec(),
                axes: blocks.axes().iter().map(WireAxis::new).collect(),
            },
            Wiring::Table(table) => Self::Table(WireTable::new(table)),
            Wiring::Exchange(kind) => Self::Exchange(*kind),
        }
    }

    /// The wiring from a stage of `n_up` tasks. Lists of another size are refused before memory is taken for them.
    pub(super) fn into_wiring(self, n_up: u32) -> Result<Wiring, WiringError> {
        Ok(match self {
            Self::Same => Wiring::Same,
            Self::All => Wiring::All,
            Self::Broadcast(partition) => Wiring::Broadcast { partition },
            Self::Tree(fan_in) => Wiring::Tree { fan_in },
            Self::Blocks { up, down, axes } => {
                let (up, down) = (Grid::new(&up)?, Grid::new(&down)?);
                check_n_up(up.n_blocks(), n_up)?;
                let axes = axes.into_iter().zip(up.dims()).map(|(axis, dim)| axis.into_axis(*dim));
                let axes = axes.collect::<Result<Vec<_>, _>>()?;
                Wiring::Blocks(Arc::new(Blocks::new(up, down, axes)?))
            }
            Self::Table(table) => Wiring::Table(Arc::new(table.into_table(n_up)?)),
            Self::Exchange(kind) => Wiring::Exchange(kind),
        })
    }
}

impl WireAxis {
    fn new(axis: &BlockAxis) -> Self {
        match axis {
            BlockAxis::At(idx) => Self::At(*idx),
            BlockAxis::All => Self::All,
            BlockAxis::From { axis, map } => {
                Self::From(u32::try_from(*axis).expect("an axis of a grid"), WireMap::new(map))
            }
        }
    }

    fn into_axis(self, n_up: u32) -> Result<BlockAxis, WiringError> {
        Ok(match self {
            Self::At(idx) => BlockAxis::At(idx),
            Self::All => BlockAxis::All,
            Self::From(axis, map) => BlockAxis::From { axis: axis as usize, map: map.into_map(n_up)? },
        })
    }
}

impl WireMap {
    fn new(map: &AxisMap) -> Self {
        match map {
            AxisMap::Affine { offset, step } => Self::Affine(*offset, *step),
            AxisMap::Group { size } => Self::Group(*size),
            AxisMap::Split { size } => Self::Split(*size),
            AxisMap::Window { before, after, wraps } => Self::Window(*before, *after, *wraps),
            AxisMap::Elements { offset, len, up_size, down_size } => {
                Self::Elements { offset: *offset, len: *len, up_size: *up_size, down_size: *down_size }
            }
            AxisMap::Ranges(ranges) => Self::Ranges(ranges.to_vec()),
            AxisMap::Lists(table) => Self::Lists(WireTable::new(table)),
        }
    }

    fn into_map(self, n_up: u32) -> Result<AxisMap, WiringError> {
        Ok(match self {
            Self::Affine(offset, step) => AxisMap::Affine { offset, step },
            Self::Group(size) => AxisMap::Group { size },
            Self::Split(size) => AxisMap::Split { size },
            Self::Window(before, after, wraps) => AxisMap::Window { before, after, wraps },
            Self::Elements { offset, len, up_size, down_size } => AxisMap::Elements { offset, len, up_size, down_size },
            Self::Ranges(ranges) => AxisMap::Ranges(ranges.into()),
            Self::Lists(table) => AxisMap::Lists(Arc::new(table.into_table(n_up)?)),
        })
    }
}

impl WireTable {
    fn new(table: &Table) -> Self {
        let (ends, inputs) = table.parts();
        Self { n_up: table.n_up(), ends: ends.to_vec(), inputs: inputs.to_vec() }
    }

    fn into_table(self, n_up: u32) -> Result<Table, WiringError> {
        check_n_up(self.n_up, n_up)?;
        Table::from_parts(self.n_up, self.ends, self.inputs)
    }
}

fn check_n_up(expected_up: u32, n_up: u32) -> Result<(), WiringError> {
    if expected_up == n_up { Ok(()) } else { Err(WiringError::UpstreamTasks { n_up, expected_up }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wiring::tests::any_wiring;

    proptest! {
        #[test]
        fn every_wiring_survives_its_bytes((n_up, _, wiring) in any_wiring()) {
            let bytes = postcard::to_stdvec(&WireWiring::new(&wiring)).unwrap();
            let decoded: WireWiring = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(decoded.into_wiring(n_up).unwrap(), wiring);
        }
    }
}
