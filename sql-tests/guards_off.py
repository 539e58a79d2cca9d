#!/usr/bin/env python3
"""Switches the guards of the engine off, one at a time, and looks which tests notice.

Each guard is an expression of the source, between « and » below, and another that does without it. The script puts a switch
in place of each, builds the tests once, puts the source back, and runs the tests with every switch in turn. A guard that
nothing misses, or whose text is no longer there, is a failure of the script. A run takes a build and half an hour, so it is
not part of the gate.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SWITCH = "DOLMEN_GUARD_OFF"
TESTS = ["suite", "embedded", "command_line"]

# The tests of one binary need less than a minute.
TESTS_SECONDS_MAX = 240

FRAME = "crates/frame/src/"
GUARD = FRAME + "guard/mod.rs"
PLAN = FRAME + "sql/plan.rs"
STATE = FRAME + "state.rs"
STATEMENT = FRAME + "statement.rs"
IDENTITY = "std::convert::identity as fn(_) -> _"

# name: (file, text with the guard between « and », expression without it)
GUARDS = {
    "overflow in arithmetic": (GUARD, ".with_analyzer_rule(«Arc::new(OverflowGuard)»)", "Arc::new(LazyCase)"),
    "overflow in constants": (
        GUARD,
        "«state.expr_planners().get_or_insert_with(Vec::new).insert(0, Arc::new(literal_planner::LiteralArithmeticPlanner))»;",
        "()",
    ),
    "extremes among NaN": (
        GUARD,
        "let [max, min] = «float_extremes::functions()»;",
        "[datafusion::functions_aggregate::min_max::max_udaf(), datafusion::functions_aggregate::min_max::min_udaf()]",
    ),
    "lazy CASE": (GUARD, ".with_analyzer_rule(«Arc::new(LazyCase)»)", "Arc::new(LinearSums)"),
    "IN lists with NULL": (GUARD, 'if «rule.name() == "simplify_expressions"»', "false"),
    "names in join filters": (GUARD, 'if «rule.name() == "ProjectionPushdown"»', "false"),
    "arguments of table functions": (GUARD, "*function = «table_arguments::guarded(function)»;", "Arc::clone(function)"),
    "operands that do not fit": (PLAN, "«refuse_unfit_operands(&plan)?»;", "()"),
    "EXCEPT ALL and INTERSECT ALL": (PLAN, "«count_repeated_rows(plan)»", "Ok(plan)"),
    "keys that mislead the optimizer": (
        PLAN,
        "«crate::table::forget_keys(state.statement_to_plan(statement.clone()).await?)?»",
        "state.statement_to_plan(statement.clone()).await?",
    ),
    "syntax that would be ignored": (PLAN, "«reject_unsupported(&statement, &state)»", "Ok(())"),
    "depth of statements": (PLAN, "-> Result<Planned> {\n    «check_depth(&mut statement)?»;", "()"),
    "depth of expanded macros": (PLAN, "text)? {\n        «check_depth(&mut statement)?»;", "()"),
    "PostgreSQL's syntax": (PLAN, "«desugar(&mut statement, text)?»;", "()"),
    "case of CSV headers": (PLAN, "if «names::fit_case(&mut statement, &error)»", "false"),
    "PostgreSQL's meaning": (STATE, "«meaning::install»(", IDENTITY),
    "decorrelation": (STATE, "«plan::decorrelate::install(builder)»", "builder"),
    "time zone of TIMESTAMPTZ": (STATE, 'execution.time_zone = «Some("+00:00".to_owned())»', "None"),
    "cancelling": (STATE, "«cancel::install»(", IDENTITY),
    "PRIMARY KEY and UNIQUE": (
        FRAME + "table/stored.rs",
        "«self.keys.insert_rows(&definition, batch.columns())?»;",
        "Default::default()",
    ),
    "settings of the embedding program": (
        STATEMENT,
        "(PlanStatement::SetVariable(set)) => {\n                «settings::check_changeable(&set.variable)?»",
        "()",
    ),
    "read-only sessions": (STATEMENT, "match «self.read_only» {", "false"),
    "names of CSV conflicts": (STATEMENT, "match «files::diagnose(&scope.resolved(), &error.to_string()).await»", "None"),
    "access to files": (
        "crates/storage/src/access.rs",
        "operation: Operation) -> Result<()> {\n        let allowed = match «&self.external_access»",
        "&ExternalAccess::All",
    ),
    "secrets": ("crates/storage/src/secrets.rs", "if «text.contains(value.as_str())»", "false"),
    "checkpoints of joins": (
        FRAME + "cancel/plan.rs",
        "if let Some(join) = «with_checkpoint(&inner, cancellation)?»",
        "None",
    ),
    "line breaks in CSV values": (
        FRAME + "files/csv_parts.rs",
        "if !«looked.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??»",
        "looked.is_ok()",
    ),
    "NOT NULL of external tables": (FRAME + "files/external.rs", "match «required.is_empty()»", "true"),
    "new files of external tables": (FRAME + "runtime.rs", ".with_object_list_cache_limit(«0»)", "1 << 20"),
    "uploads that are held back": (
        "crates/storage/src/held_output.rs",
        "«self.held.keep(self.path.clone(), upload);\n        Ok(nothing_yet())»",
        "let mut upload = upload; upload.complete().await",
    ),
    "room for the merge of a sort": (FRAME + "memory.rs", "if «is_sorter(consumer)» {", "false"),
}


def with_switches(guards):
    """The files that hold the guards, each with a switch in place of every guard; the errors of texts that are not there."""
    files, errors = {}, []
    for name, (file, text, without) in guards.items():
        source = files.setdefault(file, (ROOT / file).read_text())
        before, guard, after = re.fullmatch("(.*)«(.*)»(.*)", text, re.S).groups()
        if source.count(before + guard + after) != 1:
            errors.append(f"{name}: {file} holds its text {source.count(before + guard + after)} times")
        is_off = f'std::env::var_os("{SWITCH}").is_some_and(|name| name == "{name}")'
        switch = f"(if {is_off} {{ {without} }} else {{ {guard} }})"
        files[file] = source.replace(before + guard + after, before + switch + after)
    return files, errors


def test_binaries():
    """Builds the tests; the command that runs each."""
    selection = [part for test in TESTS for part in ("--test", test)]
    build = subprocess.run(
        ["cargo", "test", "--workspace", "--no-run", *selection], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    if build.returncode:
        sys.exit(build.stderr)
    return [str(ROOT / path) for path in re.findall(r"\((\S+/deps/\w+-\w+)\)", build.stderr)]


def noticed_by(name, binaries):
    """The tests that fail without the guard."""
    failed = []
    for binary in binaries:
        output, ended = run(binary, name)
        tests = re.findall(r"^test (\S.*?)\s+\.\.\. FAILED", output, re.M)
        # Without some guards the engine does not come back.
        failed += tests if tests or ended else ["(the tests crash or do not end)"]
        if failed:
            break
    return failed


def run(binary, name):
    """The output of a test binary, and whether it ended by itself."""
    # Cargo runs tests in the folder of their package.
    package = next(p for p in ("sql-tests", "crates/dolmen", "crates/cli") if (ROOT / p / "tests" / test_of(binary)).exists())
    process = subprocess.Popen(
        [binary],
        cwd=ROOT / package,
        env=os.environ | {SWITCH: name},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TESTS_SECONDS_MAX)
        return output, "test result:" in output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], False


def test_of(binary):
    """The file or folder of a test below `tests`."""
    test = re.sub(r"-\w+$", "", os.path.basename(binary))
    return "embedded" if test == "embedded" else f"{test}.rs"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the names of the guards")
    parser.add_argument("names", metavar="NAME", nargs="*", help="a guard; all of them if there is none")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(GUARDS))
        return 0
    names = arguments.names or list(GUARDS)
    if unknown := [name for name in names if name not in GUARDS]:
        parser.error(f"no guard has the name {', '.join(unknown)}; --list prints those that there are")
    guards = {name: GUARDS[name] for name in names}
    files, errors = with_switches(guards)
    if errors:
        sys.exit("\n".join(errors))
    sources = {file: (ROOT / file).read_text() for file in files}
    try:
        for file, text in files.items():
            (ROOT / file).write_text(text)
        binaries = test_binaries()
    finally:
        for file, text in sources.items():
            (ROOT / file).write_text(text)
    if broken := noticed_by("", binaries):
        sys.exit(f"with every guard on, these fail: {', '.join(broken)}")
    unnoticed = 0
    print("| guard switched off | noticed by |\n|---|---|")
    for name in names:
        tests = noticed_by(name, binaries)
        shown = ", ".join(tests[:4]) + (f" and {len(tests) - 4} more" if len(tests) > 4 else "")
        unnoticed += not tests
        print(f"| {name} | {shown or '**nothing**'} |", flush=True)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
