//! Which options and environment variables a store is built from.

use std::collections::BTreeMap;
use std::str::FromStr;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;

use crate::environment::Environment;
use crate::error::{Result, StorageError};
use crate::location::StoreKind;
use crate::secrets::Secrets;
use crate::suggest::nearest;

/// The usual keys, for "did you mean". Any spelling that `object_store` knows is accepted as long as it starts with
/// `aws_`, `google_` or `azure_`, or is an option of HTTP clients.
const USUAL_KEYS: [&str; 43] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_default_region",
    "aws_endpoint",
    "aws_endpoint_url",
    "aws_allow_http",
    "aws_skip_signature",
    "aws_virtual_hosted_style_request",
    "aws_request_payer",
    "aws_unsigned_payload",
    "aws_checksum_algorithm",
    "aws_conditional_put",
    "aws_copy_if_not_exists",
    "aws_server_side_encryption",
    "aws_sse_kms_key_id",
    "aws_web_identity_token_file",
    "aws_role_arn",
    "google_service_account",
    "google_service_account_key",
    "google_application_credentials",
    "google_skip_signature",
    "google_base_url",
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_sas_token",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_tenant_id",
    "azure_storage_token",
    "azure_storage_endpoint",
    "azure_storage_use_emulator",
    "azure_skip_signature",
    "azure_use_azure_cli",
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "timeout",
    "proxy_url",
    "proxy_excludes",
    "user_agent",
    "http1_only",
];

/// The options of a session, checked, and the environment below them.
#[derive(Clone, Default)]
pub(crate) struct StoreOptions {
    options: BTreeMap<String, String>,
    environment: Environment,
}

impl StoreOptions {
    /// Takes `options` (keys in any case) over `environment`.
    pub(crate) fn new(options: &BTreeMap<String, String>, environment: Environment) -> Result<Self> {
        let lower = options.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.clone()));
        let options: BTreeMap<_, _> = lower.collect();
        for key in options.keys() {
            check_key(key)?;
        }
        Ok(Self { options, environment })
    }

    /// These options with those of `secret` over them: credentials and endpoints are not mixed, as with the environment.
    pub(crate) fn with(&self, secret: &BTreeMap<String, String>) -> Self {
        let has = |group: fn(&str) -> bool| secret.keys().any(|key| group(key));
        let (has_credential, has_endpoint) = (has(is_credential), has(is_endpoint));
        let mut options = self.options.clone();
        options.retain(|key, _| !(has_credential && is_credential(key) || has_endpoint && is_endpoint(key)));
        options.extend(secret.clone());
        Self { options, environment: self.environment.clone() }
    }

    /// Tells `secrets` every secret value in here that a store could use.
    pub(crate) fn add_secrets(&self, secrets: &Secrets) {
        for (key, value) in &self.options {
            secrets.add_option(key, value);
        }
        let is_ours = |key: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| key.starts_with(prefix));
        for (key, value) in self.environment.iter().filter(|(key, _)| is_ours(key)) {
            secrets.add_option(key, value);
        }
    }

    /// The settings for stores of one kind, those of the environment first, so that options win when they are applied in
    /// order.
    ///
    /// Credentials and endpoints are not mixed: if the options hold any credential, or any endpoint, for this kind, those
    /// of the environment are left out. Else a session token of the environment would go with another key.
    pub(crate) fn settings<K: FromStr>(&self, kind: StoreKind) -> Vec<(K, String)> {
        let prefix = prefix_of(kind);
        let own = self.options.iter().filter(|(key, _)| is_for(key, prefix));
        let own: Vec<(&str, &str)> = own.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let has = |group: fn(&str) -> bool| own.iter().any(|(key, _)| group(key));
        let (has_credential, has_endpoint) = (has(is_credential), has(is_endpoint));
        let inherited = self.environment.iter().filter_map(|(key, value)| {
            let key = environment_key(key, prefix?)?;
            let is_overridden = (has_credential && is_credential(&key)) || (has_endpoint && is_endpoint(&key));
            (!is_overridden).then(|| (key, value.to_owned()))
        });
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        inherited.chain(own).filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect()
    }

    /// Whether the endpoint that applies to stores of this kind is plain HTTP, which must then be allowed.
    pub(crate) fn has_plain_http_endpoint<K: FromStr>(
        &self,
        kind: StoreKind,
        is_endpoint_key: impl Fn(&K) -> bool,
    ) -> bool {
        let settings = self.settings::<K>(kind);
        settings.iter().rfind(|(key, _)| is_endpoint_key(key)).is_some_and(|(_, url)| url.starts_with("http://"))
    }
}

fn check_key(key: &str) -> Result<()> {
    let is_known = match key.split('_').next() {
        // The bucket comes from the URL.
        _ if key.contains("bucket_name") || key.ends_with("_bucket") || key.ends_with("container_name") => false,
        Some("aws") => key.parse::<AmazonS3ConfigKey>().is_ok(),
        Some("google") => key.parse::<GoogleConfigKey>().is_ok(),
        Some("azure") => key.parse::<AzureConfigKey>().is_ok(),
        _ => key.parse::<ClientConfigKey>().is_ok(),
    };
    if is_known {
        return Ok(());
    }
    let suggestion = nearest(key, USUAL_KEYS).map(str::to_owned);
    Err(StorageError::UnknownOption { key: key.to_owned(), suggestion })
}

