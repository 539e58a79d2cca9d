//! Strings, binary values, booleans.

use super::super::escape::append_json_string;
use super::{Cells, Syntax};
use arrow::array::{Array, BooleanArray, FixedSizeBinaryArray, GenericByteArray, GenericByteViewArray};
use arrow::datatypes::{ByteArrayType, ByteViewType};

/// A column of the NULL type, which has no values.
pub(super) struct Nulls;

impl Cells for Nulls {
    fn write(&self, _: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"null");
    }
}

/// `true` and `false`.
pub(super) struct Booleans(pub(super) BooleanArray);

impl Cells for Booleans {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.0.value(row) { b"true" } else { b"false" });
    }
}

/// An array of strings or binary values, however it is stored.
pub(super) trait Bytes {
    fn bytes(&self, row: usize) -> &[u8];
}

impl<T: ByteArrayType> Bytes for GenericByteArray<T> {
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row).as_ref()
    }
}

impl<T: ByteViewType> Bytes for GenericByteViewArray<T> {
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row).as_ref()
    }
}

impl Bytes for FixedSizeBinaryArray {
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row)
    }
}

/// Strings: as they are, or quoted and escaped in JSON.
pub(super) struct Strings<A> {
    array: A,
    syntax: Syntax,
}

impl<A: Array + Bytes> Strings<A> {
    pub(super) fn new(array: A, syntax: Syntax) -> Self {
        Self { array, syntax }
    }
}

impl<A: Bytes> Cells for Strings<A> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self.syntax {
            Syntax::Text => out.extend_from_slice(self.array.bytes(row)),
            Syntax::Json | Syntax::SpacedJson => append_json_string(self.array.bytes(row), out),
        }
    }
}

/// Binary values in hexadecimal, as PostgreSQL writes `bytea`.
pub(super) struct Binaries<A> {
    array: A,
    syntax: Syntax,
}

impl<A: Array + Bytes> Binaries<A> {
    pub(super) fn new(array: A, syntax: Syntax) -> Self {
        Self { array, syntax }
    }
}

impl<A: Bytes> Cells for Binaries<A> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.syntax.quote(out);
        // JSON wants the backslash escaped.
        out.extend_from_slice(if self.syntax == Syntax::Text { b"\\x" } else { b"\\\\x" });
        for byte in self.array.bytes(row) {
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
        self.syntax.quote(out);
    }
}
