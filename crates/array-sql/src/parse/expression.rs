//! Expressions with Python's operators, in Python's order.

use super::ast::{Argument, BinaryOp, Entry, Expr, ExprKind, Ident, UnaryOp};
use super::lex::Lexical;
use super::stream::Stream;
use crate::{ArraySqlError, Result, Span};

/// Takes one expression; what stands behind it is left to the caller.
///
/// # Errors
/// [`ArraySqlError::Syntax`] where it is none; [`ArraySqlError::Value`] if it is too deep.
pub(crate) fn expression(stream: &mut Stream<'_>) -> Result<Expr> {
    stream.nested(|stream| operators(stream, 0))
}

/// Operators that bind at least as tightly as `precedence_min`.
#[recursive::recursive]
fn operators(stream: &mut Stream<'_>, precedence_min: u8) -> Result<Expr> {
    let mut left = match unary_op(stream) {
        Some(UnaryOp::Not) if precedence_min > UnaryOp::Not.precedence() => {
            return Err(ArraySqlError::syntax("NOT needs brackets around it and its operand here", stream.span()));
        }
        Some(UnaryOp::Not) => unary(stream, UnaryOp::Not)?,
        _ => signed(stream)?,
    };
    let mut last_comparison = None;
    while let Some(op) = binary_op(stream).filter(|op| op.precedence() >= precedence_min) {
        if op.is_comparison() && last_comparison.replace(op).is_some() {
            let message = "comparisons do not chain; write (a < b) AND (b < c)";
            return Err(ArraySqlError::syntax(message, stream.span()));
        }
        let op_span = stream.advance().span;
        stream.count_operation()?;
        let right = operators(stream, op.precedence() + 1)?;
        let span = left.span.to(right.span);
        let kind = ExprKind::Binary { op, op_span, left: Box::new(left), right: Box::new(right) };
        left = Expr { kind, span };
    }
    Ok(left)
}

/// A sign or `~` before an operand, or a power: `-x ** -2` is `-(x ** (-2))`.
#[recursive::recursive]
fn signed(stream: &mut Stream<'_>) -> Result<Expr> {
    if let Some(op) = unary_op(stream).filter(|op| *op != UnaryOp::Not) {
        return unary(stream, op);
    }
    let base = postfix(stream)?;
    if !stream.is_at("**") {
        return Ok(base);
    }
    let op_span = stream.advance().span;
    stream.count_operation()?;
    let exponent = signed(stream)?;
    let span = base.span.to(exponent.span);
    let kind = ExprKind::Binary { op: BinaryOp::Power, op_span, left: Box::new(base), right: Box::new(exponent) };
    Ok(Expr { kind, span })
}

fn unary(stream: &mut Stream<'_>, op: UnaryOp) -> Result<Expr> {
    let start = stream.advance().span;
    let operand = match op {
        UnaryOp::Not => operators(stream, op.precedence())?,
        _ => signed(stream)?,
    };
    let span = start.to(operand.span);
    // A sign belongs to its number, so that a list of a thousand negative numbers is no deep expression.
    let kind = match (op, operand.kind) {
        (UnaryOp::Minus, ExprKind::Int(value)) => ExprKind::Int(-value),
        (UnaryOp::Minus, ExprKind::Float(value)) => ExprKind::Float(-value),
        (_, kind) => {
            stream.count_operation()?;
            ExprKind::Unary { op, operand: Box::new(Expr { kind, span: operand.span }) }
        }
    };
    Ok(Expr { kind, span })
}

fn unary_op(stream: &Stream<'_>) -> Option<UnaryOp> {
    match stream.peek() {
        Lexical::Symbol("+") => Some(UnaryOp::Plus),
        Lexical::Symbol("-") => Some(UnaryOp::Minus),
        Lexical::Symbol("~") => Some(UnaryOp::Invert),
        Lexical::Word(word) if !word.quoted && word.value == "not" => Some(UnaryOp::Not),
        _ => None,
    }
}