fn prefix_of(kind: StoreKind) -> Option<&'static str> {
    match kind {
        StoreKind::S3 => Some("aws_"),
        StoreKind::Gcs => Some("google_"),
        StoreKind::Azure => Some("azure_"),
        StoreKind::Http | StoreKind::Local => None,
    }
}

/// Options of HTTP clients have no prefix and are for every kind.
fn is_for(key: &str, prefix: Option<&str>) -> bool {
    prefix.is_some_and(|prefix| key.starts_with(prefix)) || key.parse::<ClientConfigKey>().is_ok()
}

/// The option that an environment variable stands for.
fn environment_key(name: &str, prefix: &str) -> Option<String> {
    match (name, prefix) {
        // Two names without the usual prefix that the builders of object_store read as well.
        ("SERVICE_ACCOUNT", "google_") => Some("google_service_account".to_owned()),
        ("IDENTITY_ENDPOINT", "azure_") => Some("azure_identity_endpoint".to_owned()),
        _ => {
            // Environment variables are in capitals: `aws_region` is some other program's.
            let key = name.to_ascii_lowercase();
            (name == name.to_ascii_uppercase() && key.starts_with(prefix) && check_key(&key).is_ok()).then_some(key)
        }
    }
}

fn is_credential(key: &str) -> bool {
    const MARKS: [&str; 12] = [
        "access_key",
        "secret",
        "token",
        "account_key",
        "master_key",
        "sas_",
        "client_id",
        "tenant_id",
        "credentials",
        "service_account",
        "skip_signature",
        "role_arn",
    ];
    MARKS.iter().any(|mark| key.contains(mark))
}

fn is_endpoint(key: &str) -> bool {
    key.starts_with("aws_endpoint") && !key.contains("sts")
        || matches!(key, "azure_storage_endpoint" | "azure_endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<StoreOptions> {
        let map = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        StoreOptions::new(&map, environment.iter().copied().collect())
    }

    fn s3(options: &StoreOptions) -> Vec<(AmazonS3ConfigKey, String)> {
        options.settings(StoreKind::S3)
    }

    #[test]
    fn every_usual_key_is_known() {
        for key in USUAL_KEYS {
            check_key(key).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn unknown_keys_are_errors_with_a_suggestion() {
        for (key, expected) in [
            ("aws_secret_acces_key", Some("aws_secret_access_key")),
            ("AWS_Regoin", Some("aws_region")),
            ("region", Some("aws_region")),
            ("aws_bucket", None),
            ("frobnicate", None),
        ] {
            match options(&[(key, "x")], &[]) {
                Err(StorageError::UnknownOption { suggestion, .. }) if expected.is_some() => {
                    assert_eq!(suggestion.as_deref(), expected, "{key}");
                }
                Err(StorageError::UnknownOption { .. }) => {}
                other => panic!("{key}: {:?}", other.map(|_| ())),
            }
        }
    }

    #[test]
    fn options_win_over_the_environment() {
        let env =
            [("AWS_REGION", "env"), ("AWS_ACCESS_KEY_ID", "envkey"), ("AWS_SESSION_TOKEN", "envtoken"), ("HOME", "/")];
        let both = options(&[("aws_region", "opt")], &env).unwrap();
        let mut regions = s3(&both).into_iter().filter(|(key, _)| *key == AmazonS3ConfigKey::Region);
        assert_eq!(regions.next_back().unwrap().1, "opt");
        assert!(s3(&both).iter().any(|(key, _)| *key == AmazonS3ConfigKey::Token));
    }

    #[test]
    fn credentials_and_endpoints_are_not_mixed() {
        let env = [("AWS_SESSION_TOKEN", "envtoken"), ("AWS_ENDPOINT_URL_S3", "https://env"), ("AWS_REGION", "env")];
        let own = [("aws_access_key_id", "k"), ("aws_secret_access_key", "s"), ("aws_endpoint", "http://own")];
        let mixed = options(&own, &env).unwrap();
        let values: Vec<_> = s3(&mixed).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["env", "k", "http://own", "s"]);
        assert!(
            mixed.has_plain_http_endpoint(StoreKind::S3, |key: &AmazonS3ConfigKey| *key == AmazonS3ConfigKey::Endpoint)
        );
    }

    #[test]
    fn each_kind_gets_its_own_and_client_options_go_to_all() {
        let all = [("aws_region", "r"), ("google_skip_signature", "true"), ("timeout", "5s")];
        let all = options(&all, &[("AWS_DEFAULT_REGION", ""), ("SERVICE_ACCOUNT", "/key.json")]).unwrap();
        assert_eq!(s3(&all).len(), 2);
        assert_eq!(all.settings::<ClientConfigKey>(StoreKind::Http), [(ClientConfigKey::Timeout, "5s".to_owned())]);
        let google: Vec<_> =
            all.settings::<GoogleConfigKey>(StoreKind::Gcs).into_iter().map(|(_, value)| value).collect();
        assert_eq!(google, ["true", "5s"], "an own way to sign replaces the account of the environment");
    }
}
