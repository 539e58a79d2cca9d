//! Arrays that are computed once and kept.

use dolmen::Session;
use dolmen::array::{Array, DType, Index, RandomGenerator, Reduce};

use crate::stages::ran_by;

fn session(threads: usize, memory_limit: u64) -> Session {
    Session::builder().threads(threads).memory_limit(memory_limit).build().unwrap()
}

/// 128 MB.
fn large() -> Array {
    RandomGenerator::new(1).random(&[4000, 4000], [400, 2000]).unwrap()
}

#[test]
fn what_does_not_fit_is_kept_on_disk_and_computed_once() {
    let x = large();
    let of = |x: &Array| {
        let columns = x.rechunk([4000, 400]).unwrap().subtract(x.mean(&Reduce::all()).unwrap()).unwrap();
        let product = x.index(&[Index::from(..400)]).unwrap().matmul(&x.t()).unwrap();
        [columns.absolute().unwrap().sum(&Reduce::axis(0)).unwrap(), product.sum(&Reduce::axis(1)).unwrap()]
    };
    let expected = session(2, 1 << 30).compute_arrays_blocking(&of(&x)).unwrap();
    for threads in [1, 2] {
        let session = session(threads, 48 << 20);
        let mut kept = Vec::new();
        let made = ran_by(&session, || kept = session.persist_arrays_blocking(std::slice::from_ref(&x)).unwrap());
        assert_eq!(made.values().sum::<u32>(), 20);
        assert_eq!(kept[0].chunks(), x.chunks());
        assert!(session.memory_used_bytes() <= 48 << 20);
        for _ in 0..2 {
            let mut sums = Vec::new();
            let ran = ran_by(&session, || sums = session.compute_arrays_blocking(&of(&kept[0])).unwrap());
            assert!(!ran.keys().any(|key| key.starts_with("random")), "{ran:?}");
            for (sums, expected) in sums.iter().zip(&expected) {
                assert_eq!(sums.to_vec::<f64>().unwrap(), expected.to_vec::<f64>().unwrap(), "{threads} threads");
            }
        }
        drop(kept);
        crate::stages::until_free(&session);
    }
}

#[test]
fn arrays_may_be_persisted_again_and_again() {
    let session = session(2, 256 << 20);
    let mut x = Array::zeros(&[1_000_000], DType::F64, 100_000).unwrap();
    for step in 1..=50 {
        let next = (&x + 1.0).add(x.max(&Reduce::all()).unwrap() * 0.0).unwrap();
        x = session.persist_arrays_blocking(&[next]).unwrap().remove(0);
        // The steps before it are gone.
        let used_bytes = session.memory_used_bytes();
        assert!(used_bytes < 2 * 8_000_000, "{used_bytes} bytes after step {step}");
    }
    let ends = [x.min(&Reduce::all()).unwrap(), x.max(&Reduce::all()).unwrap()];
    let ends = session.compute_arrays_blocking(&ends).unwrap();
    assert_eq!([ends[0].to_vec::<f64>().unwrap(), ends[1].to_vec::<f64>().unwrap()], [[50.0], [50.0]]);
}

#[test]
fn each_array_has_its_own_blocks() {
    let session = session(2, 256 << 20);
    let x = RandomGenerator::new(1).random(&[1_000_000], 100_000).unwrap();
    let (double, triple) = (&x * 2.0, &x * 3.0);
    let mut kept = session.persist_arrays_blocking(&[double.clone(), triple, double]).unwrap();
    let both_bytes = session.memory_used_bytes();
    assert!(both_bytes >= 16_000_000);
    let (again, triple) = (kept.pop().unwrap(), kept.pop().unwrap());
    drop(kept);
    assert_eq!(session.memory_used_bytes(), both_bytes);
    drop(triple);
    assert!((8_000_000..both_bytes - 7_000_000).contains(&session.memory_used_bytes()));
    let one = session.compute_arrays_blocking(&[again.min(&Reduce::all()).unwrap()]).unwrap();
    assert!(one[0].to_vec::<f64>().unwrap()[0] < 0.001);
}

