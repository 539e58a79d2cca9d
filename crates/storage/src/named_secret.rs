//! Credentials under names, which statements give and take back.

use std::collections::BTreeMap;

use crate::access::{AccessPolicy, ExternalAccess};
use crate::error::{LocationProblem, Result, StorageError};
use crate::location::{Location, PathBase, StoreKey, StoreKind};
use crate::secrets::Secrets;
use crate::suggest::nearest;

/// Credentials for the stores of one kind, or for one store.
#[derive(Clone)]
pub struct NamedSecret {
    kind: StoreKind,
    scope: Option<StoreKey>,
    /// By the keys that `object_store` uses.
    options: BTreeMap<String, String>,
    /// As they were given.
    keys: Vec<&'static str>,
}

/// What a secret shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// `s3`, `gcs` or `azure`.
    pub kind: &'static str,
    /// The one store that it is for, as a URL; `None` if it is for all of its kind.
    pub scope: Option<String>,
    /// What it holds, without the values.
    pub keys: Vec<&'static str>,
}

/// A key of a secret.
struct Key {
    name: &'static str,
    option: &'static str,
    /// Whether it decides where requests go, so that it is for sessions that may go anywhere.
    chooses_host: bool,
}

const fn key(name: &'static str, option: &'static str) -> Key {
    Key { name, option, chooses_host: false }
}

const fn host(name: &'static str, option: &'static str) -> Key {
    Key { name, option, chooses_host: true }
}

/// A closed list: whatever else a store can be told is for those who build the session.
const S3_KEYS: [Key; 6] = [
    key("key_id", "aws_access_key_id"),
    key("secret", "aws_secret_access_key"),
    key("session_token", "aws_session_token"),
    key("region", "aws_region"),
    host("endpoint", "aws_endpoint"),
    host("virtual_hosted_style", "aws_virtual_hosted_style_request"),
];
const GCS_KEYS: [Key; 1] = [key("service_account_key", "google_service_account_key")];
const AZURE_KEYS: [Key; 7] = [
    key("account_key", "azure_storage_account_key"),
    key("sas_token", "azure_storage_sas_token"),
    key("client_id", "azure_storage_client_id"),
    key("client_secret", "azure_storage_client_secret"),
    key("tenant_id", "azure_storage_tenant_id"),
    host("account_name", "azure_storage_account_name"),
    host("endpoint", "azure_storage_endpoint"),
];

const KINDS: [(&str, StoreKind, &[Key]); 3] =
    [("s3", StoreKind::S3, &S3_KEYS), ("gcs", StoreKind::Gcs, &GCS_KEYS), ("azure", StoreKind::Azure, &AZURE_KEYS)];

impl NamedSecret {
    /// A secret of the kind `kind` (`s3`, `gcs`, `azure`) from keys and values, for the store at `scope` (`s3://bucket`) or for all
    /// of its kind.
    ///
    /// | kind | keys |
    /// |---|---|
    /// | s3 | `key_id`, `secret`, `session_token`, `region`, `endpoint`, `virtual_hosted_style` |
    /// | gcs | `service_account_key` (its JSON) |
    /// | azure | `account_key`, `sas_token`, `client_id`, `client_secret`, `tenant_id`, `account_name`, `endpoint` |
    ///
    /// # Errors
    /// [`StorageError::InvalidSecret`] for an unknown kind or key, a key twice, none at all, or a key that decides where requests go
    /// in a session that may not go everywhere; [`StorageError::InvalidLocation`] for a scope that is no store.
    pub fn new(kind: &str, scope: Option<&str>, entries: &[(String, String)], policy: &AccessPolicy) -> Result<Self> {
        let invalid = |problem: String| StorageError::InvalidSecret { problem };
        let Some((kind_name, kind, known)) = KINDS.iter().find(|(name, ..)| kind.eq_ignore_ascii_case(name)) else {
            return Err(invalid(format!("there is no type `{kind}`; known are s3, gcs and azure")));
        };
        let mut secret = Self { kind: *kind, scope: None, options: BTreeMap::new(), keys: Vec::new() };
        for (name, value) in entries {
            let Some(key) = known.iter().find(|key| name.eq_ignore_ascii_case(key.name)) else {
                let names = || known.iter().map(|key| key.name);
                let hint = match nearest(&name.to_ascii_lowercase(), names()) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(invalid(format!("a secret of type {kind_name} has no key `{name}`; {hint}")));
            };
            if key.chooses_host && !matches!(policy.external_access(), ExternalAccess::All) {
                let problem = "decides where requests go, and this session may not go everywhere; whoever builds the session can set it";
                return Err(invalid(format!("`{}` {problem}", key.name)));
            }
            if secret.options.insert(key.option.to_owned(), value.clone()).is_some() {
                return Err(invalid(format!("`{}` stands there twice", key.name)));
            }
            secret.keys.push(key.name);
        }
        if secret.keys.is_empty() {
            return Err(invalid("it holds nothing".to_owned()));
        }
        if let Some(scope) = scope {
            let location = Location::parse_exact(scope, &PathBase::default())?;
            let store = location.store();
            if store.kind() != *kind {
                return Err(invalid(format!("`{location}` is no store of type {kind_name}")));
            }
            if location.path().is_none_or(|path| path.parts().next().is_some()) {
                let problem = LocationProblem::NotAStore;
                return Err(StorageError::InvalidLocation { location: location.to_string(), problem });
            }
            secret.scope = Some(store.clone());
        }
        Ok(secret)
    }

