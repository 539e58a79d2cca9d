//! What can be written with delayed values, and that it is computed as written.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::{Executor, InlineExecutor, OpRegistry, RunError, SubmitOptions, TaskError, decode, encode};

fn inc(x: i64) -> i64 {
    x + 1
}

fn add(x: i64, y: i64) -> i64 {
    x + y
}

fn inline() -> InlineExecutor {
    InlineExecutor::new()
}

#[test]
fn calls_of_calls() {
    let x = delayed(inc).call(1);
    let y = delayed(inc).call(2);
    let z = delayed(add).call((&x, &y));
    assert_eq!(z.compute(&inline()).unwrap(), 5);
    assert_eq!(compute(&inline(), (z, (&x, Some(&x)), vec![y])).unwrap(), (5, (2, Some(2)), vec![3]));
}

#[test]
fn scores_of_a_map_keyed_by_pairs() {
    // Seed program 7: results[a, b] = delayed(fit)(a, b); best = delayed(score)(results).
    let fit = delayed(|a: u32, b: u32| f64::from(a * 10 + b));
    let score = delayed_ref(|results: &HashMap<(u32, u32), f64>| {
        results.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(key, _)| *key)
    });
    let results: HashMap<(u32, u32), Delayed<f64>> =
        (0..3).flat_map(|a| (0..3).map(move |b| (a, b))).map(|(a, b)| ((a, b), fit.call((a, b)))).collect();
    assert_eq!(score.call(results).compute(&inline()).unwrap(), Some((2, 2)));
}

#[test]
fn a_loop_in_which_every_step_needs_the_last() {
    // Seed program 18.
    let mut total = Delayed::value(0);
    for n in 1..=8 {
        total = delayed(add).call((total, delayed(inc).call(n)));
    }
    assert_eq!(total.compute(&inline()).unwrap(), 44);
    let numbers: Vec<_> = (0..10).map(|n| delayed(|x: i64| x * 10).call(n)).collect();
    assert_eq!(compute(&inline(), numbers).unwrap(), (0..10).map(|n| n * 10).collect::<Vec<_>>());
}

#[test]
fn every_collection_of_arguments() {
    let one = || delayed(inc).call(0);
    let count = |n: usize| u64::try_from(n).unwrap();
    let tree = delayed(move |map: BTreeMap<String, i64>| count(map.len()));
    assert_eq!(tree.call(BTreeMap::from([("a".to_owned(), one())])).compute(&inline()).unwrap(), 1);
    let option = delayed(|x: Option<i64>| x.unwrap_or(-1));
    assert_eq!(option.call(Some(one())).compute(&inline()).unwrap(), 1);
    assert_eq!(option.call(None::<Delayed<i64>>).compute(&inline()).unwrap(), -1);
    assert_eq!(option.call(Some(3)).compute(&inline()).unwrap(), 3);
    let nested = delayed(|x: Vec<(String, Vec<i64>)>| x.into_iter().flat_map(|(_, x)| x).sum::<i64>());
    let parts = vec![("a".to_owned(), vec![one(), one()]), ("b".to_owned(), vec![one()])];
    assert_eq!(nested.call(parts).compute(&inline()).unwrap(), 3);
    let plain = nested.call(vec![("a".to_owned(), vec![5_i64])]);
    assert_eq!(plain.compute(&inline()).unwrap(), 5);
    let pair = delayed(|x: (i64, i64), y: (i64, i64, i64), z: (i64, i64)| x.0 + x.1 + y.0 + y.1 + y.2 + z.0 + z.1);
    let sum = pair.call(((one(), 10), (100, one(), one()), (1000, 10_000)));
    assert_eq!(sum.compute(&inline()).unwrap(), 1 + 10 + 100 + 2 + 11_000);
    assert_eq!(delayed(|| 7).call(()).compute(&inline()).unwrap(), 7);
}

