//! Statements on more data than the memory limit holds.

use dolmen::prelude::*;

#[test]
fn sorts_need_little_memory_whatever_its_size() {
    for limit_mib in [8, 16, 36, 64] {
        for (batch_size, threads) in [(1000, 1), (8192, 1), (8192, 2)] {
            if limit_mib / threads < 8 {
                continue;
            }
            let builder = Session::builder().memory_limit((limit_mib as u64) << 20).threads(threads);
            let session = builder.batch_size(batch_size).build().unwrap();
            let narrow = "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY value % 1009, value) AS r \
                          FROM generate_series(1, 1500000))";
            let wide = "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY t) AS r \
                        FROM (SELECT md5(value::text) AS t FROM generate_series(1, 300000)))";
            for (sort, expected) in [(narrow, 1_500_000), (wide, 300_000)] {
                let rows = session.sql(sort).rows_blocking::<i64>();
                let rows =
                    rows.unwrap_or_else(|e| panic!("{limit_mib} MiB, {threads} threads, {batch_size} rows: {e}"));
                assert_eq!(rows, [expected]);
            }
            assert_eq!(session.memory_used_bytes(), 0);
        }
    }
}
