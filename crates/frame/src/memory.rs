//! DataFusion's memory pool over the session's one budget.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use dolmen_storage::{Consumer, MemoryBudget};

/// A pool for DataFusion's operators that draws on `budget`, as tables and blocks do.
///
/// Operators that can spill share evenly what the others leave: one that has its share is refused more and spills, so that a
/// sort cannot starve the join beside it. Operators that cannot spill take what they need until the budget is used up.
pub fn memory_pool(budget: Arc<MemoryBudget>) -> Arc<dyn MemoryPool> {
    Arc::new(BudgetPool { budget, operators: Mutex::default() })
}

/// The limit of a pool; the largest number if it has none.
pub(crate) fn limit_bytes(pool: &dyn MemoryPool) -> usize {
    match pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes,
        MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
    }
}

/// Whether rows are held to be sorted. DataFusion merges them under another name that cannot spill; merging takes the keys of
/// all rows that are held, up to a few times their own size. What a sorter does not leave, its merge fails without.
fn is_sorter(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with("ExternalSorter[")
}

/// How often an operator that cannot go on without more memory asks again while values of tasks are written to disk to make
/// room, and how long it waits before.
const N_TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

struct BudgetPool {
    budget: Arc<MemoryBudget>,
    operators: Mutex<Operators>,
}

#[derive(Default)]
struct Operators {
    /// By the id that DataFusion gave the consumer.
    consumers: HashMap<usize, Consumer>,
    n_spillable: usize,
    spillable_bytes: usize,
}

impl BudgetPool {
    fn operators(&self) -> MutexGuard<'_, Operators> {
        self.operators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one operator that spills may hold, if the others give back `yielding_bytes`.
    fn share_of(&self, operators: &Operators, consumer: &MemoryConsumer, yielding_bytes: usize) -> usize {
        let yielding = operators.spillable_bytes.saturating_add(yielding_bytes);
        let others = self.budget.used_bytes().saturating_sub(yielding);
        let shared = self.budget.limit_bytes().saturating_sub(others);
        let share = shared / operators.n_spillable.max(1);
        if is_sorter(consumer) { share / 2 } else { share }
    }
}

impl Operators {
    /// The budget's consumer for DataFusion's; one that was never registered is made when it first asks.
    fn consumer(&mut self, budget: &Arc<MemoryBudget>, consumer: &MemoryConsumer) -> &Consumer {
        self.consumers.entry(consumer.id()).or_insert_with(|| budget.consumer(consumer.name()))
    }
}

impl MemoryPool for BudgetPool {
    fn name(&self) -> &str {
        "budget"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut operators = self.operators();
        operators.consumer(&self.budget, consumer);
        operators.n_spillable += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut operators = self.operators();
        operators.consumers.remove(&consumer.id());
        operators.n_spillable = operators.n_spillable.saturating_sub(usize::from(consumer.can_spill()));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut operators = self.operators();
        operators.consumer(&self.budget, reservation.consumer()).grow(additional);
        if reservation.consumer().can_spill() {
            operators.spillable_bytes += additional;
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut operators = self.operators();
        operators.consumer(&self.budget, reservation.consumer()).shrink(shrink);
        if reservation.consumer().can_spill() {
            operators.spillable_bytes = operators.spillable_bytes.saturating_sub(shrink);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut operators = self.operators();
        let can_spill = reservation.consumer().can_spill();
        if can_spill {
            let wanted = reservation.size().saturating_add(additional);
            let mut share = self.share_of(&operators, reservation.consumer(), 0);
            if wanted > share {
                // What can be dropped at once is as good as free, and what is spilled is free soon. Who holds it is asked
                // only where that may matter.
                let yielding_bytes = self.budget.clean_bytes().saturating_add(self.budget.spillable_bytes());
                share = self.share_of(&operators, reservation.consumer(), yielding_bytes);
            }
            if wanted > share {
                return Err(DataFusionError::ResourcesExhausted(format!(
                    "{} needs {} more than the {} it holds, but its share of the memory limit is {}; raise the limit",
                    reservation.consumer().name(),
                    dolmen_storage::format_bytes(additional as u64),
                    dolmen_storage::format_bytes(reservation.size() as u64),
                    dolmen_storage::format_bytes(share as u64),
                )));
            }
        }
        // Who has something to spill does so, and who has nothing fails.
        let has_a_way_out = can_spill && reservation.size() > 0;
        let mut n_tries = 0;
        while let Err(error) = operators.consumer(&self.budget, reservation.consumer()).try_grow(additional) {
            if has_a_way_out || n_tries == N_TRIES || self.budget.spillable_bytes() < additional {
                return Err(DataFusionError::ResourcesExhausted(error.to_string()));
            }
            n_tries += 1;
            drop(operators);
            std::thread::sleep(PAUSE);
            operators = self.operators();
        }
        if can_spill {
            operators.spillable_bytes += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.budget.used_bytes()
    }

    fn memory_limit(&self) -> MemoryLimit {
        match self.budget.limit_bytes() {
            usize::MAX => MemoryLimit::Infinite,
            bytes => MemoryLimit::Finite(bytes),
        }
    }
}

impl fmt::Debug for BudgetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetPool").field("used_bytes", &self.budget.used_bytes()).finish_non_exhaustive()
    }
}

impl fmt::Display for BudgetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "budget(used: {}, limit: {})", self.budget.used_bytes(), self.budget.limit_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(limit: usize) -> (Arc<MemoryBudget>, Arc<dyn MemoryPool>) {
        let budget = MemoryBudget::new(limit);
        (Arc::clone(&budget), memory_pool(budget))
    }

    #[test]
    fn spillable_operators_share_what_the_others_leave() {
        let (budget, pool) = pool(100);
        let table = budget.consumer("table t");
        table.try_grow(40).unwrap();
        let a = MemoryConsumer::new("a").with_can_spill(true).register(&pool);
        a.try_grow(60).unwrap();
        let b = MemoryConsumer::new("b").with_can_spill(true).register(&pool);
        assert!(a.try_grow(1).is_err());
        a.shrink(30);
        b.try_grow(30).unwrap();
        assert!(b.try_grow(1).is_err());
        assert_eq!(budget.used_bytes(), 100);
    }

    #[test]
    fn a_sorter_leaves_room_for_its_merge() {
        let (_, pool) = pool(100);
        let sorter = MemoryConsumer::new("ExternalSorter[0]").with_can_spill(true).register(&pool);
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        assert!(sorter.try_grow(51).is_err());
        sorter.try_grow(50).unwrap();
        merge.try_grow(50).unwrap();
    }

    #[test]
    fn everything_is_given_back() {
        let (budget, pool) = pool(1000);
        for can_spill in [true, false] {
            let a = MemoryConsumer::new("a").with_can_spill(can_spill).register(&pool);
            a.try_grow(500).unwrap();
            let part = a.split(200);
            a.grow(10);
            drop(a);
            assert_eq!(budget.used_bytes(), 200);
            drop(part);
            assert_eq!(budget.used_bytes(), 0);
        }
    }

    #[test]
    fn a_refusal_names_the_largest_consumers() {
        let (budget, pool) = pool(100);
        let table = budget.consumer("table flights");
        table.try_grow(90).unwrap();
        let join = MemoryConsumer::new("HashJoinInput").register(&pool);
        let message = join.try_grow(50).unwrap_err().to_string();
        assert!(message.contains("HashJoinInput") && message.contains("table flights"), "{message}");
    }
}
