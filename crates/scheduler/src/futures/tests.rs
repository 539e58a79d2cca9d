use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use dolmen_graph::{Delayed, RunError, Shared, TaskContext, TaskError, compute, delayed, delayed_with_context};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::{LocalConfig, LocalExecutor, SyncExecutor};

const LONG: Duration = Duration::from_secs(60);

/// An executor, and the runtime that it lives on.
struct Threads {
    executor: Arc<LocalExecutor>,
    runtime: Runtime,
}

impl Threads {
    fn new(n: u32) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(n as usize).enable_time().build().unwrap();
        let executor = Arc::new(LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), n)));
        Self { executor, runtime }
    }

    fn client(&self) -> Client {
        Client::new(Arc::clone(&self.executor) as _)
    }
}

/// Runs a check with one thread, with four, and on the calling thread.
fn everywhere(check: impl Fn(&Client)) {
    for n in [1, 4] {
        let threads = Threads::new(n);
        check(&threads.client());
    }
    check(&Client::new(Arc::new(SyncExecutor::new())));
}

/// Runs a check with one thread and with four.
fn on_threads(check: impl Fn(&Client)) {
    for n in [1, 4] {
        let threads = Threads::new(n);
        check(&threads.client());
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A gate that tasks wait at.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn pass(&self) {
        while !self.0.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A value that is counted while it lives.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(n_alive: &Arc<AtomicU32>) -> Self {
        n_alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(n_alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn arguments_are_values_futures_delayed_values_and_collections_of_them() {
    everywhere(|client| {
        let one = client.submit(|x: u64| x, 1);
        let two = delayed(|x: u64| x + 1).call(1);
        let add = |numbers: Vec<u64>, pair: (u64, Option<u64>), last: u64| {
            numbers.iter().sum::<u64>() + pair.0 + pair.1.unwrap_or(0) + last
        };
        let sum = client.submit(add, (vec![&one, &one], (&one, Some(&one)), &two));
        assert_eq!(*sum.result().unwrap(), 6);
        let mixed = delayed(|a: u64, b: u64| 10 * a + b).call((&sum, &two));
        assert_eq!(*client.compute(&mixed).result().unwrap(), 62);
        assert_eq!(compute(&**client.executor(), mixed).unwrap(), 62);
        assert_eq!(sum.status(), FutureStatus::Finished);
    });
}

#[test]
fn results_are_shared() {
    everywhere(|client| {
        let n_alive = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&n_alive);
        let data = client.submit(move || Counted::new(&counted), ());
        let first = data.result().unwrap();
        let second = client.submit(|data: Shared<Counted>| std::ptr::from_ref(&*data).addr(), &data);
        assert_eq!(*second.result().unwrap(), std::ptr::from_ref(&*first).addr());
        assert_eq!(n_alive.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn an_error_names_the_task_and_reaches_everyone_who_needs_it() {
    everywhere(|client| {
        let bad = client.clone().named("load").try_submit(|| Err::<u64, _>("no such file"), ());
        let next = client.submit(|x: u64| x + 1, &bad);
        let last = client.submit(|x: Vec<u64>| x.len(), vec![next.clone()]);
        let error = last.result().err().unwrap();
        assert_eq!(error.to_string(), format!("`{}` failed: no such file", bad.key()));
        assert_eq!(error.key(), bad.key());
        let FutureError::Run { source: RunError::Task { error, .. }, .. } = error else { panic!("{error}") };
        assert!(matches!(error, TaskError::Failed { .. }));
        assert_eq!((bad.status(), next.status(), last.status()), (FutureStatus::Failed, next.status(), next.status()));
        assert_eq!(*client.submit(|x: u64| x, 5).result().unwrap(), 5);
    });
}

#[test]
fn a_panic_is_an_error() {
    everywhere(|client| {
        let bad = client.submit(|x: u32| assert!(x > 1, "x is {x}"), 1);
        let error = bad.result().err().unwrap().to_string();
        assert!(error.ends_with("failed: panicked: x is 1"), "{error}");
        assert_eq!(*client.submit(|x: u64| x, 5).result().unwrap(), 5);
    });
}

#[test]
fn transient_errors_are_tried_again() {
    everywhere(|client| {
        let call = |retries| {
            let n_calls = AtomicU32::new(0);
            let load = move || match n_calls.fetch_add(1, Ordering::SeqCst) {
                n if n < 2 => Err(TaskError::transient("reset by peer")),
                n => Ok(n),
            };
            client.clone().retries(retries).try_submit(load, ()).result()
        };
        assert_eq!(*call(2).unwrap(), 2);
        assert!(call(1).err().unwrap().to_string().ends_with("reset by peer"));
    });
}

#[test]
fn an_attempt_may_time_out() {
    // A second thread minds the time.
    let threads = Threads::new(2);
    let client = threads.client();
    let gate = Gate::default();
    let held = gate.clone();
    let slow = client.timeout(Duration::from_millis(20)).submit(move || held.pass(), ());
    let error = slow.result().err().unwrap();
    gate.open();
    assert!(matches!(error, FutureError::Run { source: RunError::TimedOut { .. }, .. }), "{error}");
}

#[test]
fn waiting_ends_in_time_and_the_future_goes_on() {
    on_threads(|client| {
        let gate = Gate::default();
        let held = gate.clone();
        let slow = client.submit(move || held.pass(), ());
        let next = client.submit(|()| 7, &slow);
        assert!(matches!(next.result_within(Duration::from_millis(10)), Err(FutureError::TimedOut { .. })));
        assert_eq!((slow.status(), next.status()), (FutureStatus::Pending, FutureStatus::Pending));
        let waited = wait(std::slice::from_ref(&next), WaitFor::All, Some(Duration::from_millis(10)));
        assert_eq!((waited.done.len(), waited.pending.len()), (0, 1));
        let waited = wait(std::slice::from_ref(&next), WaitFor::First, Some(Duration::from_millis(10)));
        assert_eq!((waited.done.len(), waited.pending.len()), (0, 1));
        gate.open();
        assert_eq!(*next.result_within(LONG).unwrap(), 7);
        assert_eq!(next.status().to_string(), "finished");
    });
}

#[test]
fn cancelling_before_a_call_starts() {
    on_threads(|client| {
        let gate = Gate::default();
        let held = gate.clone();
        let is_begun = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&is_begun);
        let slow = client.submit(move || held.pass(), ());
        let next = client.submit(move |()| begun.store(true, Ordering::SeqCst), &slow);
        let last = client.submit(|()| 1, &next);
        next.cancel();
        assert_eq!(
            (slow.status(), next.status(), last.status()),
            (FutureStatus::Pending, FutureStatus::Cancelled, FutureStatus::Cancelled)
        );
        gate.open();
        slow.result().unwrap();
        let error = last.result().err().unwrap();
        assert_eq!(error.to_string(), format!("`{}` was cancelled", next.key()));
        assert!(!is_begun.load(Ordering::SeqCst));
    });
}

/// A task that runs until it is cancelled, and sends when it has begun and when it ends.
fn until_cancelled(client: &Client, send: mpsc::Sender<()>) -> TaskFuture<()> {
    let op = delayed_with_context(move |context: &TaskContext| {
        send.send(()).unwrap();
        until("the cancellation", || context.is_cancelled());
        send.send(()).unwrap();
    });
    client.compute(&op.call(()))
}

#[test]
fn cancelling_while_it_runs() {
    on_threads(|client| {
        let (send, receive) = mpsc::channel();
        let slow = until_cancelled(client, send);
        receive.recv_timeout(LONG).unwrap();
        slow.cancel();
        assert_eq!(slow.status(), FutureStatus::Cancelled);
        assert!(matches!(slow.result(), Err(FutureError::Cancelled { .. })));
        receive.recv_timeout(LONG).unwrap();
        assert_eq!(*client.submit(|x: u64| x, 5).result().unwrap(), 5);
    });
}

#[test]
fn cancelling_afterwards_changes_nothing() {
    everywhere(|client| {
        let done = client.submit(|x: u64| x, 3);
        done.result().unwrap();
        done.cancel();
        assert_eq!(*done.result().unwrap(), 3);
    });
}

#[test]
fn dropping_the_last_handle_frees_the_value() {
    everywhere(|client| {
        let n_alive = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&n_alive);
        let future = client.submit(move || Counted::new(&counted), ());
        wait(std::slice::from_ref(&future), WaitFor::All, None);
        assert_eq!(n_alive.load(Ordering::SeqCst), 1);
        let other = future.clone();
        drop(future);
        assert_eq!(n_alive.load(Ordering::SeqCst), 1);
        let shared = other.result().unwrap();
        drop(other);
        assert_eq!(n_alive.load(Ordering::SeqCst), 1);
        drop(shared);
        until("the end of the value", || n_alive.load(Ordering::SeqCst) == 0);
    });
}

#[test]
fn dropping_the_last_handle_cancels() {
    on_threads(|client| {
        let (send, receive) = mpsc::channel();
        let slow = until_cancelled(client, send);
        receive.recv_timeout(LONG).unwrap();
        drop(slow);
        receive.recv_timeout(LONG).unwrap();
    });
}

#[test]
fn a_future_that_another_needs_lives_as_long_as_it_is_needed() {
    everywhere(|client| {
        let n_alive = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&n_alive);
        let mut last = client.submit(move |n: u32| (n, Counted::new(&counted)), 0);
        for _ in 0..100 {
            let counted = Arc::clone(&n_alive);
            let next = move |before: Shared<(u32, Counted)>| (before.0 + 1, Counted::new(&counted));
            last = client.submit(next, last);
        }
        assert_eq!(last.result().unwrap().0, 100);
        until("the end of the values before", || n_alive.load(Ordering::SeqCst) == 1);
        drop(last);
        until("the end of the last value", || n_alive.load(Ordering::SeqCst) == 0);
    });
}

#[test]
fn a_long_chain_is_built_and_dropped() {
    everywhere(|client| {
        let gate = Gate::default();
        let held = gate.clone();
        let is_lazy = client.executor().name() != "synchronous";
        let first = client.submit(
            move || {
                if is_lazy {
                    held.pass();
                };
                0_u32
            },
            (),
        );
        let chain = |first: &TaskFuture<u32>| {
            (0..10_000).fold(first.clone(), |before, _| client.submit(|x: u32| x + 1, before))
        };
        drop(chain(&first));
        let last = chain(&first);
        let failed = client.try_submit(|x: u32| Err::<u32, _>(format!("{x}")), &first);
        let last_failed = chain(&failed);
        gate.open();
        assert_eq!(*last.result().unwrap(), 10_000);
        assert!(last_failed.result().err().unwrap().to_string().ends_with("failed: 0"));
    });
}

#[test]
fn a_long_chain_of_computed_values_needs_no_stack_to_be_dropped() {
    let client = Client::new(Arc::new(SyncExecutor::new()));
    let inc = delayed(|x: u32| x + 1);
    let first = client.compute(&Delayed::value(0));
    let last = (0..100_000).fold(first, |before, _| client.compute(&inc.call(&before)));
    assert_eq!(*last.result().unwrap(), 100_000);
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || drop(last));
    thread.unwrap().join().unwrap();
}

#[test]
fn a_persisted_value_is_counted_once() {
    let threads = Threads::new(1);
    let client = threads.client();
    let data = client.persist(&delayed(|| vec![1_u8; 8 << 20]).call(()));
    let total = delayed(|data: Shared<Vec<u8>>, gate: Gate| {
        gate.pass();
        data.iter().map(|x| u64::from(*x)).sum::<u64>()
    });
    let total = total.named("total");
    let gate = Gate::default();
    let totals: Vec<_> = (0..3).map(|_| client.compute(&total.call((&data, gate.clone())))).collect();
    until("the task to run", || threads.executor.running().iter().any(|key| key.starts_with("total")));
    let values_bytes = threads.executor.memory().values_bytes;
    assert!((8 << 20..9 << 20).contains(&values_bytes), "{values_bytes} bytes are counted");
    gate.open();
    assert!(gather(&totals).unwrap().iter().all(|total| **total == 8 << 20));
    drop((data, totals));
    until("the end of the value", || threads.executor.memory().values_bytes == 0);
}

#[test]
fn a_shared_value_that_leaves_memory_is_counted_by_those_who_use_it() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let budget = dolmen_storage::MemoryBudget::new(12 << 20);
    let temp = Arc::new(dolmen_storage::TempFolder::new(None));
    let config = LocalConfig::new(runtime.handle().clone(), 1).memory(Arc::clone(&budget), temp);
    let threads = Threads { executor: Arc::new(LocalExecutor::new(config)), runtime };
    let client = threads.client();
    let data = client.persist(&delayed(|| vec![1_u8; 8 << 20]).call(()));
    let gate = Gate::default();
    let total = delayed(|data: Shared<Vec<u8>>, gate: Gate| {
        gate.pass();
        data.len()
    });
    // The results keep the value, as something that was asked for.
    let totals = total.named("total").call((&data, gate.clone()));
    let first = client.compute(&Delayed::gather((totals.clone(), data.clone())));
    let second = client.persist(&data);
    until("the task to run", || threads.executor.running().iter().any(|key| key.starts_with("total")));
    let values_bytes = || threads.executor.memory().values_bytes;
    assert!((8 << 20..9 << 20).contains(&values_bytes()), "{} bytes are counted", values_bytes());
    // The persisted value is written, but the running task keeps it in memory.
    let mut others = budget.consumer("others").reserve();
    assert!(others.try_grow(6 << 20).is_err());
    until("the value to be written", || threads.executor.n_spilled() > 0);
    assert!((8 << 20..9 << 20).contains(&values_bytes()), "{} bytes are counted", values_bytes());
    gate.open();
    assert_eq!(first.result().unwrap().0, 8 << 20);
    drop((first, totals));
    assert_eq!(compute(&*threads.executor, delayed(|data: Vec<u8>| data.len()).call(&second)).unwrap(), 8 << 20);
    drop((data, second));
    until("the end of the value", || values_bytes() == 0 && threads.executor.n_spilled() == 0);
    until("the end of what was counted", || budget.used_bytes() == 0);
}

#[test]
fn a_wait_for_the_first_leaves_nothing_behind() {
    let threads = Threads::new(1);
    let gate = Gate::default();
    let held = gate.clone();
    let future = threads.client().submit(move || held.pass(), ());
    for _ in 0..100 {
        let waited = wait(std::slice::from_ref(&future), WaitFor::First, Some(Duration::ZERO));
        assert_eq!(waited.pending.len(), 1);
    }
    assert_eq!(future.job().n_observers(), 0);
    gate.open();
    future.result().unwrap();
}

#[test]
fn persisted_values_are_computed_once_and_used_in_later_graphs() {
    everywhere(|client| {
        let n_calls = Arc::new(AtomicU32::new(0));
        let n_alive = Arc::new(AtomicU32::new(0));
        let (calls, counted) = (Arc::clone(&n_calls), Arc::clone(&n_alive));
        let make = delayed(move |x: u64| {
            calls.fetch_add(1, Ordering::SeqCst);
            (x, Arc::new(Counted::new(&counted)))
        });
        let (one, two) = (make.call(1), make.call(2));
        let kept = client.persist_all([&one, &two, &one]);
        let first = delayed(|x: (u64, Arc<Counted>)| x.0);
        let numbers: Vec<_> = kept.iter().map(|kept| first.call(kept)).collect();
        assert_eq!(compute(&**client.executor(), numbers.clone()).unwrap(), [1, 2, 1]);
        assert_eq!(*client.compute(&Delayed::gather(numbers.clone())).result().unwrap(), [1, 2, 1]);
        assert_eq!(n_calls.load(Ordering::SeqCst), 2);
        drop((kept, numbers, one, two));
        until("the end of the values", || n_alive.load(Ordering::SeqCst) == 0);
    });
}

#[test]
fn scattered_values_are_used_by_many() {
    everywhere(|client| {
        let data = client.scatter((0..1000_u64).collect::<Vec<_>>());
        let at = |data: Shared<Vec<u64>>, i: usize| data[i];
        let futures = client.map(at, (0..100).map(|i| (&data, i)));
        let sum: u64 = gather(&futures).unwrap().iter().map(|x| **x).sum();
        assert_eq!(sum, 4950);
    });
}

#[test]
fn completion_comes_in_order() {
    on_threads(|client| {
        let futures = client.map(|n: u32| n, 0..100);
        let mut seen: Vec<u32> = as_completed(futures).into_iter().map(|future| *future.result().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    });
    // Each opens the gate of the one before.
    let threads = Threads::new(4);
    let client = threads.client();
    let gates: Vec<Gate> = (0..4).map(|_| Gate::default()).collect();
    let wait_at = |n: usize| {
        let gate = gates[n].clone();
        client.submit(move || gate.pass(), ())
    };
    let futures: Vec<_> = (0..4).map(wait_at).collect();
    let keys: Vec<String> = futures.iter().map(|future| future.key().to_owned()).collect();
    let mut completed = as_completed(futures).into_iter();
    for n in [2, 0, 3, 1] {
        gates[n].open();
        assert_eq!(completed.next().unwrap().key(), keys[n]);
    }
    assert!(completed.next().is_none());
}

#[test]
fn completion_includes_errors_and_cancellations() {
    everywhere(|client| {
        let good = client.submit(|| 1, ());
        let bad = client.try_submit(|| Err::<i32, _>("no"), ());
        let gone = client.submit(|x: i32| x, &bad);
        let done: Vec<_> = as_completed([good, bad, gone]).into_iter().map(|future| future.status()).collect();
        assert_eq!(done.iter().filter(|status| **status == FutureStatus::Failed).count(), 2);
        assert_eq!(done.len(), 3);
    });
}

#[test]
fn asynchronous_forms() {
    let check = |client: &Client, runtime: &Runtime| {
        runtime.block_on(async {
            let one = client.submit(|x: u64| x, 1);
            let two = client.submit(|x: u64| x + 1, &one);
            assert_eq!(*(&two).await.unwrap(), 2);
            assert_eq!(*two.await.unwrap(), 2);
            let futures = client.map(|x: u64| x, 0..50);
            assert_eq!(gather_async(futures.clone()).await.unwrap().len(), 50);
            let mut seen = 0;
            let mut completed = as_completed(futures);
            while let Some(future) = completed.next().await {
                seen += *future.await.unwrap();
            }
            assert_eq!((seen, completed.n_left()), (1225, 0));
        });
    };
    let outside = Builder::new_current_thread().build().unwrap();
    for n in [1, 4] {
        let threads = Threads::new(n);
        check(&threads.client(), &outside);
        check(&threads.client(), &threads.runtime);
    }
    check(&Client::new(Arc::new(SyncExecutor::new())), &outside);
}

#[test]
fn blocking_on_a_thread_of_the_runtime_is_possible() {
    let threads = Threads::new(1);
    let client = threads.client();
    let handle = threads.runtime.spawn(async move {
        let futures = client.map(|x: u64| x, 0..50);
        let sum: u64 = as_completed(futures).into_iter().map(|future| *future.result().unwrap()).sum();
        *client.submit(|x: u64| x, sum).result().unwrap()
    });
    assert_eq!(threads.runtime.block_on(handle).unwrap(), 1225);
}

#[test]
fn higher_priority_starts_first() {
    let threads = Threads::new(1);
    let client = threads.client();
    let gate = Gate::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    let held = gate.clone();
    let (send, receive) = mpsc::channel();
    let blocker = client.submit(
        move || {
            send.send(()).unwrap();
            held.pass();
        },
        (),
    );
    receive.recv_timeout(LONG).unwrap();
    let note = |priority: i32| {
        let order = Arc::clone(&order);
        client.clone().priority(priority).submit(move || order.lock().unwrap().push(priority), ())
    };
    let futures: Vec<_> = [0, 5, -3, 9].into_iter().map(note).collect();
    gate.open();
    gather(&futures).unwrap();
    blocker.result().unwrap();
    assert_eq!(*order.lock().unwrap(), [9, 5, 0, -3]);
}

fn fib(client: &Client, n: u64) -> TaskFuture<u64> {
    let op = delayed_with_context(|context: &TaskContext, n: u64| {
        if n < 2 {
            return Ok(n);
        }
        let client = Client::in_task(context);
        let sum = client.submit(|a: u64, b: u64| a + b, (fib(&client, n - 1), fib(&client, n - 2)));
        Ok::<u64, FutureError>(*sum.result()?)
    });
    client.compute(&op.try_call(n))
}

#[test]
fn fib_by_nested_submission() {
    everywhere(|client| assert_eq!(*fib(client, 12).result().unwrap(), 144));
}

#[test]
fn a_task_waits_for_any_of_its_futures() {
    everywhere(|client| {
        let op = delayed_with_context(|context: &TaskContext, n: u64| {
            let client = Client::in_task(context);
            let base = client.submit(|x: u64| x, 1);
            let futures = client.map(|x: u64, base: u64| x + base, (0..n).map(|x| (x, &base)));
            as_completed(futures).into_iter().map(|future| *future.result().unwrap()).sum::<u64>()
        });
        let totals: Vec<_> = (0..6).map(|_| client.compute(&op.call(20))).collect();
        assert!(gather(&totals).unwrap().iter().all(|total| **total == 210));
    });
}

#[test]
fn a_body_that_waits_takes_futures_from_a_stream() {
    #[derive(Debug)]
    struct Streams;
    impl dolmen_graph::Op for Streams {
        fn name(&self) -> &str {
            "streams"
        }
        fn encode(&self, _: &dolmen_graph::OpRegistry) -> Result<Vec<u8>, dolmen_graph::EncodeError> {
            Ok(Vec::new())
        }
        fn body(&self, _partition: u32) -> dolmen_graph::TaskBody {
            dolmen_graph::TaskBody::stream(|_, context| async move {
                let client = Client::in_task(&context);
                let base = client.submit(|x: u64| x, 1);
                let futures = client.map(|x: u64, base: u64| x + base, (0..20).map(|x| (x, &base)));
                let mut completed = as_completed(futures);
                let mut total = 0;
                while let Some(future) = completed.next().await {
                    total += *future.await.map_err(TaskError::failed)?;
                }
                Ok(Arc::new(dolmen_graph::Plain::new(total)) as dolmen_graph::ValueRef)
            })
        }
    }
    on_threads(|client| {
        let mut builder = dolmen_graph::GraphBuilder::new();
        let stage = builder.add_stage(dolmen_graph::Stage::new("streams", 6, Arc::new(Streams))).unwrap();
        builder.add_output_all(stage).unwrap();
        let graph = Arc::new(builder.build().unwrap());
        let run = client.executor().submit(graph, dolmen_graph::SubmitOptions::default()).unwrap();
        for p in 0..6 {
            let value = run.wait_value(dolmen_graph::TaskId::new(stage, p), Some(LONG)).unwrap().unwrap();
            assert_eq!(*value.downcast_ref::<dolmen_graph::Plain<u64>>().unwrap().get(), 210);
        }
    });
}

#[test]
fn ten_thousand_futures() {
    everywhere(|client| {
        let futures = client.map(|x: u64| x * x, 0..10_000);
        let sums: Vec<_> = futures
            .chunks(100)
            .map(|chunk| client.submit(|x: Vec<u64>| x.iter().sum::<u64>(), chunk.to_vec()))
            .collect();
        let total = client.submit(|x: Vec<u64>| x.iter().sum::<u64>(), sums);
        assert_eq!(*total.result().unwrap(), (0..10_000).map(|x| x * x).sum::<u64>());
        assert_eq!(as_completed(futures).into_iter().count(), 10_000);
    });
}

#[test]
fn a_closed_executor_ends_its_futures() {
    let threads = Threads::new(1);
    let client = threads.client();
    let gate = Gate::default();
    let held = gate.clone();
    let slow = client.submit(move || held.pass(), ());
    let next = client.submit(|()| 1, &slow);
    threads.executor.close(Duration::ZERO);
    let error = next.result().err().unwrap();
    assert_eq!(error.to_string(), "the executor was closed");
    let late = client.submit(|| 1, ()).result().err().unwrap();
    assert!(late.to_string().ends_with("was not started: the executor is closed"), "{late}");
    gate.open();
}

#[test]
fn a_running_call_may_be_the_last_to_hold_what_it_uses() {
    on_threads(|client| {
        let n_alive = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&n_alive);
        let kept = client.persist(&delayed(move || Arc::new(Counted::new(&counted))).call(()));
        let gate = Gate::default();
        let (send, receive) = mpsc::channel();
        let held = gate.clone();
        let hold = delayed(move |_: Shared<Arc<Counted>>| {
            send.send(()).unwrap();
            held.pass();
        });
        let running = client.compute(&hold.call(&kept));
        receive.recv_timeout(LONG).unwrap();
        drop((running, kept, hold));
        gate.open();
        until("the end of the value", || n_alive.load(Ordering::SeqCst) == 0);
        assert_eq!(*client.submit(|x: u64| x, 5).result().unwrap(), 5);
    });
}
