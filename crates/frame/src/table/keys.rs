use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::HashSet;
use datafusion::execution::memory_pool::MemoryReservation;

use super::{KeyConstraint, TableDefinition, TableError};

/// The keys of a table's rows, one set per constraint, with an undo log.
///
/// They belong to the writer. Edits are made in place, so that one row costs the same in a large table as in a small
/// one; [`Self::commit`] keeps them and [`Self::rollback`] takes them back.
#[derive(Debug)]
pub(super) struct KeyIndexes {
    indexes: Vec<KeyIndex>,
    undo: Vec<Edit>,
    undo_heap_bytes: usize,
    reservation: MemoryReservation,
}

#[derive(Debug)]
struct KeyIndex {
    constraint: KeyConstraint,
    converter: RowConverter,
    keys: HashSet<Key>,
    heap_bytes: usize,
    /// The room that `keys` had at the last commit, to which a rollback returns.
    committed_capacity: usize,
}

#[derive(Debug)]
struct Edit {
    index: usize,
    key: Key,
    inserted: bool,
}

impl KeyIndexes {
    /// Empty indexes for the constraints of `definition`, whose memory is counted like that of `account`.
    pub(super) fn try_new(definition: &TableDefinition, account: &MemoryReservation) -> Result<Self, TableError> {
        let index = |constraint: &KeyConstraint| {
            let type_of = |&i: &usize| normalized_type(definition.schema.field(i).data_type());
            let fields = constraint.columns.iter().map(|i| SortField::new(type_of(i))).collect();
            let converter = RowConverter::new(fields)?;
            Ok(KeyIndex {
                constraint: constraint.clone(),
                converter,
                keys: HashSet::default(),
                heap_bytes: 0,
                committed_capacity: 0,
            })
        };
        let indexes: Result<Vec<_>, ArrowError> = definition.keys.iter().map(index).collect();
        let indexes = indexes.map_err(TableError::arrow(definition))?;
        Ok(Self { indexes, undo: vec![], undo_heap_bytes: 0, reservation: account.new_empty() })
    }

    /// The number of constraints.
    pub(super) fn len(&self) -> usize {
        self.indexes.len()
    }

    /// Adds the keys of rows with these columns (all of the table's), and fails at the first that is there already.
    pub(super) fn insert_rows(&mut self, table: &TableDefinition, columns: &[ArrayRef]) -> Result<(), TableError> {
        (0..self.indexes.len()).try_for_each(|i| {
            let columns = self.key_columns(i, columns);
            self.insert_keys(table, i, &columns)
        })
    }

    /// The positions of the constraints that read one of `changed` columns.
    pub(super) fn affected_by(&self, changed: &[usize]) -> Vec<usize> {
        let affected = |index: &KeyIndex| index.constraint.columns.iter().any(|column| changed.contains(column));
        (0..self.indexes.len()).filter(|&i| affected(&self.indexes[i])).collect()
    }

    /// The table's columns that constraint `i` reads.
    pub(super) fn columns(&self, i: usize) -> &[usize] {
        &self.indexes[i].constraint.columns
    }

    /// Adds the keys formed by `columns`, which are those of constraint `i` in its order.
    pub(super) fn insert_keys(
        &mut self,
        table: &TableDefinition,
        i: usize,
        columns: &[ArrayRef],
    ) -> Result<(), TableError> {
        let keys = self.encode(table, i, columns)?;
        self.reserve(i, &keys)?;
        for (row, key) in keys {
            let index = &mut self.indexes[i];
            if index.keys.contains(&key) {
                return Err(duplicate(table, &index.constraint, columns, row));
            }
            let heap_bytes = key.heap_bytes();
            index.heap_bytes += heap_bytes;
            index.keys.insert(key.clone());
            self.undo_heap_bytes += heap_bytes;
            self.undo.push(Edit { index: i, key, inserted: true });
        }
        Ok(())
    }

    /// Takes away the keys formed by `columns`, which are those of constraint `i` in its order.
    pub(super) fn remove_keys(
        &mut self,
        table: &TableDefinition,
        i: usize,
        columns: &[ArrayRef],
    ) -> Result<(), TableError> {
        let keys = self.encode(table, i, columns)?;
        self.reserve(i, &keys)?;
        for (_, key) in keys {
            let index = &mut self.indexes[i];
            if index.keys.remove(&key) {
                index.heap_bytes -= key.heap_bytes();
                self.undo_heap_bytes += key.heap_bytes();
                self.undo.push(Edit { index: i, key, inserted: false });
            }
        }
        Ok(())
    }

