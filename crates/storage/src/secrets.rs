//! What must never be shown: credentials, and the parts of URLs that grant access.

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// What stands in the place of a secret.
pub const REDACTED: &str = "***";

/// Values shorter than this are not searched for: redacting every `a` would hide everything and protect nothing.
const SECRET_LEN_MIN: usize = 4;

/// The secret values that a session knows, to keep them out of errors, settings and logs.
///
/// Redaction works on two grounds: text that equals a known secret, and text that looks like a part of a URL that
/// grants access (`user:password@`, `X-Amz-Signature=...`, `sig=...`). The second needs no knowledge, so that URLs that
/// never became a store are covered as well.
#[derive(Default)]
pub struct Secrets {
    /// Longest first, so that a secret that contains another is replaced whole.
    values: RwLock<Vec<String>>,
}

impl Secrets {
    /// No known values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret value, and its spellings with percent signs and in parts: a key file in JSON holds its private
    /// key on many lines.
    pub fn add(&self, value: &str) {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let encoded_space = encoded.replace('+', "%20");
        let parts = value.split(|c: char| c.is_whitespace() || c == '"').flat_map(|part| part.split("\\n"));
        let long_parts = parts.filter(|part| value.len() > 100 && part.len() >= 24);
        let spellings = long_parts.chain([value, &encoded, &encoded_space]);
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        for spelling in spellings.map(str::trim).filter(|s| s.chars().count() >= SECRET_LEN_MIN) {
            if !values.iter().any(|known| known == spelling) {
                values.push(spelling.to_owned());
            }
        }
        values.sort_by_key(|known| std::cmp::Reverse(known.len()));
    }

    /// Adds `value` if `key` is the name of a secret option.
    pub fn add_option(&self, key: &str, value: &str) {
        if is_secret_key(key) && !matches!(value.to_ascii_lowercase().as_str(), "true" | "false") {
            self.add(value);
        }
    }

    /// `text` with everything secret replaced by [`REDACTED`].
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for value in self.values.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), REDACTED));
            }
        }
        match redact_url(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) => Cow::Owned(redacted),
        }
    }

    /// The value of an option as it may be shown: [`REDACTED`] if its key says that it is secret.
    pub fn redact_option<'a>(&self, key: &str, value: &'a str) -> Cow<'a, str> {
        if is_secret_key(key) { Cow::Borrowed(REDACTED) } else { self.redact(value) }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_values = self.values.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Secrets").field("n_values", &n_values).finish()
    }
}

impl fmt::Display for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Whether an option or parameter of this name holds a secret. Names of files that hold one are not secret.
pub fn is_secret_key(key: &str) -> bool {
    const MARKS: [&str; 9] =
        ["secret", "token", "password", "passwd", "credential", "signature", "private", "bearer", "apikey"];
    let key = key.to_ascii_lowercase().replace('-', "_");
    if key == "google_application_credentials" || key == "application_credentials" {
        return false;
    }
    let names_a_place =
        ["_file", "_path", "_uri", "_url", "_endpoint", "_enabled"].iter().any(|end| key.ends_with(end));
    let words = || key.split('_');
    !names_a_place
        && (MARKS.iter().any(|mark| key.contains(mark))
            || words().any(|word| word.ends_with("key") || matches!(word, "sas" | "sig" | "pwd" | "keyid" | "auth"))
            || key.contains("access_key")
            || key.contains("accesskey"))
}

/// `text` with the passwords and signatures of all URLs in it replaced by [`REDACTED`].
///
/// Replaced are `user:password@` and `user@` of URLs (but the container in `abfss://container@account/`), and the values
/// of query parameters whose names say that they are secret.
pub fn redact_url(text: &str) -> Cow<'_, str> {
    if !text.contains("://") && !text.contains(['?', '&']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://").map(|at| at + 3) {
        let (before, after) = rest.split_at(at);
        push_without_secret_params(&mut out, before);
        // The authority ends at a slash or where the URL itself ends; a password may hold any other character.
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || "\"'`<>?#".contains(c)).unwrap_or(after.len());
        let user_len = after[..end].rfind('@').filter(|len| !is_azure_container(before, &after[..*len]));
        rest = match user_len {
            Some(len) => {
                out.push_str(REDACTED);
                &after[len..]
            }
            None => after,
        };
    }
    push_without_secret_params(&mut out, rest);
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

