//! Delayed values and futures in a session.

use std::sync::Arc;
use std::time::Duration;

use dolmen::graph::{TaskContext, compute, delayed_with_context};
use dolmen::prelude::*;
use dolmen::scheduler::FutureError;

#[test]
fn values_are_computed_in_either_way() {
    let session = Session::builder().threads(1).build().unwrap();
    let add = delayed(|a: u64, b: u64| a + b);
    let three = add.call((1_u64, 2_u64));
    let six = add.call((&three, &three));
    assert_eq!(session.compute_blocking((three, vec![six.clone()])).unwrap(), (3, vec![6]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(session.compute(six)).unwrap(), 6);
}

/// One thread: whoever waits in a task lends it.
fn fib(context: &TaskContext, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let call = delayed_with_context(|context: &TaskContext, n: u64| fib(context, n));
    let (a, b) = compute(context, (call.call(n - 1), call.call(n - 2))).unwrap();
    a + b
}

#[test]
fn tasks_compute_on_one_thread() {
    let session = Session::builder().threads(1).build().unwrap();
    let call = delayed_with_context(|context: &TaskContext, n: u64| fib(context, n));
    assert_eq!(session.compute_blocking(call.call(9_u64)).unwrap(), 34);
}

#[test]
fn tasks_query_their_session() {
    let session = Session::builder().threads(1).build().unwrap();
    session.register_rows("t", &[(1_i64, "a".to_owned()), (2, "b".to_owned())]).unwrap();
    let query = delayed_with_context(|context: &TaskContext, sql: String| {
        let session = Session::of_task(context).unwrap();
        session.sql(sql).rows_blocking::<i64>().unwrap()[0]
    });
    assert_eq!(session.compute_blocking(query.call("SELECT count(*) FROM t".to_owned())).unwrap(), 2);
}

#[test]
fn a_task_of_the_only_worker_queries_in_stages() {
    let session = Session::builder().threads(1).setting("execution_form", "staged").build().unwrap();
    let of_task = session.clone();
    let sql = "SELECT count(DISTINCT x % 7) FROM range(1000) AS t(x)";
    let query = delayed(move || of_task.sql(sql).rows_blocking::<i64>().unwrap());
    assert_eq!(session.compute_blocking(query.call(())).unwrap(), [7]);
}

#[test]
fn an_error_names_the_task() {
    let session = Session::builder().threads(1).build().unwrap();
    let fail = delayed(|| -> u64 { panic!("no stone") }).named("dig");
    let error = session.compute_blocking(fail.call(())).unwrap_err();
    assert!(matches!(error, Error::Compute(_)), "{error:?}");
    assert!(error.to_string().contains("dig") && error.to_string().contains("no stone"), "{error}");
    assert_eq!(session.sql("SELECT 1").rows_blocking::<i64>().unwrap(), [1]);
}

#[test]
fn a_session_tells_how_far_its_tasks_are_and_what_they_cost() {
    let session = Session::builder().threads(1).build().unwrap();
    let square = delayed(|x: u64| x * x).named("square");
    let sum = delayed(|squares: Vec<u64>| squares.iter().sum::<u64>()).named("sum");
    let client = session.client().unwrap().named("squares");
    let future = client.compute(&sum.call((0..9).map(|x| square.call(x)).collect::<Vec<_>>()));
    assert_eq!(*future.result().unwrap(), 204);
    let [progress] = &session.progress()[..] else { panic!("one graph") };
    assert_eq!((progress.name.as_deref(), progress.n_done, progress.n_tasks), (Some("squares"), 10, 10));
    let profile = session.profile(progress.run).unwrap();
    assert_eq!(profile.stages.iter().map(|stage| stage.stats.n_finished).sum::<u64>(), 10);
    assert!(profile.to_string().contains("10"), "{profile}");
    let unknown = session.profile(dolmen::graph::RunId(u64::MAX)).unwrap_err();
    assert!(matches!(unknown, Error::Invalid { .. }), "{unknown:?}");
}

#[test]
fn a_session_that_is_dropped_ends_its_futures() {
    let session = Session::builder().threads(1).build().unwrap();
    let client = session.client().unwrap();
    let gate = Arc::new(std::sync::Barrier::new(2));
    let blocked = client.submit(
        {
            let gate = Arc::clone(&gate);
            move |x: u64| {
                gate.wait();
                gate.wait();
                x
            }
        },
        1_u64,
    );
    let waiting = client.submit(|x: u64| x + 1, &blocked);
    gate.wait();
    drop(session);
    let error = waiting.result_within(Duration::from_secs(60)).unwrap_err();
    assert!(!matches!(error, FutureError::TimedOut { .. }), "{error}");
    gate.wait();
}
