//! Tests of what all formats share: the text of every type, what readers make of it, and results without rows or
//! columns.

use super::samples::{all_types, batch, in_format, small, written};
use super::{BatchMismatch, Format, OutputOptions, ResultWriter};
use arrow::array::*;
use arrow::datatypes::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

#[test]
fn every_type_as_text() {
    insta::assert_snapshot!(in_format(&all_types().slice(0, 2), Format::Line), @r#"
               null = NULL
            boolean = true
               int8 = 1
              int16 = 1
              int32 = 1
              int64 = 1
              uint8 = 1
             uint16 = 1
             uint32 = 1
             uint64 = 1
            float16 = 0.5
            float32 = 0.1
            float64 = 1.0
          decimal32 = 1.50
          decimal64 = 1.50
         decimal128 = 1.50
         decimal256 = 1.50
             date32 = 2013-01-01
             date64 = 2013-01-01
           time32_s = 06:00:00
          time32_ms = 06:00:00.5
          time64_us = 06:00:00.000001
          time64_ns = 06:00:00.000000001
        timestamp_s = 2013-01-01 06:00:00
       timestamp_ms = 2013-01-01 06:00:00.5
       timestamp_us = 2013-01-01 06:00:00.5
       timestamp_ns = 2013-01-01 06:00:00.5
      timestamp_utc = 2013-01-01 06:00:00.5+00
       timestamp_tz = 2013-01-01 01:00:00.5-05
           duration = 1 day 02:03:04.5
        interval_ym = 1 year 2 mons
        interval_dt = 1 day 00:00:00.5
       interval_mdn = 1 year 2 mons 3 days 02:03:04
               utf8 = plain
         large_utf8 = plain
          utf8_view = plain
             binary = \x6869
       large_binary = \x6869
        binary_view = \x6869
       fixed_binary = \x6869
               list = [1, null, 3]
         large_list = [1, null, 3]
          list_view = [1, null, 3]
    large_list_view = [1, null, 3]
         fixed_list = [1, 2]
             struct = {"a": 1, "a_1": "plain"}
    list_of_structs = [{"a": 1, "a_1": "plain"}, {"a": -7, "a_1": "\"q\" 👍🏽\n"}]
                map = {"1": 0.5, "2": null}
        dense_union = 9
       sparse_union = 9
         dictionary = d
    dictionary_null = 10
               runs = r

               null = NULL
            boolean = false
               int8 = -128
              int16 = -32768
              int32 = -2147483648
              int64 = -9223372036854775808
              uint8 = 255
             uint16 = 65535
             uint32 = 4294967295
             uint64 = 18446744073709551615
            float16 = NaN
            float32 = -Infinity
            float64 = 1e+300
          decimal32 = -0.05
          decimal64 = -0.05
         decimal128 = 100000000000000000000000000000000000.00
         decimal256 = -0.01
             date32 = 1969-12-31
             date64 = 1969-12-31
           time32_s = 00:00:00
          time32_ms = 00:00:00
          time64_us = 00:00:00
          time64_ns = 00:00:00
        timestamp_s = 1969-12-31 23:59:59
       timestamp_ms = 1969-12-31 23:59:59
       timestamp_us = 1969-12-31 23:59:59
       timestamp_ns = 1969-12-31 23:59:59
      timestamp_utc = 1969-12-31 23:59:59+00
       timestamp_tz = 1969-12-31 18:59:59-05
           duration = -00:00:00.001
        interval_ym = -1 mons
        interval_dt = 00:00:00
       interval_mdn = -1 days +00:00:00.000001
               utf8 = "q" 👍🏽\n
         large_utf8 = "q" 👍🏽\n
          utf8_view = "q" 👍🏽\n
             binary = \x
       large_binary = \xff
        binary_view = \x00
       fixed_binary = \x00ff
               list = []
         large_list = []
          list_view = []
    large_list_view = []
         fixed_list = [null, 4]
             struct = {"a": -7, "a_1": "\"q\" 👍🏽\n"}
    list_of_structs = []
                map = {}
        dense_union = u
       sparse_union = u
         dictionary = e,
    dictionary_null = 20
               runs = s
    "#);
}

#[test]
fn every_type_as_json() {
    insta::assert_snapshot!(in_format(&all_types().slice(0, 2), Format::NdJson).replace(",\"", "\n,\""), @r#"
    {"null":null
    ,"boolean":true
    ,"int8":1
    ,"int16":1
    ,"int32":1
    ,"int64":1
    ,"uint8":1
    ,"uint16":1
    ,"uint32":1
    ,"uint64":1
    ,"float16":0.5
    ,"float32":0.1
    ,"float64":1.0
    ,"decimal32":1.50
    ,"decimal64":1.50
    ,"decimal128":1.50
    ,"decimal256":1.50
    ,"date32":"2013-01-01"
    ,"date64":"2013-01-01"
    ,"time32_s":"06:00:00"
    ,"time32_ms":"06:00:00.5"
    ,"time64_us":"06:00:00.000001"
    ,"time64_ns":"06:00:00.000000001"
    ,"timestamp_s":"2013-01-01T06:00:00"
    ,"timestamp_ms":"2013-01-01T06:00:00.5"
    ,"timestamp_us":"2013-01-01T06:00:00.5"
    ,"timestamp_ns":"2013-01-01T06:00:00.5"
    ,"timestamp_utc":"2013-01-01T06:00:00.5Z"
    ,"timestamp_tz":"2013-01-01T01:00:00.5-05:00"
    ,"duration":"1 day 02:03:04.5"
    ,"interval_ym":"1 year 2 mons"
    ,"interval_dt":"1 day 00:00:00.5"
    ,"interval_mdn":"1 year 2 mons 3 days 02:03:04"
    ,"utf8":"plain"
    ,"large_utf8":"plain"
    ,"utf8_view":"plain"
    ,"binary":"\\x6869"
    ,"large_binary":"\\x6869"
    ,"binary_view":"\\x6869"
    ,"fixed_binary":"\\x6869"
    ,"list":[1,null,3]
    ,"large_list":[1,null,3]
    ,"list_view":[1,null,3]
    ,"large_list_view":[1,null,3]
    ,"fixed_list":[1,2]
    ,"struct":{"a":1
    ,"a_1":"plain"}
    ,"list_of_structs":[{"a":1
    ,"a_1":"plain"},{"a":-7
    ,"a_1":"\"q\" 👍🏽\n"}]
    ,"map":{"1":0.5
    ,"2":null}
    ,"dense_union":9
    ,"sparse_union":9
    ,"dictionary":"d"
    ,"dictionary_null":10
    ,"runs":"r"}
    {"null":null
    ,"boolean":false
    ,"int8":-128
    ,"int16":-32768
    ,"int32":-2147483648
    ,"int64":-9223372036854775808
    ,"uint8":255
    ,"uint16":65535
    ,"uint32":4294967295
    ,"uint64":18446744073709551615
    ,"float16":"NaN"
    ,"float32":"-Infinity"
    ,"float64":1e+300
    ,"decimal32":-0.05
    ,"decimal64":-0.05
    ,"decimal128":100000000000000000000000000000000000.00
    ,"decimal256":-0.01
    ,"date32":"1969-12-31"
    ,"date64":"1969-12-31"
    ,"time32_s":"00:00:00"
    ,"time32_ms":"00:00:00"
    ,"time64_us":"00:00:00"
    ,"time64_ns":"00:00:00"
    ,"timestamp_s":"1969-12-31T23:59:59"
    ,"timestamp_ms":"1969-12-31T23:59:59"
    ,"timestamp_us":"1969-12-31T23:59:59"
    ,"timestamp_ns":"1969-12-31T23:59:59"
    ,"timestamp_utc":"1969-12-31T23:59:59Z"
    ,"timestamp_tz":"1969-12-31T18:59:59-05:00"
    ,"duration":"-00:00:00.001"
    ,"interval_ym":"-1 mons"
    ,"interval_dt":"00:00:00"
    ,"interval_mdn":"-1 days +00:00:00.000001"
    ,"utf8":"\"q\" 👍🏽\n"
    ,"large_utf8":"\"q\" 👍🏽\n"
    ,"utf8_view":"\"q\" 👍🏽\n"
    ,"binary":"\\x"
    ,"large_binary":"\\xff"
    ,"binary_view":"\\x00"
    ,"fixed_binary":"\\x00ff"
    ,"list":[]
    ,"large_list":[]
    ,"list_view":[]
    ,"large_list_view":[]
    ,"fixed_list":[null,4]
    ,"struct":{"a":-7
    ,"a_1":"\"q\" 👍🏽\n"}
    ,"list_of_structs":[]
    ,"map":{}
    ,"dense_union":"u"
    ,"sparse_union":"u"
    ,"dictionary":"e
    ,"
    ,"dictionary_null":20
    ,"runs":"s"}
    "#);
}

#[test]
fn null_is_null_in_every_type() {
    let nulls = all_types().slice(2, 1);
    let csv = in_format(&nulls, Format::Csv);
    assert_eq!(csv.lines().nth(1), Some(",".repeat(nulls.num_columns() - 1).as_str()));
    let json: Value = serde_json::from_str(&in_format(&nulls, Format::NdJson)).unwrap();
    assert!(json.as_object().unwrap().values().all(Value::is_null), "{json}");
}

#[test]
fn csv() {
    insta::assert_snapshot!(in_format(&small(), Format::Csv), @r#"
    n,s,s
    1,"a,""b""|<c>","two
    lines	and \"
    -20,"",日本
    ,,NULL
    "#);
}

#[test]
fn a_csv_field_equal_to_the_text_of_null_is_quoted() {
    let options =
        |null: &str| OutputOptions { null: null.to_owned(), header: false, ..OutputOptions::new(Format::Csv) };
    let batches = [small().slice(2, 1)];
    let text = |null| written(&batches[0].schema(), &batches, options(null));
    assert_eq!(text("NULL"), "NULL,NULL,\"NULL\"\n");
    assert_eq!(text("a,b"), "\"a,b\",\"a,b\",NULL\n");
    let numbers = [batch(vec![("n", Arc::new(Int64Array::from(vec![Some(0), None])))])];
    assert_eq!(written(&numbers[0].schema(), &numbers, options("0")), "\"0\"\n0\n");
}

#[test]
fn tsv() {
    let expected = "n\ts\ts\n1\ta,\"b\"|<c>\ttwo\\nlines\\tand \\\\\n-20\t\t日本\n\\N\t\\N\tNULL\n";
    assert_eq!(in_format(&small(), Format::Tsv), expected);
}

#[test]
fn json() {
    insta::assert_snapshot!(in_format(&small(), Format::Json), @r#"
    [{"n":1,"s":"a,\"b\"|<c>","s_1":"two\nlines\tand \\"},
    {"n":-20,"s":"","s_1":"日本"},
    {"n":null,"s":null,"s_1":"NULL"}]
    "#);
    let expected = json!([
        {"n": 1, "s": "a,\"b\"|<c>", "s_1": "two\nlines\tand \\"},
        {"n": -20, "s": "", "s_1": "日本"},
        {"n": null, "s": null, "s_1": "NULL"},
    ]);
    assert_eq!(serde_json::from_str::<Value>(&in_format(&small(), Format::Json)).unwrap(), expected);
    let lines = in_format(&small(), Format::NdJson);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::Array(lines), expected);
}

#[test]
fn markdown() {
    insta::assert_snapshot!(in_format(&small(), Format::Markdown), @r#"
    | n | s | s |
    | ---: | --- | --- |
    | 1 | a,"b"\|&lt;c> | two<br>lines\\tand \\ |
    | -20 |  | 日本 |
    | NULL | NULL | NULL |
    "#);
}

#[test]
fn html() {
    insta::assert_snapshot!(in_format(&small(), Format::Html), @r#"
    <table>
    <thead>
    <tr><th style="text-align:right">n</th><th>s</th><th>s</th></tr>
    </thead>
    <tbody>
    <tr><td style="text-align:right">1</td><td>a,&quot;b&quot;|&lt;c&gt;</td><td>two<br>lines\tand \</td></tr>
    <tr><td style="text-align:right">-20</td><td></td><td>日本</td></tr>
    <tr><td style="text-align:right"><em>NULL</em></td><td><em>NULL</em></td><td>NULL</td></tr>
    </tbody>
    </table>
    "#);
}

#[test]
fn line() {
    let batch = batch(vec![
        ("n", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        ("日本", Arc::new(StringArray::from(vec!["a\nb", ""]))),
    ]);
    assert_eq!(in_format(&batch, Format::Line), "   n = 1\n日本 = a\\nb\n\n   n = NULL\n日本 = \n");
}

#[test]
fn results_without_rows() {
    let empty = small().slice(0, 0);
    for (format, expected) in [
        (Format::Csv, "n,s,s\n"),
        (Format::Tsv, "n\ts\ts\n"),
        (Format::Json, "[]\n"),
        (Format::NdJson, ""),
        (Format::Markdown, "| n | s | s |\n| ---: | --- | --- |\n"),
        (Format::Line, ""),
    ] {
        assert_eq!(in_format(&empty, format), expected, "{format}");
        assert_eq!(written(&empty.schema(), &[], OutputOptions::new(format)), expected, "{format}");
    }
    assert!(in_format(&empty, Format::Html).ends_with("</thead>\n<tbody>\n</tbody>\n</table>\n"));
}

#[test]
fn results_without_columns() {
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    for (format, expected) in [
        (Format::Table, "2 rows without columns\n"),
        (Format::Csv, ""),
        (Format::Tsv, ""),
        (Format::Json, "[{},\n{}]\n"),
        (Format::NdJson, "{}\n{}\n"),
        (Format::Markdown, ""),
        (Format::Html, "<table>\n<thead>\n<tr></tr>\n</thead>\n<tbody>\n<tr></tr>\n<tr></tr>\n</tbody>\n</table>\n"),
        (Format::Line, ""),
    ] {
        assert_eq!(in_format(&batch, format), expected, "{format}");
    }
}

#[test]
fn a_header_can_be_left_out() {
    let without = |format| {
        let options = OutputOptions { header: false, ..OutputOptions::new(format) };
        written(&small().schema(), &[small().slice(1, 1)], options)
    };
    assert_eq!(without(Format::Csv), "-20,\"\",日本\n");
    assert_eq!(without(Format::Tsv), "-20\t\t日本\n");
    assert!(without(Format::Html).starts_with("<table>\n<tbody>\n<tr><td"));
    assert_eq!(without(Format::Table), "┌─────┬───┬──────┐\n│ -20 │   │ 日本 │\n└─────┴───┴──────┘\n");
}

/// Every row is a slice of its own, so every array is read from an offset.
#[test]
fn slices_are_written_as_the_whole() {
    let whole = all_types();
    let slices: Vec<RecordBatch> = (0..whole.num_rows()).map(|row| whole.slice(row, 1)).collect();
    for format in Format::ALL {
        let written = written(&whole.schema(), &slices, OutputOptions::new(format));
        assert_eq!(written, in_format(&whole, format), "{format}");
    }
}

#[test]
fn a_long_batch_is_written_whole() {
    let n_rows = 10_000;
    let whole = batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..n_rows)))]);
    let expected: String = std::iter::once("n\n".to_owned()).chain((0..n_rows).map(|n| format!("{n}\n"))).collect();
    assert_eq!(in_format(&whole, Format::Csv), expected);
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let mut writer = ResultWriter::new(Vec::new(), &small().schema(), OutputOptions::default());
    let error = writer.write(&small().project(&[0]).unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let source = error.into_inner().unwrap().downcast::<BatchMismatch>().unwrap();
    assert_eq!(*source, BatchMismatch { expected: 3, found: 1 });
}

#[test]
fn errors_of_the_output_are_reported() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let mut writer = ResultWriter::new(Closed, &small().schema(), OutputOptions::new(format));
        let result = writer.write(&small()).and_then(|()| writer.finish());
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{format}");
    }
}

