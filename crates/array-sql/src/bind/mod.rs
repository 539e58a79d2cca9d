//! Trees to arrays: names are looked up, functions are called, literals are computed.

mod call;
mod functions;
mod literal;
mod options;
mod subscript;
mod time;
mod value;

use dolmen_array::{Array, Index, RandomGenerator};
use dolmen_kernels::{DType, Op, WeakScalar};
use num_complex::Complex;

use self::call::{Call, Given};
use self::functions::{Body, function, function_names};
use self::value::Value;
use crate::error::nearest;
use crate::parse::ast::{Argument, BinaryOp, Entry, Expr, ExprKind, Ident, UnaryOp};
use crate::statement::array_name;
use crate::{ArrayName, ArraySqlError, Expression, Result, Span};

pub use self::options::chunks_option;

/// What an expression may refer to.
pub struct Environment<'a> {
    /// The array of a name.
    pub array: &'a dyn Fn(&ArrayName) -> Option<Array>,
    /// The names of arrays, for those who misspell one.
    pub names: &'a dyn Fn() -> Vec<String>,
    /// The arrays of the queries that [`queries`] tells of, in that order.
    pub queries: &'a [Array],
    /// The seed of random numbers that have none of their own.
    pub seed: u64,
    /// How many bytes blocks have where they can be chosen, see [`Array::with_block_bytes`].
    pub block_bytes: usize,
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("queries", &self.queries.len())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// What an expression stands for.
#[derive(Debug, Clone)]
pub enum Bound {
    /// One array.
    Array(Array),
    /// The results of a function that has several.
    Several {
        /// The function.
        function: &'static str,
        /// Its results.
        arrays: Vec<Array>,
    },
}

/// The array, or arrays, that an expression describes. Nothing is computed.
///
/// # Errors
/// Names, functions and keywords that are not known; values of the wrong kind; what the array engine knows to be wrong
/// before it computes anything.
pub fn bind(expression: &Expression, environment: &Environment<'_>) -> Result<Bound> {
    match Binder::new(expression, environment).value(&expression.expr)? {
        Value::Results { function, arrays } => Ok(Bound::Several { function, arrays }),
        value => value.into_array("the expression", expression.expr.span).map(Bound::Array),
    }
}

/// The one array that an expression describes. Nothing is computed.
///
/// # Errors
/// As [`bind`], and [`ArraySqlError::Value`] for the results of a function that has several.
pub fn bind_array(expression: &Expression, environment: &Environment<'_>) -> Result<Array> {
    let value = Binder::new(expression, environment).value(&expression.expr)?;
    value.into_array("the expression", expression.expr.span)
}

/// The queries within an expression, `array(SELECT ...)`, as parts of the statement's text. Whoever binds the expression has
/// to say what they give.
#[must_use]
pub fn queries(expression: &Expression) -> Vec<Span> {
    let mut found = Vec::new();
    let mut open = vec![&expression.expr];
    while let Some(expr) = open.pop() {
        if let ExprKind::Query(span) = expr.kind {
            found.push(span);
        }
        open.extend(children(expr));
    }
    found.sort_unstable_by_key(|span| span.start);
    found
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::List(items) => items.iter().collect(),
        ExprKind::Unary { operand, .. } => vec![operand],
        ExprKind::Binary { left, right, .. } => vec![left, right],
        ExprKind::Call { arguments, .. } => arguments.iter().map(|argument| &argument.value).collect(),
        ExprKind::Method { receiver, arguments, .. } => {
            [receiver.as_ref()].into_iter().chain(arguments.iter().map(|argument| &argument.value)).collect()
        }
        ExprKind::Attribute { receiver, .. } => vec![receiver],
        ExprKind::Subscript { base, entries } => {
            let parts = entries.iter().flat_map(|entry| match entry {
                Entry::Index(index) => vec![Some(index)],
                Entry::Slice { start, stop, step } => vec![start.as_ref(), stop.as_ref(), step.as_ref()],
                Entry::Ellipsis | Entry::NewAxis => Vec::new(),
            });
            [base.as_ref()].into_iter().chain(parts.flatten()).collect()
        }
        _ => Vec::new(),
    }
}

struct Binder<'a> {
    environment: &'a Environment<'a>,
    queries: Vec<Span>,
    random: RandomGenerator,
}

impl<'a> Binder<'a> {
    fn new(expression: &Expression, environment: &'a Environment<'a>) -> Self {
        Self { environment, queries: queries(expression), random: RandomGenerator::new(environment.seed) }
    }

    fn value(&self, expr: &Expr) -> Result<Value> {
        Ok(match self.described(expr)? {
            Value::Array(array) => Value::Array(array.with_block_bytes(self.environment.block_bytes)),
            Value::Results { function, arrays } => {
                let arrays = arrays.into_iter().map(|array| array.with_block_bytes(self.environment.block_bytes));
                Value::Results { function, arrays: arrays.collect() }
            }
            other => other,
        })
    }

