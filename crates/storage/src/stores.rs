//! The stores of one session: built when first used, from options and environment, and guarded.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ClientConfigKey, ClientOptions, HeaderMap, HeaderValue, ObjectStore};
use tokio::runtime::Handle;
use url::Url;

use crate::access::{AccessPolicy, Operation};
use crate::atomic_output::AtomicOutput;
use crate::environment::Environment;
use crate::error::{LocationProblem, Result, StorageError};
use crate::guarded::{GuardedStore, redact_error};
use crate::held_output::HeldOutput;
use crate::http_connector::SessionConnector;
use crate::location::{Location, PathBase, StoreKey, StoreKind, UrlAccess};
use crate::named_secret::{NamedSecret, SecretInfo};
use crate::secrets::Secrets;
use crate::store_options::StoreOptions;

/// What a session's stores are made from.
#[derive(Clone, Default)]
pub struct StoresConfig {
    /// Where the session may go, and whether it may change anything.
    pub policy: AccessPolicy,
    /// Credentials and settings, by the keys that `object_store` uses: `aws_access_key_id`, `google_service_account`,
    /// `azure_storage_account_name`, ...; options of HTTP clients such as `timeout` have no prefix and are for all stores.
    /// They win over the environment.
    pub options: BTreeMap<String, String>,
    /// The environment variables to take credentials from; usually [`Environment::of_process`].
    pub environment: Environment,
    /// The runtime that network requests run on. Without one they run where they are awaited.
    pub io_runtime: Option<Handle>,
}

/// Shows neither options nor variables, which may be secret.
impl fmt::Debug for StoresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoresConfig").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A store that is ready for use, and the URL under which [`Stores::get`] finds it again.
#[derive(Debug, Clone)]
pub struct ResolvedStore {
    /// Scheme and authority; without secrets. Where the location's own URL grants access by a password or a signature,
    /// a made-up user name (`https://access-1@host/`) stands for that.
    pub url: Url,
    /// The store, guarded.
    pub store: Arc<dyn ObjectStore>,
}

/// The object stores of one session. There is no other way to a store, and every store that comes out of here asks the
/// session's [`AccessPolicy`] before each operation.
pub struct Stores {
    policy: Arc<AccessPolicy>,
    options: StoreOptions,
    secrets: Arc<Secrets>,
    io_runtime: Option<Handle>,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    stores: HashMap<Url, Arc<dyn ObjectStore>>,
    /// Of those, the ones that were built from options.
    built: HashMap<Url, StoreKey>,
    /// Credentials of statements, by name.
    named: BTreeMap<String, NamedSecret>,
    /// Which made-up URL stands for which store and access.
    accesses: HashMap<(StoreKey, UrlAccess), Url>,
    /// Outputs so far, to tell their made-up URLs apart.
    n_outputs: usize,
}

impl Opened {
    /// Stores that `secret` is for are built anew when they are used next.
    fn forget_built(&mut self, secret: &NamedSecret) {
        let Self { stores, built, .. } = self;
        built.retain(|url, store| {
            let keeps = !secret.is_for(store);
            if !keeps {
                stores.remove(url);
            }
            keeps
        });
    }
}

impl Stores {
    /// Checks the options; opens nothing yet.
    ///
    /// # Errors
    /// [`StorageError::UnknownOption`].
    pub fn new(config: StoresConfig) -> Result<Self> {
        let StoresConfig { policy, options, environment, io_runtime } = config;
        let options = StoreOptions::new(&options, environment)?;
        let secrets = Arc::new(Secrets::new());
        options.add_secrets(&secrets);
        Ok(Self { policy: Arc::new(policy), options, secrets, io_runtime, opened: Mutex::default() })
    }

    /// The rules that every operation is checked against.
    pub fn policy(&self) -> &AccessPolicy {
        &self.policy
    }

    /// The secrets of this session's options, environment and URLs.
    pub fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// The store of a location, opened if need be. Asks the policy first.
    ///
    /// # Errors
    /// [`StorageError::AccessDenied`]; [`StorageError::InvalidStore`] if options and environment do not make a store.
    pub fn resolve(&self, location: &Location) -> Result<ResolvedStore> {
        self.check(location, Operation::Read)?;
        let key = location.store();
        let Some(access) = location.access() else {
            return Ok(ResolvedStore { url: key.url().clone(), store: self.open(key, key.url(), None)? });
        };
        access.add_secrets(&self.secrets);
        let url = self.url_of_access(key, access)?;
        let store = self.open(key, &url, Some(access))?;
        Ok(ResolvedStore { url, store })
    }

