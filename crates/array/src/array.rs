//! The array as users hold it.

use std::fmt;
use std::sync::{Arc, LazyLock};

use dolmen_graph::{GraphBuilder, cull};
use dolmen_kernels::{Block, DType, Scalar};
use smallvec::SmallVec;

use crate::node::{Expr, Node};
use crate::shape::{Dims, n_elements, shape_text};
use crate::{ArrayError, BLOCK_BYTES_DEFAULT, Chunks, lower};

/// An array that is described, not computed: its shape, dtype and chunks are known, its elements are made block by block
/// when it is computed.
///
/// Cloning copies a pointer. Methods are named as NumPy's functions and return a `Result`; operators (`&a + &b`, `-&a`,
/// `&a * 2.0`) cannot, so an array that an operator could not make keeps the error: [`check`](Self::check), every
/// function that uses it, and lowering give it back. So an error is known before anything runs.
#[derive(Clone)]
pub struct Array {
    pub(crate) node: Arc<Node>,
}

impl Array {
    pub(crate) fn from_node(expr: Expr, dtype: DType, chunks: Chunks) -> Self {
        let block_bytes =
            expr.inputs().iter().map(|input| input.node.block_bytes).fold(BLOCK_BYTES_DEFAULT, usize::min);
        Self { node: Arc::new(Node { expr, dtype, chunks, block_bytes }) }
    }

    /// The array, with blocks of at most about so many bytes where they can be chosen, in what is made of it too: those of a
    /// product that goes by parts, of an array that is larger because others are broadcast, of what a change of chunks
    /// goes through. It is [`BLOCK_BYTES_DEFAULT`] otherwise, and of several arrays the least. The chunks of the array itself
    /// stay.
    ///
    /// A task has several blocks at a time: a sixty-fourth of the memory that is there leaves room for some threads. The last
    /// bits of sums depend on where these are cut, so other bytes may change them.
    #[must_use]
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        let block_bytes = block_bytes.max(1);
        if block_bytes >= self.node.block_bytes {
            return self;
        }
        let Node { ref expr, dtype, ref chunks, .. } = *self.node;
        Self { node: Arc::new(Node { expr: expr.clone(), dtype, chunks: chunks.clone(), block_bytes }) }
    }

    /// What an operator gives that cannot give an array.
    pub(crate) fn failed(error: ArrayError) -> Self {
        Self::from_node(Expr::Failed(Arc::new(error)), DType::F64, Chunks::single(&[]))
    }

    /// What stands in the place of an input that was taken out of its node.
    pub(crate) fn placeholder() -> Self {
        static PLACEHOLDER: LazyLock<Array> = LazyLock::new(|| {
            Array::from_node(Expr::Memory(Block::scalar(Scalar::Bool(false))), DType::Bool, Chunks::single(&[]))
        });
        PLACEHOLDER.clone()
    }

    /// Whether the expression is sound.
    ///
    /// # Errors
    /// Why an operator could not make this array. Errors of functions came with their result.
    pub fn check(&self) -> Result<(), ArrayError> {
        match &self.node.expr {
            Expr::Failed(error) => Err(ArrayError::clone(error)),
            _ => Ok(()),
        }
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.node.dtype
    }

    /// How the array is cut into blocks.
    #[must_use]
    pub fn chunks(&self) -> &Chunks {
        &self.node.chunks
    }

    /// The number of axes.
    #[must_use]
    pub fn n_dims(&self) -> usize {
        self.chunks().n_dims()
    }

    /// The length of each axis; `None` where it is known only when the array is computed.
    #[must_use]
    pub fn dims(&self) -> SmallVec<[Option<usize>; 4]> {
        self.chunks().dims()
    }

    /// The shape.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`] if some length is known only when the array is computed; the error of
    /// [`check`](Self::check).
    pub fn shape(&self) -> Result<Vec<usize>, ArrayError> {
        self.known_shape("shape")
    }

    /// The shape, for an operation that needs it.
    pub(crate) fn known_shape(&self, op: &'static str) -> Result<Vec<usize>, ArrayError> {
        self.check()?;
        let dims = self.dims().into_iter().enumerate();
        dims.map(|(axis, len)| len.ok_or(ArrayError::UnknownLength { op, axis })).collect()
    }

    /// The number of elements.
    ///
    /// # Errors
    /// As [`shape`](Self::shape), and [`ArrayError::TooLarge`].
    pub fn size(&self) -> Result<usize, ArrayError> {
        n_elements(&self.known_shape("size")?)
    }

    /// The bytes of all elements; `None` if a length is unknown.
    #[must_use]
    pub fn nbytes(&self) -> Option<usize> {
        self.size().ok()?.checked_mul(self.dtype().size_bytes())
    }

    /// The most bytes that a block has, if that is known.
    pub fn block_bytes_max(&self) -> Option<u64> {
        let elements = self.chunks().block_elements_max()? as u64;
        elements.checked_mul(self.dtype().size_bytes() as u64)
    }

    /// How many bytes blocks have where they can be chosen, see [`with_block_bytes`](Self::with_block_bytes).
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.node.block_bytes
    }

    /// How many bytes of its inputs a task should read at once.
    pub(crate) fn task_bytes(&self) -> u64 {
        (self.node.block_bytes as u64).saturating_mul(4).min(BLOCK_BYTES_DEFAULT as u64)
    }

    /// Whether the elements are booleans.
    pub(crate) fn is_mask(&self) -> bool {
        self.dtype() == DType::Bool
    }

    /// The number of tasks that computing this array alone takes.
    ///
    /// # Errors
    /// Those of [`lower`].
    pub fn n_tasks(&self) -> Result<u64, ArrayError> {
        let mut builder = GraphBuilder::new();
        lower(std::slice::from_ref(self), &mut builder)?;
        Ok(cull(builder.build()?).n_tasks())
    }
}

/// `array<add, shape=(15, 15), dtype=float64, chunks=((5, 5, 5), (5, 5, 5)), 1.8 kB, 9 tasks>`; an array that an operator
/// could not make shows why.
impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.node.expr.name();
        if let Err(error) = self.check() {
            return write!(f, "array<{name}: {error}>");
        }
        let (shape, dtype, chunks) = (shape_text(&self.dims()), self.dtype(), self.chunks());
        write!(f, "array<{name}, shape={shape}, dtype={dtype}, chunks={chunks}")?;
        if let Some(nbytes) = self.nbytes() {
            write!(f, ", {}", bytes_text(nbytes as u64))?;
        }
        if let Ok(n_tasks) = self.n_tasks() {
            write!(f, ", {n_tasks} task{}", if n_tasks == 1 { "" } else { "s" })?;
        }
        f.write_str(">")
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the tasks: an expression that is printed in an error need not be lowered for each of its arrays.
        let (name, shape, dtype) = (self.node.expr.name(), shape_text(&self.dims()), self.dtype());
        write!(f, "array<{name}, shape={shape}, dtype={dtype}, chunks={}>", self.chunks())
    }
}

/// Bytes as people read them: `8 B`, `1.8 kB`, `128.0 MB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// The lengths of arrays, for errors about them.
pub(crate) fn dims_of(arrays: &[&Array]) -> Vec<Vec<Option<usize>>> {
    arrays.iter().map(|array| Dims::into_vec(array.dims())).collect()
}
