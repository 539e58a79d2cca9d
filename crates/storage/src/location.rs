//! From the text of a user to a typed place: a store, and a path or pattern in it.

use std::fmt;
use std::path::{Path, PathBuf};

use object_store::path::Path as ObjectPath;
use url::Url;

use crate::error::{LocationProblem, Result, StorageError};
use crate::glob::{GlobPattern, N_ALTERNATIVES_MAX};
use crate::secrets::redact_url;
use crate::suggest::nearest;

/// What kind of store a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreKind {
    /// The file system of this machine.
    Local,
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake.
    Azure,
    /// A web server, for reading single files.
    Http,
}

/// Which store: the kind, and a URL of scheme and authority that ends in `/`, such as `file:///`, `s3://bucket/`.
/// Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey {
    kind: StoreKind,
    url: Url,
}

impl StoreKey {
    /// The key of the local file system.
    pub fn local() -> Self {
        // The text is a constant and a valid URL, so the fallback is never taken.
        let url = Url::parse("file:///").unwrap_or_else(|_| unreachable!("file:/// is a URL"));
        Self { kind: StoreKind::Local, url }
    }

    /// What kind of store it is.
    pub fn kind(&self) -> StoreKind {
        self.kind
    }

    /// Scheme and authority, with `/` as the path.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// The path, or paths, that a [`Location`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One file or folder.
    Path(ObjectPath),
    /// All files that match.
    Glob {
        /// The pattern, over paths of the store.
        pattern: GlobPattern,
        /// The same text without any special meaning, where a local file may have such a name: `what?.csv`.
        literal: Option<ObjectPath>,
    },
}

/// Where relative paths and `~` start.
#[derive(Debug, Clone, Default)]
pub struct PathBase {
    /// The folder that relative paths are relative to.
    pub current_dir: Option<PathBuf>,
    /// The folder that `~` stands for.
    pub home_dir: Option<PathBuf>,
}

impl PathBase {
    /// The current folder and home folder of this process.
    pub fn of_process() -> Self {
        Self { current_dir: std::env::current_dir().ok(), home_dir: std::env::home_dir() }
    }
}

/// A place that a user named: a file, a folder or a pattern, in some store.
///
/// | text | meaning |
/// |---|---|
/// | `data/x.csv`, `/data/x.csv`, `~/x.csv` | local; every character stands for itself, but for patterns |
/// | `file:///data/a%20b.csv` | local; percent signs are decoded |
/// | `s3://bucket/key`, `s3a://` | S3; the key is taken as it is written |
/// | `gs://bucket/key`, `gcs://` | Google Cloud Storage; likewise |
/// | `az://container/key`, `azure://`, `adl://`, `abfs(s)://container@account.dfs.core.windows.net/key` | Azure; likewise |
/// | `http://`, `https://` | one file of a web server; user, password and query are used but never shown |
///
/// Patterns (see [`GlobPattern`]) work everywhere but over HTTP. A local file whose name looks like a pattern is found
/// when it exists, and can always be written as a pattern: `what[?].csv`. A trailing `/` says that a folder is meant.
///
/// `Display` and `Debug` never show secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    shown: String,
    store: StoreKey,
    target: Target,
    is_folder: bool,
    access: Option<UrlAccess>,
}

/// The parts of an HTTP URL that may grant access, and so stay out of [`StoreKey`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct UrlAccess {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) query: Option<String>,
}