/// The columns of all types that Arrow's readers of CSV and JSON can read, but for those whose names are given.
fn readable(without: &[&str]) -> RecordBatch {
    let all = all_types();
    let schema = all.schema();
    let kept: Vec<usize> = (0..all.num_columns())
        .filter(|idx| {
            let field = schema.field(*idx);
            let written_only = match field.data_type() {
                DataType::Duration(_) | DataType::Interval(_) | DataType::Union(_, _) | DataType::Struct(_) => true,
                DataType::RunEndEncoded(_, _) | DataType::Dictionary(_, _) | DataType::Float16 => true,
                data_type => data_type.is_binary() || format!("{data_type}").contains("Struct"),
            };
            !written_only && !without.contains(&field.name().as_str())
        })
        .collect();
    all.project(&kept).unwrap()
}

#[test]
fn csv_reads_back() {
    // Arrow's reader knows neither nested values nor large strings.
    let unread = ["list", "large_list", "list_view", "large_list_view", "fixed_list", "map", "large_utf8"];
    let written = readable(&unread);
    assert!(written.num_columns() > 25);
    let text = in_format(&written, Format::Csv);
    let reader = arrow::csv::ReaderBuilder::new(written.schema()).with_header(true).build(text.as_bytes());
    let read = reader.unwrap().next().unwrap().unwrap();
    for (idx, field) in written.schema().fields().iter().enumerate() {
        assert_eq!(read.column(idx), written.column(idx), "{field}");
    }
}

