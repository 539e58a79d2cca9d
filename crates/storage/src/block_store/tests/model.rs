//! Random histories of one thread against a model that says, for every block, where it is and who drops it.

use proptest::prelude::*;

use super::*;
use crate::block_store::{BlockError, BlockRef};

const LIMIT: usize = 1000;

#[derive(Debug, Clone, Copy)]
enum Step {
    Put { n_bytes: usize, needed_at: u64 },
    Get(usize),
    DropRef(usize),
    Write(usize),
    Spill(usize),
    Load(usize),
    Remove(usize),
    Grow(usize),
    Shrink(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let nth = || 0..64_usize;
    prop_oneof![
        4 => (0..300_usize, 0..8_u64).prop_map(|(n_bytes, needed_at)| Step::Put { n_bytes, needed_at }),
        2 => nth().prop_map(Step::Get),
        3 => nth().prop_map(Step::DropRef),
        2 => nth().prop_map(Step::Write),
        2 => nth().prop_map(Step::Spill),
        3 => nth().prop_map(Step::Load),
        2 => nth().prop_map(Step::Remove),
        2 => (0..500_usize).prop_map(Step::Grow),
        2 => (0..500_usize).prop_map(Step::Shrink),
    ]
}

struct Known {
    id: BlockId,
    n_bytes: usize,
    needed_at: u64,
    in_memory: bool,
    on_disk: bool,
}

struct Model {
    f: Fixture,
    blocks: Vec<Known>,
    refs: Vec<BlockRef<Vec<u8>>>,
    /// Held beside the blocks.
    other_bytes: usize,
}

impl Model {
    fn used_bytes(&self) -> usize {
        let mut in_memory: Vec<_> = self.blocks.iter().filter(|b| b.in_memory).map(|b| (b.id, b.n_bytes)).collect();
        in_memory.extend(self.refs.iter().map(|value| (value.id(), value.size_bytes())));
        in_memory.sort_unstable();
        in_memory.dedup();
        self.other_bytes + in_memory.iter().map(|(_, bytes)| bytes).sum::<usize>()
    }

    /// Drops clean blocks as a request for `bytes` should. Returns those that go, and whether the request fits then.
    fn make_room(&mut self, bytes: usize, is_refusable: bool) -> (Vec<BlockId>, bool) {
        let missing = (self.used_bytes() + bytes).saturating_sub(LIMIT);
        let is_used = |id| self.refs.iter().any(|value| value.id() == id);
        let mut clean: Vec<_> = self.blocks.iter_mut().filter(|b| b.in_memory && b.on_disk && !is_used(b.id)).collect();
        clean.sort_by_key(|block| std::cmp::Reverse((block.needed_at, block.id.index())));
        let all: usize = clean.iter().map(|block| block.n_bytes).sum();
        if is_refusable && all < missing {
            return (Vec::new(), false);
        }
        let (mut gone, mut freed) = (Vec::new(), 0);
        for block in clean {
            if freed >= missing {
                break;
            }
            // One without bytes goes with the rest, but not if nothing else is dropped.
            freed += block.n_bytes;
            gone.push(block);
        }
        if freed == 0 {
            return (Vec::new(), missing == 0);
        }
        for block in &mut gone {
            block.in_memory = false;
        }
        (gone.iter().map(|block| block.id).collect(), freed >= missing)
    }

