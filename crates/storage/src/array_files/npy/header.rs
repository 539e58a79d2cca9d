//! The header of npy files: what NumPy writes in front of the elements.
//!
//! Source: the format's description in NumPy (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use crate::array_files::element_type::{ElementProblem, ElementType, ElementTypeError};
use crate::array_files::error::FileDamage;

/// What every npy file begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy itself takes headers longer than 10,000 bytes for an attack.
pub(crate) const HEADER_BYTES_MAX: u64 = 64 << 10;

/// The data begins at a multiple of this.
const ALIGN: usize = 64;

/// Where the text of a header is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) text_start: u64,
    pub(crate) data_start: u64,
}

/// What the header of an npy file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) element: ElementType,
    pub(crate) is_fortran: bool,
    pub(crate) shape: Vec<u64>,
}

/// Why a header cannot be used.
#[derive(Debug, PartialEq)]
pub(crate) enum HeaderError {
    Damaged(FileDamage),
    ElementType(ElementTypeError),
}

impl From<FileDamage> for HeaderError {
    fn from(damage: FileDamage) -> Self {
        Self::Damaged(damage)
    }
}

fn unreadable(problem: impl Into<String>) -> HeaderError {
    HeaderError::Damaged(FileDamage::Description { part: "header", problem: problem.into() })
}

/// Reads the first 12 bytes of a file: magic, version, and the length of the header.
pub(crate) fn read_prefix(bytes: &[u8]) -> Result<Prefix, HeaderError> {
    let not_npy = || HeaderError::Damaged(FileDamage::Format { format: "npy" });
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(not_npy)?;
    let (&[major, minor], rest) = rest.split_first_chunk::<2>().ok_or_else(not_npy)?;
    let (text_start, text_bytes) = match major {
        1 => (10, rest.first_chunk().map(|bytes| u64::from(u16::from_le_bytes(*bytes)))),
        2 | 3 => (12, rest.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes)))),
        _ => return Err(unreadable(format!("version {major}.{minor} of the npy format is not known"))),
    };
    let text_bytes = text_bytes.ok_or_else(not_npy)?;
    if text_bytes > HEADER_BYTES_MAX {
        let damage = FileDamage::LongDescription { part: "header", bytes: text_bytes, bytes_max: HEADER_BYTES_MAX };
        return Err(damage.into());
    }
    Ok(Prefix { text_start, data_start: text_start + text_bytes })
}

impl Header {
    /// Reads the text of a header: a dictionary as Python writes it, with the keys descr, fortran_order and shape.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, HeaderError> {
        let mut tokens = Tokens { rest: text };
        let (mut element, mut is_fortran, mut shape) = (None, None, None);
        tokens.expect(b'{')?;
        while !tokens.take(b'}') {
            let key = tokens.string()?;
            tokens.expect(b':')?;
            match key.as_str() {
                "descr" => element = Some(tokens.descr()?),
                "fortran_order" => is_fortran = Some(tokens.boolean()?),
                "shape" => shape = Some(tokens.shape()?),
                other => return Err(unreadable(format!("the key '{}' is not known", other.escape_debug()))),
            }
            if !tokens.take(b',') {
                tokens.expect(b'}')?;
                break;
            }
        }
        if !tokens.at_end() {
            return Err(unreadable("there is text behind the dictionary"));
        }
        let missing = |key| unreadable(format!("the key '{key}' is missing"));
        Ok(Self {
            element: element.ok_or_else(|| missing("descr"))?,
            is_fortran: is_fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    /// The header as a file begins with it: version 1, data aligned to 64 bytes, as NumPy writes it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let sizes: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        let comma = if sizes.len() == 1 { "," } else { "" };
        let order = if self.is_fortran { "True" } else { "False" };
        let text = format!(
            "{{'descr': '{}', 'fortran_order': {order}, 'shape': ({}{comma}), }}",
            self.element.to_numpy(),
            sizes.join(", ")
        );
        // Version 1 has room for shapes of three thousand axes, and arrays have at most 64.
        let before = MAGIC.len() + 4;
        let total = (before + text.len() + 1).next_multiple_of(ALIGN);
        let text_bytes = u16::try_from(total - before).unwrap_or(u16::MAX);
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend(text_bytes.to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.resize(total - 1, b' ');
        bytes.push(b'\n');
        bytes
    }
}

/// The few forms of Python's literals that a header is made of.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl Tokens<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_next = self.rest.first() == Some(&byte);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), HeaderError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(byte)))) }
    }

    fn unexpected(&mut self, wanted: &str) -> HeaderError {
        self.skip_space();
        let found = String::from_utf8_lossy(&self.rest[..self.rest.len().min(20)]).into_owned();
        unreadable(format!("{wanted} was expected before `{}`", found.escape_debug()))
    }

