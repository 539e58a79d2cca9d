//! The `info` of a folder of npy files, in which Dask keeps the chunks, the dtype and the axis: a pickle.
//!
//! A pickle is a program that makes objects. Of those that are read only the axis at their end is looked for; nothing of them
//! is run. Those that are written have the opcodes that a dictionary of numbers, tuples and one dtype takes.

use std::io::Write;

/// How the file is called.
pub(crate) const NAME: &str = "info";

/// The longest that is read: the chunks of a million files.
pub(crate) const BYTES_MAX: u64 = 16 << 20;

/// The axis along which the files stand; `None` for a pickle that does not end as Dask's do.
pub(crate) fn axis(pickle: &[u8]) -> Option<usize> {
    // The last entry of the dictionary: its key, which may be put into the memo, a number of one byte, and the end.
    let behind = pickle.windows(4).rposition(|window| window == b"axis")? + 4;
    match pickle.get(behind..)? {
        [b'K', axis, b'u', b'.'] | [b'\x94', b'K', axis, b'u', b'.'] | [b'q', _, b'K', axis, b'u', b'.'] => {
            Some(usize::from(*axis))
        }
        _ => None,
    }
}

/// The pickle of `{"chunks": chunks, "dtype": np.dtype(dtype), "axis": 0}`, in protocol 2.
pub(crate) fn write(chunks: &[Vec<u64>], dtype: &str) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    text(&mut pickle, "chunks");
    pickle.push(b'(');
    for sizes in chunks {
        pickle.push(b'(');
        for size in sizes {
            // Writing into memory cannot fail.
            let _ = writeln!(pickle, "I{size}");
        }
        pickle.push(b't');
    }
    pickle.push(b't');
    text(&mut pickle, "dtype");
    pickle.extend(b"cnumpy\ndtype\n");
    text(&mut pickle, dtype);
    pickle.extend(b"\x85R");
    text(&mut pickle, "axis");
    pickle.extend(b"K\x00u.");
    pickle
}

/// A short text of the pickle.
fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_stands_at_the_end() {
        assert_eq!(axis(b"\x80\x04 ... \x8c\x04axis\x94K\x01u."), Some(1));
        assert_eq!(axis(b"\x80\x02 ... X\x04\x00\x00\x00axisq\x07K\x02u."), Some(2));
        assert_eq!(axis(&write(&[vec![3, 3], vec![4]], "<f8")), Some(0));
        for other in [&b"axis"[..], b"", b"\x8c\x04axis\x94K\x01u", b"axisX\x94K\x01u.", b"axisK\x01ub."] {
            assert_eq!(axis(other), None, "{other:?}");
        }
    }
}
