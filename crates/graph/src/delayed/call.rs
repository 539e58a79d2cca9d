//! Calls of functions whose types are known.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Delayed;
use super::function::{Args, Function, IntoArgs, Params, Refs, Values, WithContext};
use super::node::{Call, Kind, Needs, Node, ResultType};
use super::plain::{Codec, Plain};
use super::template::Template;
use crate::{TaskContext, TaskError, TaskOptions, TaskResult, ValueRef};

/// Makes `function`, which takes its arguments by value, callable later.
///
/// Arguments may be values, other delayed values, and collections of them; a vector in which only some elements are
/// delayed takes the others as [`Delayed::value`]. A value that several calls need is cloned for
/// each; a function that takes a [`Shared`](crate::Shared) or is [`delayed_ref`] reads it where it is.
///
/// Two calls with the same arguments are two tasks; a delayed value that is used twice is computed once.
///
/// ```
/// use dolmen_graph::{InlineExecutor, delayed};
///
/// fn inc(x: i64) -> i64 { x + 1 }
/// fn add(x: i64, y: i64) -> i64 { x + y }
///
/// let x = delayed(inc).call(1);
/// let y = delayed(inc).call(2);
/// let z = delayed(add).call((x, y));
/// assert_eq!(z.compute(&InlineExecutor::new())?, 5);
///
/// let total = delayed(|numbers: Vec<i64>| numbers.iter().sum::<i64>());
/// let numbers: Vec<_> = (0..10).map(|n| delayed(inc).call(n)).collect();
/// assert_eq!(total.call(numbers).compute(&InlineExecutor::new())?, 55);
/// # Ok::<(), dolmen_graph::ComputeError>(())
/// ```
pub fn delayed<F: Send + Sync + 'static>(function: F) -> DelayedFn<F, Values> {
    DelayedFn::new(function)
}

/// Makes `function`, which takes its arguments by reference, callable later. Nothing is cloned.
///
/// ```
/// use dolmen_graph::{Delayed, InlineExecutor, delayed_ref};
///
/// let data = Delayed::value(vec![1.0, 2.0, 3.0]);
/// let total = delayed_ref(|numbers: &Vec<f64>| numbers.iter().sum::<f64>());
/// assert_eq!(total.call(&data).compute(&InlineExecutor::new())?, 6.0);
/// # Ok::<(), dolmen_graph::ComputeError>(())
/// ```
pub fn delayed_ref<F: Send + Sync + 'static>(function: F) -> DelayedFn<F, Refs> {
    DelayedFn::new(function)
}

/// Makes `function`, whose first argument is the context of the task that runs it, callable later. It can compute delayed
/// values of its own on the executor that runs it.
///
/// ```
/// use dolmen_graph::{ComputeError, Delayed, InlineExecutor, TaskContext, compute, delayed_with_context};
///
/// fn fib(n: u64) -> Delayed<u64> {
///     delayed_with_context(|context: &TaskContext, n: u64| {
///         if n < 2 {
///             return Ok(n);
///         }
///         let (a, b) = compute(context, (fib(n - 1), fib(n - 2)))?;
///         Ok::<u64, ComputeError>(a + b)
///     })
///     .try_call(n)
/// }
///
/// assert_eq!(fib(8).compute(&InlineExecutor::new())?, 21);
/// # Ok::<(), ComputeError>(())
/// ```
pub fn delayed_with_context<F: Send + Sync + 'static>(function: F) -> DelayedFn<F, WithContext> {
    DelayedFn::new(function)
}

/// How calls of a function are named and run: the same for all kinds of functions.
macro_rules! settings {
    () => {
        /// With a name for errors and pictures; otherwise calls have the name of the function.
        #[must_use]
        pub fn named(mut self, name: &str) -> Self {
            self.label = name.into();
            self
        }

        /// With so many further attempts after errors that are [transient](TaskError::is_transient).
        #[must_use]
        pub fn retries(mut self, retries: u32) -> Self {
            self.options.get_or_insert_default().retries = retries;
            self
        }

        /// With a time that one attempt may take.
        #[must_use]
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.options.get_or_insert_default().timeout = Some(timeout);
            self
        }

        /// With a priority; higher ones start first.
        #[must_use]
        pub fn priority(mut self, priority: i32) -> Self {
            self.options.get_or_insert_default().priority = priority;
            self
        }
    };
}
pub(super) use settings;

