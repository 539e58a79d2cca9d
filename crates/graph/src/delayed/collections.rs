//! Vectors, options and maps with delayed values in them, as arguments.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use serde::Serialize;

use super::arg::{Arg, DeferredArg, EncodeArg, Held, IntoArg, Of};
use super::node::Needs;
use super::template::Template;
use crate::{TaskError, ValueRef};

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
