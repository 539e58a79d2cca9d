//! The parts of zip archives that npz files are made of.
//!
//! Source: the format's description (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>), sections 4.3 and 4.5.3.

use crate::array_files::error::FileDamage;

/// The end of the central directory, without its comment.
const END_BYTES: usize = 22;

/// The pointer to the end of a directory with sizes of 8 bytes.
const LOCATOR_BYTES: usize = 20;

/// The end of a directory with sizes of 8 bytes.
const END_64_BYTES: usize = 56;

/// The fixed part of a member's own header.
pub(crate) const MEMBER_HEADER_BYTES: u64 = 30;

/// The end of an archive lies within this many bytes: comments are shorter than 64 KiB.
pub(crate) const TAIL_BYTES: u64 = (END_BYTES + LOCATOR_BYTES + u16::MAX as usize) as u64;

const END: u32 = 0x0605_4b50;
const LOCATOR: u32 = 0x0706_4b50;
const END_64: u32 = 0x0606_4b50;
const ENTRY: u32 = 0x0201_4b50;
const MEMBER: u32 = 0x0403_4b50;

/// The extra field that holds sizes of 8 bytes.
const EXTRA_64: u16 = 1;

/// The version of the format that knows sizes of 8 bytes.
const VERSION_64: u16 = 45;

/// The flag of names in UTF-8.
const FLAG_UTF8: u16 = 1 << 11;

/// The first of January 1980, as the format writes it: files are equal, whenever they are written.
const DATE: u16 = 0x21;

/// How the bytes of a member are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
    Other(u16),
}

impl Method {
    fn code(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
            Self::Other(code) => code,
        }
    }
}

/// One member of an archive, as its directory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) is_encrypted: bool,
    pub(crate) crc: u32,
    pub(crate) stored_bytes: u64,
    pub(crate) plain_bytes: u64,
    pub(crate) header_start: u64,
}

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

/// Finds the directory, or where the end of it with large sizes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Directory(Directory),
    /// At this place, [`End::LARGE_BYTES`] long.
    Large(u64),
}

impl End {
    pub(crate) const LARGE_BYTES: u64 = END_64_BYTES as u64;