impl Location {
    /// Reads the text of a user, with patterns. Relative paths start at the current folder of the process.
    ///
    /// # Errors
    /// [`StorageError::InvalidLocation`], [`StorageError::UnknownScheme`], [`StorageError::HttpListing`].
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_from(text, &PathBase::of_process())
    }

    /// Like [`parse`](Self::parse), with relative paths and `~` starting at `base`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_from(text: &str, base: &PathBase) -> Result<Self> {
        read(text, base, Wildcards::Match)
    }

    /// Like [`parse_from`](Self::parse_from), but every character stands for itself: for a place that is to be written.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_exact(text: &str, base: &PathBase) -> Result<Self> {
        read(text, base, Wildcards::Literal)
    }

    /// The store that holds it.
    pub fn store(&self) -> &StoreKey {
        &self.store
    }

    /// The path or pattern in the store.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The path, if it is not a pattern.
    pub fn path(&self) -> Option<&ObjectPath> {
        match &self.target {
            Target::Path(path) => Some(path),
            Target::Glob { .. } => None,
        }
    }

    /// The path, for operations that need exactly one.
    ///
    /// # Errors
    /// [`StorageError::InvalidLocation`] if it is a pattern.
    pub fn require_path(&self) -> Result<&ObjectPath> {
        self.path().ok_or_else(|| self.invalid(LocationProblem::Pattern))
    }

    /// The place of one of the files that this location stands for, by its path in the store.
    pub(crate) fn listed(&self, path: &ObjectPath) -> Self {
        if self.path() == Some(path) {
            return self.clone();
        }
        let shown = match self.store.kind {
            StoreKind::Local => to_local_path(path).display().to_string(),
            _ => format!("{}{path}", self.store.url),
        };
        let (store, target) = (self.store.clone(), Target::Path(path.clone()));
        Self { shown, store, target, is_folder: false, access: self.access.clone() }
    }

    /// Whether the text says that a folder is meant, by a trailing `/` or by naming the root of a store. A location
    /// without it may still turn out to be a folder.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The path on the local file system, if it is there and not a pattern.
    pub fn local_path(&self) -> Option<PathBuf> {
        match (self.store.kind, &self.target) {
            (StoreKind::Local, Target::Path(path)) => Some(to_local_path(path)),
            _ => None,
        }
    }

    /// The file extension that the text ends with, in lower case and without the dot: `csv`, `gz`.
    pub fn extension(&self) -> Option<String> {
        let name = match &self.target {
            Target::Path(path) | Target::Glob { literal: Some(path), .. } => path.filename()?,
            Target::Glob { literal: None, .. } => self.shown.rsplit('/').next()?,
        };
        let (stem, extension) = name.rsplit_once('.')?;
        let is_plain = extension.chars().all(|c| c.is_ascii_alphanumeric());
        (!stem.is_empty() && !extension.is_empty() && is_plain).then(|| extension.to_ascii_lowercase())
    }

    pub(crate) fn access(&self) -> Option<&UrlAccess> {
        self.access.as_ref()
    }

    fn invalid(&self, problem: LocationProblem) -> StorageError {
        StorageError::InvalidLocation { location: self.shown.clone(), problem }
    }
}

/// The text as the user wrote it, less secrets.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location")
            .field("shown", &self.shown)
            .field("store", &self.store.url.as_str())
            .field("target", &self.target)
            .field("is_folder", &self.is_folder)
            .finish_non_exhaustive()
    }
}

/// Whether `*`, `?`, `[` and `{` have a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Match,
    Literal,
}

fn read(text: &str, base: &PathBase, wildcards: Wildcards) -> Result<Location> {
    let shown = redact_url(text).into_owned();
    let reader = Reader { text, shown, wildcards };
    if text.is_empty() {
        return Err(reader.invalid(LocationProblem::Empty));
    }
    match split_scheme(text) {
        None => reader.local(text, base),
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "file" => reader.file_url(rest),
            "s3" | "s3a" => reader.bucket(StoreKind::S3, "s3", rest),
            "gs" | "gcs" => reader.bucket(StoreKind::Gcs, "gs", rest),
            "az" | "azure" | "adl" => reader.bucket(StoreKind::Azure, "az", rest),
            scheme @ ("abfs" | "abfss") => reader.bucket(StoreKind::Azure, scheme, rest),
            "http" | "https" => reader.http(),
            unknown => Err(reader.unknown_scheme(unknown)),
        },
    }
}

/// Splits `scheme://rest`; `file:/path` counts as well. A single letter is a drive, not a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    match rest.strip_prefix("//") {
        Some(rest) if is_scheme => Some((scheme, rest)),
        None if scheme.eq_ignore_ascii_case("file") && rest.starts_with('/') => Some((scheme, rest)),
        _ => None,
    }
}