fn binary_op(stream: &Stream<'_>) -> Option<BinaryOp> {
    Some(match stream.peek() {
        Lexical::Word(word) if word.quoted => return None,
        Lexical::Word(word) => match word.value.as_str() {
            "or" => BinaryOp::Or,
            "and" => BinaryOp::And,
            _ => return None,
        },
        Lexical::Symbol(symbol) => match *symbol {
            "==" => BinaryOp::Equal,
            "!=" => BinaryOp::NotEqual,
            "<" => BinaryOp::Less,
            "<=" => BinaryOp::LessEqual,
            ">" => BinaryOp::Greater,
            ">=" => BinaryOp::GreaterEqual,
            "|" => BinaryOp::BitOr,
            "^" => BinaryOp::BitXor,
            "&" => BinaryOp::BitAnd,
            "<<" => BinaryOp::ShiftLeft,
            ">>" => BinaryOp::ShiftRight,
            "+" => BinaryOp::Add,
            "-" => BinaryOp::Subtract,
            "*" => BinaryOp::Multiply,
            "@" => BinaryOp::MatMul,
            "/" => BinaryOp::Divide,
            "//" => BinaryOp::FloorDivide,
            "%" => BinaryOp::Remainder,
            _ => return None,
        },
        _ => return None,
    })
}

/// An operand with what stands behind it: subscripts, calls of methods.
fn postfix(stream: &mut Stream<'_>) -> Result<Expr> {
    let mut base = primary(stream)?;
    loop {
        if stream.is_at("[") {
            stream.count_operation()?;
            let entries = stream.nested(subscript)?;
            let span = base.span.to(stream.last_span());
            base = Expr { kind: ExprKind::Subscript { base: Box::new(base), entries }, span };
        } else if stream.take(".") {
            stream.count_operation()?;
            let name = stream.expect_ident("the name of a function")?;
            let is_call = stream.is_at("(");
            let arguments = if is_call { stream.nested(arguments)? } else { Vec::new() };
            let span = base.span.to(stream.last_span());
            base = Expr { kind: member(base, name, is_call.then_some(arguments)), span };
        } else if stream.is_at("(") {
            let message = "only a function can be called; put an operator between the two";
            return Err(ArraySqlError::syntax(message, stream.span()));
        } else {
            return Ok(base);
        }
    }
}

/// `base.name` or `base.name(arguments)`. While there is nothing but names, it may be a name of several parts.
fn member(base: Expr, name: Ident, arguments: Option<Vec<Argument>>) -> ExprKind {
    match (base.kind, arguments) {
        (ExprKind::Name(mut path), Some(arguments)) => {
            path.push(name);
            ExprKind::Call { function: path, arguments }
        }
        (ExprKind::Name(mut path), None) => {
            path.push(name);
            ExprKind::Name(path)
        }
        (kind, Some(arguments)) => {
            let receiver = Box::new(Expr { kind, span: base.span });
            ExprKind::Method { receiver, method: name, arguments }
        }
        (kind, None) => ExprKind::Attribute { receiver: Box::new(Expr { kind, span: base.span }), name },
    }
}

fn primary(stream: &mut Stream<'_>) -> Result<Expr> {
    let span = stream.span();
    let kind = match stream.peek().clone() {
        Lexical::Int(value) => ExprKind::Int(value),
        Lexical::Float(value) => ExprKind::Float(value),
        Lexical::Imaginary(value) => ExprKind::Imaginary(value),
        Lexical::Text(text) => ExprKind::Text(text),
        Lexical::Word(word) => return named(stream, word),
        Lexical::Symbol("(") => {
            stream.advance();
            let inner = expression(stream)?;
            if stream.is_at(",") {
                let message = "a tuple is written as a list, in square brackets: [a, b]";
                return Err(ArraySqlError::syntax(message, stream.span()));
            }
            stream.expect(")")?;
            return Ok(Expr { span: span.to(stream.last_span()), ..inner });
        }
        Lexical::Symbol("[") => {
            stream.advance();
            let items = stream.nested(|stream| separated(stream, "]", |stream| operators(stream, 0)))?;
            return Ok(Expr { kind: ExprKind::List(items), span: span.to(stream.last_span()) });
        }
        _ => return Err(stream.expected("an expression")),
    };
    stream.advance();
    Ok(Expr { kind, span })
}