    /// Keeps all edits since the last commit.
    pub(super) fn commit(&mut self) {
        for index in &mut self.indexes {
            if index.keys.len() < index.keys.capacity() / 4 {
                index.keys.shrink_to_fit();
            }
            index.committed_capacity = index.keys.capacity();
        }
        self.settle();
    }

    /// Takes all edits since the last commit back.
    pub(super) fn rollback(&mut self) {
        while let Some(edit) = self.undo.pop() {
            let index = &mut self.indexes[edit.index];
            if edit.inserted {
                index.heap_bytes -= edit.key.heap_bytes();
                index.keys.remove(&edit.key);
            } else {
                index.heap_bytes += edit.key.heap_bytes();
                index.keys.insert(edit.key);
            }
        }
        for index in &mut self.indexes {
            if index.keys.capacity() > index.committed_capacity {
                index.keys.shrink_to(index.committed_capacity);
            }
        }
        self.settle();
    }

    /// Forgets how to undo, and counts what is left.
    fn settle(&mut self) {
        self.undo = vec![];
        self.undo_heap_bytes = 0;
        self.reservation.resize(self.bytes(0));
    }

    fn key_columns(&self, i: usize, columns: &[ArrayRef]) -> Vec<ArrayRef> {
        self.columns(i).iter().map(|&column| Arc::clone(&columns[column])).collect()
    }

    /// The key of every row that has one: a NULL in a UNIQUE key makes it equal to no other.
    fn encode(&self, table: &TableDefinition, i: usize, columns: &[ArrayRef]) -> Result<Vec<(usize, Key)>, TableError> {
        let failed = TableError::arrow(table);
        let columns = columns.iter().map(normalized).collect::<Result<Vec<_>, _>>().map_err(&failed)?;
        let rows = self.indexes[i].converter.convert_columns(&columns).map_err(failed)?;
        let nulls = columns
            .iter()
            .fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref()));
        let has_key = |row: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
        let rows_with_key = (0..rows.num_rows()).filter(has_key);
        Ok(rows_with_key.map(|row| (row, Key::new(rows.row(row).data()))).collect())
    }

    /// Counts the memory of `keys` before they enter index `i` and the undo log.
    fn reserve(&self, i: usize, keys: &[(usize, Key)]) -> Result<(), TableError> {
        let index = &self.indexes[i];
        let table_now = table_bytes(index.keys.capacity());
        let table_then = table_bytes(index.keys.capacity().max(index.keys.len() + keys.len()));
        let heap: usize = keys.iter().map(|(_, key)| key.heap_bytes()).sum();
        let needed = self.bytes(keys.len()) + 2 * heap + table_then - table_now;
        let size = self.reservation.size();
        if needed > size {
            self.reservation.try_grow(needed - size)?;
        }
        Ok(())
    }

    fn bytes(&self, more_edits: usize) -> usize {
        let index_bytes = |index: &KeyIndex| table_bytes(index.keys.capacity()) + index.heap_bytes;
        let undo_bytes = (self.undo.len() + more_edits) * size_of::<Edit>() + self.undo_heap_bytes;
        self.indexes.iter().map(index_bytes).sum::<usize>() + undo_bytes
    }
}

fn duplicate(table: &TableDefinition, constraint: &KeyConstraint, columns: &[ArrayRef], row: usize) -> TableError {
    let options = FormatOptions::default().with_null("NULL");
    let text = |column: &ArrayRef| {
        let formatter = ArrayFormatter::try_new(column, &options);
        formatter.map_or_else(|_| "?".to_owned(), |formatter| formatter.value(row).to_string())
    };
    TableError::DuplicateKey {
        table: table.name.clone(),
        constraint: constraint.describe(&table.schema),
        columns: constraint.column_names(&table.schema),
        key: columns.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

/// Bytes of a hash table with room for `n` keys: a power of two of slots, seven eighths full, a control byte each.
fn table_bytes(n: usize) -> usize {
    if n == 0 { 0 } else { (n * 8).div_ceil(7).next_power_of_two() * (size_of::<Key>() + 1) }
}

fn normalized_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Float16 => DataType::Float32,
        other => other.clone(),
    }
}

