//! Many threads at once.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::*;
use crate::block_store::BlockError;
use crate::reclaim::{Reclaim, Shortage};

#[test]
fn a_request_does_not_wait_for_the_disk() {
    let (on_encode, reached, open) = gate();
    let f = Fixture::with_codec(1000, TestCodec { on_encode, ..TestCodec::default() });
    let clean = f.put(300, 1);
    open.send(()).unwrap();
    f.store.write(clean).unwrap();
    reached.recv().unwrap();
    let slow = f.put(500, 2);
    thread::scope(|scope| {
        let spill = scope.spawn(|| f.store.spill(slow));
        reached.recv().unwrap();
        // The spill stands still in the middle of its file until the gate opens.
        f.consumer.try_grow(400).unwrap();
        assert_eq!(f.dropped(), [clean]);
        f.consumer.try_grow(200).unwrap_err();
        assert!(f.store.get(slow).is_some() && !f.store.is_on_disk(slow) && !spill.is_finished());
        let other = f.put(50, 3);
        assert!(f.store.remove(other));
        drop(open);
        assert_eq!(spill.join().unwrap().unwrap(), 500);
    });
    f.consumer.shrink(400);
    f.finish([clean, slow]);
}

#[test]
fn one_thread_reads_for_all() {
    let (on_decode, n_decoded) = counter();
    let f = Fixture::with_codec(100_000, TestCodec { on_decode, ..TestCodec::default() });
    let id = f.put(60_000, 1);
    f.store.spill(id).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(*f.store.load(id).unwrap(), content(60_000, 1)));
        }
    });
    assert_eq!(n_decoded.load(Ordering::Relaxed), 1);
    assert_eq!(f.budget.used_bytes(), 60_000);
    f.finish([id]);
}

#[test]
fn one_thread_writes_for_all() {
    let (on_encode, n_encoded) = counter();
    let f = Fixture::with_codec(100_000, TestCodec { on_encode, ..TestCodec::default() });
    let id = f.put(60_000, 1);
    let freed: usize = thread::scope(|scope| {
        let spills: Vec<_> = (0..8).map(|_| scope.spawn(|| f.store.spill(id).unwrap())).collect();
        spills.into_iter().map(|spill| spill.join().unwrap()).sum()
    });
    assert_eq!((n_encoded.load(Ordering::Relaxed), freed), (1, 60_000));
    f.finish([id]);
}

#[test]
fn a_block_may_be_removed_while_it_is_written() {
    let (on_encode, reached, open) = gate();
    let f = Fixture::with_codec(1000, TestCodec { on_encode, ..TestCodec::default() });
    let id = f.put(300, 1);
    thread::scope(|scope| {
        let spill = scope.spawn(|| f.store.spill(id));
        let late = {
            reached.recv().unwrap();
            scope.spawn(|| f.store.spill(id))
        };
        assert!(f.store.remove(id) && !f.store.remove(id) && f.store.get(id).is_none());
        f.check();
        drop(open);
        for spill in [spill, late] {
            assert!(matches!(spill.join().unwrap().unwrap_err(), BlockError::Removed { .. }));
        }
    });
    f.finish([]);
}

#[test]
fn a_block_may_be_removed_while_it_is_read() {
    let (on_decode, reached, open) = gate();
    let f = Fixture::with_codec(1000, TestCodec { on_decode, ..TestCodec::default() });
    let id = f.put(300, 1);
    f.store.spill(id).unwrap();
    thread::scope(|scope| {
        let load = scope.spawn(|| f.store.load(id).map(|_| ()));
        reached.recv().unwrap();
        assert!(f.store.remove(id));
        f.check();
        drop(open);
        assert!(matches!(load.join().unwrap().unwrap_err(), BlockError::Removed { .. }));
    });
    f.finish([]);
}

#[test]
fn the_next_thread_reads_when_the_first_one_fails() {
    let n_reads = AtomicUsize::new(0);
    let (wait, reached, open) = gate();
    let on_decode = move || {
        wait()?;
        if n_reads.fetch_add(1, Ordering::Relaxed) == 0 { Err("the first one fails".into()) } else { Ok(()) }
    };
    let f = Fixture::with_codec(1000, TestCodec { on_decode: Box::new(on_decode), ..TestCodec::default() });
    let id = f.put(300, 1);
    f.store.spill(id).unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| f.store.load(id).map(|_| ()));
        reached.recv().unwrap();
        let second = scope.spawn(|| f.store.load(id).map(|_| ()));
        drop(open);
        assert!(matches!(first.join().unwrap().unwrap_err(), BlockError::Decode { .. }));
        second.join().unwrap().unwrap();
    });
    f.finish([id]);
}

/// Spills blocks when it is woken, as a scheduler does, and counts the shortages.
#[derive(Default)]
struct Woken {
    is_short: AtomicBool,
    n_shortages: AtomicUsize,
}

