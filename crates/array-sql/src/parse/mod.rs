//! Text to tree.

pub(crate) mod ast;
mod expression;
mod lex;
mod stream;

pub(crate) use expression::expression;
pub(crate) use lex::Lexical;
pub(crate) use stream::Stream;