    #[recursive::recursive]
    fn described(&self, expr: &Expr) -> Result<Value> {
        Ok(match &expr.kind {
            ExprKind::Null => Value::Null,
            ExprKind::Bool(value) => Value::Weak(WeakScalar::Bool(*value)),
            ExprKind::Int(value) => Value::Weak(WeakScalar::Int(*value)),
            ExprKind::Float(value) => Value::float(*value),
            ExprKind::Imaginary(value) => Value::Weak(WeakScalar::Complex(Complex::new(0.0, *value))),
            ExprKind::Text(text) => Value::Text(text.clone()),
            ExprKind::List(items) => Value::List(items.iter().map(|item| self.value(item)).collect::<Result<_>>()?),
            ExprKind::Name(path) => return self.name(path),
            ExprKind::Query(span) => {
                let at = self.queries.iter().position(|query| query == span);
                let array = at.and_then(|at| self.environment.queries.get(at));
                let refused = || ArraySqlError::unsupported("a query in this expression", "name its result", expr.span);
                Value::Array(array.ok_or_else(refused)?.clone())
            }
            ExprKind::Unary { op, operand } => return self.unary(*op, operand, expr.span),
            ExprKind::Binary { op, op_span, left, right } => {
                let left = Given { value: self.value(left)?, span: left.span };
                let right = Given { value: self.value(right)?, span: right.span };
                return binary(*op, *op_span, left, right);
            }
            ExprKind::Call { function, arguments } => return self.call(function, arguments, expr.span),
            ExprKind::Method { receiver, method, arguments } => {
                let receiver = Given { value: self.value(receiver)?, span: receiver.span };
                return self.method(receiver, method, arguments, expr.span);
            }
            ExprKind::Attribute { receiver, name } => {
                // What is wrong with the receiver comes first.
                self.value(receiver)?;
                return Err(attribute("x", name));
            }
            ExprKind::Subscript { base, entries } => return self.subscript(base, entries, expr.span),
        })
    }

    /// An array, or a constant.
    fn name(&self, path: &[Ident]) -> Result<Value> {
        if let Some(array) = (path.len() <= 2).then(|| (self.environment.array)(&array_name(path))).flatten() {
            return Ok(Value::Array(array));
        }
        let [ident] = path else {
            let (last, rest) = (&path[path.len() - 1], &path[..path.len() - 1]);
            return match (self.environment.array)(&array_name(rest)) {
                Some(_) => Err(attribute(&rest[rest.len() - 1].value, last)),
                None => Err(self.unknown_name(path)),
            };
        };
        let constant = match ident.value.as_str() {
            _ if ident.quoted => None,
            "nan" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "pi" => Some(std::f64::consts::PI),
            "e" => Some(std::f64::consts::E),
            "euler_gamma" => Some(0.577_215_664_901_532_9),
            _ => None,
        };
        constant.map(Value::float).ok_or_else(|| self.unknown_name(path))
    }

    fn unknown_name(&self, path: &[Ident]) -> ArraySqlError {
        let name = written(path);
        let span = path[0].span.to(path[path.len() - 1].span);
        if name.parse::<DType>().is_ok() {
            return ArraySqlError::value(format!("dtypes are written in quotes: '{name}'"), span);
        }
        if function(&name).is_some() {
            return ArraySqlError::value(format!("{name} is a function: call it as {name}(...)"), span);
        }
        let names = (self.environment.names)();
        ArraySqlError::UnknownName { suggestion: nearest(&name, names.iter().map(String::as_str)), name, span }
    }

    fn unary(&self, op: UnaryOp, operand: &Expr, span: Span) -> Result<Value> {
        let value = self.value(operand)?;
        if let Value::Weak(weak) = value {
            return literal::unary(op, weak).map(Value::Weak).map_err(|problem| ArraySqlError::value(problem, span));
        }
        let (op, symbol) = match op {
            UnaryOp::Plus => (Op::Positive, "+"),
            UnaryOp::Minus => (Op::Negative, "-"),
            UnaryOp::Invert => (Op::Invert, "~"),
            UnaryOp::Not => (Op::LogicalNot, "NOT"),
        };
        let arg = value.into_arg(&format!("the operand of {symbol}"), operand.span)?;
        Array::apply(op, &[arg]).map(Value::Array).map_err(|error| ArraySqlError::array(error, span))
    }