#[test]
fn json_reads_back() {
    // Arrow's reader knows no NaN and no views of lists.
    let written = readable(&["float32", "list_view", "large_list_view", "map"]);
    assert!(written.num_columns() > 25);
    let text = in_format(&written, Format::NdJson);
    let reader = arrow::json::ReaderBuilder::new(written.schema()).build(text.as_bytes());
    let read = reader.unwrap().next().unwrap().unwrap();
    for (idx, field) in written.schema().fields().iter().enumerate() {
        assert_eq!(read.column(idx), written.column(idx), "{field}");
    }
}

proptest! {
    // No empty strings: Arrow's reader cannot tell them from NULL.
    #[test]
    fn csv_strings_read_back(rows in prop::collection::vec(("(?s).{1,9}", prop::option::of("[a,\"\n\r ]{1,5}")), 1..9)) {
        let (first, second): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let written = batch(vec![
            ("a", Arc::new(StringArray::from(first)) as ArrayRef),
            ("b,\n\"", Arc::new(StringArray::from(second))),
        ]);
        let text = in_format(&written, Format::Csv);
        let reader = arrow::csv::ReaderBuilder::new(written.schema()).with_header(true).build(text.as_bytes());
        prop_assert_eq!(reader.unwrap().next().unwrap().unwrap(), written);
    }

    #[test]
    fn tsv_strings_read_back(texts in prop::collection::vec(prop::option::of("(?s)[a-c\\\\\t\n\r]{0,6}"), 1..9)) {
        let written = batch(vec![("a", Arc::new(StringArray::from(texts.clone())))]);
        let read: Vec<Option<String>> = in_format(&written, Format::Tsv).lines().skip(1).map(unescape).collect();
        prop_assert_eq!(read, texts);
    }
}

/// The value of a field as PostgreSQL's COPY reads it.
fn unescape(field: &str) -> Option<String> {
    if field == "\\N" {
        return None;
    }
    let mut text = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next().unwrap() {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                other => other,
            },
            c => c,
        });
    }
    Some(text)
}

#[test]
fn plans_keep_their_lines() {
    let text = |values: [&'static str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("plan_type", text(["logical_plan", "physical_plan"])),
        ("plan", text(["Filter: a\n  Scan", "┌─┐\n└─┘\n"])),
    ])
    .unwrap();
    assert_eq!(in_format(&batch, Format::Table), "logical_plan\nFilter: a\n  Scan\nphysical_plan\n┌─┐\n└─┘\n");
    assert!(in_format(&batch, Format::Csv).starts_with("plan_type,plan\n"));
}
