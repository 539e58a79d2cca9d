//! HTTP clients that run on the session's I/O runtime and do not follow a redirect out of the allowed roots.

use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector, ReqwestConnector, SpawnService, SpawnedReqwestConnector};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::redirect;
use tokio::runtime::Handle;

use crate::access::AccessPolicy;

/// As many redirects as browsers follow.
const N_REDIRECTS_MAX: usize = 10;

/// Makes the clients of one session. Without a runtime they run where they are awaited.
#[derive(Debug)]
pub(crate) struct SessionConnector {
    runtime: Option<Handle>,
    policy: Arc<AccessPolicy>,
}

impl SessionConnector {
    pub(crate) fn new(runtime: Option<Handle>, policy: Arc<AccessPolicy>) -> Self {
        Self { runtime, policy }
    }
}

impl HttpConnector for SessionConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        if self.policy.allows_all_paths() {
            return match &self.runtime {
                Some(runtime) => SpawnedReqwestConnector::new(runtime.clone()).connect(options),
                None => ReqwestConnector::default().connect(options),
            };
        }
        // A redirect goes to whatever place the server names, out of sight of the store. object_store's options do not
        // reach that far, so the client is built here from those of its options that a session can set.
        let client = client_that_stays_inside(options, Arc::clone(&self.policy));
        let client = client.map_err(|source| object_store::Error::Generic { store: "HTTP client", source })?;
        Ok(match &self.runtime {
            Some(runtime) => HttpClient::new(SpawnService::new(client, runtime.clone())),
            None => HttpClient::new(client),
        })
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
enum RedirectError {
    #[error("the server redirects to a place that this session may not use")]
    Denied,
    #[error("more than {N_REDIRECTS_MAX} redirects")]
    TooMany,
}

#[derive(Debug, thiserror::Error)]
#[error("`{value}` is not a valid value for the option `{key}`")]
struct InvalidOption {
    key: &'static str,
    value: String,
}

fn client_that_stays_inside(options: &ClientOptions, policy: Arc<AccessPolicy>) -> Result<reqwest::Client, BoxError> {
    let text = |key: ClientConfigKey| options.get_config_value(&key);
    let flag = |key| text(key).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
    let duration = |key: ClientConfigKey, name| text(key).map(|value| parse_duration(name, &value)).transpose();

    // Redirects within the roots work as everywhere else.
    let redirects = redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > N_REDIRECTS_MAX {
            attempt.error(RedirectError::TooMany)
        } else if policy.allows_url(attempt.url().as_str()) {
            attempt.follow()
        } else {
            attempt.error(RedirectError::Denied)
        }
    });
    let mut builder = reqwest::Client::builder()
        .redirect(redirects)
        .https_only(!flag(ClientConfigKey::AllowHttp))
        .danger_accept_invalid_certs(flag(ClientConfigKey::AllowInvalidCertificates));
    if flag(ClientConfigKey::Http1Only) {
        builder = builder.http1_only();
    }
    if let Some(headers) = options.get_default_headers() {
        builder = builder.default_headers(headers.clone());
    }
    if let Some(agent) = text(ClientConfigKey::UserAgent) {
        builder = builder.user_agent(agent);
    }
    if let Some(timeout) = duration(ClientConfigKey::Timeout, "timeout")? {
        builder = builder.timeout(timeout);
    }
    if let Some(timeout) = duration(ClientConfigKey::ConnectTimeout, "connect_timeout")? {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(url) = text(ClientConfigKey::ProxyUrl) {
        let excludes = text(ClientConfigKey::ProxyExcludes).as_deref().and_then(reqwest::NoProxy::from_string);
        builder = builder.proxy(reqwest::Proxy::all(url)?.no_proxy(excludes));
    }
    Ok(builder.build()?)
}

/// Reads durations as `object_store` writes them: `30s`, `1m 30s`, `500ms`, `30seconds`.
fn parse_duration(key: &'static str, text: &str) -> Result<Duration, InvalidOption> {
    let invalid = || InvalidOption { key, value: text.to_owned() };
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: u32 = rest[..digits].parse().map_err(|_| invalid())?;
        let after = rest[digits..].trim_start();
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = match &after[..unit_len] {
            "ns" | "nsec" => Duration::from_nanos(1),
            "us" | "usec" => Duration::from_micros(1),
            "ms" | "msec" | "millis" => Duration::from_millis(1),
            "" | "s" | "sec" | "secs" | "second" | "seconds" => Duration::from_secs(1),
            "m" | "min" | "mins" | "minute" | "minutes" => Duration::from_secs(60),
            "h" | "hr" | "hour" | "hours" => Duration::from_secs(3600),
            _ => return Err(invalid()),
        };
        total = unit.checked_mul(count).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        rest = after[unit_len..].trim_start();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [("30s", 30_000), ("1m 30s", 90_000), ("500ms", 500), ("30", 30_000), ("2 minutes", 120_000)]
        {
            assert_eq!(parse_duration("timeout", text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        assert!(parse_duration("timeout", "soon").is_err());
        assert!(parse_duration("timeout", "5 parsecs").is_err());
    }

    #[test]
    fn the_default_options_can_be_read_back() {
        let options = ClientOptions::new();
        client_that_stays_inside(&options, Arc::new(AccessPolicy::default())).unwrap();
    }
}