/// A function that can be called later, and how its calls are run. Made by [`delayed`], [`delayed_ref`] and
/// [`delayed_with_context`].
pub struct DelayedFn<F, Mode> {
    function: Arc<F>,
    label: Arc<str>,
    options: Option<Box<TaskOptions>>,
    /// A `Measure<R>`, once the function was told what it gives back.
    measure: Option<Arc<dyn Any + Send + Sync>>,
    /// A `Codec<R>`.
    codec: Option<Arc<dyn Any + Send + Sync>>,
    mode: PhantomData<fn() -> Mode>,
}

/// What a result keeps on the heap.
type Measure<R> = Box<dyn Fn(&R) -> usize + Send + Sync>;

impl<F: Send + Sync + 'static, Mode> DelayedFn<F, Mode> {
    fn new(function: F) -> Self {
        Self {
            function: Arc::new(function),
            label: label_of(std::any::type_name::<F>()).into(),
            options: None,
            measure: None,
            codec: None,
            mode: PhantomData,
        }
    }

    settings!();

    /// With a way to say what a result of type `R` keeps on the heap, in bytes. Without it only strings and vectors of
    /// numbers or strings are measured, other types count as their own size.
    #[must_use]
    pub fn sized_by<R: 'static>(mut self, heap_bytes: impl Fn(&R) -> usize + Send + Sync + 'static) -> Self {
        let measure: Measure<R> = Box::new(heap_bytes);
        self.measure = Some(Arc::new(measure));
        self
    }

    /// With results of type `R` that may be written to disk when memory is short.
    #[must_use]
    pub fn spillable<R: Serialize + DeserializeOwned + 'static>(mut self) -> Self {
        self.codec = Some(Arc::new(Codec::<R>::new(Arc::clone(&self.label))));
        self
    }

    /// The delayed result of a call with `args`: a tuple of arguments, or the argument where there is one.
    ///
    /// # Panics
    /// If [`sized_by`](Self::sized_by) or [`spillable`](Self::spillable) was given another type than the function's result.
    pub fn call<P, M, X>(&self, args: X) -> Delayed<F::Output>
    where
        P: Params,
        F: Function<Mode, P>,
        X: IntoArgs<P, M>,
        Mode: 'static,
    {
        self.make(args, Needs::new(), Ok)
    }

    /// As [`call`](Self::call), for a call that will be made in one graph only, see
    /// [`Needs::is_single_use`](crate::Needs::is_single_use).
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn call_once<P, M, X>(&self, args: X) -> Delayed<F::Output>
    where
        P: Params,
        F: Function<Mode, P>,
        X: IntoArgs<P, M>,
        Mode: 'static,
    {
        self.make(args, Needs::for_single_use(), Ok)
    }

    /// As [`call`](Self::call), for a function that may fail: an error fails the task, and the delayed value is the result.
    ///
    /// An error that is a [`TaskError`] is kept, so that [`TaskError::transient`] asks for another attempt.
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn try_call<P, M, X, R, E>(&self, args: X) -> Delayed<R>
    where
        P: Params,
        F: Function<Mode, P, Output = Result<R, E>>,
        X: IntoArgs<P, M>,
        R: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        Mode: 'static,
    {
        self.make(args, Needs::new(), |result| result.map_err(task_error))
    }

    /// [`try_call`](Self::try_call) and [`call_once`](Self::call_once) together.
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn try_call_once<P, M, X, R, E>(&self, args: X) -> Delayed<R>
    where
        P: Params,
        F: Function<Mode, P, Output = Result<R, E>>,
        X: IntoArgs<P, M>,
        R: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        Mode: 'static,
    {
        self.make(args, Needs::for_single_use(), |result| result.map_err(task_error))
    }

    fn make<P, M, X, R>(&self, args: X, mut needs: Needs, finish: fn(F::Output) -> Result<R, TaskError>) -> Delayed<R>
    where
        P: Params,
        F: Function<Mode, P>,
        X: IntoArgs<P, M>,
        R: Send + Sync + 'static,
        Mode: 'static,
    {
        let call = TypedCall {
            function: Arc::clone(&self.function),
            args: args.into_args(&mut needs),
            finish,
            measure: self.measure.as_ref().map(|measure| of_type::<Measure<R>, R>(measure)),
            codec: self.codec.as_ref().map(|codec| of_type::<Codec<R>, R>(codec)),
            mode: PhantomData,
        };
        let mut node =
            Node::new(Arc::clone(&self.label), Kind::Call(Box::new(call)), needs.into_nodes(), ResultType::of::<R>());
        node.options.clone_from(&self.options);
        Delayed::from_node(Arc::new(node))
    }
}

