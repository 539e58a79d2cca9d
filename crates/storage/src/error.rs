//! What can go wrong between a text that names data and the bytes behind it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::budget::MemoryError;
use crate::byte_size::ByteSizeError;

/// The result of this crate's operations.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// An error of this crate. Locations in it are as the user wrote them, less secrets.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A text that names no location.
    #[error("`{location}` does not name a file or folder: {problem}")]
    InvalidLocation {
        /// The text, redacted.
        location: String,
        /// What is wrong with it.
        problem: LocationProblem,
    },
    /// A URL of a kind that no store is known for.
    #[error(
        "`{location}`: no store is known for `{scheme}://`{}. Known are local paths, file://, s3://, gs://, az://, abfs(s)://, http:// and https://",
        did_you_mean(suggestion)
    )]
    UnknownScheme {
        /// The text, redacted.
        location: String,
        /// The part before `://`.
        scheme: String,
        /// The known scheme that is nearest.
        suggestion: Option<String>,
    },
    /// Wildcards or a folder over HTTP.
    #[error(
        "`{location}`: a web server cannot list files, so {what} does not work over HTTP. Name each file by its own URL"
    )]
    HttpListing {
        /// The text, redacted.
        location: String,
        /// What would need a list: a pattern, a folder.
        what: &'static str,
    },
    /// There is no such file or folder.
    #[error("`{location}` does not exist")]
    NotFound {
        /// The location, redacted.
        location: String,
    },
    /// A folder that holds no file, other than hidden ones.
    #[error("the folder `{location}` holds no files (names that start with `.` or `_` are not counted)")]
    EmptyFolder {
        /// The location, redacted.
        location: String,
    },
    /// A pattern that no file matches.
    #[error("no file matches `{location}`")]
    NoMatch {
        /// The location, redacted.
        location: String,
    },
    /// The session's external access does not cover the location. Says nothing about whether it exists.
    #[error(
        "access to `{location}` is denied: this session may use {}. The program that embeds the engine can allow more with `external_access` when it builds the session (`--allow-path` on the command line)",
        Allowed(allowed)
    )]
    AccessDenied {
        /// The location, redacted.
        location: String,
        /// The roots that are allowed; empty if external access is off.
        allowed: Vec<String>,
    },
    /// A write by a session that may only read.
    #[error(
        "cannot {operation} `{location}`: the session is read-only. The program that embeds the engine can allow writing by building the session without `read_only` (`--read-only` on the command line)"
    )]
    ReadOnly {
        /// The location, redacted.
        location: String,
        /// What was tried: write, delete.
        operation: &'static str,
    },
    /// A store option that no store knows.
    #[error("unknown store option `{key}`{}", did_you_mean(suggestion))]
    UnknownOption {
        /// The key as it was given.
        key: String,
        /// The known key that is nearest.
        suggestion: Option<String>,
    },
    /// Credentials that no store can be given.
    #[error("this is no secret: {problem}")]
    InvalidSecret {
        /// What is wrong, without values.
        problem: String,
    },
    /// The options and environment variables do not make a store.
    #[error("cannot open the store {store}: {source}")]
    InvalidStore {
        /// The URL of the store.
        store: String,
        /// What the store says; redacted.
        source: object_store::Error,
    },
    /// A store refused or failed an operation.
    #[error("{location}: {source}")]
    Store {
        /// The location, redacted.
        location: String,
        /// What the store says; redacted.
        source: object_store::Error,
    },
    /// The operating system refused or failed an operation on a local file.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried: create, rename.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A result would replace something that must not be replaced.
    #[error("cannot write {}: {found} is there already", path.display())]
    Occupied {
        /// The file or folder to be written.
        path: PathBuf,
        /// What is in its place.
        found: Occupant,
    },
    /// The memory limit was reached.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A size that cannot be read.
    #[error(transparent)]
    ByteSize(#[from] ByteSizeError),
}

impl StorageError {
    /// Takes this crate's own error out of what a guarded store returned; any other error keeps its place as source.
    pub fn from_object_store(location: impl fmt::Display, error: object_store::Error) -> Self {
        match error {
            object_store::Error::PermissionDenied { path, source } => match source.downcast::<Self>() {
                Ok(own) => *own,
                Err(source) => Self::Store {
                    location: location.to_string(),
                    source: object_store::Error::PermissionDenied { path, source },
                },
            },
            object_store::Error::NotFound { .. } => Self::NotFound { location: location.to_string() },
            source => Self::Store { location: location.to_string(), source },
        }
    }

