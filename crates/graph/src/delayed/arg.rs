//! What may be passed to a delayed function, and how it is kept until the call.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use super::Delayed;
use super::node::Needs;
use super::plain::{Plain, Shared};
use super::template::Template;
use crate::{TaskError, ValueRef};

/// Something that can be passed where a function takes a `T`: a `T`, a [`Delayed<T>`](Delayed), or a vector, map, tuple or
/// option with delayed values in it, nested at will.
///
/// A function that takes a [`Shared<T>`](Shared) takes a `Delayed<T>` too, and gets its value without a copy.
///
/// `M` tells the kinds apart; it is always inferred.
pub trait IntoArg<T: 'static, M> {
    /// What is kept until the call.
    type Arg: Arg<T>;

    /// Takes the argument apart, and notes the delayed values in it.
    fn into_arg(self, needs: &mut Needs) -> Self::Arg;
}

/// An [`IntoArg`] with a delayed value in it: what collections of arguments are made of.
pub trait DeferredArg<T: 'static, M>: IntoArg<T, M> {}

/// An argument that is kept until the call.
pub trait Arg<T: 'static>: Send + Sync + 'static {
    /// The argument, given the values of what the call needs.
    ///
    /// # Errors
    /// [`TaskError::InputMissing`] and [`TaskError::InputType`] if `inputs` are not these values.
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, T>, TaskError>;
}

/// An [`Arg`] that can be sent to another process.
pub trait EncodeArg {
    /// Writes the argument, with gaps for delayed values.
    fn write(&self, template: &mut Template);
}

/// An argument, borrowed where it exists and owned where it had to be put together.
#[derive(Debug)]
pub enum Held<'a, T> {
    /// As it was passed, or as a task made it.
    Borrowed(&'a T),
    /// Put together for the call.
    Owned(T),
}

impl<T> Held<'_, T> {
    /// The argument by reference.
    pub fn get(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }

    /// The argument by value.
    pub fn into_owned(self) -> T
    where
        T: Clone,
    {
        match self {
            Self::Borrowed(value) => value.clone(),
            Self::Owned(value) => value,
        }
    }
}

/// Marks [`IntoArg`] of values.
#[derive(Debug)]
pub struct ByValue;
/// Marks [`IntoArg`] of delayed values.
#[derive(Debug)]
pub struct ByDelayed;
/// Marks [`IntoArg`] of delayed values that are passed shared.
#[derive(Debug)]
pub struct ByShared;
/// Marks [`IntoArg`] of collections whose elements are marked `M`.
#[derive(Debug)]
pub struct Of<M>(PhantomData<M>);
/// Marks [`IntoArg`] of tuples whose first delayed part is at `N`.
#[derive(Debug)]
pub struct Parts<const N: usize, M>(PhantomData<M>);

/// A value that was passed as it is.
#[derive(Debug)]
pub struct Literal<T>(pub(super) T);

impl<T: Send + Sync + 'static> IntoArg<T, ByValue> for T {
    type Arg = Literal<T>;

    fn into_arg(self, _needs: &mut Needs) -> Literal<T> {
        Literal(self)
    }
}

impl<T: Send + Sync + 'static> Arg<T> for Literal<T> {
    fn get<'a>(&'a self, _inputs: &'a [ValueRef]) -> Result<Held<'a, T>, TaskError> {
        Ok(Held::Borrowed(&self.0))
    }
}

impl<T: Serialize> EncodeArg for Literal<T> {
    fn write(&self, template: &mut Template) {
        template.push(&self.0);
    }
}

/// The value of another task: its position among those that the call needs.
#[derive(Debug, Clone, Copy)]
pub struct Needed(u32);

impl Needed {
    pub(super) fn new(position: u32) -> Self {
        Self(position)
    }

    fn value(self, inputs: &[ValueRef]) -> Result<&ValueRef, TaskError> {
        let position = self.0 as usize;
        inputs.get(position).ok_or(TaskError::InputMissing { input_idx: 0, position })
    }

    fn wrong_type<T>(self, found: &ValueRef) -> TaskError {
        let (expected, found) = (std::any::type_name::<T>(), found.type_name());
        TaskError::InputType { input_idx: 0, position: self.0 as usize, expected, found }
    }
}

impl<T: Send + Sync + 'static> IntoArg<T, ByDelayed> for Delayed<T> {
    type Arg = Needed;

    fn into_arg(self, needs: &mut Needs) -> Needed {
        Needed(needs.add(self.node()))
    }
}

impl<T: Send + Sync + 'static> IntoArg<T, ByDelayed> for &Delayed<T> {
    type Arg = Needed;

    fn into_arg(self, needs: &mut Needs) -> Needed {
        Needed(needs.add(self.node()))
    }
}

impl<T: Send + Sync + 'static> DeferredArg<T, ByDelayed> for Delayed<T> {}
impl<T: Send + Sync + 'static> DeferredArg<T, ByDelayed> for &Delayed<T> {}

impl<T: Send + Sync + 'static> Arg<T> for Needed {
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, T>, TaskError> {
        let value = self.value(inputs)?;
        let plain = value.downcast_ref::<Plain<T>>().ok_or_else(|| self.wrong_type::<T>(value))?;
        Ok(Held::Borrowed(plain.get()))
    }
}

impl EncodeArg for Needed {
    fn write(&self, template: &mut Template) {
        template.push_gap(self.0);
    }
}

/// The value of another task, passed shared.
#[derive(Debug)]
pub struct NeededShared(Needed);

impl<T: Send + Sync + 'static> IntoArg<Shared<T>, ByShared> for Delayed<T> {
    type Arg = NeededShared;

    fn into_arg(self, needs: &mut Needs) -> NeededShared {
        NeededShared(Needed(needs.add(self.node())))
    }
}

impl<T: Send + Sync + 'static> IntoArg<Shared<T>, ByShared> for &Delayed<T> {
    type Arg = NeededShared;

    fn into_arg(self, needs: &mut Needs) -> NeededShared {
        NeededShared(Needed(needs.add(self.node())))
    }
}

impl<T: Send + Sync + 'static> DeferredArg<Shared<T>, ByShared> for Delayed<T> {}
impl<T: Send + Sync + 'static> DeferredArg<Shared<T>, ByShared> for &Delayed<T> {}

impl<T: Send + Sync + 'static> Arg<Shared<T>> for NeededShared {
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, Shared<T>>, TaskError> {
        let value = self.0.value(inputs)?;
        let plain = Arc::clone(value).downcast::<Plain<T>>();
        let plain = plain.map_err(|found| self.0.wrong_type::<T>(&found))?;
        Ok(Held::Owned(Shared::from_plain(plain)))
    }
}