impl<F, Mode> std::fmt::Debug for DelayedFn<F, Mode> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "delayed {}", self.label)
    }
}

fn of_type<C: Send + Sync + 'static, R>(known: &Arc<dyn Any + Send + Sync>) -> Arc<C> {
    let Ok(known) = Arc::clone(known).downcast() else {
        panic!("sized_by and spillable were given another type than the result, {}", std::any::type_name::<R>());
    };
    known
}

/// A function with arguments, all types known.
pub(super) struct TypedCall<F, Mode, P, A, R>
where
    P: Params,
    F: Function<Mode, P>,
{
    pub(super) function: Arc<F>,
    pub(super) args: A,
    pub(super) finish: fn(F::Output) -> Result<R, TaskError>,
    pub(super) measure: Option<Arc<Measure<R>>>,
    pub(super) codec: Option<Arc<Codec<R>>>,
    pub(super) mode: PhantomData<fn() -> (Mode, P)>,
}

impl<F, Mode, P, A, R> Call for TypedCall<F, Mode, P, A, R>
where
    F: Function<Mode, P>,
    P: Params,
    A: Args<P>,
    R: Send + Sync + 'static,
{
    fn run(&self, inputs: &[ValueRef], context: &TaskContext) -> TaskResult {
        let result = (self.finish)(self.function.run(self.args.get(inputs)?, context))?;
        let plain = match &self.measure {
            None => Plain::new(result),
            Some(measure) => {
                let heap_bytes = measure(&result);
                Plain::with_size(result, heap_bytes)
            }
        };
        Ok(match &self.codec {
            None => Arc::new(plain),
            Some(codec) => Arc::new(plain.with_codec(Arc::clone(codec))),
        })
    }

    fn remote(&self) -> Option<(&str, Template)> {
        None
    }
}

/// The error of a function as that of its task.
pub(super) fn task_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TaskError {
    match error.into().downcast::<TaskError>() {
        Ok(error) => *error,
        Err(error) => TaskError::failed(error),
    }
}

/// What people call the Rust function behind the name of its type: `inc`, `closure in main`.
fn label_of(type_name: &str) -> String {
    let path = type_name.split('<').next().unwrap_or(type_name);
    let mut names = path.rsplit("::");
    let is_closure = path.ends_with("{{closure}}");
    let name = names.find(|name| *name != "{{closure}}").unwrap_or("function");
    if is_closure { format!("closure in {name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::label_of;

    #[test]
    fn labels_are_the_names_that_people_gave() {
        assert_eq!(label_of("seeds::delayed::inc"), "inc");
        assert_eq!(label_of("seeds::scale<alloc::vec::Vec<f64>>"), "scale");
        assert_eq!(label_of("seeds::main::{{closure}}"), "closure in main");
        assert_eq!(label_of("seeds::main::{{closure}}::{{closure}}"), "closure in main");
    }
}
