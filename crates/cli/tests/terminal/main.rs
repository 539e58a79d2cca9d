//! The terminal as its users have it: typing, completion, history, paging, cancelling, in a pseudo-terminal.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

mod pty;

use std::path::Path;

use pty::*;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn open(home: &Path) -> Terminal {
    Terminal::open(home, 30, 100, &[])
}

#[test]
fn a_statement_of_several_lines_runs_at_its_semicolon() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("SELECT 40 + 2 AS answer,");
    terminal.enter("'a;b' AS text");
    terminal.enter("; ");
    terminal.wait_for("│     42 │ a;b     │");
    terminal.wait_for("1 row in ");
    terminal.wait_for_prompt();
    terminal.press(CTRL_D);
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn an_error_points_at_its_place_and_the_session_goes_on() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("SELECT dep_dely FROM 'examples/data/flights.parquet';");
    terminal.wait_for("did you mean \"dep_delay\"?");
    terminal.wait_for("^^^^^^^^");
    assert_eq!(terminal.colour_of("error:"), vt100::Color::Idx(1));
    terminal.enter("SELECT 'after' AS word;");
    terminal.wait_for("│ after   │");
    terminal.enter(".quit");
    assert_eq!(terminal.wait_for_end(), 0);
}

#[test]
fn tab_completes_keywords_tables_columns_files_and_commands() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("CREATE TABLE measurements (station VARCHAR, humidity DOUBLE, height BIGINT);");
    terminal.wait_for("CREATE TABLE in");
    terminal.press(&format!("SEL{TAB}"));
    terminal.wait_for_line("dolmen> SELECT");
    terminal.press(&format!(" * FROM meas{TAB}"));
    terminal.wait_for_line("dolmen> SELECT * FROM measurements");
    terminal.press(&format!(" m WHERE m.hu{TAB}"));
    terminal.wait_for_line("dolmen> SELECT * FROM measurements m WHERE m.humidity");
    // Two columns begin with h: both are shown.
    terminal.press(&format!(" > m.h{TAB}"));
    terminal.wait_until("both columns", |screen| screen.contains("height") && screen.matches("humidity").count() >= 2);
    terminal.press(CTRL_C);
    terminal.wait_for_prompt();
    terminal.press(&format!("FROM 'examples/data/fl{TAB}"));
    terminal.wait_for_line("dolmen> FROM 'examples/data/flights.parquet'");
    terminal.press(CTRL_C);
    terminal.wait_for_prompt();
    terminal.press(&format!(".desc{TAB}"));
    terminal.wait_for_line("dolmen> .describe");
    terminal.press(&format!(" mea{TAB}"));
    terminal.wait_for_line("dolmen> .describe measurements");
    terminal.press("\r");
    terminal.wait_for("humidity    │ double");
}

#[test]
fn columns_of_a_file_come_while_the_rest_is_typed() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.press("SELECT count(*) FROM 'examples/data/flights.parquet' WHERE ");
    let wanted = "dolmen> SELECT count(*) FROM 'examples/data/flights.parquet' WHERE dep_delay";
    // The keys never wait for the file, so the first Tab may come before its columns.
    for _ in 0..100 {
        terminal.press(&format!("dep_d{TAB}"));
        std::thread::sleep(std::time::Duration::from_millis(200));
        if terminal.line() == wanted {
            break;
        }
        terminal.press(&BACKSPACE.repeat(5));
    }
    terminal.wait_for_line(wanted);
}

#[test]
fn what_is_typed_has_colours_and_hints() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("SELECT 'text' AS word;");
    terminal.wait_for("1 row in");
    terminal.wait_for_prompt();
    terminal.press("SELECT 'te");
    // The rest of the earlier statement, in grey; the right arrow takes it.
    terminal.wait_for_line("dolmen> SELECT 'text' AS word;");
    assert_eq!(terminal.colour_of("xt' AS word;"), vt100::Color::Idx(8));
    assert_eq!(terminal.colour_of("SELECT 'te"), vt100::Color::Idx(4));
    terminal.press(RIGHT);
    terminal.press("\r");
    terminal.wait_until("the result again", |screen| screen.matches("│ text").count() == 2);
    terminal.press("SELECT replace(");
    terminal.wait_for_line("dolmen> SELECT replace(str, substr, replacement)");
    terminal.press(CTRL_C);
    terminal.wait_for_line("dolmen>");
}

