//! What may be passed to a delayed function: values, delayed values, and collections of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
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
pub struct Literal<T>(T);

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

/// A vector with delayed values in it.
#[derive(Debug)]
pub struct Elements<A>(Vec<A>);

impl<A> Elements<A> {
    pub(super) fn new(elements: Vec<A>) -> Self {
        Self(elements)
    }
}

impl<T, M, X> IntoArg<Vec<T>, Of<M>> for Vec<X>
where
    T: Clone + 'static,
    X: DeferredArg<T, M>,
{
    type Arg = Elements<X::Arg>;

    fn into_arg(self, needs: &mut Needs) -> Self::Arg {
        Elements(self.into_iter().map(|element| element.into_arg(needs)).collect())
    }
}

impl<T: Clone + 'static, M, X: DeferredArg<T, M>> DeferredArg<Vec<T>, Of<M>> for Vec<X> {}

impl<T: Clone + 'static, A: Arg<T>> Arg<Vec<T>> for Elements<A> {
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, Vec<T>>, TaskError> {
        let elements = self.0.iter().map(|element| Ok(element.get(inputs)?.into_owned()));
        elements.collect::<Result<_, TaskError>>().map(Held::Owned)
    }
}

impl<A: EncodeArg> EncodeArg for Elements<A> {
    fn write(&self, template: &mut Template) {
        template.push(&self.0.len());
        self.0.iter().for_each(|element| element.write(template));
    }
}

/// An option with a delayed value in it.
#[derive(Debug)]
pub struct Maybe<A>(Option<A>);

impl<A> Maybe<A> {
    pub(super) fn new(value: Option<A>) -> Self {
        Self(value)
    }
}

impl<T, M, X> IntoArg<Option<T>, Of<M>> for Option<X>
where
    T: Clone + 'static,
    X: DeferredArg<T, M>,
{
    type Arg = Maybe<X::Arg>;

    fn into_arg(self, needs: &mut Needs) -> Self::Arg {
        Maybe(self.map(|value| value.into_arg(needs)))
    }
}

impl<T: Clone + 'static, M, X: DeferredArg<T, M>> DeferredArg<Option<T>, Of<M>> for Option<X> {}

impl<T: Clone + 'static, A: Arg<T>> Arg<Option<T>> for Maybe<A> {
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, Option<T>>, TaskError> {
        let value = self.0.as_ref().map(|value| Ok::<_, TaskError>(value.get(inputs)?.into_owned()));
        Ok(Held::Owned(value.transpose()?))
    }
}

impl<A: EncodeArg> EncodeArg for Maybe<A> {
    fn write(&self, template: &mut Template) {
        template.push(&u8::from(self.0.is_some()));
        if let Some(value) = &self.0 {
            value.write(template);
        }
    }
}

/// A map with delayed values in it; its keys are known.
#[derive(Debug)]
pub struct Entries<K, A>(Vec<(K, A)>);

impl<K, A> Entries<K, A> {
    pub(super) fn new(entries: Vec<(K, A)>) -> Self {
        Self(entries)
    }

    fn get<T, C>(&self, inputs: &[ValueRef]) -> Result<C, TaskError>
    where
        K: Clone,
        T: Clone + 'static,
        A: Arg<T>,
        C: FromIterator<(K, T)>,
    {
        self.0.iter().map(|(key, value)| Ok((key.clone(), value.get(inputs)?.into_owned()))).collect()
    }
}

impl<K: Serialize, A: EncodeArg> EncodeArg for Entries<K, A> {
    fn write(&self, template: &mut Template) {
        template.push(&self.0.len());
        for (key, value) in &self.0 {
            template.push(key);
            value.write(template);
        }
    }
}

impl<K, T, M, X, S> IntoArg<HashMap<K, T, S>, Of<M>> for HashMap<K, X, S>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + 'static,
    X: DeferredArg<T, M>,
    S: BuildHasher + Default + 'static,
{
    type Arg = Entries<K, X::Arg>;

    fn into_arg(self, needs: &mut Needs) -> Self::Arg {
        Entries(self.into_iter().map(|(key, value)| (key, value.into_arg(needs))).collect())
    }
}

impl<K, T, M, X, S> DeferredArg<HashMap<K, T, S>, Of<M>> for HashMap<K, X, S>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + 'static,
    X: DeferredArg<T, M>,
    S: BuildHasher + Default + 'static,
{
}

impl<K, T, A, S> Arg<HashMap<K, T, S>> for Entries<K, A>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + 'static,
    A: Arg<T>,
    S: BuildHasher + Default + 'static,
{
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, HashMap<K, T, S>>, TaskError> {
        Entries::get(self, inputs).map(Held::Owned)
    }
}

