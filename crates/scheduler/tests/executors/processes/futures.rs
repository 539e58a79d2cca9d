//! Futures of calls in other processes.

use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{EncodeError, EncodeGraphError, EventKind, Executor, SubmitError, ValueError};
use dolmen_scheduler::{Client, FutureError, as_completed, gather};

use super::Processes;
use crate::programs::{Station, registry};

#[test]
fn registered_functions_are_submitted() {
    let processes = Processes::new(2);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let (_, functions) = registry();
    let futures: Vec<_> = (0..50).map(|n| client.submit_registered(&functions.add, (n, 1))).collect();
    let total = client.submit_registered(&functions.total, futures.clone());
    assert_eq!(*total.result().unwrap(), 1275);
    let more = client.submit_registered(&functions.add, (&total, &futures[0]));
    assert_eq!(*more.result().unwrap(), 1276);
    assert_eq!(gather(&futures).unwrap().len(), 50);
    assert_eq!(as_completed(futures).into_iter().count(), 50);
}

#[test]
fn persisted_values_are_used_in_later_graphs() {
    let processes = Processes::new(2);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let (_, functions) = registry();
    let numbers = client.persist(&functions.long.call(1000));
    let totals: Vec<_> = (0..3).map(|_| client.compute(&functions.total.call(&numbers))).collect();
    assert!(gather(&totals).unwrap().iter().all(|total| **total == 499_500));
}

#[test]
fn a_closure_is_refused_with_its_key() {
    let processes = Processes::new(1);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let local = client.named("inc").submit(|x: u64| x + 1, 1);
    let error = local.result().err().unwrap();
    assert!(matches!(error, FutureError::Submit { .. }), "{error}");
    assert!(error.to_string().contains(local.key()), "{error}");
}

#[test]
fn scattered_values_of_registered_types_are_sent() {
    let processes = Processes::new(2);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let (_, functions) = registry();
    let numbers = client.scatter((0..1000_u64).collect::<Vec<_>>());
    let totals: Vec<_> = (0..4).map(|_| client.submit_registered(&functions.total, &numbers)).collect();
    assert!(gather(&totals).unwrap().iter().all(|total| **total == 499_500));

    let station = client.scatter(Station { name: "Lahti".into(), height: 61 });
    let height = client.submit_registered(&functions.height, &station);
    assert_eq!(*height.result().unwrap(), 61);
}

#[test]
fn a_scattered_value_of_another_type_is_refused_with_its_key() {
    struct Unknown;
    let processes = Processes::new(1);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let future = client.scatter(Unknown);
    let error = future.result().err().unwrap();
    assert!(error.to_string().contains("Unknown has no encoding"), "{error}");
    let FutureError::Submit { key, source: SubmitError::Encode(EncodeGraphError::Op { source, .. }) } = error else {
        panic!("{error}")
    };
    let EncodeError::Value { name, source: ValueError::NotEncodable { type_name } } = source else {
        panic!("{source}")
    };
    assert_eq!((key.as_str(), name.as_str()), (future.key(), future.key()));
    assert!(type_name.ends_with("Unknown"), "{type_name}");
}

#[test]
fn registered_functions_have_the_settings_of_their_client() {
    let processes = Processes::new(1);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let (_, functions) = registry();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let patient = client.clone().retries(2).named("patient");
    let future = patient.submit_registered(&functions.third_time, path("a"));
    assert!(future.key().starts_with("patient-"), "{}", future.key());
    assert_eq!(*future.result().unwrap(), 3);
    let error = client.clone().retries(1).submit_registered(&functions.third_time, path("b")).result();
    assert!(error.err().unwrap().to_string().ends_with("failed: not yet"));

    let hasty = client.clone().timeout(Duration::from_millis(30)).named("hasty");
    let error = hasty.submit_registered(&functions.sleep, 600_000).result().err().unwrap().to_string();
    assert!(error.starts_with("`hasty-") && error.ends_with("took longer than 30 ms"), "{error}");

    // The worker is busy while these two are submitted.
    let busy = client.submit_registered(&functions.sleep, 100);
    let usual = client.submit_registered(&functions.nanos, ());
    let urgent = client.priority(5).submit_registered(&functions.nanos, ());
    busy.result().unwrap();
    assert!(*urgent.result().unwrap() < *usual.result().unwrap());
}

#[test]
fn values_that_are_there_stay_and_count_once() {
    let processes = Processes::new(2);
    let client = Client::new(Arc::clone(processes.executor()) as _);
    let (_, functions) = registry();
    let mut events = processes.executor().events();
    let long = client.submit_registered(&functions.long, 100_000);
    let totals: Vec<_> = (0..4).map(|_| client.submit_registered(&functions.total, &long)).collect();
    assert!(gather(&totals).unwrap().iter().all(|total| **total == 4_999_950_000));
    let mut seen = Vec::new();
    events.read(&mut seen);
    let bytes_max = seen.iter().map(|event| match event.kind {
        EventKind::Memory { used_bytes, .. } => used_bytes,
        _ => 0,
    });
    let bytes_max = bytes_max.max().unwrap();
    assert!((800_000..1_200_000).contains(&bytes_max), "{bytes_max} bytes were counted");
}
