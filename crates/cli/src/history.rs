//! The history of what was typed: a file with an entry a line, which grows with each.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use dolmen::{is_secret_key, redact_url};

use crate::lex::{Kind, Token, tokens};

/// Entries that are kept. The file may hold twice as many before it is written anew.
pub(crate) const ENTRIES_MAX: usize = 10_000;

/// The history file, open for more.
#[derive(Debug)]
pub(crate) struct HistoryFile {
    file: File,
}

impl HistoryFile {
    /// Opens the file, making it and its folder if need be; gives its entries, the oldest first.
    ///
    /// # Errors
    /// A folder or file that cannot be made, read or written.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut entries: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(unescaped).collect();
        if entries.len() > 2 * ENTRIES_MAX {
            entries.drain(..entries.len() - ENTRIES_MAX);
            let kept: String = entries.iter().map(|entry| escaped(entry) + "\n").collect();
            // In one step, so that another terminal never reads a half.
            let new = path.with_extension("new");
            owned_file(OpenOptions::new().write(true).create(true).truncate(true))
                .open(&new)?
                .write_all(kept.as_bytes())?;
            fs::rename(&new, path)?;
        }
        let file = owned_file(OpenOptions::new().append(true).create(true)).open(path)?;
        Ok((Self { file }, entries))
    }

    /// Writes one more entry, unless it holds a secret. Terminals that share the file do not mix their lines.
    ///
    /// # Errors
    /// What the file system reports.
    pub(crate) fn add(&mut self, entry: &str) -> io::Result<()> {
        if holds_secret(entry) {
            return Ok(());
        }
        self.file.write_all((escaped(entry) + "\n").as_bytes())
    }
}

/// A file that nobody else may read, where the system knows such a thing.
fn owned_file(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Whether a text gives a password, a key or a URL that grants access.
pub(crate) fn holds_secret(text: &str) -> bool {
    if redact_url(text) != text {
        return true;
    }
    let all = tokens(text);
    let mut parts = all.iter().filter(|token| token.is_significant()).peekable();
    // `secret = 'x'`, `'secret' => 'x'`, `secret TO 'x'`, `'secret' 'x'`, `'secret': 'x'`.
    while let Some(part) = parts.next() {
        let is_name = matches!(part.kind, Kind::Word | Kind::Quoted | Kind::Text) && is_secret_key(&part.value());
        if !is_name {
            continue;
        }
        while parts.next_if(|next| is_between(next)).is_some() {}
        if parts.peek().is_some_and(|next| matches!(next.kind, Kind::Text | Kind::Number)) {
            return true;
        }
    }
    false
}

/// Whether a token stands between a name and its value.
fn is_between(token: &Token<'_>) -> bool {
    token.is_sign('=') || token.is_sign('>') || token.is_sign(':') || token.is_word("to")
}

/// On one line: a line end is `\n`, a backslash `\\`.
fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let meant = match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            plain => plain,
        };
        entry.push(meant);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_several_lines_come_back() {
        for entry in ["SELECT 1;", "SELECT\n  'a\\nb',\r\n  '\\';", "\\dt", "日本\n👍🏽", "\\", "a\\"] {
            assert_eq!(unescaped(&escaped(entry)), entry);
            assert!(!escaped(entry).contains('\n'));
        }
    }

    #[test]
    fn secrets_are_not_kept() {
        for secret in [
            "SET aws_secret_access_key = 'x';",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://b/' OPTIONS ('aws.secret_access_key' 'x')",
            "COPY t TO 's3://b/x' OPTIONS (\"session_token\" => 'x')",
            "set password to 'x'",
            "SELECT {'api_key': 'x'}",
            "FROM 'https://user:pass@host/a.csv'",
            "FROM 'https://host/a.csv?sig=abcd'",
            ".import https://host/a.csv?X-Amz-Signature=abcd t",
        ] {
            assert!(holds_secret(secret), "{secret}");
        }
        for plain in [
            "SELECT token, password FROM users;",
            "CREATE TABLE t (id INT PRIMARY KEY, secret VARCHAR)",
            "FROM 'https://host/a.csv?page=2'",
            "SELECT count(*) FROM t WHERE name = 'x'",
        ] {
            assert!(!holds_secret(plain), "{plain}");
        }
    }

    #[test]
    fn the_file_grows_and_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/history");
        let (mut first, entries) = HistoryFile::open(&path).unwrap();
        assert!(entries.is_empty());
        let (mut second, _) = HistoryFile::open(&path).unwrap();
        first.add("SELECT\n1;").unwrap();
        second.add("SELECT 2;").unwrap();
        first.add("SET password = 'x';").unwrap();
        let (mut third, entries) = HistoryFile::open(&path).unwrap();
        assert_eq!(entries, ["SELECT\n1;", "SELECT 2;"]);
        for n in 0..2 * ENTRIES_MAX {
            third.add(&n.to_string()).unwrap();
        }
        let (_, entries) = HistoryFile::open(&path).unwrap();
        assert_eq!((entries.len(), entries[0].as_str()), (ENTRIES_MAX, "10000"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), ENTRIES_MAX);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        HistoryFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