#[test]
fn shared_work_is_done_once() {
    static N_CALLS: AtomicU32 = AtomicU32::new(0);
    let load = delayed(|n: u32| {
        N_CALLS.fetch_add(1, Ordering::SeqCst);
        vec![n; 3]
    });
    let data = load.call(4);
    let total = delayed_ref(|data: &Vec<u32>| data.iter().sum::<u32>()).call(&data);
    let n = delayed(|data: Shared<Vec<u32>>| data.len()).call(&data);
    assert_eq!(compute(&inline(), (&total, &n, &total)).unwrap(), (12, 3, 12));
    assert_eq!(N_CALLS.load(Ordering::SeqCst), 1);
    let kept = data.persist(&inline()).unwrap();
    assert_eq!(delayed(|x: Vec<u32>| x.len()).call((&kept,)).compute(&inline()).unwrap(), 3);
    assert_eq!(kept.compute(&inline()).unwrap(), [4, 4, 4]);
    assert_eq!(N_CALLS.load(Ordering::SeqCst), 2);
}

#[test]
fn a_shared_argument_is_not_copied() {
    let data = Delayed::value(vec![0_u8; 100]);
    let address = |data: Shared<Vec<u8>>| data.as_ptr() as usize;
    let (a, b) = (delayed(address).call(&data), delayed(address).call(&data));
    let (a, b): (usize, usize) = compute(&inline(), (a, b)).unwrap();
    assert_eq!(a, b);
    let shared = data.compute_shared(&inline()).unwrap();
    assert_eq!(shared.as_ptr() as usize, a);
}

#[test]
fn an_error_names_the_call_and_keeps_its_cause() {
    let parse = delayed(|text: String| text.parse::<i64>());
    let failed = parse.named("parse").try_call("seven".to_owned());
    let error = delayed(inc).call(&failed).compute(&inline()).unwrap_err();
    let expected = format!("`{}` failed: invalid digit found in string", failed.key());
    assert_eq!(error.to_string(), expected);
    let ComputeError::Run(RunError::Task { error: TaskError::Failed { source }, .. }) = error else { panic!() };
    assert!(source.is::<std::num::ParseIntError>());
}

#[test]
fn a_transient_error_is_tried_again() {
    static N_CALLS: AtomicU32 = AtomicU32::new(0);
    let flaky = delayed(|| match N_CALLS.fetch_add(1, Ordering::SeqCst) {
        0..2 => Err(TaskError::transient("reset by peer")),
        n => Ok(n),
    });
    assert_eq!(flaky.retries(2).try_call(()).compute(&inline()).unwrap(), 2);
}

#[test]
fn options_are_those_of_single_tasks() {
    let slow = delayed(inc).priority(3).timeout(Duration::from_secs(1)).call(1);
    let lowered = delayed(inc).call(&slow).lower().unwrap();
    let stage = lowered.graph().stage(lowered.results()[0].stage);
    assert_eq!(stage.options_of(0).priority, 3);
    assert_eq!(stage.options_of(1).priority, 0);
}

#[test]
fn results_are_measured_and_written_as_told() {
    type Data = BTreeMap<u8, Vec<u8>>;
    let make = || delayed(|n: usize| Data::from([(7, vec![0_u8; n])]));
    let value = |call: &Delayed<Data>| {
        let lowered = call.lower().unwrap();
        let run = inline().submit(Arc::clone(lowered.graph()), SubmitOptions::default()).unwrap();
        run.wait_value(lowered.results()[0], None).unwrap().unwrap()
    };
    let told = value(&make().sized_by(|data: &Data| data[&7].len()).spillable::<Data>().call(4000));
    let untold = value(&make().call(4000));
    assert_eq!(told.size_bytes() - untold.size_bytes(), 4000);
    assert!(untold.encode().is_err());
    let read = told.local_decoder().unwrap()(told.encode().unwrap().parts.remove(0)).unwrap();
    assert_eq!(read.downcast_ref::<Plain<Data>>().unwrap().get()[&7].len(), 4000);
}

#[test]
#[should_panic(expected = "another type than the result, i64")]
fn a_measure_of_another_type_is_refused() {
    let _ = delayed(inc).sized_by(|text: &String| text.len()).call(1);
}

#[test]
fn a_call_inside_a_call() {
    // Seed program 19.
    fn fib(n: u64) -> Delayed<u64> {
        delayed_with_context(|context: &crate::TaskContext, n: u64| {
            let (a, b) = match n {
                0 | 1 => return Ok(n),
                _ => compute(context, (fib(n - 1), fib(n - 2)))?,
            };
            Ok::<u64, ComputeError>(a + b)
        })
        .try_call(n)
    }
    assert_eq!(fib(8).compute(&inline()).unwrap(), 21);
}

