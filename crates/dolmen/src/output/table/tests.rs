//! Tests of how tables look, and that they keep to the width of the terminal.

use super::super::samples::{all_types, batch, in_format, small, written};
use super::super::{Format, OutputOptions, ResultWriter};
use super::{counted, grouped};
use arrow::array::*;
use arrow::datatypes::Schema;
use proptest::prelude::*;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

fn table(batch: &RecordBatch, max_rows: Option<usize>, max_width: Option<usize>) -> String {
    let options = OutputOptions { max_rows, max_width, ..OutputOptions::new(Format::Table) };
    written(&batch.schema(), std::slice::from_ref(batch), options)
}

#[test]
fn a_small_table() {
    insta::assert_snapshot!(in_format(&small(), Format::Table), @r#"
    ┌────────┬───────────┬───────────────────┐
    │      n │ s         │ s                 │
    │ bigint │ varchar   │ varchar           │
    ├────────┼───────────┼───────────────────┤
    │      1 │ a,"b"|<c> │ two\nlines\tand \ │
    │    -20 │           │ 日本              │
    │   NULL │ NULL      │ NULL              │
    └────────┴───────────┴───────────────────┘
    "#);
}

#[test]
fn a_table_without_rows() {
    insta::assert_snapshot!(in_format(&small().slice(0, 0), Format::Table), @r"
    ┌────────┬─────────┬─────────┐
    │      n │ s       │ s       │
    │ bigint │ varchar │ varchar │
    ├────────┼─────────┼─────────┤
    └────────┴─────────┴─────────┘
    0 rows
    ");
}

#[test]
fn characters_of_every_width_are_aligned() {
    // Two columns for the thumb with its skin tone, one for the letter with its accent; the name has a line end.
    let column = StringArray::from(vec!["👍🏽", "e\u{301}", "\u{1b}[31mred", "ﷺ", "한국"]);
    insta::assert_snapshot!(in_format(&batch(vec![("a\nb", Arc::new(column))]), Format::Table), @r"
    ┌─────────────┐
    │ a\nb        │
    │ varchar     │
    ├─────────────┤
    │ 👍🏽          │
    │ é           │
    │ \x1b[31mred │
    │ ﷺ           │
    │ 한국        │
    └─────────────┘
    ");
}

#[test]
fn the_middle_of_a_long_result_is_left_out() {
    let long = batch(vec![
        ("n", Arc::new(Int64Array::from_iter_values(0..336_776)) as ArrayRef),
        ("parity", Arc::new(StringArray::from_iter_values((0..336_776).map(|n| ["even", "odd"][n % 2])))),
    ]);
    insta::assert_snapshot!(table(&long, Some(5), None), @r"
    ┌────────┬─────────┐
    │      n │ parity  │
    │ bigint │ varchar │
    ├────────┼─────────┤
    │      0 │ even    │
    │      1 │ odd     │
    │      2 │ even    │
    │      … │ …       │
    │ 336774 │ even    │
    │ 336775 │ odd     │
    └────────┴─────────┘
    336,776 rows (5 shown)
    ");
    assert!(!table(&long.slice(0, 5), Some(5), None).contains("rows"));
    assert_eq!(table(&long.slice(0, 6), Some(5), None).matches('…').count(), 2);
    let options = OutputOptions::for_terminal(Format::Table, Some(80));
    let text = written(&long.schema(), &[long.slice(0, 100), long.slice(100, 100)], options);
    assert!(text.ends_with("200 rows (40 shown)\n"), "{text}");
    assert!(text.contains("│     19 │") && !text.contains("│     20 │") && text.contains("│    180 │"));
}

#[test]
fn columns_in_the_middle_are_left_out() {
    let names: Vec<String> = (0..12).map(|idx| format!("column_{idx}")).collect();
    let columns = names.iter().map(|name| (name.as_str(), Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef));
    let wide = batch(columns.collect());
    insta::assert_snapshot!(table(&wide, None, Some(60)), @r"
    ┌──────────┬──────────┬───┬───────────┬───────────┐
    │ column_0 │ column_1 │ … │ column_10 │ column_11 │
    │   bigint │   bigint │   │    bigint │    bigint │
    ├──────────┼──────────┼───┼───────────┼───────────┤
    │        7 │        7 │ … │         7 │         7 │
    │        8 │        8 │ … │         8 │         8 │
    └──────────┴──────────┴───┴───────────┴───────────┘
    12 columns (4 shown)
    ");
    insta::assert_snapshot!(table(&wide, Some(1), Some(22)), @r"
    ┌──────────┬───┐
    │ column_0 │ … │
    │   bigint │   │
    ├──────────┼───┤
    │        7 │ … │
    │        … │ … │
    └──────────┴───┘
    2 rows (1 shown)
    12 columns (1 shown)
    ");
}

#[test]
fn text_is_cut_and_numbers_are_not() {
    let text = "The quick brown fox jumps over the lazy dog";
    let batch = batch(vec![
        ("n", Arc::new(Int64Array::from(vec![i64::MIN])) as ArrayRef),
        ("text", Arc::new(StringArray::from(vec![text]))),
    ]);
    insta::assert_snapshot!(table(&batch, None, Some(50)), @r"
    ┌──────────────────────┬─────────────────────────┐
    │                    n │ text                    │
    │               bigint │ varchar                 │
    ├──────────────────────┼─────────────────────────┤
    │ -9223372036854775808 │ The quick brown fox ju… │
    └──────────────────────┴─────────────────────────┘
    ");
}

/// Every line fits, and the lines of the box are equally long.
fn check_widths(text: &str, max_width: usize) -> Result<(), TestCaseError> {
    let widths: Vec<usize> = text.lines().map(UnicodeWidthStr::width).collect();
    prop_assert!(widths.iter().all(|width| *width <= max_width), "{max_width}\n{text}");
    let in_box: Vec<&str> = text.lines().filter(|line| line.starts_with(['┌', '│', '├', '└'])).collect();
    prop_assert!(in_box.iter().all(|line| line.width() == in_box[0].width()), "{text}");
    Ok(())
}

#[test]
fn every_type_fits_every_width() {
    for max_width in 9..400 {
        check_widths(&table(&all_types(), Some(2), Some(max_width)), max_width).unwrap();
    }
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        columns in prop::collection::vec(("\\PC{0,12}", prop::collection::vec("(?s).{0,30}", 3), any::<[i64; 3]>(), any::<bool>()), 1..8),
        max_width in 9usize..120,
        max_rows in prop::option::of(0usize..4),
    ) {
        let arrays = columns.iter().map(|(name, texts, numbers, text)| {
            let array: ArrayRef = if *text {
                Arc::new(StringArray::from(texts.clone()))
            } else {
                Arc::new(Int64Array::from(numbers.to_vec()))
            };
            (name.as_str(), array)
        });
        check_widths(&table(&batch(arrays.collect()), max_rows, Some(max_width)), max_width)?;
    }
}

#[test]
fn a_result_of_no_columns_fits() {
    let schema = Arc::new(Schema::empty());
    let options = OutputOptions { max_width: Some(9), ..OutputOptions::default() };
    assert_eq!(written(&schema, &[], options), "0 rows w…\n");
}

#[test]
fn counts_are_grouped() {
    let counts = [0, 999, 1_000, 336_776, 1_234_567];
    assert_eq!(counts.map(grouped), ["0", "999", "1,000", "336,776", "1,234,567"]);
    assert_eq!(counted(1, "row"), "1 row");
    assert_eq!(counted(1_000, "column"), "1,000 columns");
}

fn numbered(n_rows: i64) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..n_rows);
    let texts = StringArray::from_iter_values((0..n_rows).map(|n| "x".repeat(n as usize % 30)));
    batch(vec![("n", Arc::new(numbers)), ("text", Arc::new(texts))])
}

#[test]
fn a_settled_table_is_written_as_its_rows_come() {
    let batch = numbered(12);
    let options = OutputOptions { settle_rows: Some(3), ..OutputOptions::new(Format::Table) };
    let mut text = Vec::new();
    let mut writer = ResultWriter::new(&mut text, &batch.schema(), options);
    writer.write(&batch.slice(0, 3)).unwrap();
    writer.write(&batch.slice(3, 9)).unwrap();
    let count = writer.finish().unwrap();
    assert_eq!((count.rows, count.rows_shown), (12, 12));
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Four lines of head, twelve rows, a border and the count; the text is as wide as its type.
    assert_eq!(lines.len(), 18, "{text}");
    assert_eq!(lines[4], "│      0 │         │");
    assert_eq!(lines[15], "│     11 │ xxxxxx… │");
    assert_eq!(lines[17], "12 rows");
}

#[test]
fn nothing_waits_once_a_table_is_settled() {
    let batch = numbered(3);
    let options = OutputOptions { settle_rows: Some(3), ..OutputOptions::new(Format::Table) };
    let mut text = Vec::new();
    let mut writer = ResultWriter::new(&mut text, &batch.schema(), options);
    writer.write(&batch).unwrap();
    drop(writer);
    assert_eq!(String::from_utf8(text).unwrap().lines().count(), 7);
}

#[test]
fn a_settled_table_cuts_no_number() {
    let options = OutputOptions { settle_rows: Some(1), ..OutputOptions::new(Format::Table) };
    let batches = [1, 12_345_678_901].map(|n| batch(vec![("n", Arc::new(Int64Array::from(vec![n])))]));
    let text = written(&batches[0].schema(), &batches, options);
    assert!(text.contains("│ 12345678901 │"), "{text}");
}

#[test]
fn rows_too_wide_are_shown_one_field_a_line_where_there_is_room() {
    let columns: Vec<(String, Arc<dyn Array>)> =
        (0..5).map(|n| (format!("column_{n}"), Arc::new(Int64Array::from(vec![n, n + 1])) as Arc<dyn Array>)).collect();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let in_lines = |lines_max| {
        let options = OutputOptions { lines_max, max_width: Some(30), ..OutputOptions::new(Format::Table) };
        written(&batch.schema(), std::slice::from_ref(&batch), options)
    };
    insta::assert_snapshot!(in_lines(Some(12)), @r"
    column_0 = 0
    column_1 = 1
    column_2 = 2
    column_3 = 3
    column_4 = 4

    column_0 = 1
    column_1 = 2
    column_2 = 3
    column_3 = 4
    column_4 = 5
    ");
    for lines_max in [None, Some(11)] {
        assert!(in_lines(lines_max).contains("5 columns"), "{}", in_lines(lines_max));
    }
}

#[test]
fn null_differs_from_its_text() {
    let texts = StringArray::from(vec![Some("NULL"), None, Some("")]);
    let batch = batch(vec![("s", Arc::new(texts))]);
    let options = OutputOptions { colour_null: true, ..OutputOptions::new(Format::Table) };
    let text = written(&batch.schema(), std::slice::from_ref(&batch), options);
    assert!(text.contains("│ NULL    │\n│ \x1b[90mNULL   \x1b[0m │\n│         │"), "{text}");
}
