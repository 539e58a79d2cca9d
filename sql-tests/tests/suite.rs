//! The project's own `.slt` files, one test for each.

use std::path::{Path, PathBuf};

use dolmen_sql_tests::{EngineKind, WorkerCommand, describe, discover, supervise};
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// Failures shown of each cause.
const N_SHOWN: usize = 10;

/// The ways in which each file is run: as it comes, in stages, with little memory, from bytes, in other processes.
const ENGINES: [EngineKind; 5] =
    [EngineKind::Local, EngineKind::Staged, EngineKind::Small, EngineKind::Encoded, EngineKind::Processes];

/// How the only reasons begin for which a plan may run without having been bytes: it changes something in its session, shows
/// what its operators count in it or what its catalog holds, reads an array, whose blocks are computed there, or DataFusion
/// does not tell what it does.
const KEPT: [&str; 5] = [
    "a statement that writes runs in the process of its session",
    "EXPLAIN ANALYZE shows what the operators of this process count",
    "InformationSchema",
    "array of ",
    "FILTER of a window function has no encoding",
];

fn main() -> std::process::ExitCode {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = PathBuf::from(env!("CARGO_BIN_EXE_dolmen-sql-tests"));
    let folder = package.join("slt");
    let wanted = folder.join("wanted");
    let trials = match discover(std::slice::from_ref(&folder)) {
        // `wanted` holds answers that the engine does not give yet.
        Ok(files) => files
            .into_iter()
            .filter(|file| !file.starts_with(&wanted))
            .flat_map(|file| ENGINES.map(|engine| trial(package, &program, engine, &folder, &file)))
            .collect(),
        // A suite that cannot be found must not pass.
        Err(error) => vec![Trial::test("discover", move || Err(error.into()))],
    };
    let conclusion: Conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    conclusion.exit_code()
}

fn trial(package: &Path, program: &Path, engine: EngineKind, folder: &Path, file: &Path) -> Trial {
    let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
    let command = WorkerCommand { base: package.to_owned(), ..WorkerCommand::new(program.to_owned(), engine) };
    let file = file.to_owned();
    Trial::test(format!("{name} ({})", engine.name()), move || run_file(&command, &file))
}

fn run_file(command: &WorkerCommand, file: &Path) -> Result<(), Failed> {
    let report = supervise(command, file);
    if let Some(reason) = report.kept_plans.keys().find(|reason| !KEPT.iter().any(|kept| reason.starts_with(kept))) {
        return Err(format!("a plan was not encoded: {reason}").into());
    }
    if report.tally().n_failed() == 0 { Ok(()) } else { Err(describe(&report, N_SHOWN).into()) }
}