/// Makes floats that SQL calls equal the same bits: -0.0 equals 0.0, and NaN equals NaN.
fn normalized(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Float16 => return normalized(&cast(array, &DataType::Float32)?),
        DataType::Float32 => {
            let same = |v: f32| if v.is_nan() { f32::NAN } else { v + 0.0 };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(same)) as Arc<Float32Array> as ArrayRef
        }
        DataType::Float64 => {
            let same = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(same)) as Arc<Float64Array> as ArrayRef
        }
        _ => Arc::clone(array),
    })
}

const INLINE_BYTES: usize = 22;

/// A key in Arrow's row format. Short ones, such as two integers, need no allocation of their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl Key {
    fn new(data: &[u8]) -> Self {
        match u8::try_from(data.len()) {
            Ok(len) if data.len() <= INLINE_BYTES => {
                let mut bytes = [0; INLINE_BYTES];
                bytes[..data.len()].copy_from_slice(data);
                Self::Inline { len, bytes }
            }
            _ => Self::Heap(data.into()),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(data) => data.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    fn indexes(data_type: DataType, limit_bytes: usize) -> (TableDefinition, KeyIndexes, Arc<dyn MemoryPool>) {
        let schema = Arc::new(Schema::new(vec![Field::new("k", data_type, true)]));
        let table = TableDefinition::new("t", schema).with_keys(vec![KeyConstraint::unique(vec![0])]);
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(limit_bytes));
        let account = MemoryConsumer::new("t").register(&pool);
        let keys = KeyIndexes::try_new(&table, &account).unwrap();
        (table, keys, pool)
    }

    #[test]
    fn a_key_takes_24_bytes() {
        assert_eq!(size_of::<Key>(), 24);
    }

    #[test]
    fn floats_that_sql_calls_equal_are_one_key() {
        let cases = [(vec![0.0, -0.0], false), (vec![f64::NAN, -f64::NAN], false), (vec![1.0, -1.0, 1.5], true)];
        for (values, fits) in cases {
            let (table, mut keys, _pool) = indexes(DataType::Float64, 1 << 20);
            let column: ArrayRef = Arc::new(Float64Array::from(values));
            assert_eq!(keys.insert_rows(&table, &[column]).is_ok(), fits);
        }
    }

    #[test]
    fn nulls_never_collide_and_text_is_compared_by_its_bytes() {
        let (table, mut keys, _pool) = indexes(DataType::Utf8, 1 << 20);
        let column: ArrayRef =
            Arc::new(StringArray::from(vec![None, None, Some("a"), Some("A"), Some("a "), Some("")]));
        keys.insert_rows(&table, &[column]).unwrap();
        let again: ArrayRef = Arc::new(StringArray::from(vec![None, Some("A")]));
        let error = keys.insert_rows(&table, &[again]).unwrap_err();
        assert_eq!(error.to_string(), "duplicate key in table \"t\": UNIQUE (k) = (A) already exists");
    }

    #[test]
    fn rollback_restores_keys_and_memory() {
        let (table, mut keys, pool) = indexes(DataType::Utf8, 1 << 20);
        let long = "x".repeat(100);
        let first: ArrayRef = Arc::new(StringArray::from(vec!["a", long.as_str()]));
        keys.insert_rows(&table, std::slice::from_ref(&first)).unwrap();
        keys.commit();
        let reserved = pool.reserved();
        assert!(reserved >= 100);

        keys.remove_keys(&table, 0, std::slice::from_ref(&first)).unwrap();
        let second: ArrayRef = Arc::new(StringArray::from(vec![long.as_str(), "b"]));
        keys.insert_rows(&table, std::slice::from_ref(&second)).unwrap();
        keys.rollback();
        assert_eq!(pool.reserved(), reserved);
        assert!(keys.insert_rows(&table, &[first]).is_err());
        keys.rollback();
        let b: ArrayRef = Arc::new(StringArray::from(vec!["b"]));
        keys.insert_rows(&table, &[b]).unwrap();
        drop(keys);
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn memory_is_asked_for_before_keys_are_added() {
        let (table, mut keys, pool) = indexes(DataType::Int64, 10_000);
        let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let error = keys.insert_rows(&table, &[many]).unwrap_err();
        assert!(matches!(error, TableError::DataFusion(_)), "{error}");
        keys.rollback();
        assert_eq!(pool.reserved(), 0);
    }
}