/// A word that begins an operand: a constant of the language, a call, or a name.
fn named(stream: &mut Stream<'_>, word: Ident) -> Result<Expr> {
    let span = word.span;
    if !word.quoted {
        let constant = match word.value.as_str() {
            "null" | "none" => Some(ExprKind::Null),
            "true" => Some(ExprKind::Bool(true)),
            "false" => Some(ExprKind::Bool(false)),
            // Words that end an expression, or stand between operands.
            "and" | "or" | "to" | "as" | "with" | "from" | "select" => return Err(stream.expected("an expression")),
            "newaxis" => {
                return Err(ArraySqlError::syntax("newaxis stands in subscripts only: x[:, newaxis]", span));
            }
            _ => None,
        };
        if let Some(kind) = constant {
            stream.advance();
            return Ok(Expr { kind, span });
        }
    }
    stream.advance();
    if !stream.is_at("(") {
        return Ok(Expr { kind: ExprKind::Name(vec![word]), span });
    }
    stream.count_operation()?;
    if !word.quoted && word.value == "array" && begins_query(stream.peek_second()) {
        return query(stream, span);
    }
    let arguments = stream.nested(arguments)?;
    let span = span.to(stream.last_span());
    Ok(Expr { kind: ExprKind::Call { function: vec![word], arguments }, span })
}

fn begins_query(lexeme: &Lexical) -> bool {
    let Lexical::Word(word) = lexeme else { return false };
    !word.quoted && matches!(word.value.as_str(), "select" | "with" | "values" | "from" | "table")
}

/// The query between brackets, whose text another parser reads.
fn query(stream: &mut Stream<'_>, start: Span) -> Result<Expr> {
    let from = stream.expect("(")?.end;
    let mut n_open = 1;
    loop {
        match stream.peek() {
            Lexical::Symbol("(") => n_open += 1,
            Lexical::Symbol(")") => n_open -= 1,
            Lexical::End => return Err(stream.expected("`)` behind the query")),
            _ => {}
        }
        let span = stream.advance().span;
        if n_open == 0 {
            let kind = ExprKind::Query(Span { start: from, end: span.start });
            return Ok(Expr { kind, span: start.to(span) });
        }
    }
}

/// `(x, axis => 0)`.
fn arguments(stream: &mut Stream<'_>) -> Result<Vec<Argument>> {
    stream.expect("(")?;
    let mut keyword_seen = false;
    separated(stream, ")", |stream| {
        let keyword = match (stream.peek(), stream.peek_second()) {
            (Lexical::Word(word), Lexical::Symbol("=>")) => Some(word.clone()),
            _ => None,
        };
        match &keyword {
            Some(_) => {
                stream.advance();
                stream.advance();
                keyword_seen = true;
            }
            None if keyword_seen => {
                let message = "an argument without a keyword stands behind one with a keyword";
                return Err(ArraySqlError::syntax(message, stream.span()));
            }
            None => {}
        }
        Ok(Argument { keyword, value: operators(stream, 0)? })
    })
}

/// Items up to `close`, with commas between; one may stand behind the last.
fn separated<T>(
    stream: &mut Stream<'_>,
    close: &str,
    mut item: impl FnMut(&mut Stream<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    while !stream.take(close) {
        items.push(item(stream)?);
        if !stream.take(",") && !stream.is_at(close) {
            return Err(stream.expected(&format!("`,` or `{close}`")));
        }
    }
    Ok(items)
}

/// `[1, ::2, ..., newaxis]`.
fn subscript(stream: &mut Stream<'_>) -> Result<Vec<Entry>> {
    stream.expect("[")?;
    let span = stream.span();
    let entries = separated(stream, "]", entry)?;
    if entries.is_empty() {
        return Err(ArraySqlError::syntax("a subscript needs an index, a slice or `...`", span));
    }
    Ok(entries)
}

fn entry(stream: &mut Stream<'_>) -> Result<Entry> {
    if stream.take("...") {
        return Ok(Entry::Ellipsis);
    }
    if stream.take_word("newaxis") {
        return Ok(Entry::NewAxis);
    }
    let start = bound(stream)?;
    if !stream.take(":") {
        return match start {
            Some(Expr { kind: ExprKind::Null, .. }) => Ok(Entry::NewAxis),
            Some(index) => Ok(Entry::Index(index)),
            None => Err(stream.expected("an index")),
        };
    }
    let stop = bound(stream)?;
    let step = if stream.take(":") { bound(stream)? } else { None };
    Ok(Entry::Slice { start, stop, step })
}

/// A bound of a slice, which may be left out.
fn bound(stream: &mut Stream<'_>) -> Result<Option<Expr>> {
    let is_absent = [":", ",", "]"].iter().any(|symbol| stream.is_at(symbol));
    if is_absent { Ok(None) } else { operators(stream, 0).map(Some) }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