#[test]
fn a_raw_graph_by_keys() {
    let sum = delayed(|numbers: Vec<i64>| numbers.iter().sum::<i64>());
    let mut graph = RawGraph::new();
    graph.insert("w", sum.call(vec![key("x"), key("y"), key("z")]));
    graph.insert("v", Delayed::gather(vec![sum.call(vec![key("w"), key("z")]), Delayed::value(2)]));
    graph.insert("z", delayed(add).call((key("x"), key("y"))));
    graph.insert_value("x", 1_i64);
    graph.insert_value("y", 2_i64);
    graph.insert("also-w", key::<i64>("w"));
    let all: (i64, i64, Vec<i64>) =
        graph.compute(&inline(), (key::<i64>("z"), key::<i64>("also-w"), key::<Vec<i64>>("v"))).unwrap();
    assert_eq!(all, (3, 6, vec![9, 2]));
    assert_eq!(graph.keys(), ["also-w", "v", "w", "x", "y", "z"]);
    // Only what is needed is computed, and tasks have their keys as names.
    let lowered = graph.lower(&["z"]).unwrap();
    assert_eq!(lowered.graph().n_tasks(), 3);
    assert_eq!(lowered.graph().task_key(lowered.results()[0]), "z");
}

#[test]
fn one_value_by_several_keys_is_one_task() {
    let mut registry = OpRegistry::new();
    let weigh = registry.register_function("weigh", |a: i64, b: i64, c: i64, d: i64| a + 10 * b + 100 * c + 1000 * d);
    let weigh = weigh.unwrap();
    let one = registry.register_function("one", || 1_i64).unwrap();
    let two = registry.register_function("two", || 2_i64).unwrap();
    let mut graph = RawGraph::new();
    graph.insert("x", one.call(()));
    graph.insert("y", two.call(()));
    graph.insert("also-x", key::<i64>("x"));
    graph.insert("all", weigh.call((key("x"), key("y"), key("also-x"), key("x"))));
    assert_eq!(graph.get::<i64>("all", &inline()).unwrap(), 1121);
    let lowered = graph.lower(&["all"]).unwrap();
    assert_eq!(lowered.graph().n_tasks(), 3);
    let decoded = Arc::new(decode(&encode(lowered.graph(), &registry).unwrap(), &registry).unwrap());
    let run = inline().submit(decoded, SubmitOptions::default()).unwrap();
    let value = run.wait_value(lowered.results()[0], None).unwrap().unwrap();
    assert_eq!(*value.downcast_ref::<Plain<i64>>().unwrap().get(), 1121);
}

#[test]
fn a_raw_graph_says_what_is_wrong() {
    let mut graph = RawGraph::new();
    graph.insert("a", delayed(inc).call(key("b")));
    let error = graph.lower(&["a"]).unwrap_err().to_string();
    assert!(error.contains("uses the key `b`, which the graph does not have"), "{error}");
    graph.insert_value("b", "text".to_owned());
    let error = graph.lower(&["a"]).unwrap_err().to_string();
    assert!(error.contains("uses the key `b` as a i64, it is a alloc::string::String"), "{error}");
    graph.insert("b", delayed(inc).call(key("c")));
    graph.insert("c", delayed(add).call((1, delayed(inc).call(key("a")))));
    let LowerError::Cycle { keys } = graph.lower(&["a"]).unwrap_err() else { panic!() };
    assert_eq!((keys[0].as_str(), keys[1].as_str(), keys[2].as_str()), ("a", "b", "c"));
    assert_eq!(keys.first(), keys.last());
    graph.insert("d", key::<i64>("e"));
    graph.insert("e", key::<i64>("d"));
    let error = graph.get::<i64>("d", &inline()).unwrap_err();
    assert!(matches!(error, ComputeError::Lower(LowerError::Cycle { .. })), "{error}");
    assert_eq!(
        graph.lower(&["no"]).unwrap_err().to_string(),
        "`the caller` uses the key `no`, which the graph does not have"
    );
}