struct Reader<'a> {
    text: &'a str,
    shown: String,
    wildcards: Wildcards,
}

impl Reader<'_> {
    fn local(&self, text: &str, base: &PathBase) -> Result<Location> {
        let text = if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() };
        let full = if text == "~" || text.starts_with("~/") {
            let home = base.home_dir.as_deref().ok_or_else(|| self.invalid(LocationProblem::NoHome))?;
            format!("{}{}", self.utf8(home)?, &text[1..])
        } else if is_absolute(&text) {
            text
        } else {
            let dir = base.current_dir.as_deref().ok_or_else(|| self.invalid(LocationProblem::NoCurrentFolder))?;
            // What the current folder is called is no pattern, whatever characters are in it.
            return self.local_target(self.utf8(dir)?, &text);
        };
        self.local_target("", &full)
    }

    /// `folder` is taken as it is, `text` below it may hold patterns.
    fn local_target(&self, folder: &str, text: &str) -> Result<Location> {
        let is_folder = text.ends_with('/') || matches!(text.rsplit('/').next(), Some("." | ".."));
        let folder = resolve_dots(folder, false).map_err(|segment| self.bad_segment(&segment))?;
        let as_pattern = self.wildcards == Wildcards::Match && is_pattern(text);
        let joined = format!("/{}/{text}", folder.join("/"));
        let segments = resolve_dots(&joined, as_pattern).map_err(|segment| self.bad_segment(&segment))?;
        let n_plain = segments.iter().zip(&folder).take_while(|(a, b)| a == b).count();
        let (plain, rest) = segments.split_at(n_plain);
        let target = self.target(StoreKind::Local, plain, &rest.join("/"))?;
        Ok(self.location(StoreKey::local(), target, is_folder))
    }

    fn file_url(&self, rest: &str) -> Result<Location> {
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
            return Err(self.invalid(LocationProblem::ForeignHost(host.to_owned())));
        }
        if self.wildcards == Wildcards::Literal || !is_pattern(path) {
            let decoded = self.decode(path)?;
            let exact = Reader { text: self.text, shown: self.shown.clone(), wildcards: Wildcards::Literal };
            return exact.local_target("", &decoded);
        }
        // What stands behind a percent sign is never a wildcard, so it is escaped before the pattern is read.
        let mut decoded = String::with_capacity(path.len());
        for piece in path.split_inclusive(PATTERN_CHARS) {
            let special = piece.chars().next_back().filter(|c| PATTERN_CHARS.contains(c));
            let plain = &piece[..piece.len() - special.map_or(0, char::len_utf8)];
            decoded.push_str(&escape_pattern(&self.decode(plain)?));
            decoded.extend(special);
        }
        self.local_target("", &decoded)
    }

    fn bucket(&self, kind: StoreKind, scheme: &str, rest: &str) -> Result<Location> {
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || authority.ends_with('@') || authority.starts_with('@') {
            return Err(self.invalid(LocationProblem::NoBucket));
        }
        let has_user = authority.contains('@');
        if authority.contains(':') || (has_user && kind != StoreKind::Azure) {
            return Err(self.invalid(LocationProblem::CredentialsInUrl));
        }
        let url = Url::parse(&format!("{scheme}://{authority}/"));
        let url = url.map_err(|error| self.invalid(LocationProblem::Url(error)))?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(self.invalid(LocationProblem::NoBucket));
        }
        let is_folder = key.is_empty() || key.ends_with('/');
        let target = self.target(kind, &[], key)?;
        Ok(self.location(StoreKey { kind, url }, target, is_folder))
    }

    fn http(&self) -> Result<Location> {
        let mut url = Url::parse(self.text).map_err(|error| self.invalid(LocationProblem::Url(error)))?;
        // Only the path is looked at: a query may hold any character.
        let written = self.text.split(['?', '#']).next().unwrap_or_default();
        let is_list = |open, close| written.find(open).is_some_and(|at| written[at..].contains(close));
        let host_is_ipv6 = matches!(url.host(), Some(url::Host::Ipv6(_)));
        let has_set = if host_is_ipv6 { url.path().contains('[') } else { is_list('[', ']') };
        if self.wildcards == Wildcards::Match && (written.contains('*') || is_list('{', '}') || has_set) {
            return Err(StorageError::HttpListing { location: self.shown.clone(), what: "a pattern" });
        }
        let decoded = url.path().split('/').map(|segment| self.decode_name(segment));
        let segments: Vec<String> = decoded.collect::<Result<_>>()?;
        let path = ObjectPath::parse(segments.join("/")).map_err(|_| self.bad_segment(url.path()))?;
        let is_folder = url.path().len() > 1 && url.path().ends_with('/');

        let access = UrlAccess {
            user: self.decode(url.username())?,
            password: url.password().map(|password| self.decode(password)).transpose()?,
            query: url.query().map(str::to_owned),
        };
        let has_access = !access.user.is_empty() || access.password.is_some() || access.query.is_some();
        // These setters fail only for URLs without a host, which http URLs always have.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        let mut location = self.location(StoreKey { kind: StoreKind::Http, url }, Target::Path(path), is_folder);
        location.access = has_access.then_some(access);
        Ok(location)
    }

    /// The target `plain/text`, where `text` may be a pattern.
    fn target(&self, kind: StoreKind, plain: &[String], text: &str) -> Result<Target> {
        let literal = self.object_path(kind, plain, text);
        if self.wildcards == Wildcards::Literal || !is_pattern(text) {
            return Ok(Target::Path(literal?));
        }
        let too_many = |_| self.invalid(LocationProblem::TooManyAlternatives(N_ALTERNATIVES_MAX));
        let folder: String = plain.iter().map(|name| escape_pattern(name) + "/").collect();
        let pattern = GlobPattern::parse(&format!("{folder}{text}")).map_err(too_many)?;
        // On a disk `[1].csv` may also be the name of a file, so it stays a pattern there and both are looked for.
        if let Some(names) = pattern.as_literal().filter(|_| kind != StoreKind::Local) {
            return Ok(Target::Path(self.object_path(kind, &[], &names.join("/"))?));
        }
        if let Some(segment) = text.split('/').find(|segment| matches!(*segment, "." | "..")) {
            return Err(self.bad_segment(segment));
        }
        let literal = if kind == StoreKind::Local { literal.ok() } else { None };
        Ok(Target::Glob { pattern, literal })
    }

    fn object_path(&self, kind: StoreKind, plain: &[String], text: &str) -> Result<ObjectPath> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let names = plain.iter().map(String::as_str).chain(text.split('/').filter(|_| !text.is_empty()));
        let mut joined = String::new();
        for name in names {
            let is_bad = matches!(name, "" | "." | "..") || name.chars().any(|c| c.is_ascii_control());
            if is_bad {
                return Err(self.bad_segment(name));
            }
            joined.push('/');
            joined.push_str(name);
        }
        let path = ObjectPath::parse(&joined).map_err(|_| self.bad_segment(text))?;
        match path.filename() {
            Some(name) if kind == StoreKind::Local && is_reserved(name) => {
                Err(self.invalid(LocationProblem::ReservedName(name.to_owned())))
            }
            _ => Ok(path),
        }
    }

    fn decode(&self, text: &str) -> Result<String> {
        decode_percent(text).ok_or_else(|| self.invalid(LocationProblem::NotUtf8))
    }

    /// Decodes one name, which must not turn out to hold a slash: the web server would take that for a separator.
    fn decode_name(&self, text: &str) -> Result<String> {
        let name = self.decode(text)?;
        if name.contains('/') { Err(self.bad_segment(text)) } else { Ok(name) }
    }

    fn utf8<'p>(&self, path: &'p Path) -> Result<&'p str> {
        path.to_str().ok_or_else(|| self.invalid(LocationProblem::NotUtf8))
    }

    fn location(&self, store: StoreKey, target: Target, is_folder: bool) -> Location {
        let is_folder =
            is_folder || matches!(&target, Target::Path(path) if path.is_root() && store.kind != StoreKind::Http);
        Location { shown: self.shown.clone(), store, target, is_folder, access: None }
    }

    fn unknown_scheme(&self, scheme: &str) -> StorageError {
        const KNOWN: [&str; 9] = ["file", "s3", "gs", "gcs", "az", "abfs", "abfss", "http", "https"];
        let suggestion = nearest(scheme, KNOWN).map(|known| format!("{known}://"));
        StorageError::UnknownScheme { location: self.shown.clone(), scheme: scheme.to_owned(), suggestion }
    }

    fn bad_segment(&self, segment: &str) -> StorageError {
        self.invalid(LocationProblem::Segment(segment.to_owned()))
    }

    fn invalid(&self, problem: LocationProblem) -> StorageError {
        StorageError::InvalidLocation { location: self.shown.clone(), problem }
    }
}

