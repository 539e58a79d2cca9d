//! The `info` of a folder of npy files, in which Dask keeps the chunks, the dtype and the axis: a pickle.
//!
//! A pickle is a program that makes objects. Of those that are read, numbers, texts, tuples and dictionaries are made, and
//! whatever else there is counts as something unknown; nothing of them is run. Those that are written have the opcodes
//! that a dictionary of numbers, tuples and one dtype takes.

use std::collections::HashMap;
use std::io::Write;

/// How the file is called.
pub(crate) const NAME: &str = "info";

/// The longest that is read: the chunks of a million files.
pub(crate) const BYTES_MAX: u64 = 16 << 20;

/// What is read of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Info {
    /// The axis along which the files stand.
    pub(crate) axis: usize,
    /// How many files there are, if the chunks are numbers as Dask writes them.
    pub(crate) n_files: Option<usize>,
}

/// What a pickle puts on its stack. Tuples in tuples in tuples are unknown, so that nothing is deep.
#[derive(Clone)]
enum Made {
    Mark,
    Number(u64),
    Key(&'static str),
    /// So many numbers.
    Numbers(usize),
    /// Tuples of so many numbers each.
    Lists(Vec<usize>),
    Unknown,
}

/// The keys of the dictionary that matter.
const KEYS: [&str; 2] = ["chunks", "axis"];

/// What a pickle of Dask's says; `None` for others.
pub(crate) fn read(pickle: &[u8]) -> Option<Info> {
    let mut rest = pickle;
    let (mut stack, mut memo, mut n_put) = (Vec::new(), HashMap::new(), 0);
    let (mut axis, mut lists) = (None, None);
    loop {
        let opcode = take(&mut rest, 1)?[0];
        match opcode {
            // The protocol, and how long a frame is.
            0x80 => drop(take(&mut rest, 1)?),
            0x95 => drop(take(&mut rest, 8)?),
            b'(' => stack.push(Made::Mark),
            b'K' => stack.push(Made::Number(number(&mut rest, 1)?)),
            b'M' => stack.push(Made::Number(number(&mut rest, 2)?)),
            b'J' => stack.push(Made::Number(number(&mut rest, 4)?)),
            0x8a => {
                let n_bytes = number(&mut rest, 1)?;
                stack.push(Made::Number(number(&mut rest, usize::try_from(n_bytes).ok()?)?));
            }
            b'I' => stack.push(Made::Number(line(&mut rest)?.parse().ok()?)),
            b'X' | 0x8c => {
                let n_bytes = number(&mut rest, if opcode == b'X' { 4 } else { 1 })?;
                let text = take(&mut rest, usize::try_from(n_bytes).ok()?)?;
                let key = KEYS.into_iter().find(|key| key.as_bytes() == text);
                stack.push(key.map_or(Made::Unknown, Made::Key));
            }
            // None, truth values, an empty dictionary or list; a float, bytes, and the name of something.
            b'N' | 0x88 | 0x89 | b'}' | b']' => stack.push(Made::Unknown),
            b'G' => {
                take(&mut rest, 8)?;
                stack.push(Made::Unknown);
            }
            b'C' | b'B' => {
                let n_bytes = number(&mut rest, if opcode == b'B' { 4 } else { 1 })?;
                take(&mut rest, usize::try_from(n_bytes).ok()?)?;
                stack.push(Made::Unknown);
            }
            b'c' => {
                line(&mut rest)?;
                line(&mut rest)?;
                stack.push(Made::Unknown);
            }
            b')' => stack.push(Made::Numbers(0)),
            // Tuples of one, two, three, or all since the mark.
            0x85..=0x87 | b't' => {
                let first = match opcode {
                    b't' => stack.iter().rposition(|made| matches!(made, Made::Mark))?,
                    _ => stack.len().checked_sub(usize::from(opcode - 0x84))?,
                };
                let tuple = tuple_of(&stack[first + usize::from(opcode == b't')..]);
                stack.truncate(first);
                stack.push(tuple);
            }
            // A call, or a state put into an object, leaves one of two.
            b'R' | b'b' | 0x93 => {
                stack.pop()?;
                *stack.last_mut()? = Made::Unknown;
            }
            0x94 => {
                memo.insert(n_put, stack.last()?.clone());
                n_put += 1;
            }
            b'q' => drop(memo.insert(number(&mut rest, 1)?, stack.last()?.clone())),
            b'r' => drop(memo.insert(number(&mut rest, 4)?, stack.last()?.clone())),
            b'h' => stack.push(memo.get(&number(&mut rest, 1)?)?.clone()),
            b'j' => stack.push(memo.get(&number(&mut rest, 4)?)?.clone()),
            // Into a list or dictionary that matters to nobody.
            b'a' => drop(stack.pop()?),
            b's' => stack.truncate(stack.len().checked_sub(2)?),
            b'e' => stack.truncate(stack.iter().rposition(|made| matches!(made, Made::Mark))?),
            b'u' => {
                let first = stack.iter().rposition(|made| matches!(made, Made::Mark))?;
                for entry in stack[first + 1..].chunks_exact(2) {
                    match entry {
                        [Made::Key("axis"), Made::Number(number)] => axis = usize::try_from(*number).ok(),
                        [Made::Key("chunks"), Made::Lists(all)] => lists = Some(all.clone()),
                        _ => {}
                    }
                }
                stack.truncate(first);
            }
            b'.' => {
                let axis = axis?;
                return Some(Info { axis, n_files: lists.and_then(|lists| lists.get(axis).copied()) });
            }
            _ => return None,
        }
    }
}

fn tuple_of(elements: &[Made]) -> Made {
    let lists = elements.iter().map(|made| match made {
        Made::Numbers(n) => Some(*n),
        _ => None,
    });
    match lists.collect() {
        Some(lists) if !elements.is_empty() => Made::Lists(lists),
        _ if elements.iter().all(|made| matches!(made, Made::Number(_))) => Made::Numbers(elements.len()),
        _ => Made::Unknown,
    }
}

fn take<'a>(rest: &mut &'a [u8], n_bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(n_bytes)?;
    *rest = left;
    Some(taken)
}