impl Reclaim for Woken {
    fn wake(&self, _: &Shortage) {
        self.n_shortages.fetch_add(1, Ordering::Relaxed);
        self.is_short.store(true, Ordering::Release);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Put,
    Get,
    Write,
    Spill,
    Load,
    Remove,
    Operator,
}

const N_THREADS: usize = 8;
const N_STEPS: usize = 1500;
const BLOCK_BYTES_MAX: usize = 4000;
const LIMIT: usize = 40_000;

/// Threads that put, read, spill and remove blocks of their own and of each other, beside an operator that takes memory
/// and a thread that spills when it is woken. Ends with everything removed, and returns the peak.
fn storm(steps: &[Step]) -> usize {
    let f = Fixture::new(LIMIT);
    let woken = Arc::new(Woken::default());
    let as_reclaimer: std::sync::Weak<dyn Reclaim> = Arc::<Woken>::downgrade(&woken);
    f.budget.register_reclaimer(as_reclaimer);
    let blocks: Mutex<Vec<(BlockId, usize, u64)>> = Mutex::default();
    let is_over = AtomicBool::new(false);
    let n_refused = AtomicUsize::new(0);
    let peak_bytes = thread::scope(|scope| {
        let spiller = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                if woken.is_short.swap(false, Ordering::Acquire) {
                    let oldest = blocks.lock().unwrap().first().copied();
                    if let Some((id, ..)) = oldest {
                        expect_removed_or(f.store.spill(id));
                    }
                }
                thread::sleep(Duration::from_micros(50));
            }
        });
        let workers: Vec<_> = (0..N_THREADS)
            .map(|thread| {
                let (f, blocks, n_refused) = (&f, &blocks, &n_refused);
                scope.spawn(move || {
                    let mut random = Random(thread as u64 + 1);
                    let mut operator = f.budget.consumer("operator").reserve();
                    for _ in 0..N_STEPS {
                        let step = steps[random.below(steps.len())];
                        if step == Step::Put {
                            let (n_bytes, seed) = (random.below(BLOCK_BYTES_MAX), random.next());
                            let mut reservation = f.consumer.reserve();
                            if reservation.try_grow(n_bytes).is_ok() {
                                let id = f.store.put(content(n_bytes, seed), reservation, seed);
                                blocks.lock().unwrap().push((id, n_bytes, seed));
                            } else {
                                n_refused.fetch_add(1, Ordering::Relaxed);
                            }
                        } else if step == Step::Operator {
                            // What an operator that spills does: on refusal it gives up what it holds.
                            if operator.try_grow(random.below(BLOCK_BYTES_MAX)).is_err() {
                                operator.free();
                            }
                        } else {
                            let picked = {
                                let mut blocks = blocks.lock().unwrap();
                                let idx = random.below(blocks.len().max(1));
                                if blocks.is_empty() {
                                    continue;
                                } else if step == Step::Remove {
                                    blocks.swap_remove(idx)
                                } else {
                                    blocks[idx]
                                }
                            };
                            act(f, step, picked);
                        }
                        f.store.stats();
                    }
                })
            })
            .collect();
        let joined: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        is_over.store(true, Ordering::Release);
        spiller.join().unwrap();
        joined.into_iter().for_each(|worker| worker.unwrap());
        f.budget.peak_bytes()
    });
    assert!(n_refused.load(Ordering::Relaxed) > 0 && woken.n_shortages.load(Ordering::Relaxed) > 0, "never short");
    assert!(!f.dropped().is_empty(), "the budget has never dropped a block");
    f.check();
    let left: Vec<_> = blocks.lock().unwrap().drain(..).collect();
    for (id, ..) in &left {
        f.store.spill(*id).unwrap();
    }
    assert_eq!((f.budget.used_bytes(), f.files().len()), (0, left.len()));
    for (id, n_bytes, seed) in &left {
        assert_eq!(*f.store.load(*id).unwrap(), content(*n_bytes, *seed));
        f.store.spill(*id).unwrap();
    }
    f.finish(left.into_iter().map(|(id, ..)| id));
    peak_bytes
}

fn act(f: &Fixture, step: Step, (id, n_bytes, seed): (BlockId, usize, u64)) {
    match step {
        Step::Get => {
            if let Some(value) = f.store.get(id) {
                assert_eq!(*value, content(n_bytes, seed));
            }
        }
        Step::Write => expect_removed_or(f.store.write(id)),
        Step::Spill => expect_removed_or(f.store.spill(id)),
        Step::Load => match f.store.load(id) {
            Ok(value) => assert_eq!(*value, content(n_bytes, seed)),
            Err(BlockError::Memory { .. } | BlockError::Removed { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        Step::Remove => assert!(f.store.remove(id), "only one thread picks a block to remove"),
        Step::Put | Step::Operator => unreachable!("these pick no block"),
    }
}

fn expect_removed_or<T>(result: Result<T, BlockError>) {
    assert!(matches!(result, Ok(_) | Err(BlockError::Removed { .. })), "{:?}", result.err());
}

#[test]
fn a_storm_of_all_operations_ends_at_zero() {
    let peak_bytes =
        storm(&[Step::Put, Step::Put, Step::Get, Step::Write, Step::Spill, Step::Load, Step::Remove, Step::Operator]);
    // Reading goes past the limit by the encoded bytes.
    assert!(peak_bytes <= LIMIT + N_THREADS * (BLOCK_BYTES_MAX + HEADER.len()), "{peak_bytes}");
}

#[test]
fn a_storm_without_reading_never_passes_the_limit() {
    let peak_bytes = storm(&[Step::Put, Step::Put, Step::Get, Step::Write, Step::Spill, Step::Remove, Step::Operator]);
    assert!(peak_bytes <= LIMIT, "{peak_bytes}");
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