#[test]
fn lengths_are_known_afterwards() {
    let session = session(2, 256 << 20);
    let x = Array::arange(0, 1000, 1, None, 100).unwrap();
    // The first five blocks have nothing, the sixth a part, the others all of theirs.
    let some = x.index(&[Index::from(&x.greater(550).unwrap())]).unwrap();
    let none = x.index(&[Index::from(&x.less(0).unwrap())]).unwrap();
    let table = Array::arange(0, 60, 1, None, 60).unwrap().reshape(&[20, 3]).unwrap().rechunk([4, 2]).unwrap();
    let odd = table.index(&[Index::from(vec![1, 0, 3])]).unwrap();
    let kept = session.persist_arrays_blocking(&[some, none, odd]).unwrap();
    assert_eq!(kept[0].chunks().axes()[0].sizes().unwrap(), [49, 100, 100, 100, 100]);
    assert_eq!((kept[1].shape().unwrap(), kept[2].shape().unwrap()), (vec![0], vec![3, 3]));
    let cut = kept[0].rechunk(37).unwrap().index(&[Index::slice(Some(-3), None, None)]).unwrap();
    let found = session.compute_arrays_blocking(&[cut, kept[1].clone(), kept[2].clone()]).unwrap();
    assert_eq!(found[0].to_vec::<i64>().unwrap(), [997, 998, 999]);
    assert!(found[1].to_vec::<i64>().unwrap().is_empty());
    assert_eq!(found[2].to_vec::<i64>().unwrap(), [3, 4, 5, 0, 1, 2, 9, 10, 11]);
}

#[test]
fn one_executor_reads_what_another_keeps() {
    let (here, there) = (session(1, 256 << 20), session(2, 256 << 20));
    let kept = here.persist_arrays_blocking(&[Array::ones(&[1000], DType::I64, 100).unwrap()]).unwrap().remove(0);
    let sum = kept.sum(&Reduce::all()).unwrap();
    assert_eq!(there.compute_arrays_blocking(std::slice::from_ref(&sum)).unwrap()[0].to_vec::<i64>().unwrap(), [1000]);
    // What is in memory outlives its session.
    drop(here);
    assert_eq!(there.compute_arrays_blocking(&[sum]).unwrap()[0].to_vec::<i64>().unwrap(), [1000]);
}

#[test]
fn statements_keep_more_than_fits() {
    let session = session(2, 24 << 20);
    let run = |sql: &str| session.sql(sql).collect_blocking().unwrap_or_else(|error| panic!("{sql}: {error}"));
    // 80 MB, none of it computed again.
    run("CREATE PERSISTED ARRAY p AS random.random([1000, 10000], chunks => [100, 2500], seed => 1)");
    let rows = session
        .sql("SELECT dim_0, count(*), avg(value) > 0.4 FROM p WHERE dim_1 < 5000 GROUP BY dim_0 ORDER BY dim_0")
        .rows_blocking::<(i64, i64, bool)>()
        .unwrap();
    assert_eq!(rows, (0..1000).map(|row| (row, 5000, true)).collect::<Vec<_>>());
    let rows = session.sql(
        "SELECT count(*), min(value) >= 0, max(value) < 1 FROM (SELECT DISTINCT value FROM p WHERE dim_1 >= 9900)",
    );
    assert_eq!(rows.rows_blocking::<(i64, bool, bool)>().unwrap(), [(100_000, true, true)]);
    run("CREATE OR REPLACE PERSISTED ARRAY p AS p[:10] + 1");
    let rows =
        session.sql("SELECT count(*), min(value) >= 1, max(value) < 2 FROM p").rows_blocking::<(i64, bool, bool)>();
    assert_eq!(rows.unwrap(), [(100_000, true, true)]);
    run("DROP ARRAY p");
    crate::stages::until_free(&session);
}

#[test]
fn selections_are_written_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(2, 256 << 20);
    for (file, with) in [("some.npy", ""), ("some.zarr", " WITH (chunks => [1000])"), ("some/", "")] {
        let path = folder.path().join(file).display().to_string();
        let run = |sql: String| session.sql(&sql).collect_blocking().unwrap_or_else(|error| panic!("{sql}: {error}"));
        run("CREATE OR REPLACE ARRAY x AS arange(100000, chunks => 7000)".to_owned());
        run(format!("COPY ARRAY x[x % 3 == 0] TO '{path}'{with}"));
        run(format!("CREATE OR REPLACE ARRAY y FROM '{path}'"));
        let rows = session
            .sql("SELECT count(*), min(value), max(value), sum(value) FROM y")
            .rows_blocking::<(i64, i64, i64, i64)>();
        assert_eq!(rows.unwrap(), [(33_334, 0, 99_999, 1_666_683_333)], "{file}");
    }
}
