//! Tuples with delayed values in them, as arguments.

use super::arg::{Arg, DeferredArg, EncodeArg, Held, IntoArg, Literal, Parts};
use super::node::Needs;
use super::template::Template;
use crate::{TaskError, ValueRef};

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