    fn call(&self, path: &[Ident], arguments: &[Argument], span: Span) -> Result<Value> {
        let name = written(path);
        let name_span = path[0].span.to(path[path.len() - 1].span);
        if let Some(function) = function(&name) {
            return self.run(function, None, arguments, span);
        }
        let (last, rest) = (&path[path.len() - 1], &path[..path.len() - 1]);
        // The ufunc's own function comes before an array of its name.
        if last.value == "outer"
            && let Some(ufunc) = function(&written(rest))
            && let Body::Elementwise(op) = ufunc.body
            && op.n_operands() == 2
        {
            return self.outer(op, arguments, span);
        }
        if !rest.is_empty()
            && let Ok(receiver) = self.name(rest)
        {
            return self.method(Given { value: receiver, span: rest[0].span }, last, arguments, span);
        }
        Err(unknown_function(name, name_span))
    }

    /// `x.sum(axis => 0)`, which is `sum(x, axis => 0)`.
    fn method(&self, receiver: Given, method: &Ident, arguments: &[Argument], span: Span) -> Result<Value> {
        match function(&method.value) {
            Some(function) => self.run(function, Some(receiver), arguments, span),
            None => Err(unknown_function(method.value.clone(), method.span)),
        }
    }

    fn run(
        &self,
        function: &'static functions::Function,
        receiver: Option<Given>,
        arguments: &[Argument],
        span: Span,
    ) -> Result<Value> {
        let (positional, keywords) = self.arguments(receiver, arguments)?;
        let call = Call::new(function, span, positional, keywords, &self.random, self.environment.block_bytes)?;
        functions::run(&call)
    }

    fn arguments(&self, receiver: Option<Given>, arguments: &[Argument]) -> Result<Arguments> {
        let mut positional: Vec<Given> = receiver.into_iter().collect();
        let mut keywords = Vec::new();
        for argument in arguments {
            let given = Given { value: self.value(&argument.value)?, span: argument.value.span };
            match &argument.keyword {
                Some(keyword) => keywords.push((keyword.clone(), given)),
                None => positional.push(given),
            }
        }
        Ok((positional, keywords))
    }

    /// `add.outer(x, y)`: the operation of every element of `x` with every element of `y`.
    fn outer(&self, op: Op, arguments: &[Argument], span: Span) -> Result<Value> {
        let (positional, keywords) = self.arguments(None, arguments)?;
        let ([x, y], []) = (positional.as_slice(), keywords.as_slice()) else {
            return Err(ArraySqlError::value(format!("{}.outer takes two arrays", op.name()), span));
        };
        let array = |given: &Given| given.value.clone().into_array("outer", given.span);
        let (x, y) = (array(x)?, array(y)?);
        let n = x.n_dims() as isize;
        let new: Vec<isize> = (n..n + y.n_dims() as isize).collect();
        let result = x.expand_dims(&new).and_then(|x| Array::apply(op, &[x.into(), y.into()]));
        result.map(Value::Array).map_err(|error| ArraySqlError::array(error, span))
    }

    fn subscript(&self, base: &Expr, entries: &[Entry], span: Span) -> Result<Value> {
        let value = self.value(base)?;
        if let Value::Results { function, arrays } = value {
            return self.result(function, &arrays, entries, span);
        }
        let array = match value {
            // A list of a few numbers, such as a shape, is picked from as it stands.
            Value::List(items) => {
                if let [Entry::Index(Expr { kind: ExprKind::Int(at), .. })] = entries {
                    let len = items.len() as i128;
                    let at = if *at < 0 { at + len } else { *at };
                    let item = usize::try_from(at).ok().and_then(|at| items.get(at));
                    let message = format!("the list has {len} items");
                    return item.cloned().ok_or_else(|| ArraySqlError::value(message, span));
                }
                Value::List(items).into_array("a subscript", base.span)?
            }
            other => other.into_array("a subscript", base.span)?,
        };
        let indices = entries.iter().map(|entry| self.entry(entry)).collect::<Result<Vec<_>>>()?;
        array.index(&indices).map(Value::Array).map_err(|error| ArraySqlError::array(error, span))
    }

    /// One of several results, by a literal.
    fn result(&self, function: &'static str, arrays: &[Array], entries: &[Entry], span: Span) -> Result<Value> {
        let n = arrays.len();
        let at = match entries {
            [Entry::Index(index)] => self.value(index)?.as_int(),
            _ => None,
        };
        let from_end = at.map(|at| if at < 0 { at + n as i128 } else { at });
        let array = from_end.and_then(|at| arrays.get(usize::try_from(at).ok()?));
        let message = || format!("{function} has {n} results; take one of them by a literal from 0 to {}", n - 1);
        array.map(|array| Value::Array(array.clone())).ok_or_else(|| ArraySqlError::value(message(), span))
    }

