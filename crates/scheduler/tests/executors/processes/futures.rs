//! Futures of calls in other processes.

use std::sync::Arc;

use dolmen_scheduler::{Client, FutureError, as_completed, gather};

use super::Processes;
use crate::programs::registry;

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