    fn run(&mut self, step: Step) {
        let pick = |nth: usize, n: usize| (n > 0).then(|| nth % n);
        let n = self.blocks.len();
        match step {
            Step::Put { n_bytes, needed_at } => {
                let (gone, fits) = self.make_room(n_bytes, true);
                let mut reservation = self.f.consumer.reserve();
                assert_eq!(reservation.try_grow(n_bytes).is_ok(), fits);
                assert_eq!(self.f.dropped(), gone);
                if fits {
                    let id = self.f.store.put(content(n_bytes, needed_at), reservation, needed_at);
                    self.blocks.push(Known { id, n_bytes, needed_at, in_memory: true, on_disk: false });
                }
            }
            Step::Get(nth) => {
                let Some(nth) = pick(nth, n) else { return };
                let value = self.f.store.get(self.blocks[nth].id);
                assert_eq!(value.is_some(), self.blocks[nth].in_memory);
                self.refs.extend(value);
            }
            Step::DropRef(nth) => {
                let Some(nth) = pick(nth, self.refs.len()) else { return };
                self.refs.swap_remove(nth);
            }
            Step::Write(nth) => {
                let Some(nth) = pick(nth, n) else { return };
                self.f.store.write(self.blocks[nth].id).unwrap();
                self.blocks[nth].on_disk = true;
            }
            Step::Spill(nth) => {
                let Some(nth) = pick(nth, n) else { return };
                let block = &mut self.blocks[nth];
                let is_freed = block.in_memory && !self.refs.iter().any(|value| value.id() == block.id);
                let freed = self.f.store.spill(block.id).unwrap();
                assert_eq!(freed, if is_freed { block.n_bytes } else { 0 });
                block.on_disk = true;
                block.in_memory &= !is_freed;
            }
            Step::Load(nth) => {
                let Some(nth) = pick(nth, n) else { return };
                let Known { id, n_bytes, needed_at, in_memory, .. } = self.blocks[nth];
                let mut gone = Vec::new();
                let mut fits = true;
                if !in_memory {
                    (gone, fits) = self.make_room(n_bytes, true);
                    if fits {
                        self.other_bytes += n_bytes;
                        gone.extend(self.make_room(n_bytes + HEADER.len(), false).0);
                        self.other_bytes -= n_bytes;
                    }
                }
                match self.f.store.load(id) {
                    Ok(value) => {
                        assert!(fits);
                        assert_eq!(*value, content(n_bytes, needed_at));
                        self.blocks[nth].in_memory = true;
                        self.refs.push(value);
                    }
                    Err(BlockError::Memory { .. }) => assert!(!fits),
                    Err(error) => panic!("{error}"),
                }
                assert_eq!(self.f.dropped(), gone);
            }
            Step::Remove(nth) => {
                let Some(nth) = pick(nth, n) else { return };
                assert!(self.f.store.remove(self.blocks.swap_remove(nth).id));
            }
            Step::Grow(bytes) => {
                let (gone, fits) = self.make_room(bytes, true);
                assert_eq!(self.f.consumer.try_grow(bytes).is_ok(), fits);
                assert_eq!(self.f.dropped(), gone);
                self.other_bytes += if fits { bytes } else { 0 };
            }
            Step::Shrink(bytes) => {
                let bytes = bytes.min(self.other_bytes);
                self.f.consumer.shrink(bytes);
                self.other_bytes -= bytes;
            }
        }
    }

    fn check(&self) {
        self.f.check();
        assert_eq!(self.f.budget.used_bytes(), self.used_bytes());
        let on_disk = self.blocks.iter().filter(|block| block.on_disk);
        assert_eq!(self.f.store.stats().n_blocks, self.blocks.len());
        assert_eq!(
            self.f.store.stats().disk_bytes,
            on_disk.map(|block| (block.n_bytes + HEADER.len()) as u64).sum::<u64>()
        );
        for block in &self.blocks {
            assert_eq!(self.f.store.is_in_memory(block.id), block.in_memory);
            assert_eq!(self.f.store.is_on_disk(block.id), block.on_disk);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_histories_match_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        let mut model = Model { f: Fixture::new(LIMIT), blocks: Vec::new(), refs: Vec::new(), other_bytes: 0 };
        for step in steps {
            model.run(step);
            model.check();
        }
        let Model { f, blocks, refs, other_bytes } = model;
        assert_eq!(f.files().len(), blocks.iter().filter(|block| block.on_disk).count());
        drop(refs);
        f.consumer.shrink(other_bytes);
        f.finish(blocks.into_iter().map(|block| block.id));
    }
}
