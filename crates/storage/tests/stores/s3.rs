//! S3 against a server that knows just enough of its protocol.

use dolmen_storage::{ExternalAccess, ListingKind, StorageError, Stores};
use object_store::ObjectStoreExt;

use crate::server::{Request, Response, Server};
use crate::{location, stores_with};

const KEYS: [&str; 5] = ["top.csv", "data/a b.csv", "data/c.csv", "data/year=2020/d.csv", "data/_tmp/e.csv"];

/// A bucket named `bucket` whose objects hold their own keys.
fn bucket(request: &Request) -> Response {
    let Some(key) = request.path().strip_prefix("/bucket") else { return Response::status(404) };
    let key = key.trim_start_matches('/').replace("%20", " ").replace("%3D", "=");
    match request.query("list-type") {
        Some(_) => list(&request.query("prefix").unwrap_or_default(), request.query("delimiter").is_some()),
        None if KEYS.contains(&key.as_str()) => Response::file(request, key.as_bytes()).header("ETag", "\"e\""),
        None => Response::status(404),
    }
}

fn list(prefix: &str, by_folder: bool) -> Response {
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>");
    let mut folders = std::collections::BTreeSet::new();
    for key in KEYS.iter().filter(|key| key.starts_with(prefix)) {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if by_folder => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            _ => body.push_str(&format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2020-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"e\"</ETag></Contents>",
                key.len()
            )),
        }
    }
    for folder in folders {
        body.push_str(&format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
    }
    Response::status(200).header("Content-Type", "application/xml").body(body + "</ListBucketResult>")
}

fn unsigned(server: &Server) -> Stores {
    let endpoint = server.url("");
    let options = [("aws_endpoint", endpoint.as_str()), ("aws_skip_signature", "true")];
    stores_with(ExternalAccess::All, false, &options)
}

#[tokio::test]
async fn objects_prefixes_and_patterns() {
    let server = Server::start(bucket);
    let stores = unsigned(&server);
    let cases: [(&str, ListingKind, &[&str]); 6] = [
        ("s3://bucket/top.csv", ListingKind::File, &["top.csv"]),
        ("s3://bucket/data/a b.csv", ListingKind::File, &["data/a b.csv"]),
        ("s3://bucket/data", ListingKind::Folder, &["data/a b.csv", "data/c.csv", "data/year=2020/d.csv"]),
        ("s3://bucket/data/*.csv", ListingKind::Glob, &["data/a b.csv", "data/c.csv"]),
        ("s3://bucket/data/year=*/*.csv", ListingKind::Glob, &["data/year=2020/d.csv"]),
        ("s3://bucket/**/*.csv", ListingKind::Glob, &["data/a b.csv", "data/c.csv", "data/year=2020/d.csv", "top.csv"]),
    ];
    for (text, kind, expected) in cases {
        let listing = stores.list(&location(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let found: Vec<_> = listing.files.iter().map(|meta| meta.location.as_ref()).collect();
        assert_eq!((listing.kind, found.as_slice()), (kind, expected), "{text}");
        assert_eq!(listing.files[0].size, expected[0].len() as u64);
    }
    let missing = stores.list(&location("s3://bucket/none")).await.unwrap_err();
    assert!(matches!(missing, StorageError::NotFound { .. }), "{missing}");
    let store = stores.get(&"s3://bucket".parse().unwrap()).unwrap();
    assert_eq!(store.get(&"data/a b.csv".into()).await.unwrap().bytes().await.unwrap(), "data/a b.csv");
    assert_eq!(store.get_range(&"top.csv".into(), 4..7).await.unwrap(), "csv");
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn options_sign_requests_and_never_show() {
    let server = Server::start(|request| match request.header("authorization") {
        Some(auth) if auth.contains("Credential=AKIAEXAMPLE/") => bucket(request),
        _ => Response::status(403).body("<Error><Code>AccessDenied</Code></Error>"),
    });
    let endpoint = server.url("");
    let options = |secret| {
        [
            ("aws_endpoint", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", secret),
            ("aws_secret_access_key", "wJalrXUtnFEMIK7MDENG"),
        ]
    };
    let right = stores_with(ExternalAccess::All, false, &options("AKIAEXAMPLE"));
    right.list(&location("s3://bucket/top.csv")).await.unwrap();
    let wrong = stores_with(ExternalAccess::All, false, &options("AKIAWRONG"));
    let error = wrong.list(&location("s3://bucket/top.csv")).await.unwrap_err();
    let store = wrong.get(&"s3://bucket/".parse().unwrap()).unwrap();
    let shown = format!("{error} {error:?} {wrong:?} {store:?} {:?}", wrong.secrets());
    assert!(!shown.contains("wJalr") && !shown.contains("AKIA"), "{shown}");
}

#[tokio::test]
async fn each_session_has_its_own_stores() {
    let (one, two) = (Server::start(bucket), Server::start(|_| Response::status(404)));
    unsigned(&one).list(&location("s3://bucket/top.csv")).await.unwrap();
    unsigned(&two).list(&location("s3://bucket/top.csv")).await.unwrap_err();
}
