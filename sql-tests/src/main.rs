//! The binary: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The processes of the engine `processes` are this program too.
    if dolmen::serve_if_worker().is_err() {
        return ExitCode::FAILURE;
    }
    dolmen_sql_tests::cli::main()
}