#[test]
fn registered_functions_survive_their_bytes() {
    let register = |registry: &mut OpRegistry| {
        let inc = registry.register_function("inc", inc).unwrap();
        let total = |map: BTreeMap<String, i64>, rest: Option<i64>, pair: (i64, Vec<i64>)| {
            map.values().sum::<i64>() + rest.unwrap_or(0) + pair.0 + pair.1.iter().sum::<i64>()
        };
        let total = registry.register_function("total", total).unwrap();
        let half = |x: i64| if x % 2 == 0 { Ok(x / 2) } else { Err("odd") };
        (inc, total, registry.register_try_function("half", half).unwrap())
    };
    let mut here = OpRegistry::new();
    let (inc, total, half) = register(&mut here);
    let map = BTreeMap::from([("a".to_owned(), inc.call(1)), ("b".to_owned(), inc.call(2))]);
    let sum = total.call((map, Some(inc.call(3)), (4, vec![inc.call(4), inc.call(5)])));
    let result = half.call(&sum);
    assert_eq!(result.compute(&inline()).unwrap(), 12);

    let bytes = encode(result.lower().unwrap().graph(), &here).unwrap();
    let mut there = OpRegistry::new();
    register(&mut there);
    let graph = Arc::new(decode(&bytes, &there).unwrap());
    assert_eq!(encode(&graph, &there).unwrap(), bytes);
    let task = crate::TaskId::new(crate::StageId(0), graph.outputs()[0].partitions.end() - 1);
    assert_eq!(graph.task_key(task), result.key());
    let run = inline().submit(graph, SubmitOptions::default()).unwrap();
    let value = run.wait_value(task, None).unwrap().unwrap();
    // The result comes home as bytes.
    let value = here.decode_value(&value.encode().unwrap()).unwrap();
    assert_eq!(*value.downcast_ref::<Plain<i64>>().unwrap().get(), 12);

    let odd = half.call(3).compute(&inline()).unwrap_err();
    assert!(odd.to_string().ends_with("failed: odd"), "{odd}");
    let error = decode(&bytes, &OpRegistry::new()).unwrap_err();
    assert!(error.to_string().contains("`inc`"), "{error}");
}

#[test]
fn a_closure_among_registered_functions_is_named() {
    let mut registry = OpRegistry::new();
    let here = registry.register_function("inc", inc).unwrap();
    let local = delayed(|x: i64| x).named("mine").call(1);
    let error = encode(here.call(&local).lower().unwrap().graph(), &registry).unwrap_err().to_string();
    assert!(error.contains(&format!("`{}` is a function of this process", local.key())), "{error}");
}

#[test]
fn a_long_chain_and_a_wide_fan_in_are_linear() {
    let build = |n: i64| {
        let mut x = delayed(inc).call(0);
        for _ in 1..n {
            x = delayed(inc).call(x);
        }
        let all: Vec<_> = (0..n).map(|n| delayed(inc).call(n)).collect();
        (x, delayed(|numbers: Vec<i64>| numbers.len()).call(all))
    };
    let start = Instant::now();
    // Deep enough to break whatever recurs.
    let what = build(200_000);
    let lowered = lower_delayed(what).unwrap();
    assert_eq!(lowered.graph().n_tasks(), 400_001);
    drop(lowered);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let (x, n) = build(1000);
    assert_eq!(compute(&inline(), (x, n)).unwrap(), (1000, 1000));
}

#[test]
fn the_deeper_branch_comes_first() {
    // A balanced tree beside a single value: the tree first, so that the value does not wait in memory.
    let leaf = |n: i64| delayed(inc).named("leaf").call(n);
    let pair = |a: Delayed<i64>, b: Delayed<i64>| delayed(add).named("pair").call((a, b));
    let tree = pair(pair(leaf(0), leaf(1)), pair(leaf(2), leaf(3)));
    let single = leaf(9);
    let root = delayed(add).call((&single, &tree));
    let lowered = root.lower().unwrap();
    let graph = lowered.graph();
    let keys: Vec<String> = (0..9).map(|p| graph.task_key(crate::TaskId::new(crate::StageId(0), p))).collect();
    let at = |key: String| keys.iter().position(|other| *other == key).unwrap();
    assert!(at(tree.key()) < at(single.key()));
    assert_eq!(at(root.key()), 8);
}

#[test]
fn without_blocking() {
    let future = compute_async(&inline(), (delayed(inc).call(1), Delayed::value(5_u8))).unwrap();
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = future.as_mut().poll(&mut context) else { panic!("it was computed at once") };
    assert_eq!(result.unwrap(), (2_i64, 5_u8));
}