    /// The store of a URL, of which only scheme and authority count: one from [`ResolvedStore::url`], or any other that
    /// names a store.
    ///
    /// # Errors
    /// [`StorageError::UnknownScheme`], [`StorageError::InvalidLocation`], [`StorageError::InvalidStore`].
    pub fn get(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let mut root = url.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        if let Some(store) = self.lock_opened().stores.get(&root) {
            return Ok(Arc::clone(store));
        }
        // Path and query are gone, so there is nothing in it that the policy could judge; the store itself does that.
        let location = Location::parse_exact(root.as_str(), &PathBase::default())?;
        if location.access().is_some() {
            let problem = LocationProblem::CredentialsInUrl;
            return Err(StorageError::InvalidLocation { location: location.to_string(), problem });
        }
        self.open(location.store(), location.store().url(), None)
    }

    /// Checks an operation on a location; for a pattern, on the folder that it searches.
    ///
    /// # Errors
    /// [`StorageError::AccessDenied`], [`StorageError::ReadOnly`].
    pub fn check(&self, location: &Location, operation: Operation) -> Result<()> {
        use crate::location::Target;
        let checked = match location.target() {
            Target::Path(path) => self.policy.check(location.store(), path, operation),
            Target::Glob { pattern, .. } => self.policy.check(location.store(), &pattern.base(), operation),
        };
        // The location as it was written says more to the user than the path it stands for.
        checked.map_err(|error| match error {
            StorageError::AccessDenied { allowed, .. } => {
                StorageError::AccessDenied { location: location.to_string(), allowed }
            }
            StorageError::ReadOnly { operation, .. } => {
                StorageError::ReadOnly { location: location.to_string(), operation }
            }
            other => other,
        })
    }

