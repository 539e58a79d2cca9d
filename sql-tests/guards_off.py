#!/usr/bin/env python3
"""Switches the guards of the engine off, one at a time, and looks which tests notice.

    python3 sql-tests/guards_off.py [--list] [NAME...]

Each guard is one edit of the source: a text and what stands in its place. The script makes the edit, builds and runs the
tests that should notice, and puts the source back. A guard whose loss nothing notices, or whose text is no longer there,
is a failure of the script. A run of all takes one build of the crate `dolmen-frame` for each, so it is not part of the gate;
its last result is in sql-tests/guards_off.md.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAME = "crates/frame/src/"
SUITE = ["cargo", "test", "--workspace", "--test", "suite", "--no-fail-fast"]
EMBEDDED = ["cargo", "test", "--workspace", "--test", "embedded", "--no-fail-fast"]

# The tests need less than a minute.
TESTS_SECONDS_MAX = 240

# name: (file, text, replacement, command that should fail)
GUARDS = {
    "overflow in arithmetic": (FRAME + "guard/mod.rs", "        .with_analyzer_rule(Arc::new(OverflowGuard))\n", "", SUITE),
    "overflow in constants": (
        FRAME + "guard/mod.rs",
        "state.expr_planners().get_or_insert_with(Vec::new).insert(0, Arc::new(literal_planner::LiteralArithmeticPlanner));",
        "",
        SUITE,
    ),
    "lazy CASE": (FRAME + "guard/mod.rs", ".with_analyzer_rule(Arc::new(LazyCase))", "", SUITE),
    "syntax that would be ignored": (FRAME + "sql/plan.rs", "reject_unsupported(&statement, &state)", "Ok::<_, crate::sql::unsupported::Unsupported>(()).map(|()| _ = &reject_unsupported)", SUITE),
    "depth of statements": (FRAME + "sql/plan.rs", "check_depth(&mut statement)?;", "let _ = check_depth;", EMBEDDED),
    "case of CSV headers": (FRAME + "sql/plan.rs", "if names::fit_case(&mut statement, &error) {", "if false && names::fit_case(&mut statement, &error) {", SUITE),
    "PostgreSQL's meaning": (FRAME + "state.rs", "meaning::install(", "std::convert::identity(", SUITE),
    "decorrelation": (FRAME + "state.rs", "plan::decorrelate::install(builder)", "builder", SUITE),
    "PRIMARY KEY and UNIQUE": (
        FRAME + "table/stored.rs",
        "            self.keys.insert_rows(&definition, batch.columns())?;\n",
        "",
        SUITE,
    ),
    "settings of the embedding program": (FRAME + "statement.rs", "settings::check_changeable(&set.variable)?;", "", SUITE),
    "read-only sessions": (FRAME + "statement.rs", "        match self.read_only {\n            true => Err", "        match self.read_only && false {\n            true => Err", EMBEDDED),
    "access to files": ("crates/storage/src/access.rs", "operation: Operation) -> Result<()> {\n        let allowed = match &self.external_access {", "operation: Operation) -> Result<()> {\n        let allowed = match &ExternalAccess::All {", EMBEDDED),
    "secrets": ("crates/storage/src/secrets.rs", "            if text.contains(value.as_str()) {", "            if false && text.contains(value.as_str()) {", EMBEDDED),
    "cancelling": (FRAME + "state.rs", "cancel::install(", "std::convert::identity(", EMBEDDED),
    "checkpoints of joins": (FRAME + "cancel/plan.rs", "if let Some(join) = with_checkpoint(&inner, cancellation)? {", "if let (Some(join), false) = (with_checkpoint(&inner, cancellation)?, true) {", EMBEDDED),
    "line breaks in CSV values": (FRAME + "files/csv_parts.rs", "            if !looked.map_err", "            if false && !looked.map_err", EMBEDDED),
    "names of CSV conflicts": (FRAME + "statement.rs", "    match files::diagnose(&scope.resolved(), &error.to_string()).await {", "    match None.or(files::diagnose(&[], &error.to_string()).await) {", SUITE),
    "uploads that are held back": ("crates/storage/src/held_output.rs", "        self.held.keep(self.path.clone(), upload);\n        Ok(nothing_yet())", "        let mut upload = upload;\n        upload.complete().await", EMBEDDED),
    "room for the merge of a sort": (FRAME + "memory.rs", "if is_sorter(reservation.consumer()) { share / 2 }", "if is_sorter(reservation.consumer()) { share }", EMBEDDED),
}


def noticed_by(name):
    """The tests that fail without the guard; None if the edit cannot be made or built."""
    file, text, replacement, command = GUARDS[name]
    path = ROOT / file
    source = path.read_text()
    if source.count(text) != 1:
        return None, f"{file} holds its text {source.count(text)} times"
    path.write_text(source.replace(text, replacement))
    try:
        output, ended = run(command)
    finally:
        path.write_text(source)
    if "could not compile" in output:
        return None, re.search(r"^error.*$", output, re.M).group(0)
    tests = re.findall(r"^test (\S+)\s+\.\.\. FAILED", output, re.M)
    # Without some guards the engine does not come back.
    return tests + ([] if ended or tests else ["(the tests crash or do not end)"]), output[-2000:]


def run(command):
    """The output of the tests, and whether they ended by themselves."""
    build = subprocess.run(command + ["--no-run"], cwd=ROOT, capture_output=True, text=True)
    if build.returncode:
        return build.stderr, True
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=TESTS_SECONDS_MAX)
        return output, "test result:" in output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], False


def main():
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")] or list(GUARDS)
    if "--list" in sys.argv:
        print("\n".join(GUARDS))
        return 0
    unnoticed = 0
    print("| guard switched off | noticed by |\n|---|---|")
    for name in names:
        tests, told = noticed_by(name)
        shown = told if tests is None else ", ".join(tests[:4]) + (f" and {len(tests) - 4} more" if len(tests) > 4 else "")
        unnoticed += not tests
        print(f"| {name} | {shown or '**nothing**'} |", flush=True)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
