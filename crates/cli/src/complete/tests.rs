//! What is offered at the mark `|`.

use super::*;
use crate::names::testing::{Fixed, flights};

fn offered(marked: &str) -> Vec<Candidate> {
    offered_of(&flights(), marked).1
}

fn offered_of(names: &Fixed, marked: &str) -> (usize, Vec<Candidate>) {
    let pos = marked.find('|').unwrap();
    complete(&marked.replacen('|', "", 1), pos, names, &|_| None)
}

/// What is written for each.
fn written(marked: &str) -> Vec<String> {
    offered(marked).into_iter().map(|candidate| candidate.written).collect()
}

#[test]
fn columns_of_the_tables_in_scope() {
    assert_eq!(written("SELECT dep_| FROM flights"), ["dep_delay", "dep_time"]);
    let expected = ["name", "now(", "not", "null"];
    assert_eq!(written("SELECT n| FROM flights JOIN airlines USING (carrier)"), expected);
    assert_eq!(written("SELECT t| FROM s.planes"), ["tailnum", "timestamp", "true", "try_cast"]);
    assert_eq!(written("SELECT * FROM flights WHERE dep_d|"), ["dep_delay"]);
    assert_eq!(written("SELECT te| FROM 'weather.csv'"), ["temp"]);
    assert_eq!(written("WITH w AS (SELECT 1 AS one) SELECT o| FROM w"), ["one"]);
    assert_eq!(written("UPDATE airlines SET na|"), ["name"]);
    assert_eq!(written("INSERT INTO airlines (na|"), ["name"]);
    assert_eq!(written("SELECT 1; SELECT te| FROM flights; SELECT 2"), Vec::<String>::new());
}

#[test]
fn columns_by_alias() {
    assert_eq!(written("SELECT f.dep_d| FROM flights f"), ["dep_delay"]);
    assert_eq!(written("SELECT * FROM flights f JOIN airlines a ON f.carrier = a.|"), ["carrier", "name"]);
    assert_eq!(written("SELECT airlines.n| FROM airlines"), ["name"]);
    assert_eq!(written("SELECT x.n| FROM airlines"), Vec::<String>::new());
}

#[test]
fn names_are_quoted_where_they_have_to_be() {
    assert_eq!(written("SELECT tail| FROM flights"), ["\"Tail Num\""]);
    // The quote reaches to the end, so that no FROM is seen.
    assert_eq!(written("SELECT \"Tail| FROM flights"), ["\"Tail Num\"", "\"tailnum\""]);
    let (start, found) = offered_of(&flights(), "SELECT 1 FROM flights WHERE \"Ta|");
    assert_eq!((start, found[0].written.as_str()), (28, "\"Tail Num\""));
}

#[test]
fn tables_schemas_and_functions_that_give_rows() {
    assert_eq!(written("SELECT * FROM |"), ["airlines", "flights", "s.planes", "range("]);
    assert_eq!(written("SELECT * FROM fl|"), ["flights"]);
    assert_eq!(written("SELECT * FROM s.|"), ["planes"]);
    assert_eq!(written("WITH few AS (SELECT 1) SELECT * FROM f|"), ["few", "flights"]);
    assert_eq!(written("DESCRIBE air|"), ["airlines"]);
}

#[test]
fn any_table_is_meant_before_from() {
    assert_eq!(written("SELECT dep_d|"), ["dep_delay"]);
    assert_eq!(written("SELECT |"), Vec::<String>::new());
}

#[test]
fn functions_show_their_arguments() {
    let found = offered("SELECT date_| FROM airlines");
    let expected =
        Candidate { shown: "date_trunc(precision, expression)".to_owned(), written: "date_trunc(".to_owned() };
    assert_eq!(found, [expected]);
}

#[test]
fn keywords_are_written_as_the_user_does() {
    assert_eq!(written("SEL|"), ["SELECT"]);
    assert_eq!(written("sel|"), ["select"]);
    assert_eq!(written("select carrier fr|"), ["from"]);
    assert_eq!(written("SELECT carrier FROM flights WH|"), ["WHERE"]);
    assert!(written("select 1 from flights |").contains(&"where".to_owned()));
    assert_eq!(written("-- sel|"), Vec::<String>::new());
}

#[test]
fn settings_have_short_names() {
    assert_eq!(written("SET ba|"), ["batch_size"]);
    assert_eq!(written("RESET datafusion.execution.t|"), ["datafusion.execution.time_zone"]);
}

#[test]
fn commands_and_what_follows_them() {
    assert_eq!(written(".ta|"), [".tables"]);
    assert!(written("\\|").contains(&"\\dt".to_owned()));
    assert_eq!(written(".describe fl|"), ["flights"]);
    assert_eq!(written(".mode nd|"), ["ndjson"]);
    assert_eq!(written(".help tab|"), ["tables"]);
    assert_eq!(written(".explain analyze SELECT dep_d| FROM flights"), ["dep_delay"]);
    assert_eq!(written(".tables fl|"), ["flights"]);
    assert_eq!(written(".nonsense a|"), Vec::<String>::new());
    assert_eq!(offered_of(&flights(), " |  .tab"), (1, Vec::new()));
}

#[test]
fn files_between_quotes_and_behind_commands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("it's here.csv"), "").unwrap();
    let base = folder.path().display();
    let escaped = format!("{base}/it''s here.csv");
    assert_eq!(written(&format!("FROM '{base}/i|")), [format!("{escaped}'")]);
    assert_eq!(written(&format!("FROM '{base}/i|' WHERE")), [escaped]);
    assert_eq!(written(&format!(".read {base}/i|")), [format!("'{base}/it's here.csv'")]);
}

#[test]
fn of_a_hundred_thousand_columns_a_few_are_offered() {
    let columns = |table| (0..100).map(|n| format!("column_{table}_{n}")).collect();
    let columns = (0..1000).map(|table| (format!("table_{table}"), columns(table))).collect();
    let names = Fixed { columns, ..Fixed::default() };
    let begun = std::time::Instant::now();
    let (_, found) = offered_of(&names, "SELECT column_99|");
    println!("{:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    assert_eq!((found.len(), found[0].written.as_str()), (CANDIDATES_MAX, "column_990_0"));
}

#[test]
fn case_does_not_count() {
    assert!(begins("Größe", "GRÖ") && begins("dep_delay", "DEP_") && begins("\"Tail Num\"", "tail"));
    assert!(!begins("dep", "dep_") && !begins("ö", "o") && !begins("é", "e"));
}

/// Whatever is typed, at any place.
#[test]
fn no_text_breaks_it() {
    let text = "WITH é AS (SELECT 'ü' FROM 'x.csv') SELECT \"a\"\".b, (SELECT \\ FROM é e WHERE e.'x /* */ -- \n) FROM s.t,;.x";
    for (pos, _) in text.char_indices() {
        for (end, _) in text.char_indices().filter(|(end, _)| *end >= pos) {
            complete(&text[..end], pos, &flights(), &|_| None);
        }
    }
}
