//! The command line.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use dolmen::output::Format;
use dolmen::{ExternalAccess, Session, parse_bytes};

/// Dolmen: SQL over tables, files and object stores, on data larger than memory.
///
/// Without -c and -f, statements come from standard input; on a terminal, they are typed. A script stops at its first
/// error. Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "dolmen",
    version,
    after_help = "Examples:\n  \
        dolmen -c \"SELECT carrier, count(*) FROM 'flights.parquet' GROUP BY carrier\"\n  \
        dolmen --format csv -f report.sql > report.csv\n  \
        echo \"SUMMARIZE 'weather.csv'\" | dolmen\n\n\
        Exit status: 0 all went well, 1 a statement failed, 2 wrong usage."
)]
struct Options {
    /// Run SQL, or a command such as .tables; may be given several times
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    commands: Vec<String>,

    /// Run the statements of a file; may be given several times, and mixed with -c
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How results are written: table (if not given), csv, tsv, json, ndjson, markdown, html or line
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    format: Option<Format>,

    /// Stop at the first error, as is usual
    #[arg(long, conflicts_with = "keep_going")]
    bail: bool,

    /// Go on after an error; the exit status is 1 all the same
    #[arg(long)]
    keep_going: bool,

    /// Do not run the statements and commands of dolmenrc before the first prompt
    #[arg(long)]
    no_rc: bool,

    /// The most memory that operators and tables hold, such as 2GiB; 60 % of the machine's if not given
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory_limit: Option<u64>,

    /// Threads that compute; one per processor if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,

    /// Run the stages of queries in so many other processes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    processes: Option<u32>,

    /// The folder for temporary files
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,

    /// Statements may reach only files below this folder, or URLs below this one; may be given several times
    #[arg(long = "allow-path", value_name = "DIR")]
    allow_paths: Vec<String>,

    /// Refuse every statement that changes a table, the catalog or a file
    #[arg(long)]
    read_only: bool,

    /// Set a setting or an option of remote storage, such as batch_size=4096 or aws_region=eu-west-1
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    settings: Vec<(String, String)>,

    /// Write nothing but results and errors
    #[arg(long, short = 'q')]
    quiet: bool,

    /// Show no progress of statements that take longer than half a second
    #[arg(long)]
    no_progress: bool,
}

fn parse_format(text: &str) -> Result<Format, String> {
    text.parse::<Format>().map_err(|error| error.to_string())
}

fn parse_memory(text: &str) -> Result<u64, String> {
    parse_bytes(text).map_err(|error| error.to_string())
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

/// Prefixes of the options that go to remote storage rather than to the engine.
const STORAGE_PREFIXES: [&str; 6] = ["aws_", "google_", "gcp_", "azure_", "http_", "allow_http"];

/// Where statements come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Command(&'a str),
    File(&'a Path),
}

/// The options, and the order in which commands and files were given.
#[derive(Debug)]
pub(crate) struct Args {
    options: Options,
    /// For each `-c`, then for each `-f`, its place on the command line.
    places: (Vec<usize>, Vec<usize>),
}

impl Args {
    /// Reads the command line; on wrong usage prints help and exits with status 2.
    pub(crate) fn parse() -> Self {
        let matches = Options::command().get_matches();
        let places = |id| indices(&matches, id);
        let places = (places("commands"), places("files"));
        match Options::from_arg_matches(&matches) {
            Ok(options) => Self { options, places },
            Err(error) => error.exit(),
        }
    }

    /// Commands and files in the order of the command line.
    pub(crate) fn sources(&self) -> Vec<Source<'_>> {
        let commands = self.options.commands.iter().map(|sql| Source::Command(sql));
        let files = self.options.files.iter().map(|path| Source::File(path));
        let mut sources: Vec<_> = self.places.0.iter().zip(commands).chain(self.places.1.iter().zip(files)).collect();
        sources.sort_by_key(|(place, _)| **place);
        sources.into_iter().map(|(_, source)| source).collect()
    }

    pub(crate) fn format(&self) -> Option<Format> {
        self.options.format
    }

    pub(crate) fn quiet(&self) -> bool {
        self.options.quiet
    }

    /// Whether a script goes on after an error.
    pub(crate) fn keeps_going(&self) -> bool {
        self.options.keep_going && !self.options.bail
    }

    /// Whether only statements may reach files, which the session guards.
    pub(crate) fn is_fenced(&self) -> bool {
        !self.options.allow_paths.is_empty() || self.options.read_only
    }

    /// Whether dolmenrc is run before the first prompt.
    pub(crate) fn reads_startup_script(&self) -> bool {
        !self.options.no_rc
    }

    /// Whether the progress of long statements is shown, if standard error is a terminal.
    pub(crate) fn progress(&self) -> bool {
        !self.options.no_progress && !self.options.quiet
    }

    /// Opens the session that the options describe.
    pub(crate) fn session(&self) -> dolmen::Result<Session> {
        let options = &self.options;
        let mut builder = Session::builder().read_only(options.read_only);
        if let Some(bytes) = options.memory_limit {
            builder = builder.memory_limit(bytes);
        }
        if let Some(threads) = options.threads {
            builder = builder.threads(threads as usize);
        }
        if let Some(processes) = options.processes {
            builder = builder.processes(processes as usize);
        }
        if let Some(folder) = &options.temp_dir {
            builder = builder.temp_dir(folder);
        }
        if !options.allow_paths.is_empty() {
            builder = builder.external_access(ExternalAccess::roots(&options.allow_paths)?);
        }
        for (key, value) in &options.settings {
            builder = match STORAGE_PREFIXES.iter().any(|prefix| key.to_lowercase().starts_with(prefix)) {
                true => builder.storage_option(key, value),
                false => builder.setting(key, value),
            };
        }
        builder.build()
    }
}

fn indices(matches: &ArgMatches, id: &str) -> Vec<usize> {
    matches.indices_of(id).map(Iterator::collect).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn settings_are_pairs() {
        assert_eq!(parse_setting("batch_size = 10"), Ok(("batch_size".into(), "10".into())));
        assert_eq!(parse_setting("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(parse_setting("batch_size").is_err());
        assert!(parse_setting("=1").is_err());
    }
}
