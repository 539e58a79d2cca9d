//! The functions of expressions, as a table: name, parameters as NumPy has them, and what a call does.

mod along;
mod composed;
mod creation;
mod elementwise;
mod linalg;
mod random;
mod reduction;
mod search;
mod shape;

use std::sync::LazyLock;

use dolmen_array::Array;
use dolmen_kernels::{Op, Reduction};

use super::call::Call;
use super::value::Value;
use crate::Result;

/// A function of expressions.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The parameters in NumPy's order, `, ` between them: `name`, or `name=default` if it may be left out; `name|other` if
    /// it has two names; `*name` alone if it takes any number of arguments. What a default means is for the body to say.
    pub(super) signature: &'static str,
    pub(super) body: Body,
}

/// What a call does.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// An operation for each element, on as many arguments as it has operands.
    Elementwise(Op),
    /// A reduction over axes.
    Reduce(Reduction),
    /// Something of its own.
    Own(fn(&Call<'_>) -> Result<Value>),
}

/// A function that is something of its own.
const fn own(name: &'static str, signature: &'static str, body: fn(&Call<'_>) -> Result<Value>) -> Function {
    Function { name, signature, body: Body::Own(body) }
}

/// What an own function gives: one array.
fn one(array: Array) -> Result<Value> {
    Ok(Value::Array(array))
}

/// Other names of functions, most of them NumPy's.
const ALIASES: &[(&str, &str)] = &[
    ("abs", "absolute"),
    ("acos", "arccos"),
    ("acosh", "arccosh"),
    ("amax", "max"),
    ("amin", "min"),
    ("around", "round"),
    ("asarray", "array"),
    ("asin", "arcsin"),
    ("asinh", "arcsinh"),
    ("atan", "arctan"),
    ("atan2", "arctan2"),
    ("atanh", "arctanh"),
    ("bitwise_invert", "invert"),
    ("bitwise_left_shift", "left_shift"),
    ("bitwise_not", "invert"),
    ("bitwise_right_shift", "right_shift"),
    ("concat", "concatenate"),
    ("conj", "conjugate"),
    ("cumulative_prod", "cumprod"),
    ("cumulative_sum", "cumsum"),
    ("divide", "true_divide"),
    ("fix", "trunc"),
    ("isnull", "isnan"),
    ("linalg.matmul", "matmul"),
    ("linalg.outer", "outer"),
    ("linalg.tensordot", "tensordot"),
    ("mod", "remainder"),
    ("permute_dims", "transpose"),
    ("pow", "power"),
    ("random.rand", "random.random"),
    ("random.random_sample", "random.random"),
    ("random.sample", "random.random"),
];

/// All functions, sorted by name.
static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let mut functions: Vec<Function> = Vec::new();
    functions.extend(elementwise::functions());
    functions.extend(reduction::functions());
    functions.extend(creation::functions());
    functions.extend(shape::functions());
    functions.extend(linalg::functions());
    functions.extend(random::functions());
    functions.extend(composed::functions());
    functions.extend(along::functions());
    functions.extend(search::functions());
    functions.sort_by_key(|function| function.name);
    functions
});

/// The function of this name.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    let at = FUNCTIONS.binary_search_by_key(&name, |function| function.name).ok()?;
    Some(&FUNCTIONS[at])
}

/// The names of all functions, the other names of them included.
pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name).chain(ALIASES.iter().map(|(alias, _)| *alias))
}

/// What the call gives.
///
/// # Errors
/// Those of its arguments, and of the operation.
pub(super) fn run(call: &Call<'_>) -> Result<Value> {
    match call.function.body {
        Body::Elementwise(op) => elementwise::apply(call, op),
        Body::Reduce(reduction) => reduction::reduce(call, reduction),
        Body::Own(body) => body(call),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let mut names: Vec<&str> = function_names().collect();
        names.sort_unstable();
        let n_names = names.len();
        names.dedup();
        assert_eq!(names.len(), n_names);
        for (alias, name) in ALIASES {
            assert_eq!(function(alias).map(|function| function.name), Some(*name), "{alias}");
        }
    }

    #[test]
    fn every_function_is_documented() {
        let text = include_str!("../../../../../docs/arrays.md");
        let is_there = |function: &&Function| {
            let is_of_a_family =
                function.name.ends_with("_like") || function.name.parse::<dolmen_kernels::DType>().is_ok();
            is_of_a_family || text.contains(&format!("`{}`", function.name))
        };
        let is_own = |function: &&Function| !matches!(function.body, Body::Elementwise(_));
        let missing: Vec<&str> =
            FUNCTIONS.iter().filter(is_own).filter(|f| !is_there(f)).map(|function| function.name).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// The table beside Dask's functions names functions that there are, and has a reason for each that is missing.
    #[test]
    fn the_table_beside_dask_is_true() {
        let text = include_str!("../../../../../docs/dask-functions.md");
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        assert!(rows.len() > 300);
        for row in rows {
            let [_, here, reason] = row[..] else { panic!("{row:?}") };
            assert!(here.is_empty() != reason.is_empty(), "{row:?}");
            // What is a name alone is that of a function; anything else is written out.
            let is_name =
                |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c));
            if let Some(name) = here.strip_prefix('`').and_then(|here| here.strip_suffix('`')).filter(is_name) {
                assert!(function(name).is_some(), "{name}");
            }
        }
    }

    /// A body asks for its parameters by name, and a wrong name shows when it is called.
    #[test]
    fn every_function_is_called_by_a_golden_expression() {
        let expressions = include_str!("../../../tests/golden/expressions.json");
        let is_called = |function: &&Function| {
            let call = format!("{}(", function.name);
            let mut places = expressions.match_indices(&call).map(|(at, _)| expressions[..at].chars().next_back());
            places.any(|before| !before.is_some_and(|c| c.is_alphanumeric() || c == '_'))
        };
        let is_own = |function: &&Function| !matches!(function.body, Body::Elementwise(_));
        let missing: Vec<&str> = FUNCTIONS
            .iter()
            .filter(is_own)
            .filter(|function| !is_called(function))
            .map(|function| function.name)
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
