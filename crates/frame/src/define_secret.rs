//! CREATE SECRET, DROP SECRET and SHOW SECRETS: credentials for object stores.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use dolmen_storage::{NamedSecret, nearest};

use crate::catalog::IfTaken;
use crate::context::SqlContext;
use crate::error::{Error, Result};
use crate::sql::grammar::{CreateSecret, DropSecret};
use crate::sql::parse::normalized;
use crate::sql::relations::position;

impl SqlContext {
    /// Gives the session credentials, which it keeps in memory only.
    pub(crate) fn create_secret(&self, create: CreateSecret) -> Result<()> {
        let CreateSecret { or_replace, if_not_exists, name, kind, scope, entries } = create;
        for (key, value) in &entries {
            self.secrets().add_option(key, value);
        }
        let if_taken = IfTaken::from_clauses(if_not_exists, or_replace)?;
        let name = normalized(&name);
        let secret = NamedSecret::new(&kind, scope.as_deref(), &entries, self.stores.policy())?;
        let is_new = self.stores.put_secret(&name, secret, matches!(if_taken, IfTaken::Replace))?;
        if !is_new && matches!(if_taken, IfTaken::Fail) {
            return Err(Error::invalid(format!("secret \"{name}\" already exists; CREATE OR REPLACE replaces it")));
        }
        Ok(())
    }

    pub(crate) fn drop_secret(&self, drop: &DropSecret, text: &str) -> Result<()> {
        let name = normalized(&drop.name);
        if self.stores.drop_secret(&name) || drop.if_exists {
            return Ok(());
        }
        let known = self.stores.named_secrets();
        let hint = nearest(&name, known.iter().map(|secret| secret.name.as_str()))
            .map_or_else(String::new, |close| format!("; did you mean \"{close}\"?"));
        let message = format!("secret \"{name}\" does not exist{hint}");
        Err(Error::Invalid { message, position: position(text, drop.name.span), source: None })
    }

    /// A row for each secret, without its values.
    pub(crate) fn secret_rows(&self) -> Result<RecordBatch> {
        let secrets = self.stores.named_secrets();
        let column = |values: Vec<Option<String>>| Arc::new(StringArray::from(values)) as ArrayRef;
        let columns = [
            ("name", column(secrets.iter().map(|secret| Some(secret.name.clone())).collect()), false),
            ("type", column(secrets.iter().map(|secret| Some(secret.kind.to_owned())).collect()), false),
            ("scope", column(secrets.iter().map(|secret| secret.scope.clone()).collect()), true),
            ("keys", column(secrets.iter().map(|secret| Some(secret.keys.join(", "))).collect()), false),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| Error::internal(error.to_string()))
    }
}