    fn string(&mut self) -> Result<String, HeaderError> {
        self.skip_space();
        let quote = self.rest.first().copied().filter(|byte| matches!(byte, b'\'' | b'"'));
        let Some(quote) = quote else { return Err(self.unexpected("a string")) };
        let inside = &self.rest[1..];
        let Some(end) = inside.iter().position(|&byte| byte == quote) else {
            return Err(unreadable("a string has no end"));
        };
        self.rest = &inside[end + 1..];
        String::from_utf8(inside[..end].to_vec()).map_err(|_| unreadable("a string is not UTF-8"))
    }

    fn boolean(&mut self) -> Result<bool, HeaderError> {
        self.skip_space();
        for (text, value) in [(b"True".as_slice(), true), (b"False", false)] {
            if let Some(rest) = self.rest.strip_prefix(text) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn descr(&mut self) -> Result<ElementType, HeaderError> {
        self.skip_space();
        if matches!(self.rest.first(), Some(b'[' | b'(')) {
            let end = self.rest.iter().position(|&byte| byte == b']').map_or(self.rest.len(), |at| at + 1);
            let found = String::from_utf8_lossy(&self.rest[..end]).into_owned();
            return Err(HeaderError::ElementType(ElementTypeError { found, problem: ElementProblem::Record }));
        }
        ElementType::from_numpy(&self.string()?).map_err(HeaderError::ElementType)
    }

    fn shape(&mut self) -> Result<Vec<u64>, HeaderError> {
        let mut shape = Vec::new();
        self.expect(b'(')?;
        while !self.take(b')') {
            shape.push(self.size()?);
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn size(&mut self) -> Result<u64, HeaderError> {
        self.skip_space();
        let n_digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = str::from_utf8(&self.rest[..n_digits]).unwrap_or_default();
        let Ok(size) = digits.parse() else { return Err(self.unexpected("a size")) };
        self.rest = &self.rest[n_digits..];
        // Python 2 wrote long integers with a letter.
        self.take(b'L');
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, HeaderError> {
        Header::parse(text.as_bytes())
    }

    #[test]
    fn headers_come_back() {
        for (shape, is_fortran) in [(vec![], false), (vec![5], false), (vec![3, 0, 7], true)] {
            let header = Header { element: ElementType::from_numpy(">f8").unwrap(), is_fortran, shape };
            let bytes = header.to_bytes();
            let prefix = read_prefix(&bytes[..12]).unwrap();
            assert_eq!((prefix.text_start, prefix.data_start), (10, bytes.len() as u64));
            assert_eq!((bytes.len() % 64, bytes.last()), (0, Some(&b'\n')));
            assert_eq!(Header::parse(&bytes[10..]).unwrap(), header);
        }
    }

    #[test]
    fn other_writers_are_read() {
        let header = parse("{\"shape\":(2L,3L),'descr' : '<i4','fortran_order':True}  \n").unwrap();
        assert_eq!((header.shape, header.is_fortran), (vec![2, 3], true));
    }

    #[test]
    fn bad_headers_say_what_is_wrong() {
        let cases = [
            ("", "`{` was expected before ``"),
            ("{'descr': '<f8', 'fortran_order': False, }", "'shape' is missing"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3, -1), }", "a size was expected before `-1), }`"),
            ("{'descr': '<f8', 'fortran_order': 0, 'shape': (3,), }", "True or False was expected"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", "a size was expected"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'x': 1}", "the key 'x' is not known"),
            ("{'descr': '<f8", "a string has no end"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), } exit()", "text behind the dictionary"),
        ];
        for (text, expected) in cases {
            let HeaderError::Damaged(damage) = parse(text).unwrap_err() else { panic!("damage expected for {text}") };
            assert!(damage.to_string().contains(expected), "{damage}");
        }
        let record = parse("{'descr': [('a', '<f8'), ('b', '<i4')], 'fortran_order': False, 'shape': (3,), }");
        assert!(matches!(
            record,
            Err(HeaderError::ElementType(ElementTypeError { problem: ElementProblem::Record, .. }))
        ));
        assert_eq!(read_prefix(b"PK\x03\x04"), Err(FileDamage::Format { format: "npy" }.into()));
        assert_eq!(read_prefix(b"\x93NUMPY\x01"), Err(FileDamage::Format { format: "npy" }.into()));
        let long = read_prefix(b"\x93NUMPY\x02\x00\xff\xff\xff\xff");
        assert!(matches!(long, Err(HeaderError::Damaged(FileDamage::LongDescription { .. }))));
        assert!(read_prefix(b"\x93NUMPY\x09\x00\xff\xff").is_err());
    }
}