    /// Reads the last [`TAIL_BYTES`] of a file, or all of it if it is shorter.
    pub(crate) fn find(tail: &[u8]) -> Result<Self, FileDamage> {
        let is_end = |at: &usize| {
            let comment = Fields(&tail[at + 20..]).u16();
            Fields(&tail[*at..]).u32() == Some(END)
                && comment.is_some_and(|n| at + END_BYTES + usize::from(n) == tail.len())
        };
        let starts = (0..(tail.len() + 1).saturating_sub(END_BYTES)).rev();
        let at = starts.into_iter().find(is_end).ok_or(FileDamage::Format { format: "npz" })?;
        let before = at.checked_sub(LOCATOR_BYTES).map(|start| &tail[start..at]);
        if let Some(locator) = before.filter(|bytes| Fields(bytes).u32() == Some(LOCATOR)) {
            return Ok(Self::Large(Fields(&locator[8..]).u64().unwrap_or(u64::MAX)));
        }
        let mut fields = Fields(&tail[at + 12..]);
        let (bytes, start) = (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
        Ok(Self::Directory(Directory { start: start.into(), bytes: bytes.into() }))
    }

    /// Reads the end with large sizes.
    pub(crate) fn read_large(bytes: &[u8]) -> Result<Directory, FileDamage> {
        let mut fields = Fields(bytes);
        let is_end = fields.u32() == Some(END_64);
        let mut fields = Fields(bytes.get(40..).unwrap_or_default());
        match (is_end, fields.u64(), fields.u64()) {
            (true, Some(bytes), Some(start)) => Ok(Directory { start, bytes }),
            _ => Err(unreadable("the end of it is not where it should be")),
        }
    }
}

/// Reads all entries of a directory.
pub(crate) fn read_directory(bytes: &[u8]) -> Result<Vec<Entry>, FileDamage> {
    let mut entries = Vec::new();
    let mut rest = Fields(bytes);
    while !rest.0.is_empty() {
        entries.push(read_entry(&mut rest).ok_or_else(|| unreadable("an entry is cut off or of another kind"))?);
    }
    Ok(entries)
}

fn read_entry(fields: &mut Fields<'_>) -> Option<Entry> {
    if fields.u32()? != ENTRY {
        return None;
    }
    fields.take(4)?;
    let flags = fields.u16()?;
    let method = match fields.u16()? {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => Method::Other(other),
    };
    fields.take(4)?;
    let crc = fields.u32()?;
    let (stored, plain) = (fields.u32()?, fields.u32()?);
    let (n_name, n_extra, n_comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.take(8)?;
    let header_start = fields.u32()?;
    let name = String::from_utf8_lossy(fields.take(n_name.into())?).into_owned();
    let mut large = find_extra_64(fields.take(n_extra.into())?);
    fields.take(n_comment.into())?;
    // The extra field holds only those sizes that have no room in the entry.
    let mut size = |small: u32| if small == u32::MAX { large.u64() } else { Some(small.into()) };
    let (plain_bytes, stored_bytes, header_start) = (size(plain)?, size(stored)?, size(header_start)?);
    Some(Entry { name, method, is_encrypted: flags & 1 == 1, crc, stored_bytes, plain_bytes, header_start })
}

fn find_extra_64(extra: &[u8]) -> Fields<'_> {
    let mut fields = Fields(extra);
    while let (Some(id), Some(n)) = (fields.u16(), fields.u16()) {
        match fields.take(n.into()) {
            Some(field) if id == EXTRA_64 => return Fields(field),
            Some(_) => {}
            None => break,
        }
    }
    Fields(&[])
}

/// How long a member's own header is, from its fixed part.
pub(crate) fn member_header_bytes(header: &[u8]) -> Result<u64, FileDamage> {
    let is_member = Fields(header).u32() == Some(MEMBER);
    let mut fields = Fields(header.get(26..).unwrap_or_default());
    match (is_member, fields.u16(), fields.u16()) {
        (true, Some(n_name), Some(n_extra)) => Ok(MEMBER_HEADER_BYTES + u64::from(n_name) + u64::from(n_extra)),
        _ => Err(FileDamage::Outside { part: "directory" }),
    }
}

impl Entry {
    /// The header in front of the member's bytes. Its length depends on the name alone.
    pub(crate) fn member_header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(MEMBER_HEADER_BYTES as usize + self.name.len() + 20);
        put32(&mut header, MEMBER);
        self.put_common(&mut header, (u32::MAX, u32::MAX), 20);
        header.extend(self.name.as_bytes());
        put16(&mut header, EXTRA_64);
        put16(&mut header, 16);
        put64(&mut header, self.plain_bytes);
        put64(&mut header, self.stored_bytes);
        header
    }

    fn put_directory_entry(&self, directory: &mut Vec<u8>) {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let sizes = [self.plain_bytes, self.stored_bytes, self.header_start];
        let large: Vec<u64> = sizes.into_iter().filter(|&n| small(n) == u32::MAX).collect();
        let extra_bytes = if large.is_empty() { 0 } else { 4 + 8 * large.len() as u16 };
        put32(directory, ENTRY);
        // Made on Unix, so that the permissions below are understood.
        put16(directory, 3 << 8 | VERSION_64);
        self.put_common(directory, (small(self.stored_bytes), small(self.plain_bytes)), extra_bytes);
        // No comment, the first disk, no attributes.
        for _ in 0..3 {
            put16(directory, 0);
        }
        // Read and written by the owner, a plain file.
        put32(directory, 0o100_600 << 16);
        put32(directory, small(self.header_start));
        directory.extend(self.name.as_bytes());
        if !large.is_empty() {
            put16(directory, EXTRA_64);
            put16(directory, extra_bytes - 4);
            large.iter().for_each(|&n| put64(directory, n));
        }
    }

    fn put_common(&self, to: &mut Vec<u8>, (stored, plain): (u32, u32), extra_bytes: u16) {
        put16(to, VERSION_64);
        put16(to, if self.name.is_ascii() { 0 } else { FLAG_UTF8 });
        put16(to, self.method.code());
        put16(to, 0);
        put16(to, DATE);
        put32(to, self.crc);
        put32(to, stored);
        put32(to, plain);
        put16(to, self.name.len() as u16);
        put16(to, extra_bytes);
    }
}