    /// The first error of this crate in a chain of sources, however deep other crates have wrapped it.
    pub fn find_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(own) = error.downcast_ref::<Self>() {
                return Some(own);
            }
            link = error.source();
        }
        None
    }
}

/// Puts an error of this crate into the type that a store must return.
impl From<StorageError> for object_store::Error {
    fn from(error: StorageError) -> Self {
        let path = match &error {
            StorageError::AccessDenied { location, .. }
            | StorageError::ReadOnly { location, .. }
            | StorageError::NotFound { location } => location.clone(),
            _ => String::new(),
        };
        match error {
            StorageError::Store { source, .. } => source,
            StorageError::NotFound { .. } => Self::NotFound { path, source: Box::new(error) },
            StorageError::AccessDenied { .. } | StorageError::ReadOnly { .. } => {
                Self::PermissionDenied { path, source: Box::new(error) }
            }
            _ => Self::Generic { store: "dolmen", source: Box::new(error) },
        }
    }
}

/// What is wrong with the text of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocationProblem {
    /// The text is empty.
    Empty,
    /// The URL names no bucket, container or host.
    NoBucket,
    /// The URL names a host where none belongs: `file://host/path`.
    ForeignHost(String),
    /// The URL holds a user name or password, which this kind of store takes from options.
    CredentialsInUrl,
    /// The URL cannot be read.
    Url(url::ParseError),
    /// The path has a segment that stores do not allow: an empty one, `..`, or a control character.
    Segment(String),
    /// A local file name that ends with `#` and digits, which the store keeps for unfinished uploads.
    ReservedName(String),
    /// `~` was used, but the home folder is not known.
    NoHome,
    /// A relative path was used, but the current folder is not known.
    NoCurrentFolder,
    /// A pattern that stands for too many alternatives.
    TooManyAlternatives(usize),
    /// The bytes behind percent signs are no UTF-8.
    NotUtf8,
    /// A pattern where one file or folder must be named.
    Pattern,
    /// A URL where a local file or folder must be named.
    NotLocal,
    /// A path where only a bucket or container may be named.
    NotAStore,
}

impl fmt::Display for LocationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::NoBucket => f.write_str("the URL names no bucket, container or host"),
            Self::ForeignHost(host) => write!(f, "the files of the host `{host}` cannot be reached by a file:// URL"),
            Self::CredentialsInUrl => f.write_str("credentials do not belong in this URL; set them as store options"),
            Self::Url(error) => write!(f, "{error}"),
            Self::Segment(segment) => write!(f, "the part `{}` is not allowed in a path", segment.escape_debug()),
            Self::ReservedName(name) => {
                write!(f, "names that end with `#` and digits, like `{name}`, are kept for unfinished writes")
            }
            Self::NoHome => f.write_str("the home folder that `~` stands for is not known"),
            Self::NoCurrentFolder => f.write_str("the current folder is not known; use an absolute path"),
            Self::TooManyAlternatives(max) => write!(f, "the pattern stands for more than {max} alternatives"),
            Self::NotUtf8 => f.write_str("its percent signs do not encode UTF-8 text"),
            Self::Pattern => f.write_str("it is a pattern, but one file or folder must be named here"),
            Self::NotAStore => f.write_str("it goes on behind the bucket or container, which alone may be named here"),
            Self::NotLocal => f.write_str("it is not on this machine's file system, and must be here"),
        }
    }
}

/// What stands where a result should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Occupant {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A folder with files in it.
    FolderWithFiles,
    /// A device, pipe or socket.
    Special,
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::FolderWithFiles => "a folder with files in it",
            Self::Special => "a device, pipe or socket",
        })
    }
}

struct Allowed<'a>(&'a [String]);

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("no files and no URLs"),
            roots => write!(f, "only {}", roots.join(", ")),
        }
    }
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> StorageError {
        StorageError::AccessDenied { location: "/etc/passwd".into(), allowed: vec!["/data".into(), "s3://b/".into()] }
    }

    #[test]
    fn own_errors_survive_the_store_trait() {
        let error = object_store::Error::from(denied());
        assert!(matches!(StorageError::find_in(&error), Some(StorageError::AccessDenied { .. })));
        let back = StorageError::from_object_store("elsewhere", error);
        assert_eq!(back.to_string(), denied().to_string());
    }

    #[test]
    fn a_denial_names_what_is_allowed_and_how_to_allow_more() {
        let text = denied().to_string();
        assert!(
            text.contains("`/etc/passwd`") && text.contains("only /data, s3://b/") && text.contains("external_access")
        );
        let off = StorageError::AccessDenied { location: "x".into(), allowed: vec![] };
        assert!(off.to_string().contains("no files and no URLs"));
    }
}
