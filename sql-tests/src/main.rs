//! The binary: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    dolmen_sql_tests::cli::main()
}
