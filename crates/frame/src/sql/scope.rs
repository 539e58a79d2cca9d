//! What one statement sees: a snapshot of every relation it names, resolved once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::datasource::{TableType, ViewTable};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionState;
use dolmen_storage::Stores;

use crate::catalog::{Catalog, Name, Relation, View};
use crate::error::{Error, Result};
use crate::files::{self, FileRequest};
use crate::lower;
use crate::sql::macros::Macros;
use crate::sql::plan::plan_query;
use crate::statement::Caller;

/// The relations of one statement.
///
/// A stored table is its snapshot at the first use, the same one in every place of the statement and of the views it names.
/// A file is opened (its schema found) when its name is resolved, which is asynchronous and comes before planning.
#[derive(Clone)]
pub(crate) struct Scope {
    catalog: Arc<Catalog>,
    /// The session's state without this scope.
    base: Arc<SessionState>,
    stores: Arc<Stores>,
    macros: Arc<Macros>,
    /// `read_csv(...)` and its like, by the name that stands for the call in the statement.
    calls: Arc<RwLock<HashMap<String, FileRequest>>>,
    resolved: Arc<RwLock<HashMap<Name, Arc<dyn TableProvider>>>>,
    /// Views that are being planned, outermost first.
    expanding: Vec<Name>,
    caller: Caller,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("expanding", &self.expanding).finish_non_exhaustive()
    }
}

impl Scope {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        base: Arc<SessionState>,
        stores: Arc<Stores>,
        macros: Arc<Macros>,
        caller: Caller,
    ) -> Self {
        let (calls, resolved) = (Arc::default(), Arc::default());
        Self { catalog, base, stores, macros, calls, resolved, expanding: Vec::new(), caller }
    }

    /// The session's state with this scope as its catalog.
    pub(crate) fn state(&self) -> SessionState {
        let mut state = self.base.as_ref().clone();
        state.register_catalog_list(Arc::new(Catalogs(self.clone())));
        state.config_mut().set_extension(Arc::new(self.caller.cancellation.clone()));
        state.config_mut().set_extension(Arc::new(self.caller.watch.clone()));
        if self.caller.holds_worker {
            lower::take_no_worker(&mut state);
        }
        state.mark_start_execution();
        state
    }

    /// Who runs the statement.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The macros that the statement may call.
    pub(crate) fn macros(&self) -> &Macros {
        &self.macros
    }

    /// Lets `name` stand for a call of a reading function.
    pub(crate) fn add_call(&self, name: String, request: FileRequest) {
        self.calls.write().unwrap_or_else(PoisonError::into_inner).insert(name, request);
    }

    /// Names that a misspelt relation may have meant.
    pub(crate) fn names(&self) -> Vec<String> {
        self.catalog.all_names()
    }

    /// Every relation that the statement has named so far.
    pub(crate) fn resolved(&self) -> Vec<Arc<dyn TableProvider>> {
        self.resolved.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    async fn table(&self, name: Name) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(known) = self.resolved.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(provider) = self.resolve(&name).await? else { return Ok(None) };
        let mut resolved = self.resolved.write().unwrap_or_else(PoisonError::into_inner);
        // The first snapshot stays, should two places have resolved the name at the same time.
        Ok(Some(Arc::clone(resolved.entry(name).or_insert(provider))))
    }

    async fn resolve(&self, name: &Name) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.catalog.get(name) {
            Some(Relation::Stored(table)) => Ok(Some(table.snapshot())),
            Some(Relation::Foreign(provider)) => Ok(Some(provider)),
            Some(Relation::View(view)) => self.expand(name, &view).await.map(Some),
            None => {
                let call = self.calls.read().unwrap_or_else(PoisonError::into_inner).get(&name.table).cloned();
                let request = match call {
                    Some(request) => request,
                    None if files::looks_like_location(&name.table) => FileRequest::from_location(&name.table),
                    None => return Ok(None),
                };
                files::open(&self.base, &self.stores, &request).await.map(Some)
            }
        }
    }

    async fn expand(&self, name: &Name, view: &View) -> Result<Arc<dyn TableProvider>> {
        if self.expanding.contains(name) {
            return Err(Error::invalid(format!("view \"{name}\" is defined by itself; replace one of the views")));
        }
        let mut inner = self.clone();
        inner.expanding.push(name.clone());
        let plan = Box::pin(plan_query(&inner, &view.query))
            .await
            .map_err(|error| Error::invalid(format!("view \"{name}\" can no longer be read: {error}")))?;
        Ok(Arc::new(ViewTable::new(plan, Some(view.definition.clone()))))
    }
}

/// The scope as DataFusion's list of one catalog, which bears whatever name is asked for.
#[derive(Debug)]
struct Catalogs(Scope);

impl CatalogProviderList for Catalogs {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![self.default_name().to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == self.default_name()).then(|| Arc::new(Schemas(self.0.clone())) as Arc<dyn CatalogProvider>)
    }
}

impl Catalogs {
    fn default_name(&self) -> &str {
        &self.0.base.config_options().catalog.default_catalog
    }
}

#[derive(Debug)]
struct Schemas(Scope);

impl CatalogProvider for Schemas {
    fn schema_names(&self) -> Vec<String> {
        self.0.catalog.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.0
            .catalog
            .has_schema(name)
            .then(|| Arc::new(Relations { scope: self.0.clone(), schema: name.to_owned() }) as Arc<dyn SchemaProvider>)
    }
}

#[derive(Debug)]
struct Relations {
    scope: Scope,
    schema: String,
}

#[async_trait]
impl SchemaProvider for Relations {
    fn table_names(&self) -> Vec<String> {
        self.scope.catalog.relation_names(&self.schema)
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let name = Name { schema: self.schema.clone(), table: name.to_owned() };
        self.scope.table(name).await.map_err(|error| DataFusionError::External(Box::new(error)))
    }

    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        let name = Name { schema: self.schema.clone(), table: name.to_owned() };
        Ok(self.scope.catalog.get(&name).map(|relation| relation.table_type()))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.scope.catalog.get(&Name { schema: self.schema.clone(), table: name.to_owned() }).is_some()
    }
}