/// A number of at most eight bytes, the lowest first.
fn number(rest: &mut &[u8], n_bytes: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..n_bytes)?.copy_from_slice(take(rest, n_bytes)?);
    Some(u64::from_le_bytes(bytes))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = take(rest, end + 1)?;
    std::str::from_utf8(&line[..end]).ok()
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
    fn what_python_pickles_is_read() {
        // pickle.dumps({"chunks": ((3, 3, 2), (400,)), "dtype": np.dtype("f8"), "axis": 0}, protocol) of Python 3.11.
        let head_4 = b"\x80\x04\x95h\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x06chunks\x94K\x03K\x03K\x02\x87\x94M\x90\x01\x85\x94\x86\x94";
        let tail_4 = b"\x8c\x05dtype\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02f8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x8c\x04axis\x94K\x00u.";
        let pickled = [&head_4[..], &tail_4[..]].concat();
        assert_eq!(read(&pickled), Some(Info { axis: 0, n_files: Some(3) }));
        let written = write(&[vec![3, 3], vec![4, 4, 4]], "<f8");
        assert_eq!(read(&written), Some(Info { axis: 0, n_files: Some(2) }));
        // Chunks that are one object twice, and some that are no numbers.
        let twice = b"\x80\x02}q\x00(X\x06\x00\x00\x00chunksq\x01K\x05K\x05\x86q\x02h\x02\x86q\x03X\x04\x00\x00\x00axisq\x04K\x01u.";
        assert_eq!(read(twice), Some(Info { axis: 1, n_files: Some(2) }));
        let unknown = b"\x80\x02}(X\x06\x00\x00\x00chunksNX\x04\x00\x00\x00axisK\x01u.";
        assert_eq!(read(unknown), Some(Info { axis: 1, n_files: None }));
    }

    #[test]
    fn no_other_bytes_are_taken_for_it() {
        let written = write(&[vec![3, 3], vec![4]], "<f8");
        for len in 0..written.len() {
            assert_eq!(read(&written[..len]), None);
        }
        for other in
            [&b"axis"[..], b"", b"}(X\x04\0\0\0axisK\x01.", b"(((ttt.", b"t", b"u", b"R", b"h\0", b"\x8a\xff", b"\x87"]
        {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