/// The directory of `entries`, and the end of the archive, for a directory that starts at `start`.
pub(crate) fn write_directory(entries: &[Entry], start: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| entry.put_directory_entry(&mut bytes));
    let (n_entries, n_bytes) = (entries.len() as u64, bytes.len() as u64);
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let n_small = u16::try_from(n_entries).unwrap_or(u16::MAX);
    if n_small == u16::MAX || small(start) == u32::MAX || small(n_bytes) == u32::MAX {
        let end_start = start + n_bytes;
        put32(&mut bytes, END_64);
        put64(&mut bytes, END_64_BYTES as u64 - 12);
        put16(&mut bytes, VERSION_64);
        put16(&mut bytes, VERSION_64);
        put64(&mut bytes, 0);
        [n_entries, n_entries, n_bytes, start].into_iter().for_each(|n| put64(&mut bytes, n));
        put32(&mut bytes, LOCATOR);
        put32(&mut bytes, 0);
        put64(&mut bytes, end_start);
        put32(&mut bytes, 1);
    }
    put32(&mut bytes, END);
    put32(&mut bytes, 0);
    put16(&mut bytes, n_small);
    put16(&mut bytes, n_small);
    put32(&mut bytes, small(n_bytes));
    put32(&mut bytes, small(start));
    put16(&mut bytes, 0);
    bytes
}

fn put16(to: &mut Vec<u8>, n: u16) {
    to.extend(n.to_le_bytes());
}

fn put32(to: &mut Vec<u8>, n: u32) {
    to.extend(n.to_le_bytes());
}

fn put64(to: &mut Vec<u8>, n: u64) {
    to.extend(n.to_le_bytes());
}

fn unreadable(problem: &str) -> FileDamage {
    FileDamage::Description { part: "directory", problem: problem.to_owned() }
}

/// Numbers one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*number)
    }

    fn u16(&mut self) -> Option<u16> {
        self.number().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.number().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.number().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bytes: u64, header_start: u64) -> Entry {
        let method = Method::Deflated;
        let name = name.to_owned();
        Entry { name, method, is_encrypted: false, crc: 7, stored_bytes: bytes / 2, plain_bytes: bytes, header_start }
    }

    #[test]
    fn directories_come_back_small_and_large() {
        let small = vec![entry("a.npy", 100, 0), entry("ü.npy", 0, 1000)];
        let large = vec![entry("a.npy", 1 << 40, 0), entry("b.npy", 5, 1 << 39)];
        for (entries, start, is_large) in [(small, 2000, false), (large, 1 << 41, true)] {
            let bytes = write_directory(&entries, start);
            let directory = match End::find(&bytes).unwrap() {
                End::Directory(directory) => directory,
                End::Large(at) => {
                    assert!(is_large);
                    End::read_large(&bytes[(at - start) as usize..][..END_64_BYTES]).unwrap()
                }
            };
            assert_eq!(directory.start, start);
            assert_eq!(read_directory(&bytes[..directory.bytes as usize]).unwrap(), entries);
        }
    }

    #[test]
    fn ends_are_found_behind_comments_and_not_elsewhere() {
        let mut bytes = write_directory(&[entry("a.npy", 1, 0)], 0);
        let n = bytes.len();
        bytes[n - 2] = 5;
        bytes.extend(b"hello");
        assert!(matches!(End::find(&bytes), Ok(End::Directory(Directory { start: 0, .. }))));
        let not_npz = Err(FileDamage::Format { format: "npz" });
        assert_eq!(End::find(&bytes[..n]), not_npz);
        assert_eq!(End::find(b"PK"), not_npz);
        assert_eq!(End::find(b""), not_npz);
    }

    #[test]
    fn cut_directories_are_refused() {
        let bytes = write_directory(&[entry("a.npy", 1, 0)], 0);
        let n = bytes.len() - END_BYTES;
        assert!(read_directory(&bytes[..n]).is_ok());
        for cut in 1..n {
            assert!(read_directory(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(member_header_bytes(&bytes).is_err() && member_header_bytes(b"PK").is_err());
    }
}
