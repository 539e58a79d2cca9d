//! What the two processes say to each other, and how it stands in bytes.
//!
//! A frame is the length of its header (4 bytes, little endian), the length of its blobs (8 bytes), the header as postcard
//! writes it, and the blobs, one behind the other. The header says how long each is.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::remote_error::WireError;

/// Raised when messages change their meaning.
pub(super) const VERSION: u32 = 2;

/// Says to a process that it is a worker, if its standard input is a socket.
pub(super) const VARIABLE: &str = "DOLMEN_WORKER";

/// No header is as long.
const HEADER_BYTES_MAX: u32 = 1 << 28;
/// No value is as long.
const BLOBS_BYTES_MAX: u64 = 1 << 38;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// Comes first. What graphs of tasks may use in the worker: so much memory, and a folder to spill to.
    Setup { memory_bytes_max: u64, temp: PathBuf },
    /// The blob is a graph.
    Graph { run: u64 },
    /// No task of the run will come.
    Forget { run: u64 },
    /// The blobs are what the task reads, input by input.
    Run { run: u64, stage: u32, partition: u32, attempt: u32, inputs: Vec<Vec<WireValue>> },
    /// The task that runs is to stop.
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The worker is there.
    Hello {
        version: u32,
    },
    /// The blob is the value of the task.
    Done {
        type_name: String,
    },
    Failed(WireError),
}

/// A value whose bytes are the next blob.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireValue {
    pub(super) type_name: String,
    pub(super) n_bytes: u64,
}

/// A message with the bytes that belong to it.
#[derive(Debug)]
pub(super) struct Frame<M> {
    pub(super) message: M,
    pub(super) blobs: Vec<u8>,
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The lengths and the header of a frame.
fn head<M: Serialize>(message: &M, blobs: &[&[u8]]) -> io::Result<Vec<u8>> {
    let header = postcard::to_stdvec(message).map_err(invalid)?;
    let header_len = u32::try_from(header.len()).ok().filter(|len| *len <= HEADER_BYTES_MAX);
    let header_len = header_len.ok_or_else(|| invalid("a message is too long"))?;
    let blobs_len: u64 = blobs.iter().map(|blob| blob.len() as u64).sum();
    let mut head = Vec::with_capacity(12 + header.len());
    head.extend(header_len.to_le_bytes());
    head.extend(blobs_len.to_le_bytes());
    head.extend(header);
    Ok(head)
}

/// The lengths of header and blobs.
fn lengths(bytes: [u8; 12]) -> io::Result<(u64, u64)> {
    let [a, b, c, d, rest @ ..] = bytes;
    let (header, blobs) = (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(rest));
    if header > HEADER_BYTES_MAX || blobs > BLOBS_BYTES_MAX {
        return Err(invalid(format!("a message of {header} and {blobs} bytes is announced")));
    }
    Ok((u64::from(header), blobs))
}

fn frame<M: DeserializeOwned>(mut bytes: Vec<u8>, header_len: u64, blobs_len: u64) -> io::Result<Frame<M>> {
    if bytes.len() as u64 != header_len + blobs_len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let blobs = bytes.split_off(usize::try_from(header_len).map_err(invalid)?);
    let message = postcard::from_bytes(&bytes).map_err(invalid)?;
    Ok(Frame { message, blobs })
}

/// Writes a message on a thread.
pub(super) fn write_blocking<M: Serialize>(to: &mut impl Write, message: &M, blobs: &[&[u8]]) -> io::Result<()> {
    to.write_all(&head(message, blobs)?)?;
    blobs.iter().try_for_each(|blob| to.write_all(blob))
}

/// Reads a message on a thread. Memory is taken as bytes come, whatever length is announced.
pub(super) fn read_blocking<M: DeserializeOwned>(from: &mut impl Read) -> io::Result<Frame<M>> {
    let mut bytes = [0; 12];
    from.read_exact(&mut bytes)?;
    let (header_len, blobs_len) = lengths(bytes)?;
    let mut bytes = Vec::new();
    from.take(header_len + blobs_len).read_to_end(&mut bytes)?;
    frame(bytes, header_len, blobs_len)
}

/// As [`write_blocking`], without blocking.
pub(super) async fn write<M: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &M,
    blobs: &[&[u8]],
) -> io::Result<()> {
    to.write_all(&head(message, blobs)?).await?;
    for blob in blobs {
        to.write_all(blob).await?;
    }
    Ok(())
}

/// As [`read_blocking`], without blocking.
pub(super) async fn read<M: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame<M>> {
    let mut bytes = [0; 12];
    from.read_exact(&mut bytes).await?;
    let (header_len, blobs_len) = lengths(bytes)?;
    let mut bytes = Vec::new();
    from.take(header_len + blobs_len).read_to_end(&mut bytes).await?;
    frame(bytes, header_len, blobs_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(message: &ToWorker, blobs: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_blocking(&mut bytes, message, blobs).unwrap();
        bytes
    }

    #[test]
    fn a_frame_survives_its_bytes() {
        let bytes = bytes(&ToWorker::Graph { run: 7 }, &[b"one", b"two"]);
        let frame: Frame<ToWorker> = read_blocking(&mut &*bytes).unwrap();
        assert!(matches!(frame.message, ToWorker::Graph { run: 7 }));
        assert_eq!(frame.blobs, b"onetwo");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let frame: Frame<ToWorker> = runtime.block_on(read(&mut &*bytes)).unwrap();
        assert_eq!(frame.blobs, b"onetwo");
    }

    #[test]
    fn a_frame_that_ends_early_is_an_error() {
        let bytes = bytes(&ToWorker::Graph { run: 7 }, &[b"one"]);
        for n in 0..bytes.len() {
            assert!(read_blocking::<ToWorker>(&mut &bytes[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn absurd_lengths_and_garbage_are_errors() {
        let absurd = [0xFF; 64];
        let error = read_blocking::<ToWorker>(&mut &absurd[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        // A length that is allowed and not true: no memory is taken for it.
        let mut lie = 4_u32.to_le_bytes().to_vec();
        lie.extend((BLOBS_BYTES_MAX - 1).to_le_bytes());
        lie.extend([0; 20]);
        let error = read_blocking::<ToWorker>(&mut &*lie).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let mut garbage = 8_u32.to_le_bytes().to_vec();
        garbage.extend(0_u64.to_le_bytes());
        garbage.extend([0xEE; 8]);
        assert_eq!(read_blocking::<ToWorker>(&mut &*garbage).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