impl<K, T, M, X> IntoArg<BTreeMap<K, T>, Of<M>> for BTreeMap<K, X>
where
    K: Clone + Ord + Send + Sync + 'static,
    T: Clone + 'static,
    X: DeferredArg<T, M>,
{
    type Arg = Entries<K, X::Arg>;

    fn into_arg(self, needs: &mut Needs) -> Self::Arg {
        Entries(self.into_iter().map(|(key, value)| (key, value.into_arg(needs))).collect())
    }
}

impl<K, T, M, X> DeferredArg<BTreeMap<K, T>, Of<M>> for BTreeMap<K, X>
where
    K: Clone + Ord + Send + Sync + 'static,
    T: Clone + 'static,
    X: DeferredArg<T, M>,
{
}

impl<K, T, A> Arg<BTreeMap<K, T>> for Entries<K, A>
where
    K: Clone + Ord + Send + Sync + 'static,
    T: Clone + 'static,
    A: Arg<T>,
{
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, BTreeMap<K, T>>, TaskError> {
        Entries::get(self, inputs).map(Held::Owned)
    }
}

/// A tuple with a delayed value at `$n`, values before it and anything behind.
macro_rules! tuple {
    ($n:literal; [$($before:ident)*] $at:ident $at_x:ident $at_m:ident [$($after:ident $after_x:ident $after_m:ident)*]) => {
        impl<$($before,)* $at, $at_x, $at_m, $($after, $after_x, $after_m,)*>
            IntoArg<($($before,)* $at, $($after,)*), Parts<$n, ($at_m, $($after_m,)*)>>
            for ($($before,)* $at_x, $($after_x,)*)
        where
            $($before: Clone + Send + Sync + 'static,)*
            $at: Clone + 'static,
            $at_x: DeferredArg<$at, $at_m>,
            $($after: Clone + 'static, $after_x: IntoArg<$after, $after_m>,)*
        {
            type Arg = ($(Literal<$before>,)* $at_x::Arg, $($after_x::Arg,)*);

            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn into_arg(self, needs: &mut Needs) -> Self::Arg {
                let ($($before,)* $at, $($after,)*) = self;
                ($(Literal($before),)* $at.into_arg(needs), $($after.into_arg(needs),)*)
            }
        }

        impl<$($before,)* $at, $at_x, $at_m, $($after, $after_x, $after_m,)*>
            DeferredArg<($($before,)* $at, $($after,)*), Parts<$n, ($at_m, $($after_m,)*)>>
            for ($($before,)* $at_x, $($after_x,)*)
        where
            $($before: Clone + Send + Sync + 'static,)*
            $at: Clone + 'static,
            $at_x: DeferredArg<$at, $at_m>,
            $($after: Clone + 'static, $after_x: IntoArg<$after, $after_m>,)*
        {
        }
    };
}

/// Tuples of arguments that are kept, as one argument.
macro_rules! tuple_arg {
    ($($t:ident $a:ident)*) => {
        impl<$($t, $a,)*> Arg<($($t,)*)> for ($($a,)*)
        where
            $($t: Clone + 'static, $a: Arg<$t>,)*
        {
            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<Held<'a, ($($t,)*)>, TaskError> {
                let ($($a,)*) = self;
                Ok(Held::Owned(($($a.get(inputs)?.into_owned(),)*)))
            }
        }

        impl<$($a: EncodeArg,)*> EncodeArg for ($($a,)*) {
            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn write(&self, template: &mut Template) {
                let ($($a,)*) = self;
                $($a.write(template);)*
            }
        }
    };
}

tuple_arg!(T0 A0 T1 A1);
tuple_arg!(T0 A0 T1 A1 T2 A2);
tuple_arg!(T0 A0 T1 A1 T2 A2 T3 A3);
tuple_arg!(T0 A0 T1 A1 T2 A2 T3 A3 T4 A4);
tuple_arg!(T0 A0 T1 A1 T2 A2 T3 A3 T4 A4 T5 A5);
tuple_arg!(T0 A0 T1 A1 T2 A2 T3 A3 T4 A4 T5 A5 T6 A6);
tuple_arg!(T0 A0 T1 A1 T2 A2 T3 A3 T4 A4 T5 A5 T6 A6 T7 A7);
tuple!(0; [] T0 X0 M0 [T1 X1 M1]);
tuple!(1; [T0] T1 X1 M1 []);
tuple!(0; [] T0 X0 M0 [T1 X1 M1 T2 X2 M2]);
tuple!(1; [T0] T1 X1 M1 [T2 X2 M2]);
tuple!(2; [T0 T1] T2 X2 M2 []);
tuple!(0; [] T0 X0 M0 [T1 X1 M1 T2 X2 M2 T3 X3 M3]);
tuple!(1; [T0] T1 X1 M1 [T2 X2 M2 T3 X3 M3]);
tuple!(2; [T0 T1] T2 X2 M2 [T3 X3 M3]);
tuple!(3; [T0 T1 T2] T3 X3 M3 []);
