//! CREATE MACRO, CREATE FUNCTION ... RETURN, and their DROP.

use std::sync::{Arc, PoisonError};

use datafusion::execution::SessionState;

use crate::catalog::IfTaken;
use crate::context::SqlContext;
use crate::error::{Error, Result};
use crate::sql::grammar::{CreateMacro, DropMacro};
use crate::sql::macros::Macros;
use crate::sql::parse::normalized;
use crate::sql::relations::position;

impl SqlContext {
    /// The macros as they are now.
    pub(crate) fn macros(&self) -> Arc<Macros> {
        Arc::clone(&self.macros.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Defines a macro. Statements under way keep those that they started with.
    pub(crate) fn create_macro(&self, create: CreateMacro, text: &str) -> Result<()> {
        let CreateMacro { tag: _, or_replace, if_not_exists, name, definition } = create;
        let definition = definition.map_err(|(message, span)| invalid(message, text, span))?;
        if is_function(&self.state(), definition.name()) {
            let message = format!("function \"{}\" is there already, and is no macro", definition.name());
            return Err(invalid(message, text, name.span));
        }
        let mut macros = self.macros.write().unwrap_or_else(PoisonError::into_inner);
        if macros.contains(definition.name()) {
            match IfTaken::from_clauses(if_not_exists, or_replace)? {
                IfTaken::Keep => return Ok(()),
                IfTaken::Replace => {}
                IfTaken::Fail => {
                    let message =
                        format!("macro \"{}\" already exists; CREATE OR REPLACE replaces it", definition.name());
                    return Err(invalid(message, text, name.span));
                }
            }
        }
        Arc::make_mut(&mut macros).insert(definition);
        Ok(())
    }

    /// Removes a macro.
    pub(crate) fn drop_macro(&self, drop: &DropMacro, text: &str) -> Result<()> {
        let name = normalized(&drop.name);
        let mut macros = self.macros.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::make_mut(&mut macros).remove(&name) || drop.if_exists {
            return Ok(());
        }
        let message = match is_function(&self.state(), &name) {
            true => format!("function \"{name}\" is no macro, and cannot be dropped"),
            false => {
                let hint = dolmen_storage::nearest(&name, macros.iter().map(|known| known.name()))
                    .map_or_else(String::new, |close| format!("; did you mean \"{close}\"?"));
                format!("macro \"{name}\" does not exist{hint}")
            }
        };
        Err(invalid(message, text, drop.name.span))
    }
}

fn invalid(message: String, text: &str, span: datafusion::sql::sqlparser::tokenizer::Span) -> Error {
    Error::Invalid { message, position: position(text, span), source: None }
}

fn is_function(state: &SessionState, name: &str) -> bool {
    state.scalar_functions().contains_key(name)
        || state.higher_order_functions().contains_key(name)
        || state.aggregate_functions().contains_key(name)
        || state.window_functions().contains_key(name)
}
