//! Functions that other processes have too, by name.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Delayed;
use super::call::{TypedCall, settings, task_error};
use super::function::{Args, EncodeArgs, Function, IntoArgs, Params, Values};
use super::node::{Call, Kind, Needs, Node, ResultType};
use super::plain::{Codec, Plain};
use super::template::Template;
use crate::{OpRegistry, RegistryError, TaskContext, TaskError, TaskOptions, TaskResult, ValueRef};

/// A function in the registry, its types forgotten.
pub(crate) trait ErasedFunction: Send + Sync + fmt::Debug {
    fn name(&self) -> &str;

    /// Calls it with encoded arguments.
    fn call(&self, args: &[u8], context: &TaskContext) -> TaskResult;
}

/// A function that every process with the same registry has: calls of it can be sent away. Made by
/// [`OpRegistry::register_function`].
pub struct RegisteredFn<F, P, R>
where
    P: Params,
    F: Function<Values, P>,
{
    name: Arc<str>,
    label: Arc<str>,
    options: Option<Box<TaskOptions>>,
    function: Arc<F>,
    finish: fn(F::Output) -> Result<R, TaskError>,
    codec: Arc<Codec<R>>,
    params: PhantomData<fn(P)>,
}

impl<F, P, R> RegisteredFn<F, P, R>
where
    P: Params,
    F: Function<Values, P>,
    R: Send + Sync + 'static,
{
    settings!();

    /// The delayed result of a call with `args`, as [`DelayedFn::call`](crate::DelayedFn::call).
    pub fn call<M, X>(&self, args: X) -> Delayed<R>
    where
        X: IntoArgs<P, M>,
        X::Args: EncodeArgs,
    {
        self.make(args, Needs::new())
    }

    /// As [`call`](Self::call), for a call that will be made in one graph only, see
    /// [`Needs::is_single_use`](crate::Needs::is_single_use).
    pub fn call_once<M, X>(&self, args: X) -> Delayed<R>
    where
        X: IntoArgs<P, M>,
        X::Args: EncodeArgs,
    {
        self.make(args, Needs::for_single_use())
    }

    fn make<M, X>(&self, args: X, mut needs: Needs) -> Delayed<R>
    where
        X: IntoArgs<P, M>,
        X::Args: EncodeArgs,
    {
        let call = TypedCall {
            function: Arc::clone(&self.function),
            args: args.into_args(&mut needs),
            finish: self.finish,
            measure: None,
            codec: Some(Arc::clone(&self.codec)),
            mode: PhantomData,
        };
        let call = RegisteredCall { name: Arc::clone(&self.name), call };
        let (label, kind) = (Arc::clone(&self.label), Kind::Call(Box::new(call)));
        let mut node = Node::new(label, kind, needs.into_nodes(), ResultType::of::<R>());
        node.options.clone_from(&self.options);
        Delayed::from_node(Arc::new(node))
    }
}

/// A call that can be sent away.
struct RegisteredCall<F, P, A, R>
where
    P: Params,
    F: Function<Values, P>,
{
    /// The name of the function in the registry.
    name: Arc<str>,
    call: TypedCall<F, Values, P, A, R>,
}

impl<F, P, A, R> Call for RegisteredCall<F, P, A, R>
where
    F: Function<Values, P>,
    P: Params,
    A: Args<P> + EncodeArgs,
    R: Send + Sync + 'static,
{
    fn run(&self, inputs: &[ValueRef], context: &TaskContext) -> TaskResult {
        self.call.run(inputs, context)
    }

    fn remote(&self) -> Option<(&str, Template)> {
        let mut template = Template::default();
        self.call.args.write(&mut template);
        Some((&self.name, template))
    }
}

impl<F, P, R> Clone for RegisteredFn<F, P, R>
where
    P: Params,
    F: Function<Values, P>,
{
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            label: Arc::clone(&self.label),
            options: self.options.clone(),
            function: Arc::clone(&self.function),
            finish: self.finish,
            codec: Arc::clone(&self.codec),
            params: PhantomData,
        }
    }
}

impl<F, P, R> fmt::Debug for RegisteredFn<F, P, R>
where
    P: Params,
    F: Function<Values, P>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registered {}", self.name)
    }
}

impl<F, P, R> ErasedFunction for RegisteredFn<F, P, R>
where
    P: Params + DeserializeOwned,
    F: Function<Values, P>,
    R: Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, args: &[u8], context: &TaskContext) -> TaskResult {
        let args: P = postcard::from_bytes(args).map_err(TaskError::failed)?;
        let result = (self.finish)(self.function.run(args.held(), context))?;
        Ok(Arc::new(Plain::new(result).with_codec(Arc::clone(&self.codec))))
    }
}

impl OpRegistry {
    /// Registers a function under a name. Calls of it can be sent to any process that has registered it too, because its
    /// arguments and results can be written as bytes.
    ///
    /// ```
    /// use dolmen_graph::{InlineExecutor, OpRegistry, decode, encode};
    ///
    /// let mut registry = OpRegistry::new();
    /// let add = registry.register_function("add", |a: i64, b: i64| a + b)?;
    /// let sum = add.call((add.call((1, 2)), 3));
    /// let bytes = encode(sum.lower()?.graph(), &registry)?;
    /// let elsewhere = decode(&bytes, &registry)?;
    /// assert_eq!(elsewhere.n_tasks(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] if the name is taken.
    pub fn register_function<F, P>(
        &mut self,
        name: &str,
        function: F,
    ) -> Result<RegisteredFn<F, P, F::Output>, RegistryError>
    where
        P: Params + DeserializeOwned,
        F: Function<Values, P>,
        F::Output: Serialize + DeserializeOwned,
    {
        self.register(name, function, Ok)
    }

    /// As [`register_function`](Self::register_function), for a function that may fail: an error fails the task.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] if the name is taken.
    pub fn register_try_function<F, P, R, E>(
        &mut self,
        name: &str,
        function: F,
    ) -> Result<RegisteredFn<F, P, R>, RegistryError>
    where
        P: Params + DeserializeOwned,
        F: Function<Values, P, Output = Result<R, E>>,
        R: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.register(name, function, |result| result.map_err(task_error))
    }

    fn register<F, P, R>(
        &mut self,
        name: &str,
        function: F,
        finish: fn(F::Output) -> Result<R, TaskError>,
    ) -> Result<RegisteredFn<F, P, R>, RegistryError>
    where
        P: Params + DeserializeOwned,
        F: Function<Values, P>,
        R: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        // Results are found by the function that makes them, so that a type needs no name of its own.
        let codec = Arc::new(Codec::<R>::new(format!("result of {name}").into()));
        let registered = RegisteredFn {
            name: name.into(),
            label: name.into(),
            options: None,
            function: Arc::new(function),
            finish,
            codec: Arc::clone(&codec),
            params: PhantomData,
        };
        self.insert_function(name, Arc::new(registered.clone()))?;
        self.register_value(&format!("result of {name}"), move |bytes, _| codec.decode(bytes))?;
        Ok(registered)
    }
}