    /// Uses `store` for everything under the scheme and authority of `url`, guarded as any other: for stores that the
    /// embedding program brings.
    ///
    /// # Errors
    /// [`StorageError::UnknownScheme`], [`StorageError::InvalidLocation`].
    pub fn register(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Result<()> {
        let location = Location::parse_exact(url.as_str(), &PathBase::default())?;
        let guarded = self.guard(location.store(), store);
        let mut opened = self.lock_opened();
        opened.built.remove(location.store().url());
        opened.stores.insert(location.store().url().clone(), guarded);
        Ok(())
    }

    /// Uses the credentials of `secret` from now on, where it is for the store; they win over options and environment. `false`,
    /// and nothing changes, if the name is taken and is not to be replaced.
    ///
    /// # Errors
    /// [`StorageError::InvalidSecret`] if another one is for the same stores.
    pub fn put_secret(&self, name: &str, secret: NamedSecret, replace: bool) -> Result<bool> {
        secret.add_to(&self.secrets);
        let mut opened = self.lock_opened();
        if let Some((other, _)) = opened.named.iter().find(|(other, known)| *other != name && known.rivals(&secret)) {
            let problem = format!(
                "secret \"{other}\" is for the same stores; drop that one, or give this one a SCOPE 's3://bucket'"
            );
            return Err(StorageError::InvalidSecret { problem });
        }
        if opened.named.contains_key(name) && !replace {
            return Ok(false);
        }
        opened.forget_built(&secret);
        if let Some(before) = opened.named.insert(name.to_owned(), secret) {
            opened.forget_built(&before);
        }
        Ok(true)
    }

    /// Forgets a secret; `false` if there is none of this name.
    pub fn drop_secret(&self, name: &str) -> bool {
        let mut opened = self.lock_opened();
        let Some(secret) = opened.named.remove(name) else { return false };
        opened.forget_built(&secret);
        true
    }

    /// What secrets there are, by name.
    pub fn named_secrets(&self) -> Vec<SecretInfo> {
        self.lock_opened().named.iter().map(|(name, secret)| secret.info(name)).collect()
    }

    /// Begins a local file that appears all at once.
    ///
    /// # Errors
    /// [`StorageError::InvalidLocation`] if `location` is not one local path; as [`AtomicOutput::file`].
    pub fn atomic_file(&self, location: &Location) -> Result<AtomicOutput> {
        AtomicOutput::file(&require_local(location)?, &self.policy)
    }

    /// Begins a local folder of files that appears all at once.
    ///
    /// # Errors
    /// [`StorageError::InvalidLocation`] if `location` is not one local path; as [`AtomicOutput::folder`].
    pub fn atomic_folder(&self, location: &Location) -> Result<AtomicOutput> {
        AtomicOutput::folder(&require_local(location)?, &self.policy)
    }

    /// Begins objects in a remote store that appear when they are complete. Asks the policy first.
    ///
    /// # Errors
    /// [`StorageError::AccessDenied`], [`StorageError::ReadOnly`]; as [`resolve`](Self::resolve).
    pub fn held_output(self: &Arc<Self>, location: &Location) -> Result<HeldOutput> {
        self.check(location, Operation::Write)?;
        let ResolvedStore { mut url, store } = self.resolve(location)?;
        let n = {
            let mut opened = self.lock_opened();
            opened.n_outputs += 1;
            opened.n_outputs
        };
        // Fails only for URLs without a host, which those of remote stores always have.
        let _ = url.set_username(&format!("output-{n}"));
        Ok(HeldOutput::new(Arc::clone(self), url, store, self.io_runtime.clone()))
    }

    /// The runtime that network requests run on, if there is one of its own.
    pub(crate) fn io_runtime(&self) -> Option<&Handle> {
        self.io_runtime.as_ref()
    }

    pub(crate) fn add_output(&self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.lock_opened().stores.insert(url.clone(), store);
    }

    pub(crate) fn remove_output(&self, url: &Url) {
        self.lock_opened().stores.remove(url);
    }

    fn open(&self, key: &StoreKey, url: &Url, access: Option<&UrlAccess>) -> Result<Arc<dyn ObjectStore>> {
        let mut opened = self.lock_opened();
        if let Some(store) = opened.stores.get(url) {
            return Ok(Arc::clone(store));
        }
        // Building a store reads at most a key file, so the lock is held: two callers get the same store.
        let secrets = || opened.named.values().filter(|secret| secret.is_for(key));
        let secret = secrets().find(|secret| secret.has_scope()).or_else(|| secrets().next());
        let options =
            secret.map_or(Cow::Borrowed(&self.options), |secret| Cow::Owned(self.options.with(secret.options())));
        let built = self.build(key, access, &options).map_err(|source| StorageError::InvalidStore {
            store: key.to_string(),
            source: redact_error(source, &self.secrets),
        })?;
        let store = self.guard(key, built);
        opened.built.insert(url.clone(), key.clone());
        opened.stores.insert(url.clone(), Arc::clone(&store));
        Ok(store)
    }

    fn guard(&self, key: &StoreKey, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(GuardedStore::new(store, key.clone(), Arc::clone(&self.policy), Arc::clone(&self.secrets)))
    }

    /// The made-up URL for a store that is reached with what a location's own URL grants.
    fn url_of_access(&self, key: &StoreKey, access: &UrlAccess) -> Result<Url> {
        let mut opened = self.lock_opened();
        let n_known = opened.accesses.len();
        let url = opened.accesses.entry((key.clone(), access.clone())).or_insert_with(|| {
            let mut url = key.url().clone();
            // Fails only for URLs without a host, which http URLs always have.
            let _ = url.set_username(&format!("access-{}", n_known + 1));
            url
        });
        Ok(url.clone())
    }

    fn lock_opened(&self) -> MutexGuard<'_, Opened> {
        // Each map is valid after every statement, so a panic elsewhere leaves nothing half done.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build(
        &self,
        key: &StoreKey,
        access: Option<&UrlAccess>,
        options: &StoreOptions,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        Ok(match key.kind() {
            StoreKind::Local => Arc::new(LocalFileSystem::new()),
            StoreKind::S3 => Arc::new(self.build_s3(key, options)?),
            StoreKind::Gcs => Arc::new(self.build_gcs(key, options)?),
            StoreKind::Azure => Arc::new(self.build_azure(key, options)?),
            StoreKind::Http => Arc::new(self.build_http(key, access, options)?),
        })
    }

