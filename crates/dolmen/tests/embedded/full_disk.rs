//! A temporary folder whose disk fills while a statement spills.

use dolmen::prelude::*;

use crate::stages::until_free;

#[path = "../../../storage/tests/blocks/small_disk.rs"]
mod small_disk;

#[test]
fn a_temporary_folder_that_fills_is_an_error_that_names_it_and_the_session_goes_on() {
    let name = "full_disk::a_temporary_folder_that_fills_is_an_error_that_names_it_and_the_session_goes_on";
    small_disk::with_small_disk(name, |disk| {
        let texts = "SELECT x AS k, 'a text of some length ' || x AS s FROM range(600000) AS r(x)";
        let statements = [
            format!("SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY s) AS r FROM ({texts}))"),
            format!("SELECT count(*) FROM (SELECT s, count(*) FROM ({texts}) GROUP BY s)"),
            format!("SELECT count(*) FROM ({texts}) a JOIN ({texts}) b ON a.s = b.s"),
        ];
        for (form, threads) in [("pipelined", 1), ("pipelined", 2), ("staged", 1), ("staged", 2)] {
            let builder = Session::builder().threads(threads).memory_limit(12 << 20).temp_dir(disk);
            let session = builder.setting("execution_form", form).build().unwrap();
            for sql in &statements {
                let error = session.sql(sql).rows_blocking::<i64>().unwrap_err();
                let text = error.to_string();
                if form == "staged" || !text.contains("memory limit") {
                    assert!(
                        text.contains(&disk.display().to_string()) && text.contains("no space is left"),
                        "{form}: {sql}: {text}"
                    );
                }
                until_free(&session);
                assert_eq!(
                    session.sql("SELECT max(x) FROM range(1000) AS r(x)").rows_blocking::<i64>().unwrap(),
                    [999]
                );
            }
        }
    });
}
