//! Types of values and functions that a session knows by name.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dolmen::graph::{EventKind, Executor, OpRegistry, Shared};
use dolmen::prelude::*;
use serde::{Deserialize, Serialize};

const ROOM: usize = 1 << 20;
const LIMIT_BYTES: u64 = 16 << 20;
const N_STATIONS: u64 = 50;

/// How many were made from bytes.
static N_READ: AtomicUsize = AtomicUsize::new(0);

/// A type that the engine knows nothing of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "Written")]
struct Station {
    height: u64,
    room: Vec<u8>,
}

#[derive(Deserialize)]
struct Written {
    height: u64,
    room: Vec<u8>,
}

impl From<Written> for Station {
    fn from(Written { height, room }: Written) -> Self {
        N_READ.fetch_add(1, Ordering::SeqCst);
        Self { height, room }
    }
}

fn session(folder: &Path, registry: OpRegistry) -> Session {
    let builder = Session::builder().threads(2).memory_limit(LIMIT_BYTES).temp_dir(folder);
    builder.registry(Arc::new(registry)).build().unwrap()
}

/// Three times as many bytes as the session may hold, all of them needed until the end.
fn stations(client: &Client) -> Result<u64, String> {
    let made = delayed(|height: u64| Station { height, room: vec![height as u8; ROOM] })
        .sized_by(|station: &Station| station.room.capacity());
    let height = delayed(|station: Shared<Station>| {
        assert_eq!(station.room, vec![station.height as u8; ROOM]);
        station.height
    });
    let stations: Vec<_> = (0..N_STATIONS).map(|n| client.persist(&made.call(n))).collect();
    let heights: Vec<_> = stations.iter().map(|station| client.compute(&height.call(station))).collect();
    let heights = gather(&heights).map_err(|error| error.to_string())?;
    Ok(heights.iter().map(|height| **height).sum())
}

#[test]
fn values_of_a_registered_type_go_to_disk_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = OpRegistry::new();
    registry.register_type::<Station>("station").unwrap();
    let session = session(folder.path(), registry);
    let mut events = session.executor().unwrap().events();
    assert_eq!(stations(&session.client().unwrap()), Ok(N_STATIONS * (N_STATIONS - 1) / 2));
    let mut found = Vec::new();
    events.read(&mut found);
    assert!(found.iter().any(|event| matches!(event.kind, EventKind::Spilled { .. })));
    assert!(N_READ.load(Ordering::SeqCst) > 0, "no value was read back");
    assert!(session.memory_peak_bytes() < 2 * LIMIT_BYTES as usize, "{} bytes were held", session.memory_peak_bytes());
    assert!(session.close(Duration::from_secs(60)).is_empty());
    drop((events, session));
    let is_empty = || fs::read_dir(folder.path()).unwrap().count() == 0;
    assert!(
        (0..500).any(|_| is_empty() || {
            thread::sleep(Duration::from_millis(20));
            false
        }),
        "files are left"
    );
}

#[test]
fn values_of_other_types_have_no_way_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let error = stations(&session(folder.path(), OpRegistry::new()).client().unwrap()).unwrap_err();
    assert!(error.contains("the limit is 16777216"), "{error}");
}

#[test]
fn registered_functions_are_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = OpRegistry::new();
    let add = registry.register_function("add", |a: u64, b: u64| a + b).unwrap();
    let total = registry.register_function("total", |numbers: Vec<u64>| numbers.iter().sum::<u64>()).unwrap();
    let session = session(folder.path(), registry);
    let client = session.client().unwrap();
    let sums: Vec<_> = (0..20).map(|n| client.submit_registered(&add, (n, 1))).collect();
    assert_eq!(*client.submit_registered(&total, sums).result().unwrap(), 210);
    assert_eq!(session.compute_blocking(total.call(vec![add.call((1, 2)), add.call((3, 4))])).unwrap(), 10);
}
