//! Arrays in SQL: statements about arrays, the expressions in them, and results as text.
//!
//! ```text
//!  text --> parse_statement --> ArrayStatement --> bind --> Array --> (a session computes it) --> Block --> numpy_text
//!             |                    |                |                                                |       append_csv
//!             None: SQL's own      Expression       Environment: names, queries, seed                |       append_json
//!                                                                                     corner: only what is shown
//! ```
//!
//! ```
//! use dolmen_array::Array;
//! use dolmen_array_sql::{ArrayStatement, Environment, bind_array, parse_statement};
//! use dolmen_kernels::DType;
//!
//! let text = "ARRAY x.sum(axis => 0)[1:] / 2";
//! let Some(ArrayStatement::Show(expression)) = parse_statement(text)? else { panic!("not about arrays") };
//! let environment = Environment {
//!     array: &|name| (name.name == "x").then(|| Array::ones(&[4, 6], DType::F32, 2).expect("it fits")),
//!     names: &|| vec!["x".to_owned()],
//!     queries: &[],
//!     seed: 42,
//!     block_bytes: 128 << 20,
//! };
//! let array = bind_array(&expression, &environment)?;
//! assert_eq!((array.shape()?, array.dtype()), (vec![5], DType::F32));
//!
//! let Some(ArrayStatement::Show(misspelt)) = parse_statement("ARRAY sam(x)")? else { panic!("not about arrays") };
//! let error = bind_array(&misspelt, &environment).unwrap_err();
//! assert_eq!(error.to_string(), "unknown function sam, did you mean sum?");
//! assert_eq!(error.span().place("ARRAY sam(x)"), (1, 7, 3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - **Nothing is computed here**: statements become descriptions; what they give is shown by those who ran them.
//! - **Every error has a place** in the statement, and says what to write.
//! - **What an array shows is what is computed of it**: a large one asks for its corners alone.
//! - **A statement of SQL is left alone** after a look at its first words.

mod bind;
mod error;
mod parse;
mod print;
mod statement;
mod summary;

pub use bind::{Bound, Environment, bind, bind_array, chunks_option, queries};
pub use error::{ArraySqlError, Result, Span};
pub use print::{append_csv, append_json, corner, numpy_text, shown_positions};
pub use statement::{
    ArrayName, ArrayStatement, Definition, Expression, OnConflict, OptionValue, StatementOption, parse_expression,
    parse_statement,
};
pub use summary::{ArraySummary, summarize};