    fn entry(&self, entry: &Entry) -> Result<Index> {
        match entry {
            Entry::Ellipsis => Ok(Index::Ellipsis),
            Entry::NewAxis => Ok(Index::NewAxis),
            Entry::Index(index) => subscript::index_of(&self.value(index)?, index.span),
            Entry::Slice { start, stop, step } => {
                Ok(Index::slice(self.bound(start.as_ref())?, self.bound(stop.as_ref())?, self.bound(step.as_ref())?))
            }
        }
    }

    /// A bound of a slice. Beyond all lengths, they are all the same.
    fn bound(&self, bound: Option<&Expr>) -> Result<Option<isize>> {
        let Some(bound) = bound else { return Ok(None) };
        let value = self.value(bound)?;
        if matches!(value, Value::Null) {
            return Ok(None);
        }
        let (subject, found) = ("the bound of a slice".to_owned(), value.kind());
        let wrong = ArraySqlError::Kind { subject, expected: "an integer", found, span: bound.span };
        let value = value.as_int().ok_or(wrong)?;
        Ok(Some(isize::try_from(value).unwrap_or(if value < 0 { isize::MIN } else { isize::MAX })))
    }
}

/// What is given by position, and by name.
type Arguments = (Vec<Given>, Vec<(Ident, Given)>);

/// What an operator makes of two values.
fn binary(op: BinaryOp, op_span: Span, left: Given, right: Given) -> Result<Value> {
    let span = left.span.to(right.span);
    if let (Value::Weak(left), Value::Weak(right)) = (&left.value, &right.value) {
        let value = literal::binary(op, *left, *right);
        return value.map(Value::Weak).map_err(|problem| ArraySqlError::value(problem, span));
    }
    if let (Value::Text(text), _) | (_, Value::Text(text)) = (&left.value, &right.value) {
        let message = format!("a string is no operand of {}; a point in time is datetime64('{text}')", op.symbol());
        return Err(ArraySqlError::value(message, op_span));
    }
    let subject = format!("the operand of {}", op.symbol());
    let place = |error| ArraySqlError::array(error, span);
    if op == BinaryOp::MatMul {
        let (a, b) = (left.value.into_array(&subject, left.span)?, right.value.into_array(&subject, right.span)?);
        return a.matmul(&b).map(Value::Array).map_err(place);
    }
    let operands = [left.value.into_arg(&subject, left.span)?, right.value.into_arg(&subject, right.span)?];
    let op = match op {
        BinaryOp::Or => Op::LogicalOr,
        BinaryOp::And => Op::LogicalAnd,
        BinaryOp::Equal => Op::Equal,
        BinaryOp::NotEqual => Op::NotEqual,
        BinaryOp::Less => Op::Less,
        BinaryOp::LessEqual => Op::LessEqual,
        BinaryOp::Greater => Op::Greater,
        BinaryOp::GreaterEqual => Op::GreaterEqual,
        BinaryOp::BitOr => Op::BitwiseOr,
        BinaryOp::BitXor => Op::BitwiseXor,
        BinaryOp::BitAnd => Op::BitwiseAnd,
        BinaryOp::ShiftLeft => Op::LeftShift,
        BinaryOp::ShiftRight => Op::RightShift,
        BinaryOp::Add => Op::Add,
        BinaryOp::Subtract => Op::Subtract,
        BinaryOp::Multiply | BinaryOp::MatMul => Op::Multiply,
        BinaryOp::Divide => Op::TrueDivide,
        BinaryOp::FloorDivide => Op::FloorDivide,
        BinaryOp::Remainder => Op::Remainder,
        BinaryOp::Power => Op::Power,
    };
    Array::apply(op, &operands).map(Value::Array).map_err(place)
}

/// The error that an attribute is asked for, with what to write instead.
fn attribute(array: &str, name: &Ident) -> ArraySqlError {
    let remedy = match name.value.as_str() {
        "t" => format!("write transpose({array})"),
        "shape" | "dtype" | "chunks" | "ndim" | "size" | "nbytes" | "chunksize" | "numblocks" => {
            "DESCRIBE shows shape, dtype and chunks".to_owned()
        }
        other if function(other).is_some() => format!("write {other}({array})"),
        _ => "functions are written as f(x) or x.f()".to_owned(),
    };
    ArraySqlError::unsupported(format!("the attribute {}", name.value), remedy, name.span)
}

fn unknown_function(name: String, span: Span) -> ArraySqlError {
    // The name may be known in one of NumPy's modules: `norm` is `linalg.norm`.
    let in_module = function_names().find(|known| known.rsplit_once('.').is_some_and(|(_, last)| last == name));
    let suggestion = in_module.map(str::to_owned).or_else(|| nearest(&name, function_names()));
    ArraySqlError::UnknownFunction { name, suggestion, span }
}

/// A name as it was written.
fn written(path: &[Ident]) -> String {
    path.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".")
}
