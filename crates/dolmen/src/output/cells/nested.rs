//! Lists, structs, maps and unions, and the two encodings that refer to values by position.

use super::super::escape::{append_json_string, unique_names};
use super::{Cells, Column, Syntax};
use arrow::array::{
    AnyDictionaryArray, Array, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray, OffsetSizeTrait,
    RunArray, StructArray, UnionArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, RunEndIndexType};
use std::ops::Range;

/// `[1, 2, null]`
pub(super) struct Lists {
    ranges: Vec<Range<usize>>,
    items: Column,
    syntax: Syntax,
}

impl Lists {
    pub(super) fn of_offsets<O: OffsetSizeTrait>(array: &GenericListArray<O>, syntax: Syntax) -> Self {
        let (ranges, values) = in_use(array.value_offsets());
        // Only the values of these rows: a batch may be a small part of a large array.
        Self::new(ranges, &array.values().slice(values.start, values.len()), syntax)
    }

    pub(super) fn of_views<O: OffsetSizeTrait>(array: &GenericListViewArray<O>, syntax: Syntax) -> Self {
        let starts = array.value_offsets().iter().map(|start| start.as_usize());
        let sizes = array.value_sizes().iter().map(|size| size.as_usize());
        let ranges = starts.zip(sizes).map(|(start, size)| start..start.saturating_add(size)).collect();
        Self::new(ranges, array.values(), syntax)
    }

    pub(super) fn of_fixed_size(array: &FixedSizeListArray, syntax: Syntax) -> Self {
        let size = usize::try_from(array.value_length()).unwrap_or_default();
        let ranges = (0..array.len()).map(|row| row * size..(row + 1) * size).collect();
        Self::new(ranges, array.values(), syntax)
    }

    fn new(ranges: Vec<Range<usize>>, values: &dyn Array, syntax: Syntax) -> Self {
        Self { ranges, items: Column::new(values, syntax.of_members()), syntax: syntax.of_members() }
    }
}

impl Cells for Lists {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'[');
        let range = self.ranges[row].clone();
        let first = range.start;
        for item in range {
            if item > first {
                out.extend_from_slice(self.syntax.comma());
            }
            self.items.write_or_null(item, out);
        }
        out.push(b']');
    }
}

/// The ranges of rows relative to the first value in use, and the values in use.
fn in_use<O: OffsetSizeTrait>(offsets: &[O]) -> (Vec<Range<usize>>, Range<usize>) {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return (Vec::new(), 0..0);
    };
    let (first, last) = (first.as_usize(), last.as_usize());
    let ranges = offsets.windows(2).map(|pair| pair[0].as_usize() - first..pair[1].as_usize() - first);
    (ranges.collect(), first..last)
}

/// `{"a": 1, "b": null}`
pub(super) struct Structs {
    /// What stands before the value, `{"a": ` or `, "b": `, and the values.
    fields: Vec<(Vec<u8>, Column)>,
}

impl Structs {
    pub(super) fn new(array: &StructArray, syntax: Syntax) -> Self {
        let syntax = syntax.of_members();
        let names = unique_names(array.fields().iter().map(|field| field.name().as_str()));
        let fields = names.iter().zip(array.columns()).enumerate().map(|(idx, (name, values))| {
            let mut prefix = if idx == 0 { b"{".to_vec() } else { syntax.comma().to_vec() };
            append_json_string(name.as_bytes(), &mut prefix);
            prefix.extend_from_slice(syntax.colon());
            (prefix, Column::new(values, syntax))
        });
        Self { fields: fields.collect() }
    }
}

impl Cells for Structs {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.fields.is_empty() {
            out.push(b'{');
        }
        for (prefix, values) in &self.fields {
            out.extend_from_slice(prefix);
            values.write_or_null(row, out);
        }
        out.push(b'}');
    }
}

/// `{"key": value}`; a key that is no string is written as the string of its text.
pub(super) struct Maps {
    ranges: Vec<Range<usize>>,
    keys: Column,
    values: Column,
    syntax: Syntax,
}

impl Maps {
    pub(super) fn new(array: &MapArray, syntax: Syntax) -> Self {
        let syntax = syntax.of_members();
        let (ranges, entries) = in_use(array.value_offsets());
        Self {
            ranges,
            keys: Column::new(&array.keys().slice(entries.start, entries.len()), Syntax::Text),
            values: Column::new(&array.values().slice(entries.start, entries.len()), syntax),
            syntax,
        }
    }
}

impl Cells for Maps {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let range = self.ranges[row].clone();
        let first = range.start;
        let mut key = Vec::new();
        for entry in range {
            if entry > first {
                out.extend_from_slice(self.syntax.comma());
            }
            key.clear();
            self.keys.write_or_null(entry, &mut key);
            append_json_string(&key, out);
            out.extend_from_slice(self.syntax.colon());
            self.values.write_or_null(entry, out);
        }
        out.push(b'}');
    }
}

/// The value of whichever type a row has.
pub(super) struct Unions {
    type_ids: ScalarBuffer<i8>,
    /// The row of the child, of a dense union; in a sparse one the child has the same rows.
    offsets: Option<ScalarBuffer<i32>>,
    /// By type id; ids need not be contiguous.
    children: Vec<Option<Column>>,
}

impl Unions {
    pub(super) fn new(array: &UnionArray, syntax: Syntax) -> Self {
        let mut children = Vec::new();
        if let DataType::Union(fields, _) = array.data_type() {
            for (type_id, _) in fields.iter() {
                let idx = usize::try_from(type_id).unwrap_or_default();
                if children.len() <= idx {
                    children.resize_with(idx + 1, || None);
                }
                children[idx] = Some(Column::new(array.child(type_id), syntax));
            }
        }
        Self { type_ids: array.type_ids().clone(), offsets: array.offsets().cloned(), children }
    }
}

impl Cells for Unions {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let child = usize::try_from(self.type_ids[row]).ok().and_then(|idx| self.children.get(idx));
        let row = match &self.offsets {
            Some(offsets) => usize::try_from(offsets[row]).unwrap_or_default(),
            None => row,
        };
        match child {
            Some(Some(child)) => child.write_or_null(row, out),
            // Arrow checks type ids when a union is made.
            _ => out.extend_from_slice(b"null"),
        }
    }
}

/// Values that rows refer to by position: dictionaries and runs.
pub(super) struct Indexed {
    indices: Vec<usize>,
    values: Column,
}

impl Indexed {
    pub(super) fn of_dictionary(array: &dyn AnyDictionaryArray, syntax: Syntax) -> Self {
        Self {
            // Without values every row is NULL.
            indices: if array.values().is_empty() { Vec::new() } else { array.normalized_keys() },
            values: Column::new(array.values(), syntax),
        }
    }

    pub(super) fn of_runs<R: RunEndIndexType>(array: &RunArray<R>, syntax: Syntax) -> Self {
        Self {
            indices: (0..array.len()).map(|row| array.get_physical_index(row)).collect(),
            values: Column::new(array.values(), syntax),
        }
    }
}

impl Cells for Indexed {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.values.write_or_null(self.indices[row], out);
    }
}