    /// The options that it stands for.
    pub(crate) fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    /// Whether it is for this store; a secret for one store comes before one for all.
    pub(crate) fn is_for(&self, store: &StoreKey) -> bool {
        self.kind == store.kind() && self.scope.as_ref().is_none_or(|scope| scope == store)
    }

    pub(crate) fn has_scope(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether both are for the same stores.
    pub(crate) fn rivals(&self, other: &Self) -> bool {
        self.kind == other.kind && self.scope == other.scope
    }

    pub(crate) fn add_to(&self, secrets: &Secrets) {
        for (key, value) in &self.options {
            secrets.add_option(key, value);
        }
    }

    pub(crate) fn info(&self, name: &str) -> SecretInfo {
        let kind = KINDS.iter().find(|(_, kind, _)| *kind == self.kind).map_or("", |(name, ..)| name);
        let scope = self.scope.as_ref().map(|store| store.url().as_str().trim_end_matches('/').to_owned());
        SecretInfo { name: name.to_owned(), kind, scope, keys: self.keys.clone() }
    }
}

/// Shows no values.
impl std::fmt::Debug for NamedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedSecret")
            .field("kind", &self.kind)
            .field("scope", &self.scope)
            .field("keys", &self.keys)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(kind: &str, scope: Option<&str>, pairs: &[(&str, &str)], access: ExternalAccess) -> Result<NamedSecret> {
        let entries: Vec<_> = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        NamedSecret::new(kind, scope, &entries, &AccessPolicy::new(access, false))
    }

    #[test]
    fn what_is_wrong_is_told_without_the_value() {
        let all = || ExternalAccess::All;
        for (kind, scope, pairs, expected) in [
            ("s4", None, &[("key_id", "hidden")][..], "known are s3, gcs and azure"),
            ("s3", None, &[("keyid", "hidden")][..], "did you mean `key_id`?"),
            ("s3", None, &[("frobnicate", "hidden")][..], "known are key_id, secret"),
            ("s3", None, &[("secret", "hidden"), ("SECRET", "hidden")][..], "twice"),
            ("s3", None, &[][..], "holds nothing"),
            ("s3", Some("gs://b"), &[("secret", "hidden")][..], "no store of type s3"),
            ("s3", Some("s3://b/folder"), &[("secret", "hidden")][..], "behind the bucket"),
        ] {
            let error = secret(kind, scope, pairs, all()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        }
        let shown = format!("{:?}", secret("S3", Some("s3://b/"), &[("Key_Id", "hidden")], all()).unwrap());
        assert!(shown.contains("key_id") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn a_session_with_roots_is_not_sent_elsewhere() {
        let roots = || ExternalAccess::roots(["s3://bucket/"]).unwrap();
        for (kind, key) in
            [("s3", "endpoint"), ("s3", "virtual_hosted_style"), ("azure", "endpoint"), ("azure", "account_name")]
        {
            let error = secret(kind, None, &[(key, "x")], roots()).unwrap_err().to_string();
            assert!(error.contains("may not go everywhere"), "{error}");
            assert!(secret(kind, None, &[(key, "x")], ExternalAccess::All).is_ok());
        }
        assert!(secret("s3", None, &[("key_id", "x"), ("secret", "y")], roots()).is_ok());
    }

    #[test]
    fn every_key_is_an_option() {
        for (_, _, keys) in KINDS {
            let options = keys.iter().map(|key| (key.option.to_owned(), "1".to_owned())).collect();
            crate::store_options::StoreOptions::new(&options, crate::Environment::default()).unwrap();
        }
    }
}
