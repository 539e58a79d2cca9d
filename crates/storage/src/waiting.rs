//! The two ways to wait: a future on the calling thread, and a thread for a call that blocks.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Wakes a thread that waits for a future.
struct Unpark {
    thread: Thread,
    /// Set by a wake that was not seen yet: something that the future calls may park the thread too, and take the wake.
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs `future` to its end on this thread, which only sleeps until it is woken.
///
/// Works on threads of an async runtime too: nothing else runs on this one meanwhile.
pub fn block_on<F: Future>(future: F) -> F::Output {
    // Within a task of tokio, its channels and handles would give way after some polls until the task does, which waits here.
    let mut future = pin!(tokio::task::unconstrained(future));
    let unpark = Arc::new(Unpark { thread: thread::current(), is_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !unpark.is_woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// Runs a call that blocks on a thread for such calls if there is a runtime that has them, else right here.
pub(crate) async fn unblock<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return call() };
    match runtime.spawn_blocking(call).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels; nobody waits for this any more then.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn waits_for_another_thread() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(receiver).unwrap(), 7);
    }

    #[test]
    fn a_task_around_it_does_not_have_to_give_way() {
        let (done, is_done) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let n_received = runtime.block_on(async {
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                (0..1000).for_each(|n| sender.send(n).unwrap());
                drop(sender);
                block_on(async {
                    let mut n_received = 0;
                    while receiver.recv().await.is_some() {
                        n_received += 1;
                    }
                    n_received
                })
            });
            done.send(n_received).unwrap();
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(60)), Ok(1000), "it waits for ever");
    }

    #[test]
    fn a_wake_is_not_lost_to_whatever_parks_within() {
        let mut n_polls = 0;
        block_on(std::future::poll_fn(|context| {
            n_polls += 1;
            if n_polls == 2 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            thread::park();
            Poll::Pending
        }));
        assert_eq!(n_polls, 2);
    }
}
