//! Pictures as arrays: PNG and TIFF files of one size, one after the other.

mod png;
mod read;
mod tiff;

use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, FileDamage, Shape};
use crate::array_files::region::n_bytes;
pub use read::ImageFiles;

/// The most bytes that the samples of a picture have, and that its file has.
const IMAGE_BYTES_MAX: usize = 1 << 30;

/// What a picture is: the type of its samples, height and width, and channels if there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    element: ElementType,
    shape: Vec<u64>,
}

impl Form {
    fn new(element: ElementType, (height, width): (u64, u64), n_channels: u64) -> Self {
        let mut shape = vec![height, width];
        if n_channels > 1 {
            shape.push(n_channels);
        }
        Self { element, shape }
    }

    /// The bytes of the samples; `None` if they are too many.
    fn n_bytes(&self) -> Option<usize> {
        n_bytes(&self.shape, self.element.size_bytes()).filter(|n| *n <= IMAGE_BYTES_MAX)
    }

    fn text(&self) -> String {
        format!("{} of shape {}", self.element, Shape(&self.shape))
    }
}

/// Why a picture is not read.
#[derive(Debug)]
enum Problem {
    Unsupported {
        what: String,
        remedy: &'static str,
    },
    Undecodable(Box<dyn std::error::Error + Send + Sync>),
    /// It is neither PNG nor TIFF.
    Format,
}

impl Problem {
    /// The error for the user, about `file`.
    fn of(self, file: &str) -> ArrayFileError {
        let file = file.to_owned();
        match self {
            Self::Unsupported { what, remedy } => ArrayFileError::Unsupported { file, what, remedy },
            Self::Undecodable(source) => ArrayFileError::Undecodable { file, source },
            Self::Format => ArrayFileError::Damaged { file, damage: FileDamage::Format { format: "PNG or TIFF" } },
        }
    }

    fn too_large() -> Self {
        let what = format!("a picture of more than {} bytes", IMAGE_BYTES_MAX);
        Self::Unsupported { what, remedy: "Write it as .npy or .zarr" }
    }
}

/// What the picture in a file is.
fn form(file: &[u8]) -> Result<Form, Problem> {
    match file {
        [0x89, b'P', b'N', b'G', ..] => png::form(file),
        [b'I', b'I', ..] | [b'M', b'M', ..] => tiff::form(file),
        _ => Err(Problem::Format),
    }
}

/// What the picture in a file is, and its samples in C order and the byte order of this machine, if it is as `expected`.
fn decode(file: &[u8], expected: &Form) -> Result<(Form, Vec<u8>), Problem> {
    let form = form(file)?;
    if form != *expected {
        return Ok((form, Vec::new()));
    }
    let n_bytes = form.n_bytes().ok_or_else(Problem::too_large)?;
    let samples = match file {
        [0x89, ..] => png::samples(file, n_bytes)?,
        _ => tiff::samples(file, n_bytes)?,
    };
    Ok((form, samples))
}
