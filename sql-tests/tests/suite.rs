//! The project's own `.slt` files, one test for each.

use std::path::{Path, PathBuf};

use dolmen_sql_tests::{EngineKind, WorkerCommand, describe, discover, supervise};
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// Failures shown of each cause.
const N_SHOWN: usize = 10;

fn main() -> std::process::ExitCode {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = PathBuf::from(env!("CARGO_BIN_EXE_dolmen-sql-tests"));
    let base = package.to_owned();
    let command = WorkerCommand { base, ..WorkerCommand::new(program, EngineKind::DEFAULT) };
    let folder = package.join("slt");
    let wanted = folder.join("wanted");
    let trials = match discover(std::slice::from_ref(&folder)) {
        // `wanted` holds answers that the engine does not give yet.
        Ok(files) => files
            .into_iter()
            .filter(|file| !file.starts_with(&wanted))
            .map(|file| trial(&command, &folder, file))
            .collect(),
        // A suite that cannot be found must not pass.
        Err(error) => vec![Trial::test("discover", move || Err(error.into()))],
    };
    let conclusion: Conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    conclusion.exit_code()
}

fn trial(command: &WorkerCommand, folder: &Path, file: PathBuf) -> Trial {
    let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
    let command = command.clone();
    Trial::test(name, move || run_file(&command, &file))
}

fn run_file(command: &WorkerCommand, file: &Path) -> Result<(), Failed> {
    let report = supervise(command, file);
    if report.tally().n_failed() == 0 { Ok(()) } else { Err(describe(&report, N_SHOWN).into()) }
}
