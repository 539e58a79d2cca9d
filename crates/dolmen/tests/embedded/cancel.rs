//! What is dropped stops: long statements of every kind, dropped at moments that a seed draws.
//!
//! Every statement calls `beat`, which counts the batches that it is given. After a drop no further batch may begin, every
//! task of the session must end, and the memory must be what it was. The clock decides only when the counting begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use dolmen::{Error, Result, Session};
use futures::StreamExt;

/// How long what is dropped may take to notice.
const GRACE: Duration = Duration::from_millis(100);

/// How long the last batches that began in time may take to end, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// The identity of BIGINT that counts its calls, and takes its time for each.
#[derive(Debug)]
struct Beat {
    name: &'static str,
    pause: Duration,
    signature: Signature,
    calls: Arc<AtomicU64>,
}

impl PartialEq for Beat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Beat {}

impl std::hash::Hash for Beat {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Beat {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.pause);
        Ok(arguments.args[0].clone())
    }
}

struct Stage {
    session: Session,
    calls: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

const MEMORY_BYTES: u64 = 96 << 20;
const THREADS: usize = 2;

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let temp = folder.path().join("temp");
        let session = Session::builder().threads(THREADS).memory_limit(MEMORY_BYTES).temp_dir(temp).build().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        for (name, pause_ms) in [("beat", 0), ("slow_beat", 15)] {
            let signature = Signature::exact(vec![DataType::Int64], Volatility::Volatile);
            let pause = Duration::from_millis(pause_ms);
            session
                .register_scalar_udf(ScalarUDF::from(Beat { name, pause, signature, calls: calls.clone() }))
                .unwrap();
        }
        session.register_table_function("endless", |from: i64| from..).unwrap();
        let parts = folder.path().join("parts");
        std::fs::create_dir_all(&parts).unwrap();
        let rows: String = (0..20_000).map(|n| format!("{n},text {n}\n")).collect();
        for part in 0..8 {
            std::fs::write(parts.join(format!("{part}.csv")), format!("x,t\n{rows}")).unwrap();
        }
        std::fs::create_dir(folder.path().join("out")).unwrap();
        for statement in [
            "CREATE TABLE small AS SELECT value AS x FROM generate_series(1, 100000)",
            "CREATE TABLE target (x BIGINT PRIMARY KEY)",
            "INSERT INTO target SELECT value FROM generate_series(-1000, -1)",
        ] {
            session.sql(statement).execute_blocking().unwrap();
        }
        Self { session, calls, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Statements that run for minutes or for ever.
    fn statements(&self) -> Vec<(&'static str, String)> {
        let endless = "generate_series(1, 100000000000) AS t(x)";
        let parts = self.path("parts/*.csv");
        let out = |name: &str| self.path(&format!("out/{name}"));
        let list = |list: &[(&'static str, &str)]| {
            list.iter().map(|(name, sql)| (*name, sql.replace("ENDLESS", endless).replace("PARTS", &parts))).collect()
        };
        let mut statements: Vec<(&'static str, String)> = list(&[
            ("rows to a slow reader", "SELECT beat(x) FROM ENDLESS"),
            ("cross join", "SELECT sum(beat(a.x + b.x)) FROM small a CROSS JOIN small b"),
            ("loop join", "SELECT count(*) FROM small a JOIN small b ON beat(a.x + b.x) % 7 > a.x % 11"),
            ("loop join without a match", "SELECT count(*) FROM small a JOIN small b ON beat(a.x + b.x) < 0"),
            ("left loop join", "SELECT count(*) FROM small a LEFT JOIN small b ON beat(a.x + b.x) < 0"),
            ("hash join", "SELECT count(*) FROM ENDLESS JOIN small b ON beat(t.x) % 100000 = b.x"),
            ("many-to-many join", "SELECT sum(beat(a.x + b.x)) FROM small a JOIN small b ON a.x % 3 = b.x % 3"),
            (
                "many-to-many join without a match",
                "SELECT count(*) FROM small a JOIN small b ON a.x % 3 = b.x % 3 AND beat(a.x + b.x) < 0",
            ),
            ("sort that spills", "SELECT beat(x) AS y, x || ' stones' FROM ENDLESS ORDER BY y % 1000003"),
            ("top rows", "SELECT beat(x) AS y FROM ENDLESS ORDER BY y DESC LIMIT 3"),
            ("groups that spill", "SELECT beat(x) AS k, count(*) FROM ENDLESS GROUP BY k"),
            ("few groups", "SELECT beat(x) % 7 AS k, count(*) FROM ENDLESS GROUP BY k"),
            ("distinct", "SELECT count(DISTINCT beat(x) % 100000) FROM ENDLESS"),
            ("window", "SELECT sum(beat(x)) OVER (ORDER BY x ROWS 5 PRECEDING) AS s FROM ENDLESS"),
            ("filter without a match", "SELECT * FROM ENDLESS WHERE beat(x) < 0"),
            ("union", "SELECT sum(beat(x) % 10) FROM (SELECT x FROM ENDLESS UNION ALL SELECT x FROM ENDLESS)"),
            ("slow function", "SELECT sum(slow_beat(x) % 10) FROM ENDLESS"),
            ("endless table function", "SELECT sum(beat(value) % 10) FROM endless(1) AS t(value)"),
            (
                "recursion",
                "WITH RECURSIVE r(n) AS (SELECT 1::bigint UNION ALL SELECT beat(n + 1) FROM r) SELECT count(*) FROM r",
            ),
            ("file scan", "SELECT sum(slow_beat(f.x)) FROM read_csv('PARTS') f"),
            ("files joined", "SELECT sum(beat(f.x)) FROM read_csv('PARTS') f, small"),
            ("summary", "SUMMARIZE SELECT beat(x) % 10 AS y FROM ENDLESS"),
            ("analysis", "EXPLAIN ANALYZE SELECT sum(beat(x) % 10) FROM ENDLESS"),
            ("insert", "INSERT INTO target SELECT beat(x) FROM ENDLESS"),
            ("update", "UPDATE target SET x = -x WHERE x IN (SELECT beat(a.x * b.x) FROM small a, small b)"),
            ("new table", "CREATE TABLE made AS SELECT beat(x) AS x FROM ENDLESS"),
        ]);
        let copy =
            |rows: &str, name: &str, how: &str| format!("COPY (SELECT {rows} FROM {endless}) TO '{}' {how}", out(name));
        statements.push(("copy to CSV", copy("beat(x) AS x", "a/b/copy.csv", "")));
        statements.push(("copy to Parquet", copy("beat(x) AS x", "copy.parquet", "")));
        statements.push((
            "copy to partitions",
            copy("beat(x) AS x, x % 5 AS k", "parts", "STORED AS PARQUET PARTITIONED BY (k)"),
        ));
        statements
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits for the tasks to end after a drop; the batches that began later than allowed, and how long all took.
    async fn settle(&self) -> (u64, Duration) {
        let dropped = Instant::now();
        tokio::time::sleep(GRACE).await;
        let in_time = self.calls();
        while self.session.running_tasks() > 0 && dropped.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (self.calls() - in_time, dropped.elapsed())
    }

    /// `None` if everything stopped in time.
    async fn lateness(&self, name: &str, base_bytes: usize) -> Option<String> {
        let (begun, took) = self.settle().await;
        let (tasks, bytes) = (self.session.running_tasks(), self.session.memory_used_bytes());
        // One batch for each thread: a thread that the machine did not let run may have been about to begin it.
        let is_late = begun > THREADS as u64 || tasks > 0 || bytes != base_bytes;
        is_late.then(|| format!("{name}: {begun} batches begun, {tasks} tasks and {bytes} bytes left after {took:?}"))
    }

    async fn number(&self, statement: &str) -> i64 {
        self.session.sql(statement).rows::<i64>().await.unwrap()[0]
    }
}

/// Draws moments; the same for the same seed.
struct Moments(u64);

impl Moments {
    fn next_ms(&mut self, below: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

async fn drain_slowly(session: &Session, statement: &str) -> Result<()> {
    let mut stream = session.sql(statement).stream().await?;
    while let Some(batch) = stream.next().await {
        batch?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

#[tokio::test]
async fn dropping_stops_everything() {
    let stage = Stage::new();
    let base_bytes = stage.session.memory_used_bytes();
    let mut moments = Moments(7);
    let mut late = vec![];
    for moment_ms in [20, 200] {
        for (name, statement) in stage.statements() {
            let moment = Duration::from_millis(moments.next_ms(moment_ms));
            match tokio::time::timeout(moment, drain_slowly(&stage.session, &statement)).await {
                Err(_) => {}
                Ok(Ok(())) => panic!("{name} ended by itself within {moment:?}"),
                Ok(Err(error)) => panic!("{name}: {error}"),
            }
            late.extend(stage.lateness(name, base_bytes).await);
        }
    }
    assert!(late.is_empty(), "{late:#?}");
    assert_eq!(stage.number("SELECT count(*) FROM target").await, 1000);
    assert_eq!(stage.number("SELECT sum(x) FROM small").await, 5_000_050_000);
    assert_eq!(stage.session.table_names(), ["small", "target"]);
    let left = || std::fs::read_dir(stage.path("out")).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    // What a writer was in the middle of goes a moment later.
    for _ in 0..100 {
        if !left().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let left = left();
    assert!(left.is_empty(), "COPY left {left:?}");
}

#[tokio::test]
async fn a_timeout_stops_everything() {
    let stage = Stage::new();
    let base_bytes = stage.session.memory_used_bytes();
    let mut late = vec![];
    for (name, statement) in stage.statements() {
        let begun = Instant::now();
        match stage.session.sql(statement).timeout(Duration::from_millis(40)).collect().await {
            Err(Error::Timeout { after }) => assert_eq!(after, Duration::from_millis(40)),
            other => panic!("{name}: {:?}", other.map(|batches| batches.len())),
        }
        assert!(begun.elapsed() < PATIENCE, "{name}: {:?}", begun.elapsed());
        late.extend(stage.lateness(name, base_bytes).await);
    }
    assert!(late.is_empty(), "{late:#?}");
}

#[tokio::test]
async fn what_nobody_reads_is_held_back_and_timed_out() {
    let stage = Stage::new();
    let query = stage.session.sql("SELECT beat(x) FROM generate_series(1, 100000000000) AS t(x)");
    let mut stream = query.timeout(Duration::from_secs(2)).stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let made = stage.calls();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.calls(), made, "batches are made that nobody asked for");
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Batches that wait may still be given; behind them is the error, and then nothing.
    let rest: Vec<_> = stream.by_ref().collect().await;
    assert!(matches!(rest.last(), Some(Err(Error::Timeout { .. }))), "{:?}", rest.last());
    assert_eq!(stage.session.running_tasks(), 0);
}

#[test]
fn a_session_can_be_dropped_while_it_works() {
    let calls = {
        let stage = Stage::new();
        let stream = stage.session.sql(&*stage.statements()[16].1).stream_blocking();
        drop(stage.session);
        drop(stream);
        stage.calls
    };
    std::thread::sleep(GRACE);
    let in_time = calls.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(300));
    assert!(calls.load(Ordering::SeqCst) - in_time <= THREADS as u64);
}