    fn build_s3(&self, key: &StoreKey, options: &StoreOptions) -> object_store::Result<impl ObjectStore + use<>> {
        let mut builder = AmazonS3Builder::new();
        if options.has_plain_http_endpoint(StoreKind::S3, is_s3_endpoint) {
            builder = builder.with_allow_http(true);
        }
        for (config, value) in options.settings::<AmazonS3ConfigKey>(StoreKind::S3) {
            builder = builder.with_config(config, value);
        }
        builder = builder.with_bucket_name(key.url().host_str().unwrap_or_default());
        builder.with_http_connector(self.connector()).build()
    }

    fn build_gcs(&self, key: &StoreKey, options: &StoreOptions) -> object_store::Result<impl ObjectStore + use<>> {
        let mut builder = GoogleCloudStorageBuilder::new();
        for (config, value) in options.settings::<GoogleConfigKey>(StoreKind::Gcs) {
            builder = builder.with_config(config, value);
        }
        builder = builder.with_bucket_name(key.url().host_str().unwrap_or_default());
        builder.with_http_connector(self.connector()).build()
    }

    fn build_azure(&self, key: &StoreKey, options: &StoreOptions) -> object_store::Result<impl ObjectStore + use<>> {
        let mut builder = MicrosoftAzureBuilder::new();
        let is_endpoint = |config: &AzureConfigKey| *config == AzureConfigKey::Endpoint;
        if options.has_plain_http_endpoint(StoreKind::Azure, is_endpoint) {
            builder = builder.with_allow_http(true);
        }
        for (config, value) in options.settings::<AzureConfigKey>(StoreKind::Azure) {
            builder = builder.with_config(config, value);
        }
        // The URL may name the account as well as the container, and wins.
        builder = builder.with_url(key.url().as_str());
        builder.with_http_connector(self.connector()).build()
    }

    fn build_http(
        &self,
        key: &StoreKey,
        access: Option<&UrlAccess>,
        options: &StoreOptions,
    ) -> object_store::Result<impl ObjectStore + use<>> {
        let mut base = key.url().clone();
        let mut client = ClientOptions::new().with_allow_http(base.scheme() == "http");
        for (config, value) in options.settings::<ClientConfigKey>(StoreKind::Http) {
            client = client.with_config(config, value);
        }
        if let Some(access) = access {
            // object_store appends paths to the base and keeps its query, which is where a signature stands.
            base.set_query(access.query.as_deref());
            if let Some(headers) = access.basic_auth() {
                client = client.with_default_headers(headers);
            }
        }
        let builder = HttpBuilder::new().with_url(base).with_client_options(client);
        builder.with_http_connector(self.connector()).build()
    }

    fn connector(&self) -> SessionConnector {
        SessionConnector::new(self.io_runtime.clone(), Arc::clone(&self.policy))
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened: Vec<String> = self.lock_opened().stores.keys().map(Url::to_string).collect();
        f.debug_struct("Stores").field("policy", &self.policy).field("opened", &opened).finish_non_exhaustive()
    }
}

impl UrlAccess {
    fn add_secrets(&self, secrets: &Secrets) {
        if let Some(password) = &self.password {
            secrets.add(password);
        } else if self.query.is_none() {
            // A user name without a password is usually a token.
            secrets.add(&self.user);
        }
        let pairs = self.query.iter().flat_map(|query| url::form_urlencoded::parse(query.as_bytes()));
        for (name, value) in pairs {
            secrets.add_option(&name, &value);
        }
    }

    /// The header that a web server reads user and password from.
    fn basic_auth(&self) -> Option<HeaderMap> {
        if self.user.is_empty() && self.password.is_none() {
            return None;
        }
        let pair = format!("{}:{}", self.user, self.password.as_deref().unwrap_or_default());
        let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, value)]))
    }
}

fn is_s3_endpoint(key: &AmazonS3ConfigKey) -> bool {
    matches!(key, AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint)
}

fn require_local(location: &Location) -> Result<std::path::PathBuf> {
    location.require_path()?;
    let not_local =
        || StorageError::InvalidLocation { location: location.to_string(), problem: LocationProblem::NotLocal };
    location.local_path().ok_or_else(not_local)
}
