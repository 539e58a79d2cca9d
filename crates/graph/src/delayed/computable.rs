//! What can be computed: delayed values and collections of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::Delayed;
use super::arg::{Arg, Needed};
use super::collections::{Elements, Entries, Maybe};
use super::node::Needs;

/// A delayed value, or a vector, map, tuple or option of delayed values, nested at will: what [`compute`](crate::compute)
/// takes.
pub trait Computable {
    /// The same with results in place of delayed values.
    type Output: 'static;
    /// What is kept until the results are there.
    type Arg: Arg<Self::Output>;

    /// Takes the collection apart, and notes the delayed values in it.
    fn into_parts(self, needs: &mut Needs) -> Self::Arg;
}

impl<T: Send + Sync + 'static> Computable for Delayed<T> {
    type Output = T;
    type Arg = Needed;

    fn into_parts(self, needs: &mut Needs) -> Needed {
        (&self).into_parts(needs)
    }
}

impl<T: Send + Sync + 'static> Computable for &Delayed<T> {
    type Output = T;
    type Arg = Needed;

    fn into_parts(self, needs: &mut Needs) -> Needed {
        Needed::new(needs.add(self.node()))
    }
}

impl<X: Computable<Output: Clone>> Computable for Vec<X> {
    type Output = Vec<X::Output>;
    type Arg = Elements<X::Arg>;

    fn into_parts(self, needs: &mut Needs) -> Self::Arg {
        Elements::new(self.into_iter().map(|element| element.into_parts(needs)).collect())
    }
}

impl<X: Computable<Output: Clone>> Computable for Option<X> {
    type Output = Option<X::Output>;
    type Arg = Maybe<X::Arg>;

    fn into_parts(self, needs: &mut Needs) -> Self::Arg {
        Maybe::new(self.map(|value| value.into_parts(needs)))
    }
}

impl<K, X, S> Computable for HashMap<K, X, S>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    X: Computable<Output: Clone>,
    S: BuildHasher + Default + 'static,
{
    type Output = HashMap<K, X::Output, S>;
    type Arg = Entries<K, X::Arg>;

    fn into_parts(self, needs: &mut Needs) -> Self::Arg {
        Entries::new(self.into_iter().map(|(key, value)| (key, value.into_parts(needs))).collect())
    }
}

impl<K, X> Computable for BTreeMap<K, X>
where
    K: Clone + Ord + Send + Sync + 'static,
    X: Computable<Output: Clone>,
{
    type Output = BTreeMap<K, X::Output>;
    type Arg = Entries<K, X::Arg>;

    fn into_parts(self, needs: &mut Needs) -> Self::Arg {
        Entries::new(self.into_iter().map(|(key, value)| (key, value.into_parts(needs))).collect())
    }
}

macro_rules! tuple {
    ($($x:ident)*) => {
        impl<$($x: Computable<Output: Clone>,)*> Computable for ($($x,)*) {
            type Output = ($($x::Output,)*);
            type Arg = ($($x::Arg,)*);

            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn into_parts(self, needs: &mut Needs) -> Self::Arg {
                let ($($x,)*) = self;
                ($($x.into_parts(needs),)*)
            }
        }
    };
}

tuple!(X0 X1);
tuple!(X0 X1 X2);
tuple!(X0 X1 X2 X3);
tuple!(X0 X1 X2 X3 X4);
tuple!(X0 X1 X2 X3 X4 X5);
tuple!(X0 X1 X2 X3 X4 X5 X6);
tuple!(X0 X1 X2 X3 X4 X5 X6 X7);
