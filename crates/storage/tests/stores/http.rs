//! Reading from web servers.

use dolmen_storage::{ExternalAccess, ListingKind, StorageError};
use object_store::ObjectStoreExt;

use crate::server::{Request, Response, Server};
use crate::{location, stores, stores_with};

const CSV: &[u8] = b"a,b\n1,2\n3,4\n";

fn files(request: &Request) -> Response {
    match request.path() {
        "/data/x%20y.csv" => Response::file(request, CSV),
        _ => Response::status(404),
    }
}

#[tokio::test]
async fn a_file_is_found_and_read_in_parts() {
    let server = Server::start(files);
    let stores = stores(ExternalAccess::All, false);
    let listing = stores.list(&location(&server.url("/data/x%20y.csv"))).await.unwrap();
    assert_eq!(listing.kind, ListingKind::File);
    assert_eq!(listing.files[0].size, CSV.len() as u64);
    let store = stores.get(&listing.store_url).unwrap();
    let path = &listing.files[0].location;
    assert_eq!(store.get(path).await.unwrap().bytes().await.unwrap(), CSV);
    assert_eq!(store.get_range(path, 4..7).await.unwrap(), "1,2");
    let missing = stores.list(&location(&server.url("/none.csv"))).await.unwrap_err();
    assert!(matches!(missing, StorageError::NotFound { .. }), "{missing}");
    let folder = stores.list(&location(&server.url("/data/"))).await.unwrap_err();
    assert!(matches!(folder, StorageError::HttpListing { .. }), "{folder}");
}

#[tokio::test]
async fn requests_run_on_the_given_runtime() {
    let server = Server::start(files);
    let io = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = dolmen_storage::StoresConfig { io_runtime: Some(io.handle().clone()), ..Default::default() };
    let stores = dolmen_storage::Stores::new(config).unwrap();
    let url = server.url("/data/x%20y.csv");
    // A thread without timers and sockets of its own: what needs them must run elsewhere.
    let bytes = std::thread::spawn(move || {
        futures::executor::block_on(async {
            let resolved = stores.resolve(&location(&url)).unwrap();
            let path = location(&url).path().unwrap().clone();
            resolved.store.get(&path).await.unwrap().bytes().await.unwrap()
        })
    });
    assert_eq!(bytes.join().unwrap(), CSV);
    io.shutdown_background();
}

#[tokio::test]
async fn a_url_signed_for_get_alone_is_read_and_never_shown() {
    let server = Server::start(|request| {
        let is_signed = request.query("X-Amz-Signature").as_deref() == Some("0123abcd");
        match (request.method.as_str(), is_signed, request.path()) {
            ("GET", true, "/x.csv") => Response::file(request, CSV),
            _ => Response::status(403).body(format!("bad request {}", request.target)),
        }
    });
    let stores = stores(ExternalAccess::All, false);
    let listing = stores.list(&location(&server.url("/x.csv?X-Amz-Signature=0123abcd&n=1"))).await.unwrap();
    assert_eq!(listing.files[0].size, CSV.len() as u64);
    assert!(!listing.store_url.as_str().contains("0123abcd"), "{}", listing.store_url);
    let store = stores.get(&listing.store_url).unwrap();
    assert_eq!(store.get(&listing.files[0].location).await.unwrap().bytes().await.unwrap(), CSV);

    let other = location(&server.url("/other.csv?X-Amz-Signature=0123abcd&n=1"));
    let error = stores.list(&other).await.unwrap_err();
    let shown = format!("{error} {error:?} {stores:?} {store} {store:?}");
    assert!(!shown.contains("0123abcd"), "{shown}");
    let plain = stores.list(&location(&server.url("/x.csv"))).await;
    assert!(plain.is_err(), "the signature of one location is not used for another");
}

#[tokio::test]
async fn user_and_password_are_sent_and_never_shown() {
    let server = Server::start(|request| {
        // "me:hunter2:x" in base64.
        match request.header("authorization") {
            Some("Basic bWU6aHVudGVyMjp4") => Response::file(request, CSV),
            _ => Response::status(401),
        }
    });
    let stores = stores(ExternalAccess::All, false);
    let url = format!("http://me:hunter2:x@{}/x.csv", server.authority());
    let listing = stores.list(&location(&url)).await.unwrap();
    assert_eq!(listing.files[0].size, CSV.len() as u64);
    assert!(!format!("{listing:?} {stores:?}").contains("hunter2"));
    let error = stores.list(&location(&server.url("/x.csv"))).await.unwrap_err();
    assert!(matches!(error, StorageError::Store { .. }), "{error}");
}

#[tokio::test]
async fn redirects_do_not_lead_out_of_the_roots() {
    let private = Server::start(|request| Response::file(request, b"private"));
    let target = private.url("/secret.csv");
    let server = Server::start(move |request| match request.path() {
        "/pub/in.csv" => Response::status(302).header("Location", "/pub/real.csv"),
        "/pub/out.csv" => Response::status(302).header("Location", &target),
        "/pub/up.csv" => Response::status(302).header("Location", "/private.csv"),
        _ => Response::file(request, CSV),
    });
    let rooted = stores(ExternalAccess::roots([server.url("/pub")]).unwrap(), false);
    let size = async |text: &str| rooted.list(&location(&server.url(text))).await.map(|l| l.files[0].size);
    assert_eq!(size("/pub/in.csv").await.unwrap(), CSV.len() as u64);
    size("/pub/up.csv").await.unwrap_err();
    size("/pub/out.csv").await.unwrap_err();
    assert!(private.requests().is_empty(), "no request left the roots");
    let free = stores(ExternalAccess::All, false);
    let listing = free.list(&location(&server.url("/pub/out.csv"))).await.unwrap();
    assert_eq!(listing.files[0].size, 7);
}

#[tokio::test]
async fn what_is_not_allowed_is_not_asked_for() {
    let server = Server::start(files);
    let none = stores(ExternalAccess::None, false);
    let error = none.list(&location(&server.url("/data/x%20y.csv"))).await.unwrap_err();
    assert!(matches!(error, StorageError::AccessDenied { .. }));
    let read_only = stores_with(ExternalAccess::All, true, &[("timeout", "5s")]);
    let resolved = read_only.resolve(&location(&server.url("/new.csv"))).unwrap();
    assert!(resolved.store.put(&"new.csv".into(), "x".into()).await.is_err());
    assert!(server.requests().is_empty());
}