/// The local file that a path of the local store stands for.
pub(crate) fn to_local_path(path: &ObjectPath) -> PathBuf {
    if cfg!(windows) { PathBuf::from(path.as_ref()) } else { Path::new("/").join(path.as_ref()) }
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/') || (cfg!(windows) && text.chars().nth(1) == Some(':'))
}

/// The characters that have a meaning in patterns.
const PATTERN_CHARS: [char; 7] = ['*', '?', '[', ']', '{', '}', ','];

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Names that the local store keeps for uploads in progress: `name#1`.
fn is_reserved(name: &str) -> bool {
    let suffix = name.split_once('#').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| !suffix.is_empty() && suffix.bytes().all(|b| b.is_ascii_digit()))
}

/// `name` as a pattern that matches only itself.
fn escape_pattern(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '*' | '?' | '[' | '{' | '}' | ',' => escaped.extend(['[', c, ']']),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The segments of an absolute local path without `.`, `..` and empty ones. The parent of a link is the parent of what
/// the link points to, as for the operating system. In a pattern `..` cannot follow a wildcard: gives that segment.
fn resolve_dots(text: &str, is_pattern_text: bool) -> Result<Vec<String>, String> {
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        if segment != ".." {
            segments.push(segment.to_owned());
            continue;
        }
        if is_pattern_text && segments.last().is_some_and(|last| is_pattern(last)) {
            return Err(segment.to_owned());
        }
        let folder = to_local_path(&ObjectPath::parse(segments.join("/")).unwrap_or_default());
        let real = std::fs::canonicalize(folder).ok();
        if let Some(real) = real.as_deref().and_then(Path::to_str).filter(|_| !cfg!(windows)) {
            segments = real.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        }
        segments.pop();
    }
    Ok(segments)
}

fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = hex.filter(|digits| !digits.starts_with('+')).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> PathBase {
        PathBase { current_dir: Some("/cwd".into()), home_dir: Some("/home/u".into()) }
    }

    fn parse(text: &str) -> Location {
        Location::parse_from(text, &base()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn problem(text: &str) -> LocationProblem {
        match Location::parse_from(text, &base()) {
            Err(StorageError::InvalidLocation { problem, .. }) => problem,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn exact_paths() {
        let cases = [
            ("x.csv", "file:///", "cwd/x.csv", false),
            ("./a/../x.csv", "file:///", "cwd/x.csv", false),
            ("../x.csv", "file:///", "x.csv", false),
            ("/../../x.csv", "file:///", "x.csv", false),
            ("/a//b/./c/", "file:///", "a/b/c", true),
            ("/", "file:///", "", true),
            (".", "file:///", "cwd", true),
            ("~", "file:///", "home/u", false),
            ("~/x.csv", "file:///", "home/u/x.csv", false),
            ("~other/x", "file:///", "cwd/~other/x", false),
            ("/a b#c%20d,ü.csv", "file:///", "a b#c%20d,ü.csv", false),
            ("/data#1.csv", "file:///", "data#1.csv", false),
            ("a:b", "file:///", "cwd/a:b", false),
            ("file:///a%20b/%23c%3F.csv", "file:///", "a b/#c?.csv", false),
            ("file://localhost/a/", "file:///", "a", true),
            ("file:/a/b", "file:///", "a/b", false),
            ("FILE:///a", "file:///", "a", false),
            ("/a/100%", "file:///", "a/100%", false),
            ("s3://bucket/a b%20c#d", "s3://bucket/", "a b%20c#d", false),
            ("s3a://bucket", "s3://bucket/", "", true),
            ("s3://my.bucket_1/dir/", "s3://my.bucket_1/", "dir", true),
            ("gcs://b/k", "gs://b/", "k", false),
            ("gs://b/k", "gs://b/", "k", false),
            ("azure://c/k", "az://c/", "k", false),
            ("abfss://c@a.dfs.core.windows.net/k", "abfss://c@a.dfs.core.windows.net/", "k", false),
            ("https://h/a%20b/c.csv", "https://h/", "a b/c.csv", false),
            ("http://h:8080/c.csv#part", "http://h:8080/", "c.csv", false),
            ("https://h:443/c?x=[*]", "https://h/", "c", false),
            ("http://[::1]:80/c", "http://[::1]/", "c", false),
            ("https://h", "https://h/", "", false),
            ("https://h/a/../b", "https://h/", "b", false),
        ];
        for (text, store, path, is_folder) in cases {
            let location = parse(text);
            let seen = (location.store().url().as_str(), location.path().map(AsRef::as_ref), location.is_folder());
            assert_eq!(seen, (store, Some(path), is_folder), "{text}");
        }
    }

    #[test]
    fn patterns() {
        for (text, base, hit, miss) in [
            ("a/*.csv", "cwd/a", "cwd/a/x.csv", "cwd/b/x.csv"),
            ("/d/{x,y}/f?.csv", "d", "d/y/f1.csv", "d/z/f1.csv"),
            ("s3://b/p/**/*.parquet", "p", "p/q/r/s.parquet", "q/s.parquet"),
            ("file:///a%20b/*.csv", "a b", "a b/x.csv", "ab/x.csv"),
            ("/a/../b/*.csv", "b", "b/x.csv", "a/x.csv"),
        ] {
            let Target::Glob { pattern, .. } = parse(text).target else { panic!("{text} is no pattern") };
            assert_eq!(pattern.base().as_ref(), base, "{text}");
            assert!(pattern.matches(&ObjectPath::parse(hit).unwrap()), "{text} {hit}");
            assert!(!pattern.matches(&ObjectPath::parse(miss).unwrap()), "{text} {miss}");
        }
    }

    #[test]
    fn files_of_a_pattern_have_places() {
        for (pattern, path, text) in [
            ("a/*.csv", "cwd/a/x y.csv", "/cwd/a/x y.csv"),
            ("s3://b/p/*.csv", "p/x[1].csv", "s3://b/p/x[1].csv"),
            ("rel.csv", "cwd/rel.csv", "rel.csv"),
        ] {
            let (file, path) = (parse(pattern), ObjectPath::parse(path).unwrap());
            let listed = file.listed(&path);
            assert_eq!((listed.path(), listed.to_string().as_str(), listed.store()), (Some(&path), text, file.store()));
        }
    }

    #[test]
    fn special_characters_can_be_meant_literally() {
        assert_eq!(parse("s3://b/a[?].csv").path().unwrap().as_ref(), "a?.csv");
        let Target::Glob { pattern, literal } = parse("/a[?].csv").target else { panic!() };
        assert!(pattern.matches(&ObjectPath::parse("a?.csv").unwrap()));
        assert_eq!(literal.unwrap().as_ref(), "a[?].csv");
        let Target::Glob { literal, .. } = parse("/what?.csv").target else { panic!() };
        assert_eq!(literal.unwrap().as_ref(), "what?.csv");
        let exact = Location::parse_exact("/a*[x]{y}.csv", &base()).unwrap();
        assert_eq!(exact.path().unwrap().as_ref(), "a*[x]{y}.csv");
        let odd_folder = PathBase { current_dir: Some("/w[1]*".into()), home_dir: None };
        let location = Location::parse_from("*.csv", &odd_folder).unwrap();
        let Target::Glob { pattern, .. } = location.target else { panic!() };
        assert!(pattern.matches(&ObjectPath::parse("w[1]*/x.csv").unwrap()));
        assert!(!pattern.matches(&ObjectPath::parse("w1/x.csv").unwrap()));
    }

    #[test]
    fn what_cannot_be_a_location() {
        assert_eq!(problem(""), LocationProblem::Empty);
        assert_eq!(problem("s3://"), LocationProblem::NoBucket);
        assert_eq!(problem("s3:///key"), LocationProblem::NoBucket);
        assert_eq!(problem("s3://user:pass@bucket/key"), LocationProblem::CredentialsInUrl);
        assert_eq!(problem("s3://b/a/../c"), LocationProblem::Segment("..".into()));
        assert_eq!(problem("s3://b/a//c"), LocationProblem::Segment("".into()));
        assert_eq!(problem("/a\nb"), LocationProblem::Segment("a\nb".into()));
        assert_eq!(problem("/a/*/../b"), LocationProblem::Segment("..".into()));
        assert_eq!(problem("s3://b/*/../c"), LocationProblem::Segment("..".into()));
        assert_eq!(problem("/upload#12"), LocationProblem::ReservedName("upload#12".into()));
        assert_eq!(problem("file://server/share/x"), LocationProblem::ForeignHost("server".into()));
        assert_eq!(problem("file:///%FF"), LocationProblem::NotUtf8);
        assert_eq!(problem("https://h/a%2Fb"), LocationProblem::Segment("a%2Fb".into()));
        assert!(matches!(problem("https://"), LocationProblem::Url(_)));
        assert_eq!(problem(&format!("/{}", "{a,b}".repeat(12))), LocationProblem::TooManyAlternatives(1024));
        assert!(matches!(Location::parse_from("~/x", &PathBase::default()), Err(StorageError::InvalidLocation { .. })));
    }

    #[test]
    fn unknown_schemes_and_http_patterns() {
        let error = Location::parse_from("htps://h/x", &base()).unwrap_err().to_string();
        assert!(error.contains("did you mean `http"), "{error}");
        for text in ["https://h/*.csv", "https://h/{a,b}.csv", "http://h/f[0-9].csv", "http://[::1]/f[0-9].csv"] {
            let error = Location::parse_from(text, &base()).unwrap_err();
            assert!(matches!(error, StorageError::HttpListing { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_of_urls_are_kept_apart() {
        let location = parse("https://me:hunter2@h/x.csv?X-Amz-Signature=abc&v=1");
        let access = location.access().unwrap();
        assert_eq!((access.user.as_str(), access.password.as_deref()), ("me", Some("hunter2")));
        assert_eq!(access.query.as_deref(), Some("X-Amz-Signature=abc&v=1"));
        let shown = format!("{location} {location:?} {}", location.store());
        assert!(!shown.contains("hunter2") && !shown.contains("abc"), "{shown}");
        let error = Location::parse_from("s3://key:hunter2@b/x", &base()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn extensions() {
        for (text, extension) in [
            ("a/b.CSV", Some("csv")),
            ("s3://b/*.parquet", Some("parquet")),
            ("a.d/b", None),
            (".hidden", None),
            ("x.c?v", None),
        ] {
            assert_eq!(parse(text).extension().as_deref(), extension, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_parent_of_a_link_is_that_of_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("far/deep")).unwrap();
        std::os::unix::fs::symlink(root.join("far/deep"), root.join("link")).unwrap();
        let text = format!("{}/link/../x.csv", root.display());
        assert_eq!(parse(&text).local_path().unwrap(), root.join("far/x.csv"));
    }
}