#[test]
fn no_colours_where_they_are_not_wanted() {
    let home = home();
    let mut terminal = Terminal::open(home.path(), 30, 100, &[("NO_COLOR", "1")]);
    terminal.enter("SELECT nothing;");
    terminal.wait_for("error: column");
    assert_eq!(terminal.colour_of("error:"), vt100::Color::Default);
    assert_eq!(terminal.colour_of("SELECT nothing"), vt100::Color::Default);
}

#[test]
fn the_history_is_there_at_the_next_start_without_secrets() {
    let home = home();
    let mut first = open(home.path());
    first.enter("SELECT 1 AS");
    first.enter("one;");
    first.wait_for("1 row in");
    first.enter("SET aws_secret_access_key = 'hidden';");
    first.wait_for("error:");
    first.wait_for_prompt();
    // Saved as it grows: this terminal is still open when the next one starts.
    let mut second = open(home.path());
    second.press(UP);
    second.wait_for("SELECT 1 AS\none;");
    second.press("\r");
    second.wait_for("1 row in");
    let kept = std::fs::read_to_string(home.path().join("state/dolmen/history")).unwrap();
    assert!(kept.starts_with("SELECT 1 AS\\none;\n") && !kept.contains("hidden"), "{kept}");
}

#[test]
fn control_c_stops_a_long_statement_and_keeps_the_session() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("CREATE TABLE kept AS SELECT 7 AS n;");
    terminal.wait_for("CREATE TABLE in");
    terminal.enter("SELECT count(*) FROM range(3000000) a(x), range(3000000) b(y) WHERE x * y % 7 = 3;");
    // The line of progress shows that it runs.
    terminal.wait_for(" memory");
    terminal.press(CTRL_C);
    terminal.wait_for("error: the statement was cancelled");
    terminal.wait_for_prompt();
    terminal.enter("SELECT n * 6 AS answer FROM kept;");
    terminal.wait_for("│     42 │");
}

#[test]
fn control_c_gives_up_what_was_typed() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("SELECT 'not this',");
    terminal.press("'x");
    terminal.wait_for_line("'x");
    // What is typed ahead of the new prompt is given up too.
    terminal.press(CTRL_C);
    terminal.wait_for_prompt();
    terminal.enter("SELECT 'but this' AS t;");
    terminal.wait_for("│ but this │");
    assert!(!terminal.screen().contains("error"), "{}", terminal.screen());
}

#[test]
fn a_tall_result_is_paged_and_its_first_rows_come_at_once() {
    let home = home();
    let mut terminal = open(home.path());
    // All rows of this would take hours.
    terminal.enter("SELECT x AS number FROM range(100000000000) AS r(x);");
    terminal.wait_for("│      0 │");
    terminal.wait_for("│     20 │");
    terminal.press(" ");
    terminal.wait_for("│     40 │");
    terminal.press("q");
    terminal.wait_for_prompt();
    terminal.enter(".pager off");
    terminal.wait_for("pager off");
    terminal.enter("SELECT x AS number FROM range(1000) AS r(x);");
    terminal.wait_for("1,000 rows (40 shown)");
    terminal.wait_for("1000 rows in");
}

#[test]
fn a_short_result_is_not_paged() {
    let home = home();
    let mut terminal = Terminal::open(home.path(), 30, 100, &[("PAGER", "echo paged; cat")]);
    terminal.enter("SELECT x FROM range(5) AS r(x);");
    terminal.wait_for("5 rows in");
    assert!(!terminal.screen().contains("paged\n"), "{}", terminal.screen());
    terminal.enter("SELECT x FROM range(50) AS r(x);");
    terminal.wait_for("50 rows");
    terminal.enter("SELECT 'later' AS t;");
    terminal.wait_for("│ later   │");
}