fn is_azure_container(up_to_authority: &str, user: &str) -> bool {
    let scheme = up_to_authority.trim_end_matches("://");
    let is_azure = ["abfs", "abfss", "az", "azure", "adl"].iter().any(|known| {
        scheme.len() >= known.len()
            && scheme.is_char_boundary(scheme.len() - known.len())
            && scheme[scheme.len() - known.len()..].eq_ignore_ascii_case(known)
    });
    is_azure && !user.contains(':')
}

/// Appends `text`, replacing the values of `?name=value` and `&name=value` whose names are secret.
fn push_without_secret_params(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&', ';']).map(|at| at + 1) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        rest = after;
        let name_end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.%".contains(c))).unwrap_or(after.len());
        if after[name_end..].starts_with('=') && is_secret_key(&after[..name_end]) {
            let value = &after[name_end + 1..];
            let ends_value = |c: char| c.is_whitespace() || "&;#\"'`<>)".contains(c);
            out.push_str(&after[..=name_end]);
            out.push_str(REDACTED);
            rest = &value[value.find(ends_value).unwrap_or(value.len())..];
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_disappear_in_every_spelling() {
        let secrets = Secrets::new();
        secrets.add_option("aws_secret_access_key", "wJal/rXUt+nFEMI");
        secrets.add_option("aws_region", "eu-west-1");
        let text = "key wJal/rXUt+nFEMI and wJal%2FrXUt%2BnFEMI in eu-west-1";
        assert_eq!(secrets.redact(text), "key *** and *** in eu-west-1");
        assert!(matches!(secrets.redact("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_longer_secret_goes_first_and_short_ones_are_left() {
        let secrets = Secrets::new();
        secrets.add("abcd");
        secrets.add("abcdefgh");
        secrets.add("xy");
        assert_eq!(secrets.redact("abcdefgh abcd xy"), "*** *** xy");
    }

    #[test]
    fn lines_of_a_key_in_json_are_secret() {
        let secrets = Secrets::new();
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ";
        let key =
            format!("{{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\n{line}\\n-----END PRIVATE KEY-----\\n\"}}");
        secrets.add_option("google_service_account_key", &key);
        assert_eq!(secrets.redact(&format!("bad line {line}")), "bad line ***");
    }

    #[test]
    fn debug_and_display_show_nothing() {
        let secrets = Secrets::new();
        secrets.add("hunter2hunter2");
        let shown = format!("{secrets:?} {secrets:#?} {secrets}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn which_keys_are_secret() {
        let secret = [
            "aws_secret_access_key",
            "AWS_SESSION_TOKEN",
            "aws_access_key_id",
            "azure_storage_account_key",
            "sas_token",
            "azure_storage_sas_key",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "X-Amz-Credential",
            "sig",
            "token",
            "password",
            "api_key",
            "apikey",
            "AWSAccessKeyId",
            "google_service_account_key",
            "azure_client_secret",
        ];
        let plain = [
            "aws_region",
            "aws_endpoint",
            "signal",
            "design",
            "timeout",
            "monkeys",
            "google_service_account_path",
            "aws_web_identity_token_file",
            "aws_sse_bucket_key_enabled",
            "google_application_credentials",
        ];
        assert_eq!(secret.iter().find(|key| !is_secret_key(key)), None);
        assert_eq!(plain.iter().find(|key| is_secret_key(key)), None);
    }

    #[test]
    fn urls_lose_what_grants_access() {
        let cases = [
            ("https://me:pa:ss@host/x.csv", "https://***@host/x.csv"),
            ("https://ghp_token@host/x.csv", "https://***@host/x.csv"),
            ("https://h/x?X-Amz-Date=1&X-Amz-Signature=abc&n=2", "https://h/x?X-Amz-Date=1&X-Amz-Signature=***&n=2"),
            ("https://h/x?sv=2020&sig=a%2Bb", "https://h/x?sv=2020&sig=***"),
            ("'https://h/x?token=abc' and http://u:p@k/", "'https://h/x?token=***' and http://***@k/"),
            ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
            ("mail me@example.org about https://h/a@b", "mail me@example.org about https://h/a@b"),
            ("no url at all", "no url at all"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact_url(text), expected);
        }
    }
}
