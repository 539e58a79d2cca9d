//! Functions of any number of arguments, and how they take them.

use super::arg::{Arg, EncodeArg, Held, IntoArg};
use super::node::Needs;
use super::template::Template;
use crate::{TaskContext, TaskError, ValueRef};

/// Marks functions that take their arguments by value.
#[derive(Debug)]
pub struct Values;
/// Marks functions that take their arguments by reference.
#[derive(Debug)]
pub struct Refs;
/// Marks functions that take the [`TaskContext`] and their arguments by value.
#[derive(Debug)]
pub struct WithContext;

/// The parameters of a function, as a tuple of their types.
pub trait Params: Sized + 'static {
    /// All arguments of one call.
    type Held<'a>;

    /// The arguments where all of them are known.
    fn held(&self) -> Self::Held<'_>;
}

/// A function that can be called later: any `Fn` of up to eight arguments that can be sent to a worker.
///
/// `Mode` says how it takes its arguments, `P` what they are.
pub trait Function<Mode, P: Params>: Send + Sync + 'static {
    /// What it gives back.
    type Output: Send + Sync + 'static;

    /// Calls it.
    fn run(&self, args: P::Held<'_>, context: &TaskContext) -> Self::Output;
}

/// What can be passed to a function with parameters `P`: a tuple of [arguments](IntoArg), or one argument alone.
///
/// `M` tells the kinds apart; it is always inferred.
pub trait IntoArgs<P: Params, M> {
    /// What is kept until the call.
    type Args: Args<P>;

    /// Takes the arguments apart, and notes the delayed values in them.
    fn into_args(self, needs: &mut Needs) -> Self::Args;
}

/// The arguments of a call that is yet to be made.
pub trait Args<P: Params>: Send + Sync + 'static {
    /// The arguments, given the values of what the call needs.
    ///
    /// # Errors
    /// [`TaskError::InputMissing`] and [`TaskError::InputType`] if `inputs` are not these values.
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<P::Held<'a>, TaskError>;
}

/// [`Args`] that can be sent to another process.
pub trait EncodeArgs {
    /// Writes the arguments, with gaps for delayed values.
    fn write(&self, template: &mut Template);
}

/// Marks [`IntoArgs`] of one argument that stands alone, not in a tuple.
#[derive(Debug)]
pub struct Alone<M>(std::marker::PhantomData<M>);

/// One argument that stands alone.
#[derive(Debug)]
pub struct One<A>(A);

impl<T: 'static, M, X: IntoArg<T, M>> IntoArgs<(T,), Alone<M>> for X {
    type Args = One<X::Arg>;

    fn into_args(self, needs: &mut Needs) -> Self::Args {
        One(self.into_arg(needs))
    }
}

impl<T: 'static, A: Arg<T>> Args<(T,)> for One<A> {
    fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<(Held<'a, T>,), TaskError> {
        Ok((self.0.get(inputs)?,))
    }
}

impl<A: EncodeArg> EncodeArgs for One<A> {
    fn write(&self, template: &mut Template) {
        self.0.write(template);
    }
}

macro_rules! arity {
    ($($t:ident $x:ident $m:ident)*) => {
        impl<$($t: 'static,)*> Params for ($($t,)*) {
            type Held<'a> = ($(Held<'a, $t>,)*);

            #[allow(non_snake_case, reason = "variables are named after their types")]
            #[allow(clippy::unused_unit, reason = "without parameters there is nothing to hold")]
            fn held(&self) -> Self::Held<'_> {
                let ($($t,)*) = self;
                ($(Held::Borrowed($t),)*)
            }
        }

        impl<F, R, $($t,)*> Function<Values, ($($t,)*)> for F
        where
            F: Fn($($t),*) -> R + Send + Sync + 'static,
            R: Send + Sync + 'static,
            $($t: Clone + 'static,)*
        {
            type Output = R;

            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn run(&self, args: ($(Held<'_, $t>,)*), _context: &TaskContext) -> R {
                let ($($t,)*) = args;
                self($($t.into_owned()),*)
            }
        }

        impl<F, R, $($t,)*> Function<Refs, ($($t,)*)> for F
        where
            F: Fn($(&$t),*) -> R + Send + Sync + 'static,
            R: Send + Sync + 'static,
            $($t: 'static,)*
        {
            type Output = R;

            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn run(&self, args: ($(Held<'_, $t>,)*), _context: &TaskContext) -> R {
                let ($($t,)*) = &args;
                self($($t.get()),*)
            }
        }

        impl<F, R, $($t,)*> Function<WithContext, ($($t,)*)> for F
        where
            F: Fn(&TaskContext, $($t),*) -> R + Send + Sync + 'static,
            R: Send + Sync + 'static,
            $($t: Clone + 'static,)*
        {
            type Output = R;

            #[allow(non_snake_case, reason = "variables are named after their types")]
            fn run(&self, args: ($(Held<'_, $t>,)*), context: &TaskContext) -> R {
                let ($($t,)*) = args;
                self(context, $($t.into_owned()),*)
            }
        }

        impl<$($t: 'static, $x: IntoArg<$t, $m>, $m,)*> IntoArgs<($($t,)*), ($($m,)*)> for ($($x,)*) {
            type Args = ($($x::Arg,)*);

            #[allow(non_snake_case, reason = "variables are named after their types")]
            #[allow(unused_variables, clippy::unused_unit, reason = "without parameters nothing is noted")]
            fn into_args(self, needs: &mut Needs) -> Self::Args {
                let ($($x,)*) = self;
                ($($x.into_arg(needs),)*)
            }
        }

        impl<$($t: 'static, $x: Arg<$t>,)*> Args<($($t,)*)> for ($($x,)*) {
            #[allow(non_snake_case, reason = "variables are named after their types")]
            #[allow(unused_variables, reason = "without parameters nothing is read")]
            fn get<'a>(&'a self, inputs: &'a [ValueRef]) -> Result<($(Held<'a, $t>,)*), TaskError> {
                let ($($x,)*) = self;
                Ok(($($x.get(inputs)?,)*))
            }
        }

        impl<$($x: EncodeArg,)*> EncodeArgs for ($($x,)*) {
            #[allow(non_snake_case, reason = "variables are named after their types")]
            #[allow(unused_variables, reason = "without parameters nothing is written")]
            fn write(&self, template: &mut Template) {
                let ($($x,)*) = self;
                $($x.write(template);)*
            }
        }
    };
}

arity!();
arity!(T0 X0 M0);
arity!(T0 X0 M0 T1 X1 M1);
arity!(T0 X0 M0 T1 X1 M1 T2 X2 M2);
arity!(T0 X0 M0 T1 X1 M1 T2 X2 M2 T3 X3 M3);
arity!(T0 X0 M0 T1 X1 M1 T2 X2 M2 T3 X3 M3 T4 X4 M4);
arity!(T0 X0 M0 T1 X1 M1 T2 X2 M2 T3 X3 M3 T4 X4 M4 T5 X5 M5);
arity!(T0 X0 M0 T1 X1 M1 T2 X2 M2 T3 X3 M3 T4 X4 M4 T5 X5 M5 T6 X6 M6);
arity!(T0 X0 M0 T1 X1 M1 T2 X2 M2 T3 X3 M3 T4 X4 M4 T5 X5 M5 T6 X6 M6 T7 X7 M7);