#[test]
fn a_result_fits_the_window_after_it_was_resized() {
    let home = home();
    let mut terminal = open(home.path());
    let wide = "SELECT repeat('x', 60) AS a, repeat('y', 60) AS b;";
    terminal.enter(wide);
    terminal.wait_for("1 row in");
    terminal.wait_until("cells that are cut", |screen| screen.contains("xx… │ yy"));
    terminal.resize(30, 60);
    terminal.press("SELECT 1");
    terminal.wait_for_line("dolmen> SELECT 1");
    terminal.enter(" AS n, repeat('z', 100) AS z;");
    terminal.wait_for("zz… │");
    let screen = terminal.screen();
    let line = screen.lines().find(|line| line.contains("zz… │")).unwrap();
    assert_eq!(line.chars().count(), 60, "{screen}");
}

#[test]
fn rows_too_wide_are_shown_one_field_a_line() {
    let home = home();
    let mut terminal = Terminal::open(home.path(), 40, 40, &[]);
    terminal.enter("FROM 'examples/data/flights.parquet' LIMIT 1;");
    terminal.wait_for("     carrier = UA");
    terminal.wait_for("1 row in");
    terminal.enter(".mode table");
    terminal.enter("FROM 'examples/data/flights.parquet' LIMIT 1;");
    terminal.wait_for("19 columns (");
}

#[test]
fn wide_characters_keep_their_columns() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.press("SELECT '日本語' AS 名前, 'größe' AS größe");
    terminal.wait_for_line("dolmen> SELECT '日本語' AS 名前, 'größe' AS größe");
    // Into the middle, over wide characters, and a correction there.
    terminal.press(&LEFT.repeat(30));
    terminal.press("X");
    terminal.press(BACKSPACE);
    terminal.wait_for_line("dolmen> SELECT '日本語' AS 名前, 'größe' AS größe");
    terminal.press("\x05;\r");
    terminal.wait_for("│ 日本語  │ größe   │");
    terminal.enter("SELECT NULL AS a, '' AS b, 'NULL' AS c;");
    terminal.wait_for("│         │ NULL    │");
    assert_eq!(terminal.colour_of("NULL"), vt100::Color::Idx(8));
}

#[test]
fn dolmenrc_runs_before_the_first_prompt() {
    let home = home();
    std::fs::create_dir_all(home.path().join("config/dolmen")).unwrap();
    let script = ".mode csv\n.timer off\nCREATE TABLE mine AS SELECT 5 AS n;\n";
    std::fs::write(home.path().join("config/dolmen/dolmenrc"), script).unwrap();
    let mut terminal = open(home.path());
    terminal.enter("FROM mine;");
    terminal.wait_for("n\n5\n1 row\n");
}

#[test]
fn commands_have_psqls_names_too() {
    let home = home();
    let mut terminal = open(home.path());
    terminal.enter("CREATE TABLE t AS SELECT 1 AS a;");
    terminal.wait_for("CREATE TABLE in");
    terminal.enter("\\dt");
    terminal.wait_for("│ public       │ t          │ BASE TABLE │");
    terminal.enter("\\d t");
    terminal.wait_for("column_name");
    terminal.enter(".tabels");
    terminal.wait_for("did you mean .tables?");
    terminal.enter("\\?");
    terminal.wait_for(".describe");
    terminal.enter("\\q");
    assert_eq!(terminal.wait_for_end(), 0);
}

/// Without the time that a statement took.
fn timeless(line: &str) -> &str {
    match line.rsplit_once(" in ") {
        Some((what, time)) if time.ends_with(" s") => what,
        _ => line,
    }
}

#[test]
fn the_transcript_of_the_documentation_is_true() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let document = std::fs::read_to_string(document).unwrap();
    let transcript = document.split("```terminal\n").nth(1).unwrap().split("```").next().unwrap();
    let home = home();
    let mut terminal = Terminal::open(home.path(), 60, 150, &[]);
    let typed = transcript.lines().filter_map(|line| line.strip_prefix("dolmen> "));
    for text in typed {
        terminal.enter(text);
        // The prompt comes back when the answer stands above it.
        terminal.wait_for(text);
        terminal.wait_until("the next prompt", |screen| screen.ends_with("dolmen>"));
    }
    let screen = terminal.screen();
    let shown: Vec<&str> = screen.lines().skip_while(|line| !line.starts_with("dolmen> ")).map(timeless).collect();
    let expected: Vec<&str> = transcript.lines().map(timeless).collect();
    assert_eq!(shown[..expected.len()].join("\n"), expected.join("\n"));
}
